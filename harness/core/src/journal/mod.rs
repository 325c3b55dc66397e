//! The undo journal: every fault's inverse, on disk before the fault is injected.
//!
//! A file of JSON lines. `Do` lines are synced before anything is broken, `Done` lines after it is
//! mended. Whoever comes later, this process or any other, replays what is still open.
//!
//! A journal belongs to one run. While that run has it open, it is locked, and others can only look.

mod lines;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::owner::Owner;
use crate::world::WorldKind;

use lines::Lines;

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
    lines: Lines<File>,
    next: u64,
    open: BTreeMap<u64, Inverse>,
}

impl Journal {
    /// Opens the journal at `path`, creating it when there is none, and reads what is still open.
    /// A last line that was cut in the middle is dropped: its fault was never injected.
    ///
    /// # Errors
    /// When the file can't be read, written or locked, or a line before the last is damaged;
    /// [`ResourceBusy`](io::ErrorKind::ResourceBusy) while somebody else has it open.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let why = format!("{}: the run it belongs to has it open", path.display());
                io::Error::new(io::ErrorKind::ResourceBusy, why)
            }
            TryLockError::Error(error) => error,
        })?;
        let Content { open, next, whole_bytes } = read(&file, path)?;
        Ok(Self { path: path.to_owned(), lines: Lines::after(file, whole_bytes)?, next, open })
    }

    /// What is still to be undone, newest first, without opening the journal: whoever writes to it is
    /// not disturbed.
    ///
    /// # Errors
    /// When the file can't be read, or a line before the last is damaged.
    pub fn look(path: &Path) -> io::Result<Vec<Inverse>> {
        Ok(read(&File::open(path)?, path)?.open.into_values().rev().collect())
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
        self.lines.push(&bytes)
    }
}

/// What stands in a journal.
#[derive(Default)]
struct Content {
    open: BTreeMap<u64, Inverse>,
    next: u64,
    /// Where the rest of a line that was cut begins.
    whole_bytes: u64,
}

fn read(file: &File, path: &Path) -> io::Result<Content> {
    let mut content = Content::default();
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        content.whole_bytes += line.len() as u64;
        match serde_json::from_slice(&line) {
            Ok(Line::Do(inverse)) => {
                content.next = content.next.max(inverse.id + 1);
                content.open.insert(inverse.id, inverse);
            }
            Ok(Line::Done(id)) => {
                content.open.remove(&id);
            }
            Err(error) => {
                let path = path.display();
                let why = format!(
                    "{path}: damaged before its last line ({error}); what it would undo must be undone by hand"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        line.clear();
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

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
            drop(journal);
            prop_assert!(Journal::open(&path).unwrap().open_inverses().any(|inverse| inverse.id == id));
        }
    }

    #[test]
    fn what_somebody_writes_to_is_nobody_elses_and_can_be_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("undo.jsonl");
        let mut journal = Journal::open(&path).unwrap();
        journal.about_to(&Owner::current().unwrap(), WorldKind::Local, "x", act(1)).unwrap();
        journal.about_to(&Owner::current().unwrap(), WorldKind::Local, "y", act(2)).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"do\":{\"id\":2").unwrap();
        let before = std::fs::read(&path).unwrap();

        assert_eq!(Journal::open(&path).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        let about: Vec<_> = Journal::look(&path).unwrap().into_iter().map(|inverse| inverse.about).collect();
        assert_eq!(about, ["y", "x"]);
        assert_eq!(std::fs::read(&path).unwrap(), before, "looking changes nothing");
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().open_inverses().count(), 2);
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

    #[test]
    fn where_nothing_can_be_written_nothing_is_acknowledged() {
        assert!(Journal::open(Path::new("/proc/undo.jsonl")).is_err());
        assert!(Journal::open(Path::new("/nowhere/undo.jsonl")).is_err());

        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&dir.path().join("undo.jsonl")).unwrap();
        // What /dev/full takes can't be cut, so this one starts without.
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        journal.lines = Lines::on(full);
        let owner = Owner::current().unwrap();
        let error = journal.about_to(&owner, WorldKind::Local, "x", act(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(journal.open_inverses().count(), 0, "it was not written, so nothing is to be injected");
    }

    #[test]
    fn a_damaged_journal_says_that_hands_are_needed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("undo.jsonl");
        std::fs::write(&path, "{\"do\":\n{\"done\":1}\n").unwrap();
        let error = Journal::open(&path).unwrap_err().to_string();
        assert!(error.contains("undo.jsonl") && error.contains("by hand"), "{error}");
    }
}
