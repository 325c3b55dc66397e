//! A partner's claims in this house's words.
//!
//! ```json
//! {"claims": {"login": "uniqueID", "habilitation": "clearance", "pays": "countryOfAffiliation", "coi": "acpCOI"},
//!  "countries": {"FR": "FRA"},
//!  "clearances": {"SECRET DÉFENSE": "SECRET", "NON PROTÉGÉ": "UNCLASSIFIED"}}
//! ```
//!
//! An attribute comes from the one claim that is mapped to it and from nothing else: a token that makes a claim
//! by the attribute's own name besides is ambiguous. Where countries or clearances are listed, nothing else is
//! understood, so a partner speaks for the countries that it was given and for no other.

use std::collections::BTreeMap;

use dive_authz::{Classification, Country};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::json::Object;

/// Entries of each list.
const MOST: usize = 256;

/// The longest name or term, bytes.
const LONGEST: usize = 128;

/// Claims that mean something of themselves and can be nobody's attribute.
const TAKEN: [&str; 11] =
    ["iss", "aud", "exp", "nbf", "iat", "jti", "typ", "auth_time", "acr", "amr", "roles"];

/// What a claim can be mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Attribute {
    /// Who somebody is.
    #[serde(rename = "uniqueID")]
    UniqueId,
    /// What somebody may read.
    #[serde(rename = "clearance")]
    Clearance,
    /// For whom somebody works.
    #[serde(rename = "countryOfAffiliation")]
    CountryOfAffiliation,
    /// The communities somebody belongs to.
    #[serde(rename = "acpCOI")]
    AcpCoi,
}

impl Attribute {
    /// Every attribute.
    pub const ALL: [Self; 4] = [Self::UniqueId, Self::Clearance, Self::CountryOfAffiliation, Self::AcpCoi];

    /// The claim by which it is known here.
    pub const fn claim(self) -> &'static str {
        match self {
            Self::UniqueId => "uniqueID",
            Self::Clearance => "clearance",
            Self::CountryOfAffiliation => "countryOfAffiliation",
            Self::AcpCoi => "acpCOI",
        }
    }
}

/// A claim map that holds what is asked of one: each attribute comes from one claim, each term means one thing,
/// no term means more than it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Object", into = "Document")]
pub struct ClaimMap {
    claims: BTreeMap<String, Attribute>,
    countries: BTreeMap<String, Country>,
    /// By the term in capitals.
    clearances: BTreeMap<String, Classification>,
}

/// As it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    claims: BTreeMap<String, Attribute>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    countries: BTreeMap<String, Country>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    clearances: BTreeMap<String, Classification>,
}

/// Why a claim map was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimMapError {
    /// It is not of the documented shape, or something stands twice in it.
    #[error("a claim map is not written like this: {0}")]
    Shape(String),
    /// Two claims are mapped to one attribute.
    #[error("two claims are mapped to `{}`", .0.claim())]
    Ambiguous(Attribute),
    /// No claim is mapped to an attribute that everybody must have.
    #[error("no claim is mapped to `{}`", .0.claim())]
    Missing(Attribute),
    /// A claim has a meaning of its own, or its name is blank or too long.
    #[error("`{0}` cannot be an attribute's claim")]
    Source(String),
    /// A country's code is not two capital letters.
    #[error("`{0}` is no alpha-2 code")]
    Code(String),
    /// A term is blank, too long, or stands twice but for capitals.
    #[error("the term `{0}` is blank, too long or ambiguous")]
    Term(String),
    /// A canonical term would mean more than it says.
    #[error("`{from}` must not be raised to {to}")]
    Raised {
        /// The term.
        from: Classification,
        /// What it was to mean.
        to: Classification,
    },
    /// A list is too long.
    #[error("a claim map has at most {MOST} entries of a kind")]
    TooLong,
}

/// A token's claim that the map does not explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unmapped;

impl TryFrom<Object> for ClaimMap {
    type Error = ClaimMapError;

    fn try_from(Object(object): Object) -> Result<Self, Self::Error> {
        let document = Document::deserialize(Value::Object(object));
        document.map_err(|error| ClaimMapError::Shape(error.to_string()))?.validated()
    }
}

impl From<ClaimMap> for Document {
    fn from(map: ClaimMap) -> Self {
        Self { claims: map.claims, countries: map.countries, clearances: map.clearances }
    }
}

fn fits(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= LONGEST
}

impl Document {
    fn validated(self) -> Result<ClaimMap, ClaimMapError> {
        let Self { claims, countries, clearances } = self;
        if claims.len().max(countries.len()).max(clearances.len()) > MOST {
            return Err(ClaimMapError::TooLong);
        }
        if let Some(source) = claims.keys().find(|name| !fits(name) || TAKEN.contains(&name.as_str())) {
            return Err(ClaimMapError::Source(source.clone()));
        }
        for attribute in Attribute::ALL {
            match claims.values().filter(|mapped| **mapped == attribute).count() {
                0 if attribute == Attribute::AcpCoi => {}
                0 => return Err(ClaimMapError::Missing(attribute)),
                1 => {}
                _ => return Err(ClaimMapError::Ambiguous(attribute)),
            }
        }
        let is_alpha2 = |code: &str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if let Some(code) = countries.keys().find(|code| !is_alpha2(code)) {
            return Err(ClaimMapError::Code(code.clone()));
        }
        let mut terms = BTreeMap::new();
        for (term, means) in clearances {
            let canonical = term.to_uppercase().parse::<Classification>();
            if let Ok(from) = canonical
                && means > from
            {
                return Err(ClaimMapError::Raised { from, to: means });
            }
            if !fits(&term) || terms.insert(term.to_uppercase(), means).is_some() {
                return Err(ClaimMapError::Term(term));
            }
        }
        Ok(ClaimMap { claims, countries, clearances: terms })
    }
}

impl ClaimMap {
    /// Puts the attributes' own claims in the place of those that are mapped to them. Other claims stay.
    pub(super) fn apply(&self, claims: &mut Map<String, Value>) -> Result<(), Unmapped> {
        let mut taken = BTreeMap::new();
        for (source, attribute) in &self.claims {
            if let Some(value) = claims.remove(source) {
                taken.insert(*attribute, value);
            }
        }
        if Attribute::ALL.iter().any(|attribute| claims.contains_key(attribute.claim())) {
            return Err(Unmapped);
        }
        for (attribute, value) in taken {
            claims.insert(attribute.claim().to_owned(), self.mapped(attribute, value)?);
        }
        Ok(())
    }

    fn mapped(&self, attribute: Attribute, value: Value) -> Result<Value, Unmapped> {
        match (attribute, value) {
            // Nothing is claimed: the attribute is missing.
            (_, Value::Null) => Ok(Value::Null),
            (Attribute::UniqueId, value @ Value::String(_))
            | (Attribute::AcpCoi, value @ Value::Array(_)) => Ok(value),
            (Attribute::CountryOfAffiliation, Value::String(code)) => {
                self.country(&code).map(|country| country.as_str().into()).ok_or(Unmapped)
            }
            (Attribute::Clearance, Value::String(term)) => {
                if self.clearances.is_empty() {
                    return Ok(term.into());
                }
                let level = self.clearances.get(&term.to_uppercase());
                level.map(|level| level.as_str().into()).ok_or(Unmapped)
            }
            _ => Err(Unmapped),
        }
    }

    /// A listed alpha-2 code, or the alpha-3 code of a listed country; any country's when none is listed.
    fn country(&self, code: &str) -> Option<Country> {
        let listed = self.countries.get(code).copied();
        let spelled_out = || {
            let country: Country = code.parse().ok()?;
            let may = self.countries.is_empty() || self.countries.values().any(|listed| *listed == country);
            may.then_some(country)
        };
        listed.or_else(spelled_out)
    }
}

#[cfg(test)]
#[path = "claim_map_tests.rs"]
mod tests;
