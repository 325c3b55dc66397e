//! The run record: a file of JSON lines, written as the run goes.
//!
//! The first line is the [`Header`]; every further line is an [`Event`]. A record that was cut short,
//! even in the middle of a line, can be read: what is whole counts, and [`Record::cut`] says so.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::Path;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::event::{Event, What};
use crate::scenario::Scenario;
use crate::world::WorldKind;

/// The format this version writes. A change that older readers can't follow changes the number.
pub const FORMAT: &str = "chaos-run/1";

/// What was run, where and how: enough to run it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// The run's id, unique in a folder of runs.
    pub run: String,
    /// The scenario, whole.
    pub scenario: Scenario,
    /// The world it ran in.
    pub world: WorldKind,
    /// The seed of everything drawn by chance.
    pub seed: u64,
    /// System seconds in a real second.
    pub speed: f64,
    /// When it started, RFC 3339. Empty in a virtual world, whose records depend on nothing outside.
    pub started: String,
    /// Settings given beside the scenario's own.
    pub settings: BTreeMap<String, String>,
    /// Versions of what took part: the harness, the engine, the images.
    pub versions: BTreeMap<String, String>,
    /// The command that runs it again.
    pub replay: String,
}

/// A run read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The first line.
    pub header: Header,
    /// The timeline.
    pub events: Vec<Event>,
    /// Whether the record ends before its run did.
    pub cut: bool,
}

/// Why a record can't be read.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The first line is no header.
    #[error("{path}: not a run record: {why}")]
    NotARecord {
        /// The file.
        path: String,
        /// What is wrong with the first line.
        why: String,
    },
    /// The record was written by another version.
    #[error("{path}: its format is {found}, this version reads {FORMAT}; use the version that wrote it")]
    OtherFormat {
        /// The file.
        path: String,
        /// The format it names.
        found: String,
    },
    /// A line before the last is no event.
    #[error("{path}:{line}: not an event: {why}")]
    Damaged {
        /// The file.
        path: String,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl Record {
    /// Reads a record back.
    ///
    /// # Errors
    /// [`RecordError`] when it is no record of this format, or damaged before its last line.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|source| RecordError::Io { path: shown.clone(), source })?;
        Self::parse(BufReader::new(file), &shown)
    }

    /// Reads a record from anywhere; `name` is for messages.
    ///
    /// # Errors
    /// As [`Record::read`].
    pub fn parse(mut input: impl BufRead, name: &str) -> Result<Self, RecordError> {
        let path = || name.to_owned();
        let io = |source| RecordError::Io { path: path(), source };
        let mut line = Vec::new();
        input.read_until(b'\n', &mut line).map_err(io)?;
        let header = parse_header(&line, name)?;

        let mut events = Vec::new();
        let mut number = 1;
        loop {
            line.clear();
            number += 1;
            if input.read_until(b'\n', &mut line).map_err(io)? == 0 {
                break;
            }
            let whole = line.ends_with(b"\n");
            match serde_json::from_slice::<Event>(&line) {
                Ok(event) if whole => events.push(event),
                // Only the last line can lack its end: the run was killed while writing it.
                _ if !whole => break,
                Ok(_) => {}
                Err(error) => {
                    return Err(RecordError::Damaged { path: path(), line: number, why: error.to_string() });
                }
            }
        }
        let cut = !matches!(events.last(), Some(Event { what: What::End { .. }, .. }));
        Ok(Self { header, events, cut })
    }
}

fn parse_header(line: &[u8], name: &str) -> Result<Header, RecordError> {
    #[derive(Deserialize)]
    struct Format {
        format: String,
    }
    let not_a_record =
        |error: serde_json::Error| RecordError::NotARecord { path: name.into(), why: error.to_string() };
    let Format { format } = serde_json::from_slice(line).map_err(not_a_record)?;
    if format != FORMAT {
        return Err(RecordError::OtherFormat { path: name.into(), found: format });
    }
    serde_json::from_slice(line).map_err(not_a_record)
}

/// Where the lines of a record go.
pub trait Sink {
    /// Takes one event. Errors are kept and told at the end: a full disk must not stop the healing.
    fn write(&mut self, event: &Event);
}

/// Writes a record to a file, a line at a time: what happened is on disk when it happened.
#[derive(Debug)]
pub struct FileSink {
    out: File,
    /// Writing failed, and ended there: what is in the file is whole up to its last line.
    ended: bool,
    failure: Option<io::Error>,
}

impl FileSink {
    /// Creates the file and writes the header.
    ///
    /// # Errors
    /// When the file can't be created or written.
    pub fn create(path: &Path, header: &Header) -> io::Result<Self> {
        let mut sink = Self { out: File::create(path)?, ended: false, failure: None };
        sink.line(header)?;
        Ok(sink)
    }

    /// The first error that writing met, if any. Nothing was written after it.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    fn line(&mut self, what: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        self.out.write_all(&line)
    }
}

impl<S: Sink> Sink for Rc<RefCell<S>> {
    fn write(&mut self, event: &Event) {
        self.borrow_mut().write(event);
    }
}

impl Sink for FileSink {
    fn write(&mut self, event: &Event) {
        if self.ended {
            return;
        }
        if let Err(error) = self.line(event) {
            self.ended = true;
            self.failure = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{At, Span};

    fn record_bytes(events: usize) -> Vec<u8> {
        let header = Header {
            format: FORMAT.into(),
            run: "r".into(),
            scenario: Scenario::named("a/b"),
            world: WorldKind::Virtual,
            seed: 1,
            speed: 1.0,
            started: String::new(),
            settings: BTreeMap::new(),
            versions: BTreeMap::new(),
            replay: "chaos run a/b".into(),
        };
        let mut bytes = serde_json::to_vec(&header).unwrap();
        bytes.push(b'\n');
        for seq in 0..events as u64 {
            let what = What::Note { text: format!("note {seq}") };
            serde_json::to_writer(&mut bytes, &Event { seq, at: Span::exactly(At::START), what }).unwrap();
            bytes.push(b'\n');
        }
        bytes
    }

    proptest! {
        #[test]
        fn a_record_cut_at_any_byte_gives_back_every_whole_line(events in 0usize..6, cut in 0.0f64..=1.0) {
            let whole = record_bytes(events);
            let header_end = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let cut = header_end + ((whole.len() - header_end) as f64 * cut) as usize;
            let record = Record::parse(&whole[..cut], "test").unwrap();
            let lines = whole[header_end..cut].split(|byte| *byte == b'\n').count() - 1;
            prop_assert_eq!(record.events.len(), lines);
            prop_assert!(record.cut);
        }
    }

    #[test]
    fn damage_before_the_last_line_names_the_line() {
        let mut bytes = record_bytes(1);
        bytes.extend_from_slice(b"{\"seq\":9}\n");
        let error = Record::parse(bytes.as_slice(), "run.jsonl").unwrap_err().to_string();
        assert!(error.starts_with("run.jsonl:3: not an event"), "{error}");
    }

    #[test]
    fn another_format_is_named() {
        let error = Record::parse(&b"{\"format\":\"chaos-run/9\"}\n"[..], "x").unwrap_err();
        assert!(matches!(error, RecordError::OtherFormat { found, .. } if found == "chaos-run/9"));
    }

    #[test]
    fn a_full_disk_is_told_once_and_nothing_is_written_after_it() {
        let bytes = record_bytes(0);
        let header = Record::parse(bytes.as_slice(), "r").unwrap().header;
        let refused = FileSink::create(Path::new("/dev/full"), &header).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(FileSink::create(Path::new("/proc/run.jsonl"), &header).is_err());

        let out = File::options().write(true).open("/dev/full").unwrap();
        let mut sink = FileSink { out, ended: false, failure: None };
        let event = Event { seq: 0, at: Span::exactly(At::START), what: What::Stall };
        sink.write(&event);
        assert_eq!(sink.take_failure().unwrap().kind(), io::ErrorKind::StorageFull);
        sink.write(&event);
        assert!(sink.take_failure().is_none(), "it ended at the first failure");
    }
}
