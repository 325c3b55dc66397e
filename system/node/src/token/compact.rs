//! A token's three parts (RFC 7515, compact serialization), read strictly and believed in nothing.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::Value;

use super::TokenError;
use super::json::Object;
use super::verifying_key::VerifyingKey;

/// The longest key id and issuer that are looked up.
const LONGEST_NAME: usize = 512;

/// A token that is whole, under an algorithm that may be used. Nobody has vouched for it.
pub(super) struct Compact<'a> {
    /// The key that it says it is signed with.
    pub(super) kid: String,
    /// The issuer that it says it is from.
    pub(super) issuer: String,
    /// What it says. Good for nothing before [`is_signed_with`](Self::is_signed_with).
    pub(super) claims: Object,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Compact<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let Object(header) = part(header).ok_or(TokenError::Malformed)?;
        match header.get("alg") {
            Some(Value::String(algorithm)) if algorithm == "RS256" => {}
            _ => return Err(TokenError::Algorithm),
        }
        // Whoever does not know what is critical must refuse (RFC 7515, 4.1.11). Nothing is known here.
        if header.contains_key("crit") {
            return Err(TokenError::Malformed);
        }
        let kid = name(header.get("kid")).ok_or(TokenError::NoKeyId)?;
        let claims: Object = part(claims).ok_or(TokenError::Claims)?;
        let issuer = name(claims.0.get("iss")).ok_or(TokenError::Claims)?;
        Ok(Self { kid, issuer, claims, signed, signature })
    }

    /// Whether the holder of `key` signed it.
    pub(super) fn is_signed_with(&self, key: &VerifyingKey) -> bool {
        let signature = Base64UrlUnpadded::decode_vec(self.signature);
        signature.is_ok_and(|signature| key.verifies(self.signed.as_bytes(), &signature))
    }
}

fn part(text: &str) -> Option<Object> {
    let bytes = Base64UrlUnpadded::decode_vec(text).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn name(value: Option<&Value>) -> Option<String> {
    let name = value?.as_str()?;
    (!name.is_empty() && name.len() <= LONGEST_NAME).then(|| name.to_owned())
}
