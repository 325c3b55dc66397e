//! How others can tell that a client still lives.
//!
//! A client that takes a lock gets a session: a number that no other ever has, and something that the operating
//! system or the database takes away when the client ends, however it ends. For PostgreSQL that is an advisory
//! lock of its connection; for SQLite an exclusive lock on a file beside the database. Whoever then meets the
//! number in a lock's row asks whether it is still held.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::SessionId;

/// What a living client of a SQLite database holds.
#[derive(Debug)]
pub(super) struct SessionFile {
    path: PathBuf,
    _locked: File,
}

impl SessionFile {
    /// Begins a session.
    pub(super) fn create(database: &Path, session: SessionId) -> io::Result<Self> {
        let path = path(database, session);
        let file = File::options().write(true).create(true).truncate(false).open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        Ok(Self { path, _locked: file })
    }

    /// Whether this session lasts. The file of one that was killed is removed.
    pub(super) fn is_held(database: &Path, session: SessionId) -> io::Result<bool> {
        let path = path(database, session);
        let left = look_at(&path)?;
        if let Left::Behind(_unlocked) = &left {
            let _ = fs::remove_file(&path);
        }
        Ok(matches!(left, Left::Held))
    }
}

impl Drop for SessionFile {
    fn drop(&mut self) {
        // While it is still locked: nobody can have begun to use the name anew.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the client of a SQLite database that has this session still lives. It changes nothing: who only watches a
/// database neither opens it nor tidies up after those who work with it.
pub(super) fn lasts(database: &Path, session: SessionId) -> io::Result<bool> {
    Ok(matches!(look_at(&path(database, session))?, Left::Held))
}

/// What there is of a session.
enum Left {
    Nothing,
    /// A file that nobody keeps locked. It is, shared, as long as this lives.
    Behind(File),
    Held,
}

fn look_at(path: &Path) -> io::Result<Left> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Left::Nothing),
        Err(error) => return Err(error),
    };
    // Shared, so that two who look at once don't take each other for the client.
    match file.try_lock_shared() {
        Ok(()) => Ok(Left::Behind(file)),
        Err(TryLockError::WouldBlock) => Ok(Left::Held),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn path(database: &Path, session: SessionId) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(format!("-session-{}", session.0));
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_held_until_it_ends_and_a_killed_ones_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("db");
        let session = SessionId(7);
        let lasts = || lasts(&database, session).unwrap();
        assert!(!SessionFile::is_held(&database, session).unwrap() && !lasts(), "never begun");
        let held = SessionFile::create(&database, session).unwrap();
        assert!(SessionFile::is_held(&database, session).unwrap() && lasts());
        assert!(!SessionFile::is_held(&database, SessionId(8)).unwrap());
        drop(held);
        assert!(!SessionFile::is_held(&database, session).unwrap());

        let left_by_a_killed_process = path(&database, session);
        File::create_new(&left_by_a_killed_process).unwrap();
        assert!(!lasts());
        assert!(left_by_a_killed_process.exists(), "who only asks removes nothing");
        assert!(!SessionFile::is_held(&database, session).unwrap());
        assert!(!left_by_a_killed_process.exists());
    }
}
