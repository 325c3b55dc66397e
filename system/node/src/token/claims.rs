//! The claims a token makes, read strictly.

use dive_authz::{Acr, Subject};
use jsonwebtoken::dangerous::insecure_decode_claims;
use parking_lot::Mutex;
use serde::Deserialize;

use super::issuers::VouchingKey;
use super::{TokenError, VerifiedToken};

/// What is read of a token. Claims of other names are not looked at; a claim of the wrong type refuses the
/// token: a string where a list belongs is no list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claims {
    iss: String,
    exp: Seconds,
    iat: Seconds,
    #[serde(default)]
    nbf: Option<Seconds>,
    #[serde(rename = "uniqueID", default)]
    unique_id: Option<String>,
    #[serde(default)]
    clearance: Option<String>,
    #[serde(default)]
    clearance_original: Option<String>,
    #[serde(default)]
    clearance_country: Option<String>,
    #[serde(default)]
    country_of_affiliation: Option<String>,
    #[serde(rename = "acpCOI", default)]
    acp_coi: Option<Vec<String>>,
    #[serde(default)]
    organization_type: Option<String>,
    #[serde(rename = "auth_time", default)]
    auth_time: Option<i64>,
    #[serde(rename = "mfa_used", default)]
    mfa_used: Option<bool>,
    #[serde(default)]
    acr: Option<Acr>,
    #[serde(default)]
    amr: Option<Vec<String>>,
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

impl Claims {
    pub(super) fn into_verified(self, kid: &str, vouching: VouchingKey) -> Result<VerifiedToken, TokenError> {
        // A token cannot be good before it was made.
        let not_before = self.nbf.map_or(self.iat.0, |nbf| nbf.0.max(self.iat.0));
        if self.exp.0 <= self.iat.0 {
            return Err(TokenError::Claims);
        }
        Ok(VerifiedToken {
            subject: Subject {
                authenticated: true,
                unique_id: self.unique_id,
                clearance: self.clearance,
                clearance_original: self.clearance_original,
                clearance_country: self.clearance_country,
                country_of_affiliation: self.country_of_affiliation,
                acp_coi: self.acp_coi.unwrap_or_default(),
                organization_type: self.organization_type,
                issuer: Some(self.iss),
                auth_time: self.auth_time,
                mfa_used: self.mfa_used,
            },
            acr: self.acr,
            amr: self.amr,
            expires: self.exp.0,
            not_before,
            kid: kid.to_owned(),
            key: vouching.key,
            vouched_until: Mutex::new(vouching.until),
        })
    }
}

/// The issuer a token names, before anything vouches for it. Good for nothing but finding the key.
pub(super) fn unverified_issuer(token: &str) -> Result<String, TokenError> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let Issuer { iss } = insecure_decode_claims(token).map_err(|_| TokenError::Claims)?;
    Ok(iss)
}
