//! Who asks, and what they may have.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use coalition::{Coalition, CoalitionError, Tenant};
use dive_authz::{Input, Resource};

/// Who logs in and out while others work.
pub const COMMUTER: &str = "bob-usa";
/// Whose tokens are revoked.
pub const LEAVER: &str = "carol-usa";

/// Who may revoke the tokens of others.
const ADMINISTRATOR: &str = "alice-usa";
/// Whose issuer nobody trusts.
const STRANGER: &str = "mallory-rogue";
/// The tenant of that issuer.
const ROGUE: &str = "ROGUE";

/// Somebody and something.
pub(super) type Pair = (&'static str, String);

/// Somebody with a key that nobody published, and what it signed.
struct Forger {
    keys: serde_json::Value,
    strange: String,
    forged: String,
}

/// The callers of a run, with their tokens and what they may have.
pub struct Callers {
    coalition: Coalition,
    now: i64,
    /// Signed when first used: signing is what takes time here.
    tokens: BTreeMap<&'static str, OnceLock<String>>,
    /// Made when first used: few runs need it, and its key takes long.
    forger: OnceLock<Forger>,
    allowed: Vec<Pair>,
    forbidden: Vec<Pair>,
    classifications: BTreeMap<String, String>,
}

impl Callers {
    /// Every user of the coalition with a token of `now` (seconds since the Unix epoch). What each may
    /// have, `decide` says: the policy, asked while nothing is broken.
    ///
    /// # Errors
    /// When the coalition contradicts itself, which its tests rule out.
    pub fn new(
        coalition: Coalition,
        now: i64,
        current_time: &str,
        decide: impl Fn(&Input) -> bool,
    ) -> Result<Self, CoalitionError> {
        let (mut tokens, mut allowed, mut forbidden) = (BTreeMap::new(), Vec::new(), Vec::new());
        let trusted = |tenant| coalition.tenant(tenant).is_ok_and(|tenant| tenant.trusted);
        for user in coalition.users().iter().filter(|user| trusted(user.tenant)) {
            tokens.insert(user.id, OnceLock::new());
            for resource in coalition.resources() {
                let input = coalition.input(user.id, &resource.resource_id, "read", current_time)?;
                let pair = (user.id, resource.resource_id.clone());
                if decide(&input) { allowed.push(pair) } else { forbidden.push(pair) }
            }
        }
        let classification =
            |resource: &Resource| Some((resource.resource_id.clone(), resource.classification.clone()?));
        let classifications = coalition.resources().iter().filter_map(classification).collect();
        let forger = OnceLock::new();
        Ok(Self { coalition, now, tokens, forger, allowed, forbidden, classifications })
    }

    /// What is asked for, again and again, by those who may have it (or may not).
    pub(super) fn pairs(&self, allowed: bool) -> &[Pair] {
        if allowed { &self.allowed } else { &self.forbidden }
    }

    /// The token that the coalition itself gives a user. One that can't be signed is empty, and refused.
    pub fn token(&self, user: &str) -> &str {
        let sign = || self.coalition.token(user, self.now).unwrap_or_default();
        self.tokens.get(user).map_or("", |token| token.get_or_init(sign))
    }

    fn forger(&self) -> &Forger {
        self.forger.get_or_init(|| {
            let rogue = Coalition::part(self.coalition.seed(), &[ROGUE]);
            let keys = rogue.tenant(ROGUE).map(Tenant::jwks).unwrap_or_default();
            let strange = rogue.token(STRANGER, self.now).unwrap_or_default();
            let claims = self.coalition.claims(ADMINISTRATOR, self.now);
            let forged = claims.and_then(|claims| rogue.sign(ROGUE, &claims)).unwrap_or_default();
            Forger { keys, strange, forged }
        })
    }

    /// A token that says it is the administrator's, signed by a key that nobody published.
    pub(super) fn forged(&self) -> &str {
        &self.forger().forged
    }

    /// A good token of an issuer that nobody trusts.
    pub(super) fn strange(&self) -> &str {
        &self.forger().strange
    }

    /// The public keys that would vouch for what is forged, as a JWK set.
    pub fn forgers_keys(&self) -> &serde_json::Value {
        &self.forger().keys
    }

    /// The second of the Unix epoch at which tokens were issued.
    pub(super) const fn now(&self) -> i64 {
        self.now
    }

    /// The classification of a resource, as facts carry it.
    pub fn classification(&self, resource: &str) -> String {
        self.classifications.get(resource).cloned().unwrap_or_default()
    }
}
