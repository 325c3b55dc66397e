//! The check of the store of revocations: it is up once it is there and this node knows what it holds.

use std::sync::Arc;

use async_trait::async_trait;

use super::Revocations;
use crate::ports::{Probe, ProbeError};

/// A check of the store, and of what is known of it.
pub(crate) struct RevocationsProbe {
    pub(crate) store: Arc<dyn Probe>,
    pub(crate) revocations: Arc<Revocations>,
}

#[async_trait]
impl Probe for RevocationsProbe {
    async fn check(&self) -> Result<(), ProbeError> {
        self.store.check().await?;
        if self.revocations.are_known().await {
            Ok(())
        } else {
            Err(ProbeError("it is there, but what was revoked could not be read yet".to_owned()))
        }
    }
}
