//! Where secrets come from.
//!
//! ```text
//! INITIALIZATION ── is a copy here? ─ yes ─► it is used, whatever becomes of the store
//!                        └─ no ─► obtain: the store's, or made here and kept there ─► a copy, mode 0600
//! ```
//!
//! A deployment works from its own copies, so one that runs does not notice that its store is away; a new one fails
//! with 1004 and tries again by that row. A secret is made once, by the machine's own chance, and has a version, which
//! is in its copy's name. None is ever shown: not by `Debug`, not in an error, not in the log.
//!
//! | `DIVE_SECRETS` | the store |
//! |---|---|
//! | `file`, the default | the folder of the copies itself |
//! | `environment` | `DIVE_SECRET_<INSTANCE>_<NAME>`, such as `DIVE_SECRET_HUB_POSTGRES`: given, never made |
//! | `google` | Google's Secret Manager, in the project `DIVE_SECRETS_PROJECT`, as `dive-<instance>-<name>` |
//!
//! With `google`, `DIVE_SECRETS_TOKEN` is an access token; without it the machine's metadata server is asked for one.
//! `DIVE_SECRETS_URL` and `DIVE_SECRETS_METADATA` name other endpoints. Private keys are made here and leave for no
//! store.

mod environment;
mod file;
mod google;
mod name;
mod rotate;
mod token;
mod value;
mod verbs;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};

pub(crate) use name::{FIRST, SecretId, SecretName};
pub(crate) use value::Secret;
pub(crate) use verbs::obey;

/// A store of secrets.
///
/// # Rules
/// - What can't be read is a failure, never a secret that is not there.
/// - A secret that is kept is what every later `read` answers: keeping another one afterwards changes nothing.
/// - No failure's text holds a secret or a token.
/// - Every call ends, whatever the store does: after at most two minutes.
#[async_trait]
pub(crate) trait SecretStore: Send + Sync {
    /// Where a secret of this id is, in words: a path, a variable, a resource's name.
    fn place(&self, id: &SecretId) -> String;

    /// Whether there is one, without reading it where that is possible.
    async fn has(&self, id: &SecretId) -> Done<bool>;

    /// The secret; `None` when there is none.
    async fn read(&self, id: &SecretId) -> Done<Option<Secret>>;

    /// Whether versions of a secret are what is given at the time, and not made.
    fn is_given(&self) -> bool {
        false
    }

    /// The newest version of a secret, whichever `id` names; `None` when there is none, or no telling versions apart.
    async fn newest(&self, id: &SecretId) -> Done<Option<u32>> {
        let _ = id;
        Ok(None)
    }

    /// Drops a version that a newer one took the place of, for good. One that is dropped is no failure.
    async fn forget(&self, id: &SecretId) -> Done {
        let _ = id;
        Ok(())
    }

    /// Keeps a secret, unless there is one.
    ///
    /// # Errors
    /// With [`ErrorCode::SecretLoad`] where secrets are only given, too.
    async fn keep(&self, id: &SecretId, secret: &Secret) -> Done;
}

/// The secret that the store has; one made now and kept there when it has none. Of two that make one at the same
/// time, both get the one that was kept.
pub(crate) async fn obtain(store: &dyn SecretStore, id: &SecretId) -> Done<Secret> {
    if let Some(secret) = store.read(id).await? {
        return Ok(secret);
    }
    store.keep(id, &Secret::made()?).await?;
    let kept = store.read(id).await?;
    kept.ok_or_else(|| {
        Failure::new(ErrorCode::SecretLoad, format!("{} was kept, and is not there", store.place(id)))
    })
}

/// The store that the environment names.
///
/// # Errors
/// When a setting is malformed or missing.
pub(crate) fn store(
    home: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Done<Arc<dyn SecretStore>> {
    let settings: BTreeMap<_, _> =
        environment.filter(|(name, value)| name.starts_with("DIVE_SECRET") && !value.is_empty()).collect();
    match settings.get("DIVE_SECRETS").map(String::as_str) {
        None | Some("file") => Ok(Arc::new(file::Files::new(home))),
        Some("environment") => Ok(Arc::new(environment::Environment::new(settings))),
        Some("google") => Ok(Arc::new(google::SecretManager::new(&settings, google::CALL)?)),
        Some(other) => Err(Failure::new(
            ErrorCode::Configuration,
            format!("DIVE_SECRETS: {other:?} is no store of secrets: it is file, environment or google"),
        )),
    }
}

#[cfg(test)]
mod contract;
