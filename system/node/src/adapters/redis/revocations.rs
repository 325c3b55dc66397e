//! The revocations that all nodes share, in a Redis of their own.
//!
//! | key | holds | ends |
//! |---|---|---|
//! | `blacklist:<jti>` | nothing of interest | when the token does |
//! | `user-revoked:<uniqueID>` | a sorted set of one member, whose score is the last `iat` refused | when the last of those tokens does |
//!
//! Putting is one transaction that can only add: the key is made if it is not there (`SET … NX`), a score only grows
//! (`ZADD … GT`), an end only moves away (`PEXPIRE … GT`), and everyone is told (`PUBLISH`). Within a transaction no
//! time passes, so the key cannot end between its first command and its last; and no read comes before a write, so two
//! nodes at once cannot undo each other. A sorted set rather than a number, because Redis knows "if greater" for scores only.
//!
//! Ends are told to Redis as spans, not as instants: its clock need not agree with this node's.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_runtime::{Runtime, Wall};

use super::link::{Answer, Command, RedisLink, Scanned, Subscription, command, millis_up};
use crate::ports::{Revocation, RevocationFeed, RevocationStore, StoreError};

const TOKEN: &[u8] = b"blacklist:";
const USER: &[u8] = b"user-revoked:";
const MEMBER: &[u8] = b"issued-until";
const CHANNEL: &str = "revocations";

/// How many keys one step of a scan looks at.
const STEP: &[u8] = b"1000";

/// How long a key without an end holds: for ever, as far as a token goes.
const ENDLESS: Duration = Duration::from_hours(24 * 365 * 10);

/// Revocations in a Redis.
pub struct RedisRevocations {
    link: Arc<dyn RedisLink>,
    most: usize,
    runtime: Arc<dyn Runtime>,
}

impl std::fmt::Debug for RedisRevocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisRevocations").field("most", &self.most).finish_non_exhaustive()
    }
}

impl RedisRevocations {
    /// The revocations behind `link`, of which there may be `most`.
    pub fn new(link: Arc<dyn RedisLink>, most: NonZeroUsize, runtime: Arc<dyn Runtime>) -> Self {
        Self { link, most: most.get(), runtime }
    }

    /// What is left until `until`, in the milliseconds of Redis; `None`: it is over.
    fn left(&self, until: Wall) -> Option<i64> {
        let left = until.since_epoch().checked_sub(self.runtime.wall().since_epoch())?;
        Some(millis_up(left).max(1))
    }

    /// The revocations under these keys that have not ended meanwhile.
    async fn read(&self, keys: &[Vec<u8>]) -> Result<Vec<Revocation>, StoreError> {
        let ask = |key: &Vec<u8>| [command([b"PTTL", key]), command([b"ZSCORE", key, MEMBER])];
        let ours = keys.iter().filter(|key| key.starts_with(TOKEN) || key.starts_with(USER));
        let ours: Vec<&Vec<u8>> = ours.collect();
        if ours.is_empty() {
            return Ok(Vec::new());
        }
        let commands: Vec<Command> = ours.iter().flat_map(|key| ask(key)).collect();
        let answers = self.link.pipeline(&commands).await?;
        let now = self.runtime.wall().since_epoch();
        let mut found = Vec::with_capacity(ours.len());
        for (key, answers) in ours.iter().zip(answers.chunks(2)) {
            let left = match answers[0].integer() {
                Some(-2) => continue,
                Some(-1) => ENDLESS,
                Some(left @ 0..) => Duration::from_millis(left.unsigned_abs()),
                _ => return Err(StoreError::Unavailable(format!("no answer to PTTL: {:?}", answers[0]))),
            };
            let until = Wall::from_epoch(now.saturating_add(left));
            found.push(if let Some(jti) = key.strip_prefix(TOKEN) {
                Revocation::Token { jti: name(jti), until }
            } else {
                // What cannot be read as a time refuses every token of the user: the key is there for a reason. If it
                // has ended since the first question, so has this.
                let issued_until = answers[1].integer().unwrap_or(i64::MAX);
                Revocation::User { unique_id: name(&key[USER.len()..]), issued_until, until }
            });
        }
        Ok(found)
    }
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[async_trait]
impl RevocationStore for RedisRevocations {
    async fn put(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let (Revocation::Token { until, .. } | Revocation::User { until, .. }) = revocation;
        let Some(left) = self.left(*until) else { return Ok(()) };
        let left = left.to_string();
        let (key, first) = match revocation {
            Revocation::Token { jti, .. } => {
                let key = [TOKEN, jti.as_bytes()].concat();
                let first = command([b"SET", &key, b"1", b"NX", b"PX", left.as_bytes()]);
                (key, first)
            }
            Revocation::User { unique_id, issued_until, .. } => {
                let key = [USER, unique_id.as_bytes()].concat();
                let first = command([b"ZADD", &key, b"GT", issued_until.to_string().as_bytes(), MEMBER]);
                (key, first)
            }
        };
        let commands = [
            first,
            // Of a set that is new only: one that has an end is left to the next command.
            command([b"PEXPIRE", &key, left.as_bytes(), b"NX"]),
            command([b"PEXPIRE", &key, left.as_bytes(), b"GT"]),
            command([b"PUBLISH", CHANNEL.as_bytes(), message(revocation).as_bytes()]),
        ];
        for answer in self.link.transaction(&commands).await? {
            if let Answer::Refused(why) = answer {
                return Err(StoreError::Refused(why));
            }
        }
        Ok(())
    }

    async fn all(&self) -> Result<Vec<Revocation>, StoreError> {
        // A scan may find a key twice.
        let mut found = BTreeMap::new();
        let mut cursor = b"0".to_vec();
        loop {
            let step = command([b"SCAN", &cursor, b"COUNT", STEP]);
            let Scanned { keys, next } = Scanned::read(&self.link.pipeline(&[step]).await?)?;
            for revocation in self.read(&keys).await? {
                found.insert(identity(&revocation), revocation);
            }
            if found.len() > self.most {
                return Err(StoreError::Refused(format!("more than {} revocations", self.most)));
            }
            match next {
                Some(next) => cursor = next,
                None => return Ok(found.into_values().collect()),
            }
        }
    }

    async fn feed(&self) -> Result<Box<dyn RevocationFeed>, StoreError> {
        Ok(Box::new(Feed(self.link.subscribe(CHANNEL).await?)))
    }
}

/// What makes two revocations one.
fn identity(revocation: &Revocation) -> (bool, String) {
    match revocation {
        Revocation::Token { jti, .. } => (true, jti.clone()),
        Revocation::User { unique_id, .. } => (false, unique_id.clone()),
    }
}

/// What is published: `token <until> <jti>` or `user <issued until> <until> <uniqueID>`; `until` in milliseconds since
/// the Unix epoch. The name comes last because it may hold anything.
fn message(revocation: &Revocation) -> String {
    let millis = |until: &Wall| millis_up(until.since_epoch());
    match revocation {
        Revocation::Token { jti, until } => format!("token {} {jti}", millis(until)),
        Revocation::User { unique_id, issued_until, until } => {
            format!("user {issued_until} {} {unique_id}", millis(until))
        }
    }
}

fn read_message(bytes: &[u8]) -> Option<Revocation> {
    let (kind, rest) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    let until = |millis: &str| Some(Wall::from_epoch(Duration::from_millis(millis.parse().ok()?)));
    match kind {
        "token" => {
            let (millis, jti) = rest.split_once(' ')?;
            Some(Revocation::Token { jti: jti.to_owned(), until: until(millis)? })
        }
        "user" => {
            let (issued_until, rest) = rest.split_once(' ')?;
            let (millis, unique_id) = rest.split_once(' ')?;
            Some(Revocation::User {
                unique_id: unique_id.to_owned(),
                issued_until: issued_until.parse().ok()?,
                until: until(millis)?,
            })
        }
        _ => None,
    }
}

struct Feed(Box<dyn Subscription>);

#[async_trait]
impl RevocationFeed for Feed {
    async fn next(&mut self) -> Result<Revocation, StoreError> {
        loop {
            // What is none of ours is passed over: the next whole reading makes up for it.
            if let Some(revocation) = read_message(&self.0.next().await?) {
                return Ok(revocation);
            }
        }
    }
}

#[cfg(test)]
#[path = "revocations_tests.rs"]
mod tests;
