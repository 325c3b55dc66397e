//! The trail's file, read behind the place up to which it was copied.
//!
//! The place is kept in a file of its own beside the trail, `<trail>.shipped`: `{"end": 4711, "first": "…"}`.
//! `first` is the id of the trail's first entry; where it is another one, or the trail is shorter than the
//! place, the trail was replaced and is copied from its beginning. Copying twice does no harm.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::audit::AuditEntry;
use crate::ports::{AuditSource, StoreError, TrailBatch};

/// The most that is read at once, bytes; no line is longer.
const CHUNK: u64 = 1 << 20;

/// A reader of the trail in a file.
#[derive(Debug)]
pub struct AuditReader {
    path: PathBuf,
    place: Mutex<Option<Place>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    end: u64,
    first: Option<String>,
}

impl AuditReader {
    /// A reader of the trail at `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), place: Mutex::new(None) }
    }

    fn place_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".shipped");
        name.into()
    }

    /// Where to go on.
    fn place(&self, trail: &File) -> std::io::Result<Place> {
        let known = self.place.lock().clone();
        let known = known.or_else(|| {
            let text = std::fs::read(self.place_path()).ok()?;
            serde_json::from_slice(&text).ok()
        });
        let length = trail.metadata()?.len();
        let first = first_id(trail)?;
        let place = known.filter(|place| place.end <= length && (place.end == 0 || place.first == first));
        Ok(Place { first, ..place.unwrap_or_default() })
    }

    fn read(&self, limit: usize) -> std::io::Result<TrailBatch> {
        let mut trail = match File::open(&self.path) {
            Ok(trail) => trail,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(TrailBatch::default()),
            Err(error) => return Err(error),
        };
        let place = self.place(&trail)?;
        *self.place.lock() = Some(place.clone());
        trail.seek(SeekFrom::Start(place.end))?;
        let mut chunk = Vec::new();
        trail.take(CHUNK).read_to_end(&mut chunk)?;
        let batch = entries(&chunk, place.end, limit);
        if batch.end == place.end && chunk.len() as u64 == CHUNK {
            return Err(std::io::Error::other("a line of the audit trail is longer than any entry"));
        }
        Ok(batch)
    }

    fn remember(&self, end: u64) -> std::io::Result<()> {
        let mut place = self.place.lock();
        let next = Place { end, first: place.as_ref().and_then(|place| place.first.clone()) };
        if place.as_ref() == Some(&next) && (end == 0 || self.place_path().exists()) {
            return Ok(());
        }
        replace(&self.place_path(), &serde_json::to_vec(&next)?)?;
        *place = Some(next);
        Ok(())
    }
}

/// Whole lines only: the last one may still be being written. A line that is no entry was cut short by a
/// crash before it was acknowledged.
fn entries(chunk: &[u8], start: u64, limit: usize) -> TrailBatch {
    let mut batch = TrailBatch { entries: Vec::new(), end: start };
    for line in chunk.split_inclusive(|byte| *byte == b'\n') {
        if batch.entries.len() == limit || line.last() != Some(&b'\n') {
            break;
        }
        batch.end += line.len() as u64;
        batch.entries.extend(serde_json::from_slice::<AuditEntry<'static>>(line).ok());
    }
    batch
}

fn first_id(trail: &File) -> std::io::Result<Option<String>> {
    let mut trail = BufReader::new(trail);
    trail.seek(SeekFrom::Start(0))?;
    let mut line = Vec::new();
    trail.take(CHUNK).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice::<AuditEntry<'static>>(&line).ok().map(|entry| entry.id.into_owned()))
}

/// All of the new content or all of the old one, whenever the process or the machine ends.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[async_trait]
impl AuditSource for AuditReader {
    async fn unshipped(&self, limit: usize) -> Result<TrailBatch, StoreError> {
        self.read(limit).map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    async fn shipped(&self, end: u64) -> Result<(), StoreError> {
        self.remember(end).map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
