//! The service's own key in a file: made at the first start, read at every other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use dive_authz::ztdf::key_wrap::PrivateKey;
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// Readable and writable by its owner, and by nobody else.
const MODE: u32 = 0o600;
const LENGTH: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or made.
    #[error("kas.key_file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner may read or write it.
    #[error("kas.key_file {} has mode {mode:03o}: nobody but its owner may have access (chmod 600)", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no key.
    #[error("kas.key_file {} must be a file of exactly {LENGTH} bytes", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

/// The key in the file at `path`. When there is no such file it is made, whole or not at all, with a fresh key;
/// of several processes that do so at once, all get the same key.
///
/// # Errors
/// [`KeyFileError`] when the file cannot be used. A file that is there is never replaced: the keys of all that
/// was sealed for it would be lost.
pub fn open_or_create<R: CryptoRng + RngCore>(path: &Path, rng: &mut R) -> Result<PrivateKey, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    match File::open(path) {
        Ok(file) => read(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(path, &PrivateKey::generate(rng)).map_err(failed)?;
            read(path, File::open(path).map_err(failed)?)
        }
        Err(error) => Err(failed(error)),
    }
}

fn read(path: &Path, mut file: File) -> Result<PrivateKey, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & !MODE != 0 {
        return Err(KeyFileError::Permissions { path: path.to_owned(), mode });
    }
    if !metadata.is_file() || metadata.len() != LENGTH as u64 {
        return Err(KeyFileError::NoKey { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new([0; LENGTH]);
    file.read_exact(&mut *bytes).map_err(failed)?;
    Ok(PrivateKey::from_bytes(*bytes))
}

/// Writes beside the place and links into it: a link never replaces a file, and a crash leaves no half of one.
fn create(path: &Path, key: &PrivateKey) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let draft = folder.join(name);
    let written = write(&draft, key).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    written?;
    removed?;
    File::open(folder)?.sync_all()
}

fn write(draft: &Path, key: &PrivateKey) -> io::Result<()> {
    // What a process of this id left half-written when it was killed.
    if let Err(error) = fs::remove_file(draft)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(draft)?;
    file.write_all(key.expose())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn open(path: &Path, seed: u64) -> Result<PrivateKey, KeyFileError> {
        open_or_create(path, &mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kas.key");
        let first = open(&path, 1).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(open(&path, 2).unwrap().expose(), first.expose(), "the second start reads it");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_key_that_others_may_read_or_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kas.key");
        open(&path, 1).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(open(&path, 1), Err(KeyFileError::Permissions { .. })), "{mode:o}");
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(open(&path, 1).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 31, 33] {
            let path = folder.path().join(length.to_string());
            write(&path, &PrivateKey::from_bytes([7; 32])).unwrap();
            fs::write(&path, vec![7; length]).unwrap();
            assert!(matches!(open(&path, 1), Err(KeyFileError::NoKey { .. })), "{length}");
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
        assert!(open(folder.path(), 1).is_err(), "a folder");
        assert!(open(&folder.path().join("none/kas.key"), 1).is_err(), "no folder");
    }

    #[test]
    fn a_draft_left_by_a_crash_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kas.key");
        let draft = folder.path().join(format!("kas.key.{}.new", std::process::id()));
        fs::write(&draft, [1; 7]).unwrap();
        open(&path, 1).unwrap();
        assert!(!draft.exists());
    }

    #[test]
    fn a_key_that_came_first_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kas.key");
        let first = open(&path, 1).unwrap();
        create(&path, &PrivateKey::from_bytes([9; 32])).unwrap();
        assert_eq!(open(&path, 2).unwrap().expose(), first.expose());
    }

    #[test]
    fn an_error_says_what_to_do_and_nothing_of_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kas.key");
        open(&path, 1).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let message = open(&path, 1).unwrap_err().to_string();
        assert!(
            message.contains("kas.key") && message.contains("644") && message.contains("chmod 600"),
            "{message}"
        );
    }
}
