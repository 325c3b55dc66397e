//! What a client of the stand-in for Redis sends: however it is cut into pieces, the same requests come out, and
//! each has an answer that can be written in either protocol.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use standin_redis::request::Requests;
use standin_redis::{Protocol, Redis, limits};

/// The words of each request, and whether the reading ended in an error.
type Read = (Vec<Vec<Vec<u8>>>, bool);

fn read(bytes: &[u8], piece: usize) -> Read {
    let (mut reader, mut requests) = (Requests::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.feed(piece);
        loop {
            match reader.take() {
                Ok(Some(words)) => requests.push(words.iter().map(|word| word.to_vec()).collect()),
                Ok(None) => break,
                Err(_) => return (requests, true),
            }
        }
        assert!(reader.waiting() <= limits::REQUEST + piece.len());
    }
    (requests, false)
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, usize::MAX);
    for piece in [1, 3, 7] {
        assert_eq!(read(bytes, piece), whole);
    }

    let mut redis = Redis::default();
    let sessions = [redis.connect(), redis.connect()];
    for (at, request) in (0_u64..).zip(whole.0) {
        let words: Vec<_> = request.into_iter().map(Into::into).collect();
        let session = sessions[usize::from(at % 4 == 3)];
        let answer = redis.execute(session, &words, Duration::from_millis(1_750_000_000_000 + 100 * at));
        assert!(!answer.replies.is_empty(), "{words:?}");
        let messages = answer.messages.iter().map(|(to, message)| {
            assert!(sessions.contains(to));
            message
        });
        for reply in messages.chain(&answer.replies) {
            for protocol in [Protocol::Resp2, Protocol::Resp3] {
                let mut text = Vec::new();
                if reply.write(protocol, &mut text, limits::OUTBOX).is_ok() {
                    assert!(text.ends_with(b"\r\n") && text.len() <= limits::OUTBOX);
                }
            }
        }
    }
});
