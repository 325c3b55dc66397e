//! Entries of the shared cache, sealed: whoever can write to it can make the node forget, but not allow.
//!
//! ```text
//!  version (1) │ expiry, ms since the Unix epoch (8, most significant first) │ decision, JSON │ tag (32)
//! ```
//! The tag is HMAC-SHA256 over the entry's place and everything before it, so an entry is good in no other
//! place and at no later time. A place is a keyed digest itself: it tells nobody who asked for what.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use dive_authz::{Decision, Input};
use dive_runtime::Wall;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::ports::DecisionKey;

const VERSION: u8 = 1;
const TAG: usize = 32;
const HEAD: usize = 9;

/// The key that seals cached decisions: 32 bytes that nobody else knows. Never printed.
#[derive(Clone)]
pub struct SealingKey(Hmac<Sha256>);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// There is no key to seal cached decisions with.
#[derive(Debug, thiserror::Error)]
pub enum SealingKeyError {
    /// The file cannot be read.
    #[error("cache.key_file {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no key.
    #[error("cache.key_file {path} must hold exactly 32 bytes, not {found}")]
    Length {
        /// The file.
        path: String,
        /// Its length, bytes.
        found: usize,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    NoEntropy(getrandom::Error),
}

impl SealingKey {
    /// A key that was made elsewhere.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("HMAC takes keys of any length"))
    }

    /// A new key: what is sealed with it is of no use after the process has ended.
    ///
    /// # Errors
    /// [`SealingKeyError::NoEntropy`] when the system gives no random bytes.
    pub fn random() -> Result<Self, SealingKeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(SealingKeyError::NoEntropy)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The key in the file at `path`.
    ///
    /// # Errors
    /// [`SealingKeyError`] when it cannot be read or does not hold exactly 32 bytes.
    pub fn read(path: &Path) -> Result<Self, SealingKeyError> {
        let shown = || path.display().to_string();
        let bytes =
            std::fs::read(path).map_err(|source| SealingKeyError::Unreadable { path: shown(), source })?;
        let bytes = <&[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| SealingKeyError::Length { path: shown(), found: bytes.len() })?;
        Ok(Self::from_bytes(bytes))
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            // Each part's length keeps its end and the next one's beginning from running into each other.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    fn name(&self, parts: &[&[u8]]) -> String {
        let tag = self.mac(parts).finalize().into_bytes();
        tag.iter().fold(String::with_capacity(2 * TAG), |mut hex, byte| {
            for nibble in [byte >> 4, byte & 15] {
                hex.push(char::from_digit(nibble.into(), 16).expect("a nibble is a hexadecimal digit"));
            }
            hex
        })
    }

    /// The place of the decisions about a subject.
    pub(super) fn subject(&self, unique_id: Option<&str>) -> String {
        match unique_id {
            Some(unique_id) => self.name(&[b"subject", unique_id.as_bytes()]),
            None => self.name(&[b"nobody"]),
        }
    }

    /// The place of the answer to `input` under a policy: the whole question counts, less its time and the
    /// request's id.
    pub(super) fn place(&self, input: &Input, revision: &str) -> DecisionKey {
        let mut question = input.clone();
        question.context.current_time.clear();
        question.context.request_id.clear();
        let question = serde_json::to_vec(&question).expect("strings, numbers and lists always serialise");
        DecisionKey {
            subject: self.subject(input.subject.unique_id.as_deref()),
            question: self.name(&[b"question", revision.as_bytes(), &question]),
        }
    }

    /// A decision as it may be given out of hand until `expires`.
    pub(super) fn seal(&self, place: &DecisionKey, decision: &Decision, expires: Wall) -> Vec<u8> {
        let mut sealed = vec![VERSION];
        let millis = u64::try_from(expires.since_epoch().as_millis()).unwrap_or(0);
        sealed.extend_from_slice(&millis.to_be_bytes());
        serde_json::to_writer(&mut sealed, decision).expect("strings and flags always serialise");
        let tag = self.tag(place, &sealed).finalize().into_bytes();
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// The decision and what is left of its time to live, which is at most `ttl`; `None` for whatever this
    /// key did not seal for this place, and for what has expired.
    pub(super) fn open(
        &self,
        place: &DecisionKey,
        sealed: &[u8],
        now: Wall,
        ttl: Duration,
    ) -> Option<(Decision, Duration)> {
        let (body, tag) = sealed.split_last_chunk::<TAG>()?;
        self.tag(place, body).verify_slice(tag).ok()?;
        let (head, decision) = body.split_first_chunk::<HEAD>()?;
        let (version, millis) = head.split_first()?;
        if *version != VERSION {
            return None;
        }
        let expires = Duration::from_millis(u64::from_be_bytes(millis.try_into().ok()?));
        let left = expires.checked_sub(now.since_epoch()).filter(|left| !left.is_zero())?;
        // More than there can be: the clock was set back since, or the time to live was shortened.
        if left > ttl {
            return None;
        }
        Some((serde_json::from_slice(decision).ok()?, left))
    }

    fn tag(&self, place: &DecisionKey, body: &[u8]) -> Hmac<Sha256> {
        self.mac(&[b"entry", place.subject.as_bytes(), place.question.as_bytes(), body])
    }
}

#[cfg(test)]
mod tests {
    use dive_authz::{Check, Checks};
    use proptest::prelude::*;

    use super::*;

    const NOW: Wall = Wall::from_epoch(Duration::from_secs(1_750_000_000));
    const TTL: Duration = Duration::from_secs(30);

    fn key() -> SealingKey {
        SealingKey::from_bytes(&[7; 32])
    }

    fn place(question: &str) -> DecisionKey {
        DecisionKey { subject: "s".to_owned(), question: question.to_owned() }
    }

    fn decision(allow: bool) -> Decision {
        let checks = Checks::all_held();
        Decision::new(if allow { checks } else { checks.failing(Check::Coi) }, vec![])
    }

    fn in_time(left: Duration) -> Wall {
        Wall::from_epoch(NOW.since_epoch() + left)
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_in_its_place_within_its_time_and_with_its_key_alone(
            allow in any::<bool>(), left in 1u64..30_000, later in 0u64..60_000
        ) {
            let expires = in_time(Duration::from_millis(left));
            let sealed = key().seal(&place("q"), &decision(allow), expires);
            let opened = key().open(&place("q"), &sealed, in_time(Duration::from_millis(later)), TTL);
            let good = later < left;
            prop_assert_eq!(opened.is_some(), good);
            if let Some((opened, rest)) = opened {
                prop_assert_eq!(opened, decision(allow));
                prop_assert_eq!(rest, Duration::from_millis(left - later));
            }
            prop_assert!(key().open(&place("r"), &sealed, NOW, TTL).is_none(), "another question");
            let elsewhere = DecisionKey { subject: "t".to_owned(), ..place("q") };
            prop_assert!(key().open(&elsewhere, &sealed, NOW, TTL).is_none(), "another subject");
            let other = SealingKey::from_bytes(&[8; 32]);
            prop_assert!(other.open(&place("q"), &sealed, NOW, TTL).is_none(), "another key");
        }

        #[test]
        fn no_changed_entry_opens(
            flip in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()
        ) {
            let sealed = key().seal(&place("q"), &decision(false), in_time(TTL));
            let mut changed = sealed.clone();
            changed[flip.index(sealed.len())] ^= 1 << bit;
            prop_assert!(key().open(&place("q"), &changed, NOW, TTL).is_none());
            prop_assert!(key().open(&place("q"), &sealed[..cut.index(sealed.len())], NOW, TTL).is_none());
        }

        #[test]
        fn nothing_made_up_opens(made_up in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(key().open(&place("q"), &made_up, NOW, TTL).is_none());
        }
    }

    #[test]
    fn an_entry_with_more_time_left_than_there_can_be_does_not_open() {
        let sealed = key().seal(&place("q"), &decision(true), in_time(TTL + Duration::from_millis(1)));
        assert!(key().open(&place("q"), &sealed, NOW, TTL).is_none());
    }

    #[test]
    fn a_key_file_holds_a_key_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(SealingKey::read(&path).unwrap_err().to_string().contains("cache.key_file"));
        std::fs::write(&path, [7; 31]).unwrap();
        assert!(SealingKey::read(&path).unwrap_err().to_string().ends_with("exactly 32 bytes, not 31"));
        std::fs::write(&path, [7; 32]).unwrap();
        let read = SealingKey::read(&path).unwrap();
        let sealed = key().seal(&place("q"), &decision(true), in_time(TTL));
        assert!(read.open(&place("q"), &sealed, NOW, TTL).is_some());
        assert_eq!(format!("{read:?}"), "SealingKey(…)");
        let random = SealingKey::random().unwrap();
        assert!(random.open(&place("q"), &sealed, NOW, TTL).is_none());
    }
}
