//! The checks of a decision, in the order in which a failing one becomes the reason.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One rule of the policy. The order of the variants is the order of precedence of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// The subject is authenticated.
    Authentication,
    /// Required attributes are there and countries are alpha-3.
    Attributes,
    /// The subject's level reaches the resource's.
    Clearance,
    /// Authentication was strong enough.
    Strength,
    /// More than one factor was used.
    Mfa,
    /// The uploader's own country is among the release countries.
    Upload,
    /// The subject's country is among the release countries.
    Releasability,
    /// The subject is in the resource's communities of interest.
    Coi,
    /// The resource is no longer under embargo.
    Embargo,
    /// The ZTDF object is intact.
    Ztdf,
    /// Industry may have it.
    Industry,
    /// It is not above what industry may ever have.
    IndustryCap,
    /// The resource's markings do not contradict each other.
    Coherence,
    /// The token's issuer is trusted.
    Issuer,
    /// The issuer's tenant and this node's tenant federate, in both directions.
    Federation,
    /// The level is not above what was agreed with the issuer's tenant.
    FederationCap,
}

impl Check {
    /// Every check, in the order of precedence of reasons.
    pub const ALL: [Self; 16] = [
        Self::Authentication,
        Self::Attributes,
        Self::Clearance,
        Self::Strength,
        Self::Mfa,
        Self::Upload,
        Self::Releasability,
        Self::Coi,
        Self::Embargo,
        Self::Ztdf,
        Self::Industry,
        Self::IndustryCap,
        Self::Coherence,
        Self::Issuer,
        Self::Federation,
        Self::FederationCap,
    ];

    /// The exact name in `reason` and in `checks`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Attributes => "attributes",
            Self::Clearance => "clearance",
            Self::Strength => "strength",
            Self::Mfa => "MFA",
            Self::Upload => "upload",
            Self::Releasability => "releasability",
            Self::Coi => "COI",
            Self::Embargo => "embargo",
            Self::Ztdf => "ZTDF",
            Self::Industry => "industry",
            Self::IndustryCap => "industry cap",
            Self::Coherence => "coherence",
            Self::Issuer => "issuer",
            Self::Federation => "federation",
            Self::FederationCap => "federation cap",
        }
    }

    /// The check with exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.name() == name)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The outcome of every check: `true` where it held.
///
/// As JSON an object with one boolean per check; one missing, repeated, unknown or not a boolean is an
/// error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks([bool; Check::ALL.len()]);

impl Checks {
    /// Every check held.
    pub const fn all_held() -> Self {
        Self([true; Check::ALL.len()])
    }

    /// The same, but `check` failed.
    #[must_use]
    pub const fn failing(mut self, check: Check) -> Self {
        self.0[check as usize] = false;
        self
    }

    /// Whether `check` held.
    pub const fn held(&self, check: Check) -> bool {
        self.0[check as usize]
    }

    /// The first check that failed, in the order of precedence; `None` when all held.
    pub fn first_failed(&self) -> Option<Check> {
        Check::ALL.into_iter().find(|check| !self.held(*check))
    }

    /// Every check with its outcome, in the order of precedence.
    pub fn iter(&self) -> impl Iterator<Item = (Check, bool)> + '_ {
        Check::ALL.into_iter().map(|check| (check, self.held(check)))
    }
}

impl Serialize for Checks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Check::ALL.len()))?;
        for (check, held) in self.iter() {
            map.serialize_entry(check.name(), &held)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Checks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ChecksVisitor)
    }
}

struct ChecksVisitor;

impl<'de> Visitor<'de> for ChecksVisitor {
    type Value = Checks;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one boolean per check")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Checks, A::Error> {
        let mut outcomes = [None; Check::ALL.len()];
        while let Some(check) = map.next_key::<Check>()? {
            if outcomes[check as usize].replace(map.next_value::<bool>()?).is_some() {
                return Err(A::Error::custom(format_args!("check `{check}` stands twice")));
            }
        }
        let mut checks = Checks::all_held();
        for check in Check::ALL {
            checks.0[check as usize] = outcomes[check as usize]
                .ok_or_else(|| A::Error::custom(format_args!("check `{check}` is missing")))?;
        }
        Ok(checks)
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Check;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a check")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Check, E> {
                Check::from_name(name).ok_or_else(|| E::custom(format_args!("{name:?} is no check")))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variants_stand_in_the_order_of_precedence() {
        assert!(Check::ALL.is_sorted());
        for (place, check) in Check::ALL.into_iter().enumerate() {
            assert_eq!(check as usize, place);
            assert_eq!(Check::from_name(check.name()), Some(check));
        }
    }

    proptest! {
        #[test]
        fn the_first_failed_check_is_the_earliest_of_the_failed(failed in prop::collection::btree_set(0..Check::ALL.len(), 0..16)) {
            let checks = failed.iter().fold(Checks::all_held(), |checks, place| checks.failing(Check::ALL[*place]));
            prop_assert_eq!(checks.first_failed(), failed.first().map(|place| Check::ALL[*place]));
            let json = serde_json::to_string(&checks).unwrap();
            prop_assert_eq!(serde_json::from_str::<Checks>(&json).unwrap(), checks);
        }
    }

    #[test]
    fn a_check_missing_repeated_unknown_or_not_boolean_is_an_error() {
        let whole = serde_json::to_string(&Checks::all_held()).unwrap();
        let cases = [
            whole.replace("\"MFA\":true,", ""),
            whole.replace("\"MFA\":true,", "\"MFA\":true,\"MFA\":true,"),
            whole.replace("\"MFA\"", "\"mfa\""),
            whole.replace("\"MFA\":true", "\"MFA\":\"true\""),
            whole.replace("\"MFA\":true", "\"MFA\":1"),
            whole.replace("\"MFA\":true", "\"MFA\":null"),
        ];
        for case in cases {
            assert_ne!(case, whole);
            assert!(serde_json::from_str::<Checks>(&case).is_err(), "{case}");
        }
    }
}
