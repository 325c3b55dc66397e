//! A blocking HTTP/1 client: one kept connection, one system call each way. Whatever a client library would
//! add is the same for all contestants and hides what is to be measured.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything here takes; what runs into it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A kept connection to a server.
#[derive(Debug)]
pub struct Exchange {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// An answer: the status, and where the body lies in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

/// The bytes of a request with a body, which may be empty.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let length = body.len();
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.extend(["\r\n", body]);
    text.into_bytes()
}

impl Exchange {
    /// Connects.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn connect(server: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(server)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, buffer: vec![0; 64 << 10] })
    }

    /// Sends a request and reads its answer, which must tell its length.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is not HTTP/1, has no length or does not fit the buffer.
    pub fn send(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.socket.write_all(request)?;
        let mut read = 0;
        let (status, body) = loop {
            let more = self.socket.read(&mut self.buffer[read..])?;
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            read += more;
            if let Some((status, start, length)) = head(&self.buffer[..read])?
                && read >= start + length
            {
                break (status, start..start + length);
            }
        };
        Ok(Answer { status, body: &self.buffer[body] })
    }
}

/// The status, where the body begins and how long it is; `None` while the head is incomplete.
fn head(bytes: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer.parse(bytes).map_err(io::Error::other)?;
    let (httparse::Status::Complete(start), Some(status)) = (parsed, answer.code) else { return Ok(None) };
    let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    match length {
        Some(length) => Ok(Some((status, start, length))),
        None if status == 204 => Ok(Some((status, start, 0))),
        None => Err(io::Error::other("an answer without a length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal";
        assert_eq!(head(answer).unwrap(), Some((200, 38, 4)));
        assert_eq!(head(&answer[..20]).unwrap(), None);
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), Some((204, 27, 0)));
    }

    #[test]
    fn an_exchange_survives_an_answer_in_pieces() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let (mut socket, _) = server.accept().unwrap();
            let mut asked = [0; 1024];
            let read = socket.read(&mut asked).unwrap();
            for piece in ["HTTP/1.1 201 Cr", "eated\r\ncontent-length: 2\r\n\r\n", "ok"] {
                socket.write_all(piece.as_bytes()).unwrap();
                socket.flush().unwrap();
            }
            asked[..read].to_vec()
        });
        let mut exchange = Exchange::connect(address).unwrap();
        let asked = request("POST", "/x", &[("a", "b")], "body");
        let answer = exchange.send(&asked).unwrap();
        assert_eq!(answer, Answer { status: 201, body: b"ok" });
        assert_eq!(serving.join().unwrap(), asked);
    }
}
