//! The adapters of a node and of a key access service, other than the policy engine's, with one known defect
//! around them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use dive_node::Dependency;
use dive_node::ports::{
    IdentityProvider, IssuerRegistry, Ports, Probe, ProbeError, ResourceStore, Revocation, RevocationFeed,
    RevocationJournal, RevocationStore, StoreError, StoredResource, TrustedIssuer,
};
use harness_sim::Node;
use jsonwebtoken::jwk::JwkSet;
use scenarios::binding::kit::Kit;
use scenarios::binding::topology::Shape;

/// What is wrong with an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortDefect {
    /// The check of a dependency finds it well, whatever it is.
    AlwaysUp(Dependency),
    /// A dependency is not checked at all.
    Unwatched(Dependency),
    /// Where the registry has no entry, or cannot be read, an issuer is believed.
    AnyIssuer,
    /// Whatever key a token names vouches for it.
    AnyKey,
    /// Keys that cannot be read are taken for none.
    UnreadKeysAreNone,
    /// Once a set of keys was empty, every later one is.
    NoKeysForEver,
    /// What is revoked here never reaches the store.
    LosesRevocations,
    /// What is in the store of revocations is never read.
    NeverSubscribes,
    /// What waits for the store of revocations is lost with the process.
    ForgetsUntold,
    /// A store of revocations that cannot be read is taken for an empty one.
    UnreadIsUnrevoked,
    /// Nothing can be revoked.
    NoRevocations,
    /// Metadata are believed; the object they speak of is never looked at.
    NoObjects,
}

/// Puts the defect in.
pub(crate) fn spoil(ports: &mut Ports, defect: PortDefect, node: &Node) {
    match defect {
        PortDefect::AlwaysUp(dependency) => {
            ports.probes.insert(dependency, Arc::new(Well));
        }
        PortDefect::Unwatched(dependency) => {
            ports.probes.remove(&dependency);
        }
        PortDefect::AnyIssuer => {
            let forger = Arc::new(Forger { node: node.clone(), keys: ports.identity.clone(), always: false });
            ports.issuers = Arc::new(Believing(ports.issuers.clone()));
            ports.identity = forger;
        }
        PortDefect::AnyKey => {
            let keys = ports.identity.clone();
            ports.identity = Arc::new(Forger { node: node.clone(), keys, always: true });
        }
        PortDefect::UnreadKeysAreNone => ports.identity = Arc::new(Forgetting(ports.identity.clone())),
        PortDefect::NoKeysForEver => {
            ports.identity = Arc::new(Discouraged(ports.identity.clone(), AtomicBool::new(false)));
        }
        PortDefect::LosesRevocations | PortDefect::NeverSubscribes => {
            let deaf = defect == PortDefect::NeverSubscribes;
            let around = |store| Arc::new(Revocations { store, deaf }) as Arc<dyn RevocationStore>;
            ports.revocations = ports.revocations.take().map(around);
        }
        PortDefect::ForgetsUntold => ports.revocation_journal = Some(Arc::new(Forgetful)),
        PortDefect::UnreadIsUnrevoked => {
            let around = |store| Arc::new(Guessing(store)) as Arc<dyn RevocationStore>;
            ports.revocations = ports.revocations.take().map(around);
        }
        PortDefect::NoRevocations => ports.revocations = None,
        PortDefect::NoObjects => ports.resources = Arc::new(Bare(ports.resources.clone())),
    }
}

struct Well;

#[async_trait]
impl Probe for Well {
    async fn check(&self) -> Result<(), ProbeError> {
        Ok(())
    }
}

/// What a believed issuer's keys are looked for under.
const BELIEVED: &str = "believed";

struct Believing(Arc<dyn IssuerRegistry>);

#[async_trait]
impl IssuerRegistry for Believing {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        if let Ok(Some(known)) = self.0.trusted(issuer).await {
            return Ok(Some(known));
        }
        Ok(Some(TrustedIssuer {
            issuer: issuer.to_owned(),
            tenant: "USA".to_owned(),
            keys_url: Some(BELIEVED.to_owned()),
            claim_map: None,
        }))
    }
}

/// Publishes a forger's keys beside the real ones.
struct Forger {
    node: Node,
    keys: Arc<dyn IdentityProvider>,
    always: bool,
}

#[async_trait]
impl IdentityProvider for Forger {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        let believed = issuer.keys_url.as_deref() == Some(BELIEVED);
        let mut set = if believed { JwkSet { keys: Vec::new() } } else { self.keys.keys(issuer).await? };
        if believed || self.always {
            let kit = Kit::at(Shape::Hub, self.node.wall()).expect("the kit can be made");
            let forged: JwkSet = serde_json::from_value(kit.callers().forgers_keys().clone())
                .expect("a forger's keys are keys");
            set.keys.extend(forged.keys);
        }
        Ok(set)
    }
}

struct Forgetting(Arc<dyn IdentityProvider>);

#[async_trait]
impl IdentityProvider for Forgetting {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        Ok(self.0.keys(issuer).await.unwrap_or(JwkSet { keys: Vec::new() }))
    }
}

struct Discouraged(Arc<dyn IdentityProvider>, AtomicBool);

#[async_trait]
impl IdentityProvider for Discouraged {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        let set = self.0.keys(issuer).await?;
        let lost = self.1.fetch_or(set.keys.is_empty(), Ordering::Relaxed) || set.keys.is_empty();
        Ok(if lost { JwkSet { keys: Vec::new() } } else { set })
    }
}

struct Revocations {
    store: Arc<dyn RevocationStore>,
    deaf: bool,
}

#[async_trait]
impl RevocationStore for Revocations {
    async fn put(&self, revocation: &Revocation) -> Result<(), StoreError> {
        if self.deaf { self.store.put(revocation).await } else { Ok(()) }
    }

    async fn all(&self) -> Result<Vec<Revocation>, StoreError> {
        let all = self.store.all().await?;
        Ok(if self.deaf { Vec::new() } else { all })
    }

    async fn feed(&self) -> Result<Box<dyn RevocationFeed>, StoreError> {
        if self.deaf { Ok(Box::new(Silence)) } else { self.store.feed().await }
    }
}

struct Forgetful;

#[async_trait]
impl RevocationJournal for Forgetful {
    fn left(&self) -> Vec<Revocation> {
        Vec::new()
    }

    async fn keep(&self, _: &Revocation) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&self) {}
}

struct Guessing(Arc<dyn RevocationStore>);

#[async_trait]
impl RevocationStore for Guessing {
    async fn put(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.0.put(revocation).await
    }

    async fn all(&self) -> Result<Vec<Revocation>, StoreError> {
        Ok(self.0.all().await.unwrap_or_default())
    }

    async fn feed(&self) -> Result<Box<dyn RevocationFeed>, StoreError> {
        Ok(self.0.feed().await.unwrap_or_else(|_| Box::new(Silence)))
    }
}

struct Silence;

#[async_trait]
impl RevocationFeed for Silence {
    async fn next(&mut self) -> Result<Revocation, StoreError> {
        std::future::pending().await
    }
}

struct Bare(Arc<dyn ResourceStore>);

#[async_trait]
impl ResourceStore for Bare {
    async fn resource(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, StoreError> {
        let stored = self.0.resource(resource_id).await?;
        let bare =
            |stored: Arc<StoredResource>| StoredResource { metadata: stored.metadata.clone(), object: None };
        Ok(stored.map(bare).map(Arc::new))
    }

    async fn search(&self, text: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.0.search(text, after, limit).await
    }
}
