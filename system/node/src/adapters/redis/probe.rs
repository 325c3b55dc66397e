//! Whether a Redis is there.

use std::sync::Arc;

use async_trait::async_trait;

use super::link::{Answer, RedisLink, command};
use crate::ports::{Probe, ProbeError};

/// Says PING on the connection that is in use and on a fresh one: the one in use can go on working after the way is
/// gone for everybody else, and the other way about.
pub struct RedisProbe(pub Arc<dyn RedisLink>);

impl std::fmt::Debug for RedisProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisProbe").finish_non_exhaustive()
    }
}

#[async_trait]
impl Probe for RedisProbe {
    async fn check(&self) -> Result<(), ProbeError> {
        match self.0.pipeline(&[command([b"PING"])]).await?.first() {
            Some(Answer::Bytes(pong)) if pong == b"PONG" => Ok(self.0.ping_afresh().await?),
            other => Err(ProbeError(format!("no answer to PING: {other:?}"))),
        }
    }
}
