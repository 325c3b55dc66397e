//! What a process prints: cut into lines, stamped, and bounded however much it prints.
//!
//! A line longer than [`LOG_LINE_LIMIT`] keeps its beginning. A process that logs more than
//! [`STEADY`] lines a second after a burst of [`BURST`] loses lines here, and they are counted; its
//! last [`TAIL`] lines are kept all the same, for errors.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness_core::event::LOG_LINE_LIMIT;
use harness_core::fault::ServiceName;
use harness_core::time::{At, Span};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::clock::{Clock, instant};

/// How many of its last lines a process' errors show.
pub const TAIL: usize = 40;
/// Lines in a real second that a service may log for long.
pub const STEADY: f64 = 1_000.0;
/// Lines that a service may log at once.
pub const BURST: f64 = 4_000.0;
/// Lines of all services that may wait to be read.
pub(crate) const UNREAD: usize = 16_384;

/// How long, in real time, to wait for the last lines of a process that ended.
const REST: Duration = Duration::from_millis(200);

/// A line that a service printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The service.
    pub service: ServiceName,
    /// The line, without its end, in UTF-8; at most [`LOG_LINE_LIMIT`] bytes of it.
    pub text: String,
    /// When it was read. It was printed before.
    pub received: At,
}

/// Lines that a service printed and nobody will see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many.
    pub lines: u64,
    /// When they were read.
    pub within: Span,
}

/// Where the output of one service goes; over all its restarts.
#[derive(Clone, Debug)]
pub struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    service: ServiceName,
    clock: Clock,
    lines: mpsc::Sender<LogLine>,
    state: Mutex<State>,
    /// How many streams are being read.
    readers: watch::Sender<usize>,
}

#[derive(Debug)]
struct State {
    tail: VecDeque<String>,
    sought: Option<String>,
    said: bool,
    allowance: Allowance,
    lost: Option<Lost>,
}

impl Output {
    /// The output of `service`, passed on to `lines`.
    pub fn new(service: ServiceName, clock: Clock, lines: mpsc::Sender<LogLine>) -> Self {
        let (tail, allowance) = (VecDeque::new(), Allowance::new(instant()));
        let state = State { tail, sought: None, said: false, allowance, lost: None };
        let (state, readers) = (Mutex::new(state), watch::Sender::new(0));
        Self { shared: Arc::new(Shared { service, clock, lines, state, readers }) }
    }

    /// The last lines, oldest first.
    pub fn tail(&self) -> Vec<String> {
        self.shared.state.lock().tail.iter().cloned().collect()
    }

    /// Looks for `text` in every line from now on, over all restarts.
    pub(crate) fn look_for(&self, text: &str) {
        self.shared.state.lock().sought = Some(text.to_owned());
    }

    /// Whether the present process has logged a line with the text that is looked for.
    pub(crate) fn has_said_it(&self) -> bool {
        self.shared.state.lock().said
    }

    /// The last lines, once what a process printed before its end has been read: when the readers of its
    /// two streams are done, or nothing more comes.
    pub(crate) async fn tail_at_rest(&self) -> Vec<String> {
        let mut read = self.shared.readers.subscribe();
        let _ = timeout(REST, read.wait_for(|readers| *readers == 0)).await;
        self.tail()
    }

    /// What was lost since this was last asked.
    pub fn take_lost(&self) -> Option<Lost> {
        self.shared.state.lock().lost.take()
    }

    /// Forgets what was said: a new process begins.
    pub(crate) fn begin_anew(&self) {
        let mut state = self.shared.state.lock();
        state.tail.clear();
        state.said = false;
    }

    /// Reads `stream` to its end. It counts as being read from this call on.
    pub(crate) fn read(self, stream: impl AsyncRead + Unpin) -> impl Future<Output = ()> {
        self.shared.readers.send_modify(|readers| *readers += 1);
        async move {
            self.read_to_end(stream).await;
            self.shared.readers.send_modify(|readers| *readers -= 1);
        }
    }

    async fn read_to_end(&self, mut stream: impl AsyncRead + Unpin) {
        let mut cutter = Cutter::default();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => cutter.push(&buffer[..read], |line| self.take(line)),
            }
        }
        cutter.finish(|line| self.take(line));
    }

    fn take(&self, line: &[u8]) {
        let now = instant();
        let text = String::from_utf8_lossy(line).into_owned();
        let received = self.shared.clock.at(now);
        let mut state = self.shared.state.lock();
        state.said |= state.sought.as_ref().is_some_and(|sought| text.contains(sought));
        if state.tail.len() == TAIL {
            state.tail.pop_front();
        }
        state.tail.push_back(text.clone());
        let passed = state.allowance.take(now) && {
            let line = LogLine { service: self.shared.service.clone(), text, received };
            self.shared.lines.try_send(line).is_ok()
        };
        if !passed {
            let first = state.lost.map_or(received, |lost| lost.within.lo);
            let lines = state.lost.map_or(0, |lost| lost.lines) + 1;
            state.lost = Some(Lost { lines, within: Span::between(first, received) });
        }
    }
}

/// Cuts a stream of bytes into lines of bounded length.
#[derive(Debug, Default)]
struct Cutter {
    /// The beginning of a line, at most the limit. `None` between two lines.
    begun: Option<Vec<u8>>,
}

impl Cutter {
    fn push(&mut self, mut bytes: &[u8], mut on_line: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            self.finish(&mut on_line);
            bytes = &bytes[end + 1..];
        }
        if !bytes.is_empty() {
            self.keep(bytes);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let begun = self.begun.get_or_insert_default();
        let room = LOG_LINE_LIMIT - begun.len();
        begun.extend_from_slice(&part[..part.len().min(room)]);
    }

    /// Ends the line that was begun, if any.
    fn finish(&mut self, mut on_line: impl FnMut(&[u8])) {
        if let Some(line) = self.begun.take() {
            on_line(line.strip_suffix(b"\r").unwrap_or(&line));
        }
    }
}

/// How many lines may still pass: a bucket that fills steadily.
#[derive(Debug)]
struct Allowance {
    left: f64,
    as_of: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { left: BURST, as_of: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.as_of).as_secs_f64();
        self.left = (self.left + passed * STEADY).min(BURST);
        self.as_of = now;
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_bytes_arrive(
            lines in proptest::collection::vec("[a-z]{0,9}", 0..20), pieces in proptest::collection::vec(1usize..7, 1..9),
        ) {
            let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
            let mut cutter = Cutter::default();
            let mut seen = Vec::new();
            let mut rest = text.as_bytes();
            for size in pieces.iter().cycle() {
                if rest.is_empty() { break }
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                cutter.push(piece, |line| seen.push(String::from_utf8(line.to_vec()).unwrap()));
                rest = after;
            }
            prop_assert_eq!(seen, lines);
        }

        #[test]
        fn no_more_lines_pass_than_a_burst_and_the_steady_rate(waits_us in proptest::collection::vec(0u64..5_000, 1..6_000)) {
            let mut now = instant();
            let mut allowance = Allowance::new(now);
            let (mut passed, mut seconds) = (0.0, 0.0);
            for wait in waits_us {
                now += Duration::from_micros(wait);
                seconds += wait as f64 / 1e6;
                passed += f64::from(u8::from(allowance.take(now)));
                prop_assert!(passed <= BURST + seconds * STEADY + 1e-6);
            }
        }
    }

    fn cut(pieces: &[&[u8]]) -> Vec<String> {
        let mut cutter = Cutter::default();
        let mut seen = Vec::new();
        let mut keep = |line: &[u8]| seen.push(String::from_utf8_lossy(line).into_owned());
        for piece in pieces {
            cutter.push(piece, &mut keep);
        }
        cutter.finish(&mut keep);
        seen
    }

    #[test]
    fn a_line_without_end_keeps_its_beginning_and_costs_no_more() {
        let long = vec![b'x'; 10 * LOG_LINE_LIMIT];
        let seen = cut(&[&long, &long, b"\nnext\r\nunfinished"]);
        assert_eq!(seen[0].len(), LOG_LINE_LIMIT);
        assert_eq!(seen[1..], ["next", "unfinished"]);
        assert!(cut(&[b""]).is_empty());
    }

    #[tokio::test]
    async fn a_flood_loses_lines_by_number_and_keeps_the_last() {
        let (lines, mut received) = mpsc::channel(UNREAD);
        let began = instant();
        let output = Output::new("flood".into(), Clock::start(1.0).unwrap(), lines);
        let flood = (0..20_000).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        output.clone().read(flood.as_bytes()).await;
        let most = BURST + (instant() - began).as_secs_f64() * STEADY;

        let lost = output.take_lost().unwrap();
        let mut passed = 0;
        while received.try_recv().is_ok() {
            passed += 1;
        }
        assert_eq!(passed + lost.lines, 20_000);
        assert!(passed as f64 >= BURST && passed as f64 <= most, "{passed} of at most {most}");
        assert_eq!((output.tail().len(), output.tail().last().unwrap().as_str()), (TAIL, "line 19999"));
        assert!(output.take_lost().is_none());
    }
}
