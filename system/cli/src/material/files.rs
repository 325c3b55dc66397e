//! Files that only their owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};
use zeroize::Zeroizing;

use super::Secret;

/// The longest file read here, bytes.
const LONGEST: u64 = 64 << 10;

pub(super) fn failed(code: ErrorCode, path: &Path, error: &io::Error) -> Failure {
    Failure::new(code, format!("{}: {error}", path.display()))
}

/// Reads a file, if nobody else may.
pub(super) fn read(path: &Path) -> Done<Secret> {
    let told = |error| failed(ErrorCode::SecretLoad, path, &error);
    let mut file = File::open(path).map_err(told)?;
    let mode = file.metadata().map_err(told)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let detail =
            format!("{} has mode {mode:04o}, so others may read it; it must be 0600", path.display());
        return Err(Failure::new(ErrorCode::SecretInvalid, detail));
    }
    let mut text = Zeroizing::new(String::new());
    Read::by_ref(&mut file).take(LONGEST).read_to_string(&mut text).map_err(told)?;
    Ok(std::mem::take(&mut *text).into())
}

/// Writes a file whole, in the place of what is there, and its folder if that isn't there.
pub(super) fn write(path: &Path, content: &[u8]) -> Done {
    let told = |error| failed(ErrorCode::Folder, path, &error);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(told)?;
    // The deployment's lock keeps a second writer away, so what is there is a dead one's.
    let beside = path.with_added_extension("new");
    remove(&beside)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(told)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(told)?;
    fs::rename(&beside, path).map_err(told)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(told)
}

/// Removes a file. One that isn't there is removed.
pub(super) fn remove(path: &Path) -> Done {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(ErrorCode::Folder, path, &error)),
        _ => Ok(()),
    }
}
