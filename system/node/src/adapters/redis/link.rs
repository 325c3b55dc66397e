//! The way to a Redis: commands in, answers out.

use std::time::Duration;

use async_trait::async_trait;

use crate::ports::StoreError;

/// One command: its name and its arguments.
pub type Command = Vec<Vec<u8>>;

/// What Redis answers to one command.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing there.
    Nil,
    /// A whole number.
    Integer(i64),
    /// Bytes, or a short text such as `OK`.
    Bytes(Vec<u8>),
    /// Several.
    Array(Vec<Answer>),
    /// The command was refused.
    Refused(String),
}

impl Answer {
    /// The number, if it is one, written as a number or as its digits.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The bytes, if it is some.
    pub fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// A way to one Redis. Each call is bounded in time by the implementation.
#[async_trait]
pub trait RedisLink: Send + Sync {
    /// Sends commands in one go; as many answers, in order, come back. Others' commands may be done in between.
    ///
    /// # Errors
    /// [`StoreError`] when it is not known what was done.
    async fn pipeline(&self, commands: &[Command]) -> Result<Vec<Answer>, StoreError>;

    /// The same as one transaction: all are done or none, at one instant.
    ///
    /// # Errors
    /// [`StoreError`] when it is not known whether they were done, or one of them is no command.
    async fn transaction(&self, commands: &[Command]) -> Result<Vec<Answer>, StoreError>;

    /// Listens to a channel; what is published after this returned comes through.
    ///
    /// # Errors
    /// [`StoreError`] when nothing can be listened to.
    async fn subscribe(&self, channel: &str) -> Result<Box<dyn Subscription>, StoreError>;

    /// Opens a connection of its own, says PING, and closes it.
    ///
    /// # Errors
    /// [`StoreError`] when there is no right answer.
    async fn ping_afresh(&self) -> Result<(), StoreError>;
}

/// What is published on a channel.
#[async_trait]
pub trait Subscription: Send {
    /// The next message. Cancelling the call loses none.
    ///
    /// # Errors
    /// [`StoreError`] when no more will come.
    async fn next(&mut self) -> Result<Vec<u8>, StoreError>;
}

/// A command out of its words.
pub(super) fn command<const N: usize>(words: [&[u8]; N]) -> Command {
    words.map(<[u8]>::to_vec).to_vec()
}

/// A span as Redis counts it, never longer than it is.
pub(super) fn millis_down(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A span as Redis counts it, never shorter than it is.
pub(super) fn millis_up(span: Duration) -> i64 {
    i64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// One step of a scan.
pub(super) struct Scanned {
    /// The keys that came.
    pub(super) keys: Vec<Vec<u8>>,
    /// The cursor to go on from; `None`: that was all.
    pub(super) next: Option<Vec<u8>>,
}

impl Scanned {
    /// Reads the one answer, to SCAN.
    pub(super) fn read(answers: &[Answer]) -> Result<Self, StoreError> {
        if let [Answer::Array(parts)] = answers
            && let [Answer::Bytes(cursor), Answer::Array(keys)] = &parts[..]
        {
            let keys = keys.iter().filter_map(|key| key.bytes().map(<[u8]>::to_vec)).collect();
            return Ok(Self { keys, next: (cursor != b"0").then(|| cursor.clone()) });
        }
        Err(StoreError::Unavailable(format!("no answer to SCAN: {answers:?}")))
    }
}
