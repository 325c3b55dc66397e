//! The claims a token makes, read strictly.

use dive_authz::{Acr, Subject};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

use super::claim_map::ClaimMap;
use super::json::Object;
use super::{TokenError, VerifiedToken, Vouched};

/// The longest text, bytes, and the longest list that is no mistake.
const LONGEST_TEXT: usize = 512;
const LONGEST_LIST: usize = 64;

/// What is read of a token. Claims of other names are not looked at; a claim of the wrong type refuses the
/// token: a string where a list belongs is no list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    iss: Text,
    exp: Seconds,
    iat: Seconds,
    #[serde(default)]
    nbf: Option<Seconds>,
    /// A token that cannot be named cannot be revoked.
    jti: Text,
    #[serde(default)]
    typ: Option<Text>,
    #[serde(rename = "uniqueID", default)]
    unique_id: Option<Text>,
    #[serde(default)]
    clearance: Option<Text>,
    #[serde(default)]
    clearance_original: Option<Text>,
    #[serde(default)]
    clearance_country: Option<Text>,
    #[serde(default)]
    country_of_affiliation: Option<Text>,
    #[serde(rename = "acpCOI", default)]
    acp_coi: Option<List>,
    #[serde(default)]
    organization_type: Option<Text>,
    #[serde(default)]
    roles: Option<List>,
    #[serde(rename = "auth_time", default)]
    auth_time: Option<i64>,
    #[serde(rename = "mfa_used", default)]
    mfa_used: Option<bool>,
    #[serde(default)]
    acr: Option<Acr>,
    #[serde(default)]
    amr: Option<List>,
}

/// A text of bearable length.
#[derive(Debug)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > LONGEST_TEXT { Err(D::Error::custom("a text is too long")) } else { Ok(Self(text)) }
    }
}

/// A list of them.
#[derive(Debug)]
struct List(Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<Text>::deserialize(deserializer)?;
        if texts.len() > LONGEST_LIST {
            return Err(D::Error::custom("a list is too long"));
        }
        Ok(Self(texts.into_iter().map(|text| text.0).collect()))
    }
}

/// A NumericDate (RFC 7519): seconds since the Unix epoch, perhaps with a fraction.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "serde_json::Number")]
struct Seconds(i64);

impl TryFrom<serde_json::Number> for Seconds {
    type Error = &'static str;

    fn try_from(number: serde_json::Number) -> Result<Self, Self::Error> {
        // Year 9999; nothing in a token is further away, and sums stay far from overflow.
        const LATEST: f64 = 253_402_300_800.0;
        let seconds = number.as_f64().ok_or("a time must be a number")?;
        if (0.0..LATEST).contains(&seconds) {
            Ok(Self(seconds as i64))
        } else {
            Err("a time is out of range")
        }
    }
}

/// What a token that `vouched` stands for says, in this house's words.
pub(super) fn read(
    claims: Object,
    map: Option<&ClaimMap>,
    vouched: Vouched,
) -> Result<VerifiedToken, TokenError> {
    let Object(mut claims) = claims;
    if let Some(map) = map {
        map.apply(&mut claims).map_err(|_| TokenError::Unmapped)?;
    }
    let claims = Claims::deserialize(Value::Object(claims)).map_err(|_| TokenError::Claims)?;
    claims.into_verified(vouched)
}

impl Claims {
    fn into_verified(self, vouched: Vouched) -> Result<VerifiedToken, TokenError> {
        // An issuer signs other things than access tokens with the same key, and says so.
        let for_access = self.typ.is_none_or(|Text(kind)| kind.eq_ignore_ascii_case("Bearer"));
        if !for_access || self.exp.0 <= self.iat.0 || self.jti.0.is_empty() {
            return Err(TokenError::Claims);
        }
        let text = |text: Option<Text>| text.map(|text| text.0);
        let list = |list: Option<List>| list.map(|list| list.0);
        Ok(VerifiedToken {
            subject: Subject {
                authenticated: true,
                unique_id: text(self.unique_id),
                clearance: text(self.clearance),
                clearance_original: text(self.clearance_original),
                clearance_country: text(self.clearance_country),
                country_of_affiliation: text(self.country_of_affiliation),
                acp_coi: list(self.acp_coi).unwrap_or_default(),
                organization_type: text(self.organization_type),
                issuer: Some(self.iss.0),
                auth_time: self.auth_time,
                mfa_used: self.mfa_used,
            },
            acr: self.acr,
            amr: list(self.amr),
            jti: self.jti.0,
            roles: list(self.roles).unwrap_or_default(),
            issued: self.iat.0,
            expires: self.exp.0,
            // A token cannot be good before it was made.
            not_before: self.nbf.map_or(self.iat.0, |nbf| nbf.0.max(self.iat.0)),
            vouched,
        })
    }
}
