//! Secrets and certificates of an instance: files in its own folder, mode 0600, made once and never printed.
//!
//! A file that is there and good is left as it is, so making all of them again changes nothing. Each is written
//! beside its place, synced, and moved there: it is there whole or not at all. A secret's file carries its
//! version, `postgres.1`.
//!
//! | file | what |
//! |---|---|
//! | `secrets/<name>.<version>` | the copy of a secret: 32 bytes as hexadecimal digits, from its [store](crate::secrets) |
//! | `name` | what people call the instance |
//! | `ca.key`, `ca.pem` | the instance's own authority; its key is used here and given to nobody |
//! | `tls.key`, `tls.pem` | what its services show, by their names on the network and on this machine |

mod authority;
mod copies;
mod files;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use dive_orchestrator::deploy::{Done, Failure};
use dive_orchestrator::{ErrorCode, Instance, Service};

use crate::secrets::{self, SecretStore};
pub(crate) use crate::secrets::{Secret, SecretName};

const NAME: &str = "name";
const CA_KEY: &str = "ca.key";
const CA: &str = "ca.pem";
const TLS_KEY: &str = "tls.key";
const TLS: &str = "tls.pem";

/// The folder of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    folder: PathBuf,
    instance: Instance,
    name: Option<String>,
}

impl Material {
    pub(crate) fn new(home: &Path, instance: &Instance) -> Self {
        let folder = home.join("instances").join(instance.to_string());
        Self { folder, instance: instance.clone(), name: None }
    }

    /// The same, for an instance that is given this name when it is made. One that has a name keeps it.
    pub(crate) fn named(self, name: Option<&str>) -> Self {
        Self { name: name.map(str::to_owned), ..self }
    }

    /// All its files, in the order they are made: of each secret every version that is here, or the first.
    pub(crate) fn files(&self) -> Done<Vec<PathBuf>> {
        let mut files = Vec::new();
        for name in SecretName::of(&self.instance) {
            let versions = self.versions(name)?;
            let all = if versions.is_empty() { [secrets::FIRST].into() } else { versions };
            files.extend(all.into_iter().map(|version| self.secret_file(name, version)));
        }
        Ok(files.into_iter().chain(self.others()).collect())
    }

    /// Its files that are no secrets' copies.
    fn others(&self) -> [PathBuf; 5] {
        [CA_KEY, CA, TLS_KEY, TLS, NAME].map(|file| self.folder.join(file))
    }

    /// Whether a file is one of this instance's.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.secret_of(path).is_some() || self.others().iter().any(|file| file == path)
    }

    /// Whether a file is there. What can't be looked at is a failure.
    pub(crate) fn is_there(path: &Path) -> Done<bool> {
        path.try_exists().map_err(|error| files::failed(ErrorCode::Folder, path, &error))
    }

    /// Makes a file of this instance. One that is there and good stays as it is; a certificate that is about to
    /// expire, or that another key or authority belongs to, is issued again; a secret that is not here comes from
    /// its store.
    pub(crate) async fn make(&self, path: &Path, secrets: &dyn SecretStore) -> Done {
        match self.secret_of(path) {
            Some(_) if Self::is_there(path)? => Self::read_secret(path).map(drop),
            Some(id) => self.put_secret(&id, &secrets::obtain(secrets, &id).await?),
            None => self.make_other(path),
        }
    }

    fn make_other(&self, path: &Path) -> Done {
        let name = path.strip_prefix(&self.folder).ok().and_then(Path::to_str).unwrap_or_default();
        let (now, at) = (wall(), |file: &str| self.folder.join(file));
        match name {
            CA_KEY | TLS_KEY if Self::is_there(path)? => authority::key(&files::read(path)?).map(drop),
            CA_KEY | TLS_KEY => files::write(path, authority::new_key()?.as_bytes()),
            CA if Self::is_there(path)?
                && authority::is_good(&files::read(path)?, None, &files::read(&at(CA_KEY))?, now) =>
            {
                Ok(())
            }
            CA => {
                let pem = authority::own(&self.instance.to_string(), &files::read(&at(CA_KEY))?, now)?;
                files::write(path, pem.as_bytes())
            }
            TLS => {
                let (ca, key) = (files::read(&at(CA))?, files::read(&at(TLS_KEY))?);
                if Self::is_there(path)? && authority::is_good(&files::read(path)?, Some(&ca), &key, now) {
                    return Ok(());
                }
                let pem = authority::issue(&self.names(), &key, (&ca, &files::read(&at(CA_KEY))?), now)?;
                files::write(path, pem.as_bytes())
            }
            NAME if Self::is_there(path)? => Ok(()),
            NAME => {
                files::write(path, self.name.clone().unwrap_or_else(|| self.instance.to_string()).as_bytes())
            }
            _ => {
                let detail = format!("{} is no file of {}", path.display(), self.instance);
                Err(Failure::new(ErrorCode::Definition, detail))
            }
        }
    }

    /// Looks whether authority and certificate can be used from now on.
    pub(crate) fn certificates_are_good(&self) -> Done {
        let now = wall();
        let read = |file: &str| files::read(&self.folder.join(file));
        let (ca, ca_key, tls, tls_key) = (read(CA)?, read(CA_KEY)?, read(TLS)?, read(TLS_KEY)?);
        for (file, is_good) in [
            (CA, authority::is_good(&ca, None, &ca_key, now)),
            (TLS, authority::is_good(&tls, Some(&ca), &tls_key, now)),
        ] {
            if !is_good {
                let detail = format!("{} has expired, or is about to", self.folder.join(file).display());
                return Err(Failure::new(ErrorCode::Certificate, detail));
            }
        }
        Ok(())
    }

    /// Issues again what is not good any more.
    pub(crate) fn reissue(&self) -> Done {
        [CA, TLS].into_iter().try_for_each(|file| self.make_other(&self.folder.join(file)))
    }

    /// Removes a file of this instance, and the folders that are empty without it.
    pub(crate) fn unmake(&self, path: &Path) -> Done {
        if !self.has(path) {
            return Ok(());
        }
        files::remove(path)?;
        for folder in [&self.folder.join("secrets"), &self.folder] {
            // One that isn't empty stays.
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }

    /// What people call it.
    pub(crate) fn name(&self) -> Done<Secret> {
        files::read(&self.folder.join(NAME))
    }

    /// The certificate that whoever calls this instance trusts.
    pub(crate) fn ca(&self) -> Done<Secret> {
        files::read(&self.folder.join(CA))
    }

    /// What its services show: the chain and its key.
    pub(crate) fn tls(&self) -> Done<(Secret, Secret)> {
        Ok((files::read(&self.folder.join(TLS))?, files::read(&self.folder.join(TLS_KEY))?))
    }

    /// What its services are called by: each by its container's name, all of them on this machine.
    fn names(&self) -> Vec<String> {
        let containers =
            Service::of(&self.instance).into_iter().map(|service| service.container(&self.instance));
        ["localhost", "127.0.0.1"].map(str::to_owned).into_iter().chain(containers).collect()
    }
}

/// Now, since 1970.
#[expect(clippy::disallowed_methods, reason = "certificates are judged by the calendar")]
fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::secrets::SecretId;

    fn made(instance: &Instance) -> (tempfile::TempDir, Material) {
        let home = tempfile::tempdir().unwrap();
        let material = Material::new(home.path(), instance);
        for file in material.files().unwrap() {
            make(&material, &file).unwrap();
        }
        (home, material)
    }

    /// Makes a file, with secrets that are kept in the instance's own folder.
    fn make(material: &Material, file: &Path) -> Done {
        let home = material.folder.ancestors().nth(2).unwrap();
        make_from(&*secrets::store(home, std::iter::empty())?, material, file)
    }

    fn make_from(store: &dyn SecretStore, material: &Material, file: &Path) -> Done {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(material.make(file, store))
    }

    fn contents(material: &Material) -> BTreeMap<PathBuf, Vec<u8>> {
        material.files().unwrap().into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
    }

    #[test]
    fn files_are_their_owners_alone_and_making_them_again_changes_nothing() {
        let (_home, material) = made(&Instance::Hub);
        let before = contents(&material);
        for file in material.files().unwrap() {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
            make(&material, &file).unwrap();
        }
        assert_eq!(contents(&material), before);
        let folder = fs::metadata(&material.folder).unwrap().permissions().mode();
        assert_eq!(folder & 0o777, 0o700);
    }

    #[test]
    fn no_two_secrets_are_alike_and_only_the_hub_has_the_revocations() {
        let (_home, hub) = made(&Instance::Hub);
        let (_home, spoke) = made(&"spoke-fra".parse().unwrap());
        let mut all = Vec::new();
        for name in SecretName::ALL {
            all.push(hub.secret(name).unwrap().to_string());
            match spoke.secret(name) {
                Ok(secret) => all.push(secret.to_string()),
                Err(failure) => {
                    assert_eq!((name, failure.code), (SecretName::BlacklistRedis, ErrorCode::SecretLoad));
                }
            }
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!((all.len(), count), (13, 13));
    }

    #[test]
    fn removing_all_leaves_no_folder_and_removing_again_is_no_failure() {
        let (home, material) = made(&Instance::Hub);
        for _ in 0..2 {
            for file in material.files().unwrap().iter().rev() {
                material.unmake(file).unwrap();
            }
        }
        assert!(!material.folder.exists() && home.path().join("instances").exists());
        let stranger = home.path().join("precious");
        fs::write(&stranger, "x").unwrap();
        material.unmake(&stranger).unwrap();
        assert!(stranger.exists());
        assert_eq!(make(&material, &stranger).unwrap_err().code, ErrorCode::Definition);
    }

    #[test]
    fn a_name_is_given_once_and_kept() {
        let (home, material) = made(&Instance::Hub);
        assert_eq!(&*material.name().unwrap(), "hub");
        let fra: Instance = "spoke-fra".parse().unwrap();
        for given in [Some("République"), None, Some("other")] {
            let material = Material::new(home.path(), &fra).named(given);
            make(&material, &material.folder.join(NAME)).unwrap();
            assert_eq!(&*material.name().unwrap(), "République");
        }
    }

    #[test]
    fn what_others_may_read_or_what_is_no_secret_is_refused_and_not_shown() {
        let (_home, material) = made(&Instance::Hub);
        let file = material.secret_file(SecretName::Postgres, 1);
        let secret = material.secret(SecretName::Postgres).unwrap().to_string();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let failure = material.secret(SecretName::Postgres).unwrap_err();
        assert_eq!(failure.code, ErrorCode::SecretInvalid);
        assert!(failure.detail.contains("0644") && !failure.detail.contains(&secret), "{failure}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "hunter2").unwrap();
        let failure = make(&material, &file).unwrap_err();
        assert_eq!(failure.code, ErrorCode::SecretInvalid);
        assert!(!failure.detail.contains("hunter2"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "hunter2");
    }

    #[test]
    fn a_certificate_that_has_expired_is_seen_and_issued_again_with_the_same_key() {
        let (_home, material) = made(&Instance::Hub);
        let at = |file: &str| material.folder.join(file);
        material.certificates_are_good().unwrap();
        let (ca, ca_key) = (files::read(&at(CA)).unwrap(), files::read(&at(CA_KEY)).unwrap());
        let key = files::read(&at(TLS_KEY)).unwrap();
        let long_ago = Duration::from_secs(1_600_000_000);
        let expired = authority::issue(&material.names(), &key, (&ca, &ca_key), long_ago).unwrap();
        files::write(&at(TLS), expired.as_bytes()).unwrap();
        let failure = material.certificates_are_good().unwrap_err();
        assert_eq!(failure.code, ErrorCode::Certificate);
        assert!(failure.detail.contains(TLS), "{failure}");
        let before = contents_without(&material, &at(TLS));
        material.reissue().unwrap();
        material.certificates_are_good().unwrap();
        assert_eq!(contents_without(&material, &at(TLS)), before, "nothing else was made anew");
    }

    #[test]
    fn a_certificate_of_another_key_or_authority_is_issued_again() {
        let (_home, material) = made(&Instance::Hub);
        let before = contents(&material);
        let at = |file: &str| material.folder.join(file);
        for (taken, anew) in [(TLS_KEY, &[TLS_KEY, TLS][..]), (CA_KEY, &[CA_KEY, CA, TLS])] {
            fs::remove_file(at(taken)).unwrap();
            let last = contents_without(&material, &at(taken));
            for file in material.files().unwrap() {
                make(&material, &file).unwrap();
            }
            let now = contents(&material);
            for file in [CA_KEY, CA, TLS_KEY, TLS].into_iter().filter(|file| *file != taken) {
                assert_eq!(now[&at(file)] != last[&at(file)], anew.contains(&file), "{taken} {file}");
            }
        }
        assert_ne!(contents(&material), before);
    }

    fn contents_without(material: &Material, taken: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = material.files().unwrap().into_iter().filter(|file| file != taken);
        files.map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
    }

    /// A store that nobody reaches.
    struct Away;

    #[async_trait::async_trait]
    impl SecretStore for Away {
        fn place(&self, id: &SecretId) -> String {
            id.to_string()
        }

        async fn has(&self, id: &SecretId) -> Done<bool> {
            self.read(id).await.map(|_| false)
        }

        async fn read(&self, _: &SecretId) -> Done<Option<Secret>> {
            Err(Failure::new(ErrorCode::SecretLoad, "the store is away"))
        }

        async fn keep(&self, id: &SecretId, _: &Secret) -> Done {
            self.read(id).await.map(drop)
        }
    }

    #[test]
    fn with_its_store_away_a_deployment_keeps_its_copies_and_a_new_one_gets_1004() {
        let (_home, material) = made(&Instance::Hub);
        let before = contents(&material);
        for file in material.files().unwrap() {
            make_from(&Away, &material, &file).unwrap();
        }
        assert_eq!(contents(&material), before);
        let home = tempfile::tempdir().unwrap();
        let fresh = Material::new(home.path(), &Instance::Hub);
        for name in SecretName::of(&Instance::Hub) {
            let failure = make_from(&Away, &fresh, &fresh.secret_file(name, 1)).unwrap_err();
            assert_eq!(failure.code, ErrorCode::SecretLoad);
        }
        assert!(!fresh.folder.exists(), "nothing is left of trying");
    }
}
