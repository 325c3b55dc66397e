//! Revocations that wait for their store, in a file of JSON lines beside the audit trail: `<trail>.revocations`.
//!
//! ```json
//! {"token": {"jti": "4f1c…", "until": 1750003630000}}
//! {"user": {"uniqueID": "alice", "issuedUntil": 1750000000, "until": 1750604800000}}
//! ```
//!
//! `until` is in milliseconds since the Unix epoch. One is kept once the kernel has it, or the disk, as an entry of the
//! trail is. A line cut short by a crash was never acknowledged: the next start takes it away. Any other line that
//! cannot be read stops the start: what it revoked would be accepted again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_runtime::Wall;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::FileError;
use crate::ports::{Revocation, RevocationJournal, StoreError};
use crate::settings::{AuditSettings, Durability};

/// A journal in a file.
#[derive(Debug)]
pub struct RevocationJournalFile {
    lines: Arc<Mutex<Lines>>,
    left: Vec<Revocation>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Line {
    #[serde(rename_all = "camelCase")]
    Token { jti: String, until: u64 },
    #[serde(rename_all = "camelCase")]
    User {
        #[serde(rename = "uniqueID")]
        unique_id: String,
        issued_until: i64,
        until: u64,
    },
}

impl From<&Revocation> for Line {
    fn from(revocation: &Revocation) -> Self {
        // Never earlier than it is.
        let millis = |until: &Wall| {
            u64::try_from(until.since_epoch().as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
        };
        match revocation {
            Revocation::Token { jti, until } => Self::Token { jti: jti.clone(), until: millis(until) },
            Revocation::User { unique_id, issued_until, until } => {
                Self::User { unique_id: unique_id.clone(), issued_until: *issued_until, until: millis(until) }
            }
        }
    }
}

impl From<Line> for Revocation {
    fn from(line: Line) -> Self {
        let wall = |millis| Wall::from_epoch(Duration::from_millis(millis));
        match line {
            Line::Token { jti, until } => Self::Token { jti, until: wall(until) },
            Line::User { unique_id, issued_until, until } => {
                Self::User { unique_id, issued_until, until: wall(until) }
            }
        }
    }
}

/// Whole lines only.
#[derive(Debug)]
struct Lines {
    file: File,
    length: u64,
    durability: Durability,
}

impl Lines {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(line).and_then(|()| match self.durability {
            Durability::Write => Ok(()),
            Durability::Sync => self.file.sync_data(),
        });
        match written {
            Ok(()) => self.length += line.len() as u64,
            // So that the next one begins a line.
            Err(_) => self.file.set_len(self.length)?,
        }
        written
    }
}

impl RevocationJournalFile {
    /// Opens the journal beside the trail of `settings`, or makes it.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be read or written, or a line of it cannot be understood.
    pub fn open(settings: &AuditSettings) -> Result<Self, FileError> {
        let path = beside(&settings.path);
        let failed = |source| FileError::Io { path: path.clone(), source };
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let mut file = opened.map_err(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let mut left = Vec::new();
        for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            let line: Result<Line, _> = serde_json::from_slice(line);
            left.push(line.map_err(|source| FileError::Json { path: path.clone(), source })?.into());
        }
        file.set_len(whole as u64).map_err(failed)?;
        let lines = Lines { file, length: whole as u64, durability: settings.durability };
        Ok(Self { lines: Arc::new(Mutex::new(lines)), left })
    }
}

fn beside(trail: &Path) -> PathBuf {
    let mut name = trail.to_owned().into_os_string();
    name.push(".revocations");
    name.into()
}

#[async_trait]
impl RevocationJournal for RevocationJournalFile {
    fn left(&self) -> Vec<Revocation> {
        self.left.clone()
    }

    async fn keep(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let unkept = |why: String| StoreError::Unavailable(why);
        let mut line =
            serde_json::to_vec(&Line::from(revocation)).map_err(|error| unkept(error.to_string()))?;
        line.push(b'\n');
        let lines = Arc::clone(&self.lines);
        // A sync takes as long as the disk likes.
        let kept = tokio::task::spawn_blocking(move || lines.lock().append(&line)).await;
        kept.map_err(|ended| unkept(ended.to_string()))?.map_err(|error| unkept(error.to_string()))
    }

    fn clear(&self) {
        let mut lines = self.lines.lock();
        if lines.file.set_len(0).is_ok() {
            lines.length = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Settings;

    fn settings(folder: &Path) -> AuditSettings {
        let path = folder.join("audit.jsonl");
        Settings::default().with("audit.path", path.to_str().unwrap()).unwrap().audit.clone()
    }

    fn until(seconds: u64) -> Wall {
        Wall::from_epoch(Duration::from_secs(seconds))
    }

    fn token(jti: &str) -> Revocation {
        Revocation::Token { jti: jti.to_owned(), until: until(1_750_000_000) }
    }

    fn left(settings: &AuditSettings) -> Vec<Revocation> {
        RevocationJournalFile::open(settings).unwrap().left()
    }

    #[tokio::test]
    async fn what_is_kept_is_left_to_the_next_life_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let alice = "alice \u{1F512}\n".to_owned();
        let user = Revocation::User { unique_id: alice, issued_until: -7, until: until(1_750_604_800) };
        let journal = RevocationJournalFile::open(&settings).unwrap();
        assert_eq!(journal.left(), []);
        for revocation in [&token("a"), &user] {
            journal.keep(revocation).await.unwrap();
        }
        assert_eq!(left(&settings), [token("a"), user]);
        journal.clear();
        assert_eq!(left(&settings), []);
        journal.keep(&token("b")).await.unwrap();
        assert_eq!(left(&settings), [token("b")], "what comes after is kept again");
    }

    #[test]
    fn a_line_that_cannot_be_understood_stops_the_start_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        for damaged in ["{}\n", "x\n{\"token\":{\"jti\":\"a\",\"until\":1}}\n", "{\"role\":{}}\n"] {
            std::fs::write(beside(&settings.path), damaged).unwrap();
            let error = RevocationJournalFile::open(&settings).unwrap_err().to_string();
            assert!(error.contains("audit.jsonl.revocations"), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Cut at any byte, every line that was whole is left, and what is kept afterwards, too.
        #[test]
        fn a_file_cut_anywhere_has_all_that_was_kept_before_the_cut(names in prop::collection::vec(".{0,20}", 1..6), cut in 0.0..=1.0) {
            let folder = tempfile::tempdir().unwrap();
            let settings = settings(folder.path());
            let mut ends = vec![0];
            let path = beside(&settings.path);
            let all: Vec<Revocation> = names.iter().map(|name| token(name)).collect();
            let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for revocation in &all {
                let journal = RevocationJournalFile::open(&settings).unwrap();
                rt.block_on(journal.keep(revocation)).unwrap();
                ends.push(std::fs::metadata(&path).unwrap().len());
            }
            let length = (*ends.last().unwrap() as f64 * cut) as u64;
            File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            let whole = ends.iter().filter(|end| **end <= length).count() - 1;
            let journal = RevocationJournalFile::open(&settings).unwrap();
            prop_assert_eq!(journal.left(), &all[..whole]);
            rt.block_on(journal.keep(&token("after"))).unwrap();
            let again = left(&settings);
            prop_assert_eq!(again.last(), Some(&token("after")));
            prop_assert_eq!(again.len(), whole + 1);
        }
    }
}
