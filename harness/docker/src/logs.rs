//! What containers write, with the engine's time on every line.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::container::Container;
use crate::engine::{Engine, EngineError};

const TAIL_WITHIN: Duration = Duration::from_secs(5);
const AFTER_END: Duration = Duration::from_millis(100);
/// A longer line is delivered in pieces of about this size.
const LONGEST_LINE: usize = 1 << 20;

/// The stream a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of a container's log, without its line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The service that wrote it.
    pub service: String,
    /// When the engine read it, by the wall clock of its machine.
    pub at: Timestamp,
    /// Where it was written to.
    pub stream: Stream,
    /// The text; what is not UTF-8 is replaced.
    pub text: String,
}

/// The last lines of a log, for an error message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail(Vec<String>);

impl Tail {
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.0
    }
}

/// Follows a log until it is dropped.
#[derive(Debug)]
#[must_use = "the log is followed until this is dropped"]
pub struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends every line from the container's first on, across its restarts, until the container is removed, the
/// receiver is dropped, or the follower is. A full channel holds up the reading, never the container.
pub fn follow(engine: &Engine, container: &Container, lines: mpsc::Sender<Line>) -> Follower {
    let (engine, service, name) =
        (engine.clone(), container.service().to_owned(), container.name().to_owned());
    Follower(tokio::spawn(async move {
        let mut assembly = Assembly::default();
        // The stream ends when the container does, or the engine is gone for a moment; it is taken up where it ended.
        while engine.state(&name).await.map_or(true, |state| state.is_some()) {
            let since = assembly.last.map_or(0, |last| i32::try_from(last.as_second()).unwrap_or(i32::MAX));
            let options = options().follow(true).since(since).timestamps(true).build();
            let mut frames = engine.docker().logs(&name, Some(options));
            while let Some(Ok(frame)) = frames.next().await {
                let Some((at, stream, text)) = assembly.take(frame) else { continue };
                if lines.send(Line { service: service.clone(), at, stream, text }).await.is_err() {
                    return;
                }
            }
            assembly.partial.clear();
            tokio::time::sleep(AFTER_END).await;
        }
    }))
}

/// The last `count` lines. A log that can't be read is an empty one: this is for the message of an error that
/// came first.
pub async fn tail(engine: &Engine, container: &str, count: usize) -> Tail {
    let options: LogsOptions = options().tail(&count.to_string()).build();
    let frames = engine.docker().logs(container, Some(options)).try_collect::<Vec<_>>();
    let Ok(frames) = engine.ask("read a log", TAIL_WITHIN, frames).await else { return Tail::default() };
    Tail(frames.into_iter().map(|frame| text(&frame.into_bytes())).collect())
}

/// The whole log so far, both streams, in the order written.
///
/// # Errors
/// When the engine can't give it.
pub async fn whole(engine: &Engine, container: &Container) -> Result<Vec<String>, EngineError> {
    let frames = engine.docker().logs(container.name(), Some(options().build())).try_collect::<Vec<_>>();
    let frames = engine.ask(format!("read the log of {}", container.name()), TAIL_WITHIN, frames).await?;
    Ok(frames.into_iter().map(|frame| text(&frame.into_bytes())).collect())
}

fn options() -> LogsOptionsBuilder {
    LogsOptionsBuilder::new().stdout(true).stderr(true)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\n', '\r']).to_owned()
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("; its log is empty");
        }
        f.write_str("; the last lines of its log:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  | {line}"))
    }
}

/// Makes lines of frames. The engine cuts lines at 16 KiB, each piece with a time of its own; and when a log is
/// taken up again it repeats the lines of the last second.
#[derive(Debug, Default)]
struct Assembly {
    last: Option<Timestamp>,
    partial: BTreeMap<Stream, (Timestamp, Vec<u8>)>,
}

impl Assembly {
    /// Takes a frame in; gives the line that it completes, if it does and the line is new.
    fn take(&mut self, frame: LogOutput) -> Option<(Timestamp, Stream, String)> {
        let (stream, frame): (_, Bytes) = match frame {
            LogOutput::StdErr { message } => (Stream::Stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (Stream::Stdout, message),
            LogOutput::StdIn { .. } => return None,
        };
        let space = frame.iter().position(|byte| *byte == b' ')?;
        let at: Timestamp = std::str::from_utf8(&frame[..space]).ok()?.parse().ok()?;
        if self.last.is_some_and(|last| at <= last) && !self.partial.contains_key(&stream) {
            return None;
        }
        let (began, mut line) = self.partial.remove(&stream).unwrap_or((at, Vec::new()));
        line.extend_from_slice(&frame[space + 1..]);
        if line.last() == Some(&b'\n') || line.len() >= LONGEST_LINE {
            self.last = self.last.max(Some(at));
            return Some((began, stream, text(&line)));
        }
        self.partial.insert(stream, (began, line));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(nanosecond: u32, text: &str) -> LogOutput {
        LogOutput::StdOut { message: format!("2026-01-01T00:00:00.{nanosecond:09}Z {text}").into() }
    }

    fn lines(frames: impl IntoIterator<Item = LogOutput>) -> Vec<String> {
        let mut assembly = Assembly::default();
        frames.into_iter().filter_map(|frame| assembly.take(frame)).map(|(_, _, text)| text).collect()
    }

    #[test]
    fn a_line_cut_in_pieces_is_put_together() {
        assert_eq!(lines([frame(1, "{\"a\":"), frame(2, "1}\n"), frame(3, "\n")]), ["{\"a\":1}", ""]);
    }

    #[test]
    fn pieces_of_the_two_streams_do_not_mix() {
        let error = LogOutput::StdErr { message: "2026-01-01T00:00:00.000000002Z oh\n".into() };
        assert_eq!(lines([frame(1, "a"), error, frame(3, "b\n")]), ["oh", "ab"]);
    }

    #[test]
    fn lines_repeated_when_a_log_is_taken_up_again_come_once() {
        let (one, two) = (frame(1, "one\n"), frame(2, "two\n"));
        assert_eq!(lines([one.clone(), two.clone(), one, two, frame(3, "three\n")]), ["one", "two", "three"]);
    }

    #[test]
    fn a_line_without_end_is_delivered_before_it_fills_the_memory() {
        let long = "x".repeat(16 << 10);
        let delivered = lines((1..=200).map(|n| frame(n, &long)));
        assert!(delivered.len() >= 3 && delivered.iter().all(|line| line.len() <= LONGEST_LINE + (16 << 10)));
    }

    #[test]
    fn a_frame_without_a_time_is_dropped() {
        assert!(lines([LogOutput::StdOut { message: "no time here\n".into() }]).is_empty());
    }

    #[test]
    fn a_tail_prints_below_its_error() {
        assert_eq!(
            Tail(vec!["a".into(), "b".into()]).to_string(),
            "; the last lines of its log:\n  | a\n  | b"
        );
        assert_eq!(Tail::default().to_string(), "; its log is empty");
    }
}
