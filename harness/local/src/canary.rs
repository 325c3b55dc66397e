//! A harmless exchange over a fresh connection: what a caller would meet now.
//!
//! Always a fresh one: a kept connection hides faults.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::clock::instant;
use crate::connection::{Kept, NoConnection, Traffic, connect};

/// The most of an answer that is read.
const ANSWER_LIMIT: usize = 1024 * 1024;
const MOST_HEADERS: usize = 100;

/// What to say to a service to hear from it without disturbing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Canary {
    /// An HTTP GET of this path. Whatever the status, it is an answer.
    Http(String),
    /// The same over TLS. Whoever the server says it is: see [`Heard::certificate`].
    Https(String),
    /// These bytes, to which a service says something at once: `PING\r\n`.
    Bytes(Vec<u8>),
}

/// What became of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The connection was refused.
    Refused,
    /// A whole answer came.
    Answered(Heard),
    /// The connection stands, and the answer, or the rest of it, did not come in time.
    Silent(Heard),
    /// The connection ended before the answer was whole.
    Ended {
        /// What came before.
        heard: Heard,
        /// Whether it ended by a reset, not in order.
        reset: bool,
    },
    /// There was no connection, for another reason.
    Unreachable(String),
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The HTTP status.
    pub status: Option<u16>,
    /// The HTTP body; for other protocols all of the answer.
    pub body: Vec<u8>,
    /// The certificate that the server showed, DER, where TLS is spoken.
    pub certificate: Option<Vec<u8>>,
    /// Bytes in all as they came over the wire, headers and what TLS says included.
    pub bytes: usize,
    /// In how many pieces they were read.
    pub pieces: usize,
    /// Real time from the beginning to the first byte.
    pub first_byte: Duration,
    /// Real time from the beginning to the end of it all.
    pub whole: Duration,
}

impl Outcome {
    /// The answer, if it was whole.
    pub fn answer(&self) -> Option<&Heard> {
        match self {
            Self::Answered(heard) => Some(heard),
            _ => None,
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Answered(Heard { status: Some(status), whole, .. }) => {
                write!(f, "status {status} after {whole:.1?}")
            }
            Self::Answered(heard) => write!(f, "answered after {:.1?}", heard.whole),
            Self::Silent(heard) => {
                write!(f, "accepted, then silent for {:.1?} after {} bytes", heard.whole, heard.bytes)
            }
            Self::Ended { heard, reset } => {
                let how = if *reset { "reset" } else { "closed" };
                write!(f, "accepted, then {how} after {} bytes", heard.bytes)
            }
            Self::Unreachable(why) => f.write_str(why),
        }
    }
}

impl Canary {
    /// The bytes that are sent; an HTTP request carries `padding` more of them in a header nobody reads.
    pub(crate) fn request(&self, padding: usize, keep: bool) -> Vec<u8> {
        match self {
            Self::Http(path) | Self::Https(path) => {
                let connection = if keep { "keep-alive" } else { "close" };
                let mut request =
                    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: {connection}\r\n");
                if padding > 0 {
                    request.extend(["x-canary-padding: ", &"x".repeat(padding), "\r\n"]);
                }
                (request + "\r\n").into_bytes()
            }
            Self::Bytes(bytes) => bytes.clone(),
        }
    }

    fn is_over_tls(&self) -> bool {
        matches!(self, Self::Https(_))
    }

    /// Sends one to `address` and waits for the whole answer, at most for `limit` of real time.
    pub async fn send(&self, address: SocketAddr, padding: usize, limit: Duration) -> Outcome {
        let traffic = Traffic::since(instant());
        let mut listening = Listening { canary: self, heard: Heard::default(), answer: Vec::new() };
        let outcome = timeout(limit, async {
            let mut connection = match connect(address, self.is_over_tls(), &traffic).await {
                Ok(connection) => connection,
                Err(NoConnection::Refused) => return Met::Refused,
                Err(NoConnection::Unreachable(why)) => return Met::Unreachable(why),
                Err(NoConnection::Broken { reset }) => return Met::Ended { reset },
            };
            listening.heard.certificate = connection.certificate.take();
            match listening.converse(&mut connection.stream, &self.request(padding, false)).await {
                Ok(true) => Met::Answered,
                Ok(false) => Met::Ended { reset: false },
                Err(_) => Met::Ended { reset: true },
            }
        });
        let outcome = outcome.await;
        let Traffic { began, first_byte, bytes, pieces } = *traffic.lock();
        let whole = instant() - began;
        let heard = Heard { bytes, pieces, first_byte, whole, ..listening.heard };
        match outcome {
            Ok(Met::Answered) => Outcome::Answered(heard),
            Ok(Met::Ended { reset }) => Outcome::Ended { heard, reset },
            Ok(Met::Refused) => Outcome::Refused,
            Ok(Met::Unreachable(why)) => Outcome::Unreachable(why),
            Err(_) => Outcome::Silent(heard),
        }
    }

    /// A connection on which a canary was just answered and which goes on; `None` when there is none
    /// to be had within `limit`.
    pub async fn keep(&self, address: SocketAddr, limit: Duration) -> Option<Box<dyn Kept>> {
        timeout(limit, async {
            let traffic = Traffic::since(instant());
            let mut stream = connect(address, self.is_over_tls(), &traffic).await.ok()?.stream;
            let mut listening = Listening { canary: self, heard: Heard::default(), answer: Vec::new() };
            let answered = listening.converse(&mut stream, &self.request(0, true)).await;
            answered.is_ok_and(|whole| whole).then_some(stream)
        })
        .await
        .ok()
        .flatten()
    }
}

enum Met {
    Refused,
    Unreachable(String),
    Answered,
    Ended { reset: bool },
}

struct Listening<'a> {
    canary: &'a Canary,
    heard: Heard,
    answer: Vec<u8>,
}

impl Listening<'_> {
    /// Returns whether the answer was whole when it ended.
    async fn converse(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        request: &[u8],
    ) -> io::Result<bool> {
        let (mut read, mut write) = tokio::io::split(stream);
        let mut sending = pin!(async {
            write.write_all(request).await?;
            write.flush().await
        });
        let mut sent = false;
        let mut buffer = [0; 4096];
        loop {
            tokio::select! {
                biased;
                received = read.read(&mut buffer) => {
                    let received = match received {
                        // Over TLS, an end that was not announced.
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                        received => received?,
                    };
                    if received == 0 {
                        return Ok(self.is_whole(true));
                    }
                    self.answer.extend_from_slice(&buffer[..received]);
                    if self.is_whole(false) || self.answer.len() > ANSWER_LIMIT {
                        return Ok(true);
                    }
                }
                done = &mut sending, if !sent => {
                    done?;
                    sent = true;
                }
            }
        }
    }

    /// Whether the answer is complete; `ended` tells that nothing more will come.
    fn is_whole(&mut self, ended: bool) -> bool {
        if matches!(self.canary, Canary::Bytes(_)) {
            self.heard.body.clone_from(&self.answer);
            return !self.answer.is_empty();
        }
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(head)) = response.parse(&self.answer) else { return false };
        let header = |name: &str| {
            let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok()
        };
        let body = &self.answer[head..];
        let whole = match header("content-length").and_then(|length| length.trim().parse::<usize>().ok()) {
            Some(length) => body.len() >= length,
            None if header("transfer-encoding").is_some() => body.ends_with(b"0\r\n\r\n"),
            None => ended,
        };
        self.heard.status = response.code;
        self.heard.body = body.to_vec();
        whole
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// How long silence is listened to, and how long an answer may take on a busy machine.
    const SILENCE: Duration = Duration::from_millis(100);
    const LIMIT: Duration = Duration::from_secs(20);

    /// Answers one connection with these pieces, `pause` apart, and then ends or holds it.
    async fn answering(pieces: &'static [&'static str], pause: Duration, hold: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                tokio::time::sleep(pause).await;
            }
            if hold {
                std::future::pending::<()>().await;
            }
        });
        address
    }

    async fn meet(pieces: &'static [&'static str], pause: Duration, hold: bool) -> Outcome {
        Canary::Http("/health".into()).send(answering(pieces, pause, hold).await, 0, LIMIT).await
    }

    #[tokio::test]
    async fn an_answer_is_whole_by_its_length_its_chunks_or_its_end() {
        for pieces in [
            &["HTTP/1.1 503 Down\r\ncontent-length: 2\r\n\r\n", "no"][..],
            &["HTTP/1.1 503 Down\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"],
        ] {
            let outcome = meet(pieces, Duration::ZERO, true).await;
            assert_eq!(outcome.answer().unwrap().status, Some(503), "{outcome}");
        }
        let outcome = meet(&["HTTP/1.1 200 OK\r\n\r\nto the end"], Duration::ZERO, false).await;
        assert_eq!(outcome.answer().unwrap().body, b"to the end");
    }

    #[tokio::test]
    async fn an_answer_that_comes_late_or_in_pieces_is_timed() {
        let pause = Duration::from_millis(200);
        let pieces = &["HTTP/1.1 200 OK\r\n", "content-length: 0\r\n", "\r\n"];
        let outcome = meet(pieces, pause, true).await;
        let heard = outcome.answer().unwrap();
        assert!(heard.pieces >= 2 && heard.whole >= 2 * pause && heard.first_byte < heard.whole, "{heard:?}");
    }

    #[tokio::test]
    async fn a_cut_answer_silence_and_refusal_are_told_apart() {
        let cut = meet(&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"], Duration::ZERO, false).await;
        assert!(matches!(&cut, Outcome::Ended { heard, .. } if heard.bytes > 0), "{cut}");
        let mute = answering(&[], Duration::ZERO, true).await;
        let silent = Canary::Http("/health".into()).send(mute, 0, SILENCE).await;
        assert!(
            matches!(&silent, Outcome::Silent(heard) if heard.bytes == 0 && heard.whole >= SILENCE),
            "{silent}"
        );
        // It is taken, and nobody listens.
        let gone = TcpSocket::new_v4().unwrap();
        gone.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let gone = Canary::Http("/".into()).send(gone.local_addr().unwrap(), 0, LIMIT).await;
        assert_eq!(gone, Outcome::Refused);
    }

    #[tokio::test]
    async fn bytes_are_answered_by_bytes() {
        let address = answering(&["+PONG\r\n"], Duration::ZERO, true).await;
        let outcome = Canary::Bytes(b"PING\r\n".to_vec()).send(address, 0, LIMIT).await;
        assert_eq!(outcome.answer().unwrap().body, b"+PONG\r\n");
    }
}
