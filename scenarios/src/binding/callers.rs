//! Who asks, and what they may have.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use coalition::{Coalition, CoalitionError};
use dive_authz::{Input, Resource};

/// Who logs in and out while others work.
pub const COMMUTER: &str = "bob-usa";
/// Whose tokens are revoked.
pub const LEAVER: &str = "carol-usa";

/// Somebody and something.
pub(super) type Pair = (&'static str, String);

/// The callers of a run, with their tokens and what they may have.
pub struct Callers {
    coalition: Coalition,
    now: i64,
    /// Signed when first used: signing is what takes time here.
    tokens: BTreeMap<&'static str, OnceLock<String>>,
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
        Ok(Self { coalition, now, tokens, allowed, forbidden, classifications })
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

    /// The classification of a resource, as facts carry it.
    pub fn classification(&self, resource: &str) -> String {
        self.classifications.get(resource).cloned().unwrap_or_default()
    }
}
