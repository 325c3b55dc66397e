//! The audit trail as an append-only file of JSON lines.
//!
//! An entry is acknowledged once the kernel has it (`write`: it survives the death of the process) or once
//! the disk has it (`sync`: it survives the death of the machine; entries that wait together are synced
//! together). A line cut short by a crash was never acknowledged: the next start ends it and goes on below.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::FileError;
use crate::audit::AuditEntry;
use crate::ports::{Audit, StoreError};
use crate::settings::{AuditSettings, Durability};

/// Entries synced at once, at most.
const BATCH: usize = 256;

/// An audit trail in a file.
#[derive(Debug)]
pub struct AuditFile {
    trail: Trail,
}

#[derive(Debug)]
enum Trail {
    Write(Mutex<Appender>),
    Sync(Syncer),
}

impl AuditFile {
    /// Opens the file of `settings`, or makes it.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be opened for appending.
    pub fn open(settings: &AuditSettings) -> Result<Self, FileError> {
        let path = settings.path.clone();
        let failed = |source| FileError::Io { path: path.clone(), source };
        let appender = Appender::open(&path).map_err(failed)?;
        let trail = match settings.durability {
            Durability::Write => Trail::Write(Mutex::new(appender)),
            Durability::Sync => Trail::Sync(Syncer::start(appender, settings.queue).map_err(failed)?),
        };
        Ok(Self { trail })
    }
}

#[async_trait]
impl Audit for AuditFile {
    async fn record(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        let mut line = Vec::with_capacity(512);
        serde_json::to_writer(&mut line, entry).map_err(|error| StoreError::Invalid(error.to_string()))?;
        line.push(b'\n');
        match &self.trail {
            Trail::Write(appender) => {
                appender.lock().append(&line).map_err(|error| StoreError::Unavailable(error.to_string()))
            }
            Trail::Sync(syncer) => syncer.append(line).await,
        }
    }
}

/// Appends whole lines.
#[derive(Debug)]
struct Appender {
    file: File,
    /// Whether the file may end in the middle of a line.
    torn: bool,
}

impl Appender {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut torn = false;
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            torn = last != *b"\n";
        }
        Ok(Self { file, torn })
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        let written = self.file.write_all(lines);
        self.torn = written.is_err();
        written
    }
}

/// A thread of its own that appends and syncs: a sync blocks for as long as the disk likes.
#[derive(Debug)]
struct Syncer {
    queue: Option<mpsc::Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Waiting {
    line: Vec<u8>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

impl Syncer {
    fn start(appender: Appender, queue: usize) -> io::Result<Self> {
        let (queue, entries) = mpsc::channel(queue);
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_and_sync(appender, entries))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    async fn append(&self, line: Vec<u8>) -> Result<(), StoreError> {
        let gone = || StoreError::Unavailable("the audit writer has ended".to_owned());
        let (done, kept) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Waiting { line, done }).await.map_err(|_| gone())?;
        kept.await.map_err(|_| gone())?
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // What was queued is still written; a writer that panicked has already said so.
            let _ = thread.join();
        }
    }
}

fn write_and_sync(mut appender: Appender, mut entries: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut lines = Vec::new();
    while entries.blocking_recv_many(&mut batch, BATCH) > 0 {
        lines.clear();
        for waiting in &batch {
            lines.extend_from_slice(&waiting.line);
        }
        let kept = appender.append(&lines).and_then(|()| appender.file.sync_data());
        let kept = kept.map_err(|error| StoreError::Unavailable(error.to_string()));
        for waiting in batch.drain(..) {
            // Whoever no longer waits is a request that ended; its entry is kept all the same.
            let _ = waiting.done.send(kept.clone());
        }
    }
}

/// One line of a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditLine {
    /// An entry.
    Entry(Box<AuditEntry<'static>>),
    /// A line cut short by a crash before it was acknowledged.
    Torn,
}

/// Reads a trail from its beginning.
///
/// # Errors
/// [`FileError`] when the file cannot be read.
pub fn read_audit(path: &Path) -> Result<Vec<AuditLine>, FileError> {
    let failed = |source| FileError::Io { path: PathBuf::from(path), source };
    let file = File::open(path).map_err(failed)?;
    let line = |line: io::Result<Vec<u8>>| {
        let text = line.map_err(failed)?;
        Ok(serde_json::from_slice(&text).map_or(AuditLine::Torn, |entry| AuditLine::Entry(Box::new(entry))))
    };
    BufReader::new(file).split(b'\n').map(line).collect()
}

#[cfg(test)]
#[path = "audit_file_tests.rs"]
mod tests;
