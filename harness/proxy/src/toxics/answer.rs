//! Answer: HTTP requests get a canned answer, the upstream never sees them.
//!
//! A [`Responder`] reads the requests of one connection (HTTP/1.0 and 1.1, bodies by length or chunked) and says what
//! to write back. It acts on whole exchanges: one that the upstream has begun to serve is left to it.

use super::within;
use crate::effect::InvalidToxic;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The longest canned body, in bytes.
const LONGEST_BODY: usize = 256 << 10;
/// The longest request head or chunk header understood, in bytes.
const LONGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 128;

/// What every request is answered with. Length and connection headers are added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// 200 to 599.
    pub status: u16,
    /// At most 256 KiB; it may be broken on purpose. 204 and 304 have none.
    #[serde(default)]
    pub body: String,
    /// For example `content-type`; lengths, transfer coding and `connection` are the proxy's own.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl Answer {
    /// A status and a body of JSON, or of what should have been JSON.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
        Self { status, body: body.into(), headers }
    }

    pub(crate) fn check(&self) -> Result<(), InvalidToxic> {
        within("status", self.status.into(), 200, 599)?;
        within("body", self.body.len() as u64, 0, LONGEST_BODY as u64)?;
        if matches!(self.status, 204 | 304) && !self.body.is_empty() {
            return Err(InvalidToxic::Attributes(format!("a {} has no body", self.status)));
        }
        for (name, value) in &self.headers {
            let known = HeaderName::try_from(name)
                .map_err(|_| InvalidToxic::Attributes(format!("header name {name:?} is not one")))?;
            if [http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING, http::header::CONNECTION]
                .contains(&known)
            {
                return Err(InvalidToxic::Attributes(format!("header {name:?} is set by the proxy")));
            }
            HeaderValue::try_from(value)
                .map_err(|_| InvalidToxic::Attributes(format!("value of header {name:?} is not one")))?;
        }
        Ok(())
    }

    fn render(&self, head_only: bool, keep: bool) -> Bytes {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason()).unwrap_or("-");
        let mut out = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        if !matches!(self.status, 204 | 304) {
            let _ = write!(out, "content-length: {}\r\n", self.body.len());
        }
        out += if keep { "\r\n" } else { "connection: close\r\n\r\n" };
        if !head_only {
            out += &self.body;
        }
        out.into()
    }
}

/// What a responder has to say after some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// To be written to the client, in order.
    pub(crate) replies: Vec<Bytes>,
    /// Then the connection ends: the client asked for it, or what it speaks is no HTTP.
    pub(crate) close: bool,
}

#[derive(Debug)]
enum Expect {
    Head,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    Trailer,
    Nothing,
}

/// Reads one connection's requests. Invariant: one reply per request, after all of it was read; nothing after `close`.
#[derive(Debug)]
pub(crate) struct Responder {
    answer: Answer,
    /// The usual reply; all that wait to be sent share its bytes.
    reply: Bytes,
    expect: Expect,
    unread: BytesMut,
    head_only: bool,
    keep: bool,
}

impl Responder {
    pub(crate) fn new(answer: Answer) -> Self {
        let reply = answer.render(false, true);
        Self { answer, reply, expect: Expect::Head, unread: BytesMut::new(), head_only: false, keep: true }
    }

    pub(crate) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// No request has been begun.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.expect, Expect::Head) && self.unread.is_empty()
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Said {
        let mut said = Said::default();
        if !matches!(self.expect, Expect::Nothing) {
            self.unread.extend_from_slice(bytes);
        }
        while !said.close && self.step(&mut said) {}
        if said.close {
            self.expect = Expect::Nothing;
            self.unread.clear();
        }
        said
    }

    /// Reads one element; `false` when more bytes are needed.
    fn step(&mut self, said: &mut Said) -> bool {
        match self.expect {
            Expect::Nothing => false,
            Expect::Head => self.head(said),
            Expect::Body(left) => match self.skip(left) {
                0 => {
                    self.reply(said);
                    true
                }
                left => {
                    self.expect = Expect::Body(left);
                    false
                }
            },
            Expect::ChunkSize => match httparse::parse_chunk_size(&self.unread) {
                Ok(httparse::Status::Complete((used, size))) => {
                    let _ = self.unread.split_to(used);
                    // The data is followed by its own CRLF.
                    self.expect =
                        if size == 0 { Expect::Trailer } else { Expect::ChunkData(size.saturating_add(2)) };
                    true
                }
                Ok(httparse::Status::Partial) => self.bounded(said),
                Err(_) => self.give_up(said),
            },
            Expect::ChunkData(left) => match self.skip(left) {
                0 => {
                    self.expect = Expect::ChunkSize;
                    true
                }
                left => {
                    self.expect = Expect::ChunkData(left);
                    false
                }
            },
            Expect::Trailer => match self.unread.iter().position(|&b| b == b'\n') {
                Some(end) => {
                    if matches!(&*self.unread.split_to(end + 1), b"\r\n" | b"\n") {
                        self.reply(said);
                    }
                    true
                }
                None => self.bounded(said),
            },
        }
    }

    fn head(&mut self, said: &mut Said) -> bool {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let used = match request.parse(&self.unread) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return self.bounded(said),
            Err(_) => return self.give_up(said),
        };
        let value = |name: &str| {
            request
                .headers
                .iter()
                .find(|h| h.name.eq_ignore_ascii_case(name))
                .map(|h| String::from_utf8_lossy(h.value).to_ascii_lowercase())
        };
        self.head_only = request.method == Some("HEAD");
        self.keep = request.version == Some(1) && value("connection").is_none_or(|v| !v.contains("close"));
        self.expect = if value("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
            Expect::ChunkSize
        } else {
            match value("content-length").map_or(Ok(0), |v| v.trim().parse()) {
                Ok(length) => Expect::Body(length),
                Err(_) => return self.give_up(said),
            }
        };
        let waits = value("expect").is_some_and(|v| v.contains("100-continue"));
        let _ = self.unread.split_to(used);
        if waits {
            // The client holds its body back until it is told to go on: it is told the end instead.
            self.keep = false;
            self.reply(said);
        }
        true
    }

    /// Discards up to `n` bytes and says how many are still to come.
    fn skip(&mut self, n: u64) -> u64 {
        let here = usize::try_from(n).unwrap_or(usize::MAX).min(self.unread.len());
        let _ = self.unread.split_to(here);
        n - here as u64
    }

    fn reply(&mut self, said: &mut Said) {
        said.replies.push(if self.keep && !self.head_only {
            self.reply.clone()
        } else {
            self.answer.render(self.head_only, self.keep)
        });
        said.close = !self.keep;
        self.expect = Expect::Head;
    }

    fn bounded(&self, said: &mut Said) -> bool {
        said.close = self.unread.len() > LONGEST_HEAD;
        false
    }

    #[expect(clippy::unused_self, reason = "reads as the other outcomes of a step do")]
    fn give_up(&self, said: &mut Said) -> bool {
        said.close = true;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn responder() -> Responder {
        Responder::new(Answer::json(500, r#"{"broken":"#))
    }

    const REPLY: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{\"broken\":";

    #[test]
    fn each_request_of_a_kept_connection_gets_one_reply() {
        let two = "GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz";
        let said = responder().feed(two.as_bytes());
        assert_eq!(said, Said { replies: vec![REPLY.into(), REPLY.into()], close: false });
    }

    #[test]
    fn a_reply_waits_for_the_whole_body() {
        let mut responder = responder();
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
        assert_eq!(responder.feed(head.as_bytes()), Said::default());
        assert_eq!(responder.feed(b"lo\r\n0\r\nTrailer: x\r\n"), Said::default());
        assert_eq!(responder.feed(b"\r\n").replies, vec![Bytes::from(REPLY)]);
    }

    #[test]
    fn head_gets_no_body_and_close_is_honoured() {
        let said = responder().feed(b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n");
        assert!(said.close);
        let reply = std::str::from_utf8(&said.replies[0]).unwrap();
        assert!(reply.ends_with("connection: close\r\n\r\n"), "{reply}");
    }

    #[test]
    fn a_client_that_waits_for_leave_to_send_is_answered_at_once() {
        let said = responder().feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
        assert_eq!((said.replies.len(), said.close), (1, true));
    }

    #[test]
    fn what_is_no_http_ends_the_connection() {
        let endless = vec![b'a'; 70_000];
        for junk in
            [&b"\x16\x03\x01\x02\x00\x01"[..], b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", &endless]
        {
            let said = responder().feed(junk);
            assert_eq!(said, Said { replies: vec![], close: true }, "{:?}", &junk[..6]);
        }
    }

    proptest! {
        #[test]
        fn junk_never_panics_and_nothing_is_said_after_close(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut responder = responder();
            let mut closed = false;
            for part in parts {
                let said = responder.feed(&part);
                prop_assert!(!closed || said == Said::default());
                closed |= said.close;
            }
        }

        #[test]
        fn how_the_bytes_are_cut_makes_no_difference(cuts in prop::collection::vec(1_usize..9, 1..60)) {
            let requests = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nPUT /b HTTP/1.1\r\ncontent-length: 5\r\n\r\nabcdePOST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
            let (mut responder, mut rest, mut replies) = (responder(), &requests[..], 0);
            for cut in cuts.iter().cycle() {
                let (part, later) = rest.split_at((*cut).min(rest.len()));
                replies += responder.feed(part).replies.len();
                rest = later;
                if rest.is_empty() { break; }
            }
            prop_assert_eq!(replies, 3);
        }
    }

    #[test]
    fn headers_that_would_break_the_framing_are_refused() {
        for name in ["Content-Length", "transfer-encoding", "connection", "a b", "x\r\ny"] {
            let mut answer = Answer::json(200, "");
            answer.headers.insert(name.to_owned(), "1".to_owned());
            assert!(answer.check().is_err(), "{name:?}");
        }
        assert!(Answer::json(99, "").check().is_err());
        assert!(Answer::json(204, "x").check().is_err());
        assert!(Answer::json(599, "x").check().is_ok());
    }
}
