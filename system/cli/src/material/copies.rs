//! The copies of an instance's secrets: a file each version, `secrets/postgres.1`. The newest is the one in use; one
//! before it is there only while secrets are rotated.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Found};

use super::{Material, files};
use crate::secrets::{FIRST, Secret, SecretId, SecretName};

impl Material {
    fn secrets(&self) -> PathBuf {
        self.folder.join("secrets")
    }

    /// The file of a version of a secret.
    pub(crate) fn secret_file(&self, name: SecretName, version: u32) -> PathBuf {
        self.secrets().join(format!("{}.{version}", name.as_str()))
    }

    /// The secret and the version that a file is the copy of.
    pub(crate) fn secret_of(&self, path: &Path) -> Option<SecretId> {
        let (text, version) = path.strip_prefix(self.secrets()).ok()?.to_str()?.rsplit_once('.')?;
        let name = SecretName::of(&self.instance).into_iter().find(|name| name.as_str() == text)?;
        let version = version.parse().ok().filter(|version| self.secret_file(name, *version) == path)?;
        Some(SecretId { instance: self.instance.clone(), name, version })
    }

    /// The versions of a secret that are here, the oldest first.
    pub(crate) fn versions(&self, name: SecretName) -> Done<BTreeSet<u32>> {
        let folder = self.secrets();
        let told = |error| files::failed(ErrorCode::SecretLoad, &folder, &error);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.map_err(told)?,
        };
        let mut versions = BTreeSet::new();
        for entry in entries {
            let found = self.secret_of(&entry.map_err(told)?.path()).filter(|id| id.name == name);
            versions.extend(found.map(|id| id.version));
        }
        Ok(versions)
    }

    /// The version in use: the newest that is here, or the first.
    pub(crate) fn version(&self, name: SecretName) -> Done<u32> {
        Ok(self.versions(name)?.last().copied().unwrap_or(FIRST))
    }

    /// A secret, in the version in use.
    pub(crate) fn secret(&self, name: SecretName) -> Done<Secret> {
        Self::read_secret(&self.secret_file(name, self.version(name)?))
    }

    /// The versions of a secret that a newer one took the place of and that are still here.
    pub(crate) fn earlier(&self, name: SecretName) -> Done<Vec<Secret>> {
        let mut versions = self.versions(name)?;
        versions.pop_last();
        versions.into_iter().map(|version| Self::read_secret(&self.secret_file(name, version))).collect()
    }

    /// The version that a rotation makes: the next, or the newest where one is under way.
    pub(crate) fn next_version(&self, name: SecretName) -> Done<u32> {
        let versions = self.versions(name)?;
        let newest = versions.last().copied().unwrap_or(FIRST);
        Ok(if versions.len() > 1 { newest } else { newest + 1 })
    }

    /// What is there under the name of one of its files: an earlier version stands where a newer one is going to.
    pub(crate) fn find(&self, path: &Path) -> Done<Found> {
        if Self::is_there(path)? {
            return Ok(Found::Ours);
        }
        let Some(id) = self.secret_of(path) else { return Ok(Found::Nothing) };
        let before = self.versions(id.name)?.range(..id.version).next_back().copied();
        let before = before.map(|version| self.secret_file(id.name, version));
        Ok(before.map_or(Found::Nothing, |file| Found::Replaceable(file.to_string_lossy().into_owned())))
    }

    /// Puts the copy of a secret into its file. One that is there stays.
    pub(crate) fn put_secret(&self, id: &SecretId, secret: &Secret) -> Done {
        let file = self.secret_file(id.name, id.version);
        if Self::is_there(&file)? { Ok(()) } else { files::write(&file, secret.as_bytes()) }
    }

    pub(crate) fn read_secret(path: &Path) -> Done<Secret> {
        files::read(path)?.checked(path.display())
    }
}

#[cfg(test)]
mod tests {
    use dive_orchestrator::Instance;

    use super::*;

    const POSTGRES: SecretName = SecretName::Postgres;

    #[test]
    fn the_newest_version_is_the_one_in_use_and_the_one_before_is_known_while_it_is_there() {
        let home = tempfile::tempdir().unwrap();
        let material = Material::new(home.path(), &Instance::Hub);
        let file = |version| material.secret_file(POSTGRES, version);
        assert_eq!((material.version(POSTGRES), material.next_version(POSTGRES)), (Ok(1), Ok(2)));
        let put = |version| {
            let secret = Secret::made().unwrap();
            let id = SecretId { instance: Instance::Hub, name: POSTGRES, version };
            material.put_secret(&id, &secret).unwrap();
            secret
        };
        let first = put(1);
        assert_eq!(*material.secret(POSTGRES).unwrap(), *first);
        assert_eq!(material.find(&file(1)), Ok(Found::Ours));
        assert_eq!(material.find(&file(2)), Ok(Found::Replaceable(file(1).to_string_lossy().into_owned())));
        // What a crash left half written is no version.
        fs::write(home.path().join("instances/hub/secrets/postgres.2.new"), "x").unwrap();
        fs::write(home.path().join("instances/hub/secrets/postgres.02"), "x").unwrap();
        assert_eq!(material.next_version(POSTGRES), Ok(2));
        let second = put(2);
        assert_eq!(*material.secret(POSTGRES).unwrap(), *second);
        assert_eq!(*material.earlier(POSTGRES).unwrap()[0], *first);
        assert_eq!(material.next_version(POSTGRES), Ok(2), "it is gone on with");
        material.unmake(&file(1)).unwrap();
        assert!(material.earlier(POSTGRES).unwrap().is_empty());
        assert_eq!((material.version(POSTGRES), material.next_version(POSTGRES)), (Ok(2), Ok(3)));
    }

    #[test]
    fn a_file_of_another_instance_or_of_no_version_is_no_secret_of_it() {
        let home = tempfile::tempdir().unwrap();
        let (hub, fra) = (Instance::Hub, "spoke-fra".parse().unwrap());
        let (hub, fra) = (Material::new(home.path(), &hub), Material::new(home.path(), &fra));
        let file = hub.secret_file(POSTGRES, 12);
        assert_eq!(hub.secret_of(&file).map(|id| (id.name, id.version)), Some((POSTGRES, 12)));
        assert_eq!(fra.secret_of(&file), None);
        for text in ["postgres", "postgres.", "postgres.x", "postgres.-1", "postgres.01", "nobody.1"] {
            assert_eq!(hub.secret_of(&file.with_file_name(text)), None, "{text}");
        }
        assert_eq!(fra.secret_of(&fra.secret_file(SecretName::BlacklistRedis, 1)), None);
    }
}
