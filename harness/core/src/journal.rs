//! The undo journal: every fault's inverse, on disk before the fault is injected.
//!
//! A file of JSON lines. `Do` lines are synced before anything is broken, `Done` lines after it is
//! mended. Whoever comes later, this process or any other, replays what is still open.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::owner::Owner;
use crate::world::WorldKind;

/// How to undo one fault, in a form that any process of this world can follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inverse {
    /// Unique within the journal.
    pub id: u64,
    /// Who injects the fault. While it lives, nobody else undoes it.
    pub owner: Owner,
    /// The world whose language `action` is in.
    pub world: WorldKind,
    /// For people: what this undoes.
    pub about: String,
    /// What to do, in the world's own terms.
    pub action: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Do(Inverse),
    Done(u64),
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    next: u64,
    open: BTreeMap<u64, Inverse>,
}

impl Journal {
    /// Opens the journal at `path`, creating it when there is none, and reads what is still open.
    /// A last line that was cut in the middle is dropped: its fault was never injected.
    ///
    /// # Errors
    /// When the file can't be read or written, or a line before the last is damaged.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut open = BTreeMap::new();
        let mut next = 0;
        let mut whole_bytes = 0;
        let mut reader = BufReader::new(&mut file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            if !line.ends_with(b"\n") {
                break;
            }
            whole_bytes += line.len() as u64;
            match serde_json::from_slice(&line) {
                Ok(Line::Do(inverse)) => {
                    next = next.max(inverse.id + 1);
                    open.insert(inverse.id, inverse);
                }
                Ok(Line::Done(id)) => {
                    open.remove(&id);
                }
                Err(error) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!(
                            "{}: damaged before its last line ({error}); what it would undo must be undone by hand",
                            path.display()
                        ),
                    ));
                }
            }
            line.clear();
        }
        file.set_len(whole_bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { path: path.to_owned(), file, next, open })
    }

    /// Writes the inverse of a fault and returns its id once it is on disk. Inject only then.
    ///
    /// # Errors
    /// When it could not be written: the fault must not be injected.
    pub fn about_to(
        &mut self,
        owner: &Owner,
        world: WorldKind,
        about: &str,
        action: serde_json::Value,
    ) -> io::Result<u64> {
        let inverse = Inverse { id: self.next, owner: owner.clone(), world, about: about.to_owned(), action };
        self.write(&Line::Do(inverse.clone()))?;
        self.next += 1;
        let id = inverse.id;
        self.open.insert(id, inverse);
        Ok(id)
    }

    /// Notes that the inverse was carried out.
    ///
    /// # Errors
    /// When it could not be written; the inverse then stays open and will be carried out again.
    pub fn done(&mut self, id: u64) -> io::Result<()> {
        self.write(&Line::Done(id))?;
        self.open.remove(&id);
        Ok(())
    }

    /// What is still to be undone, newest first: the order to undo it in.
    pub fn open_inverses(&self) -> impl Iterator<Item = &Inverse> {
        self.open.values().rev()
    }

    /// Removes the file when nothing is open.
    ///
    /// # Errors
    /// When the file can't be removed.
    pub fn close(self) -> io::Result<()> {
        if self.open.is_empty() { std::fs::remove_file(&self.path) } else { Ok(()) }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.file.write_all(&bytes)?;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn act(n: u64) -> serde_json::Value {
        serde_json::json!({ "start": n })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn cut_at_any_byte_it_reopens_with_every_inverse_that_was_acknowledged(
            done in proptest::collection::vec(any::<bool>(), 1..6), torn in 1usize..40,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("undo.jsonl");
            let owner = Owner::current().unwrap();
            let mut journal = Journal::open(&path).unwrap();
            let mut expected = Vec::new();
            for (n, done) in done.iter().enumerate() {
                let id = journal.about_to(&owner, WorldKind::Local, "x", act(n as u64)).unwrap();
                if *done { journal.done(id).unwrap() } else { expected.insert(0, act(n as u64)) }
            }
            // The next write is cut before its end.
            let mut tail = serde_json::to_vec(&Line::Done(0)).unwrap();
            tail.truncate(torn);
            OpenOptions::new().append(true).open(&path).unwrap().write_all(&tail).unwrap();
            drop(journal);

            let mut journal = Journal::open(&path).unwrap();
            let open: Vec<_> = journal.open_inverses().map(|inverse| inverse.action.clone()).collect();
            prop_assert_eq!(open, expected);
            let id = journal.about_to(&owner, WorldKind::Local, "later", act(99)).unwrap();
            prop_assert!(Journal::open(&path).unwrap().open_inverses().any(|inverse| inverse.id == id));
        }
    }

    #[test]
    fn a_closed_journal_with_nothing_open_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("undo.jsonl");
        let mut journal = Journal::open(&path).unwrap();
        let id = journal.about_to(&Owner::current().unwrap(), WorldKind::Local, "x", act(1)).unwrap();
        journal.done(id).unwrap();
        journal.close().unwrap();
        assert!(!path.exists());
    }
}
