//! The decision cache that outlives a process, in Redis: `decision:<subject>:<question>`, ended by Redis itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::link::{Answer, Command, RedisLink, Scanned, command, millis_down};
use crate::ports::{DecisionKey, DecisionStore, StoreError};

/// How many keys one step of a scan looks at.
const STEP: &[u8] = b"1000";

/// The most steps of one scan. A cache this large is not one of this node's.
const STEPS: usize = 10_000;

/// Decisions in a Redis.
pub struct RedisDecisions(pub Arc<dyn RedisLink>);

impl std::fmt::Debug for RedisDecisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisDecisions").finish_non_exhaustive()
    }
}

/// The key. Its parts are hexadecimal, so there is nothing to escape; what is not is no key of this cache.
fn key(DecisionKey { subject, question }: &DecisionKey) -> Result<Vec<u8>, StoreError> {
    Ok(format!("decision:{}:{}", hexadecimal(subject)?, hexadecimal(question)?).into_bytes())
}

fn hexadecimal(name: &str) -> Result<&str, StoreError> {
    let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if good {
        Ok(name)
    } else {
        Err(StoreError::Refused("a name of the cache is not hexadecimal".to_owned()))
    }
}

#[async_trait]
impl DecisionStore for RedisDecisions {
    async fn get(&self, name: &DecisionKey) -> Result<Option<Vec<u8>>, StoreError> {
        match self.0.pipeline(&[command([b"GET", &key(name)?])]).await?.pop() {
            Some(Answer::Bytes(sealed)) => Ok(Some(sealed)),
            Some(Answer::Nil) => Ok(None),
            other => Err(StoreError::Unavailable(format!("no answer to GET: {other:?}"))),
        }
    }

    async fn put(&self, name: &DecisionKey, sealed: &[u8], ttl: Duration) -> Result<(), StoreError> {
        // Rounded down: a decision must not be there longer than it may be served.
        let ttl = millis_down(ttl);
        if ttl == 0 {
            return Ok(());
        }
        let put = command([b"SET", &key(name)?, sealed, b"PX", ttl.to_string().as_bytes()]);
        match self.0.pipeline(&[put]).await?.pop() {
            Some(Answer::Bytes(ok)) if ok == b"OK" => Ok(()),
            other => Err(StoreError::Unavailable(format!("no answer to SET: {other:?}"))),
        }
    }

    /// Walks the whole cache: revocations are rare, decisions are not, so there is no second index to keep.
    async fn forget(&self, subject: &str) -> Result<(), StoreError> {
        let pattern = format!("decision:{}:*", hexadecimal(subject)?);
        let mut cursor = Some(b"0".to_vec());
        for _ in 0..STEPS {
            let Some(from) = cursor else { return Ok(()) };
            let step = command([b"SCAN", &from, b"MATCH", pattern.as_bytes(), b"COUNT", STEP]);
            let Scanned { keys, next } = Scanned::read(&self.0.pipeline(&[step]).await?)?;
            if !keys.is_empty() {
                let gone: Command = std::iter::once(b"DEL".to_vec()).chain(keys).collect();
                match self.0.pipeline(&[gone]).await?.pop() {
                    Some(Answer::Integer(_)) => {}
                    other => return Err(StoreError::Unavailable(format!("no answer to DEL: {other:?}"))),
                }
            }
            cursor = next;
        }
        Err(StoreError::Refused("the cache is too large to be walked".to_owned()))
    }
}

#[cfg(test)]
#[path = "decisions_tests.rs"]
mod tests;
