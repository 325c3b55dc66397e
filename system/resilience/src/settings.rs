//! Thresholds and times of a breaker.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A share between 1 % and 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

/// A number that is no share between 1 % and 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a percentage: it must be between 1 and 100")]
pub struct NotAPercentage(pub u8);

impl Percent {
    /// # Errors
    /// [`NotAPercentage`] outside 1..=100.
    pub const fn new(share: u8) -> Result<Self, NotAPercentage> {
        if share >= 1 && share <= 100 { Ok(Self(share)) } else { Err(NotAPercentage(share)) }
    }

    /// The share, 1..=100.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Percent {
    type Error = NotAPercentage;

    fn try_from(share: u8) -> Result<Self, NotAPercentage> {
        Self::new(share)
    }
}

impl From<Percent> for u8 {
    fn from(share: Percent) -> Self {
        share.0
    }
}

/// Who gets through while a breaker is half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// At most this many calls in flight at any instant, whoever makes them.
    Probes(NonZeroU32),
    /// This share of the requests, evenly spread and beginning with the first; every poll.
    Sample(Percent),
}

/// The settings of one breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerSettings {
    /// Consecutive failures that open it.
    pub failures: NonZeroU32,
    /// When set, those failures must all lie inside this span.
    pub within: Option<Duration>,
    /// How long it stays open.
    pub open_for: Duration,
    /// Consecutive successes while half-open that close it.
    pub successes: NonZeroU32,
    /// Who gets through while it is half-open.
    pub half_open: Admission,
    /// When set, it opens again after having been half-open for this long.
    pub half_open_at_most: Option<Duration>,
}

const fn count(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => panic!("a count in the defaults is at least 1"),
    }
}

const fn percent(n: u8) -> Percent {
    match Percent::new(n) {
        Ok(share) => share,
        Err(_) => panic!("a share in the defaults is a percentage"),
    }
}

impl BreakerSettings {
    const fn of_dependency(failures: u32, open_for: Duration, successes: u32) -> Self {
        Self {
            failures: count(failures),
            within: None,
            open_for,
            successes: count(successes),
            half_open: Admission::Probes(count(1)),
            half_open_at_most: None,
        }
    }

    /// The policy engine: 5 failures, 60 s, 2 successes, one probe at a time.
    pub const OPA: Self = Self::of_dependency(5, Duration::from_secs(60), 2);

    /// The identity provider: 3 failures, 30 s, 2 successes, one probe at a time.
    pub const KEYCLOAK: Self = Self::of_dependency(3, Duration::from_secs(30), 2);

    /// The resource and registry store: 5 failures, 60 s, 3 successes, one probe at a time.
    pub const MONGODB: Self = Self::of_dependency(5, Duration::from_secs(60), 3);

    /// The key access service: 3 failures, 30 s, 2 successes, one probe at a time.
    pub const KAS: Self = Self::of_dependency(3, Duration::from_secs(30), 2);

    /// A spoke's link to its hub: 5 failures inside 60 s, 30 s, 20 % of the requests for at most 60 s,
    /// 3 successes.
    pub const FAILOVER: Self = Self {
        failures: count(5),
        within: Some(Duration::from_secs(60)),
        open_for: Duration::from_secs(30),
        successes: count(3),
        half_open: Admission::Sample(percent(20)),
        half_open_at_most: Some(Duration::from_secs(60)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_between_1_and_100() {
        assert_eq!(Percent::new(0), Err(NotAPercentage(0)));
        assert_eq!(Percent::new(101), Err(NotAPercentage(101)));
        assert_eq!(Percent::new(1).map(Percent::get), Ok(1));
        assert_eq!(Percent::new(100).map(Percent::get), Ok(100));
    }

    #[test]
    fn a_stored_setting_out_of_range_is_refused() {
        let stored = serde_json::to_value(BreakerSettings::FAILOVER).unwrap();
        assert_eq!(
            serde_json::from_value::<BreakerSettings>(stored.clone()).unwrap(),
            BreakerSettings::FAILOVER
        );

        let mut zero = stored.clone();
        zero["failures"] = 0.into();
        assert!(serde_json::from_value::<BreakerSettings>(zero).is_err());

        let mut unknown = stored;
        unknown["failure"] = 3.into();
        assert!(serde_json::from_value::<BreakerSettings>(unknown).is_err());
    }
}
