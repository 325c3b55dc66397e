//! What goes over the wire. Of a request, whatever is not listed is refused.

use dive_authz::Obligation;
use dive_authz::ztdf::key_wrap::{PublicKey, WrappedKey};
use dive_runtime::Wall;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The path of the route that releases keys.
pub const REQUEST_KEY: &str = "/request-key";

/// The operation that the policy engine is asked about.
pub const OPERATION: &str = "request_key";

/// The longest resource or key access object id, bytes.
const LONGEST_ID: usize = 512;
/// Fewer characters could be guessed, or met twice by chance.
const SHORTEST_NONCE: usize = 16;
const LONGEST_NONCE: usize = 128;

/// `POST /request-key`: asks for one data key, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyRequest {
    /// The resource whose payload is to be opened.
    pub resource_id: String,
    /// The key access object that holds the key, as named in the decision's obligation.
    pub kao_id: String,
    /// Made for this request; the key is wrapped for it.
    pub client_public_key: PublicKey,
    /// Made for this request: 16 to 128 letters, digits, `-` or `_`. Good once, even when the answer is a refusal.
    pub nonce: String,
    /// When the request was made, RFC 3339.
    pub timestamp: String,
}

impl KeyRequest {
    /// The timestamp, once everything is of the right form.
    ///
    /// # Errors
    /// What is wrong, in words for the caller.
    pub fn checked(&self) -> Result<Wall, String> {
        for (name, value) in [("resourceId", &self.resource_id), ("kaoId", &self.kao_id)] {
            if value.is_empty() || value.len() > LONGEST_ID {
                return Err(format!("{name} must have 1 to {LONGEST_ID} bytes"));
            }
        }
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let length = SHORTEST_NONCE..=LONGEST_NONCE;
        if !length.contains(&self.nonce.len()) || !self.nonce.chars().all(usable) {
            return Err(format!(
                "nonce must have {SHORTEST_NONCE} to {LONGEST_NONCE} letters, digits, - or _"
            ));
        }
        let instant = self.timestamp.parse::<Timestamp>().ok();
        instant
            .and_then(|instant| instant.duration_since(Timestamp::UNIX_EPOCH).try_into().ok())
            .map(Wall::from_epoch)
            .ok_or_else(|| "timestamp must be RFC 3339, such as 2025-01-31T12:00:00Z".to_owned())
    }
}

/// 200: the key, readable by the client of this request only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedKey {
    /// The data key, wrapped for `clientPublicKey`, bound to resource, key access object and nonce.
    pub dek: WrappedKey,
    /// The key access object it comes from.
    pub kao_id: String,
    /// What the policy engine obliges the client to.
    pub obligations: Vec<Obligation>,
    /// Names the request in logs and audit.
    pub request_id: String,
}

/// What a refusal says; other fields depend on its kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalBody {
    /// Why.
    pub reason: String,
    /// When to come back, seconds.
    #[serde(default)]
    pub retry_after_seconds: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn request() -> serde_json::Value {
        serde_json::json!({
            "resourceId": "r", "kaoId": "kao-r", "nonce": "0123456789abcdef",
            "clientPublicKey": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
            "timestamp": "2025-06-15T15:06:40.250Z",
        })
    }

    fn read(change: impl FnOnce(&mut serde_json::Value)) -> Result<Wall, String> {
        let mut text = request();
        change(&mut text);
        serde_json::from_value::<KeyRequest>(text).map_err(|error| error.to_string())?.checked()
    }

    #[test]
    fn a_good_request_tells_when_it_was_made() {
        assert_eq!(read(|_| {}), Ok(Wall::from_epoch(Duration::from_millis(1_750_000_000_250))));
        assert_eq!(
            read(|r| r["timestamp"] = "2025-06-15T17:06:40.25+02:00".into()),
            Ok(Wall::from_epoch(Duration::from_millis(1_750_000_000_250)))
        );
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        type Change = fn(&mut serde_json::Value);
        let cases: [(Change, &str); 13] = [
            (|r| r["resourceId"] = "".into(), "resourceId must have"),
            (|r| r["kaoId"] = "k".repeat(513).into(), "kaoId must have"),
            (|r| r["nonce"] = "0123456789abcde".into(), "nonce must have"),
            (|r| r["nonce"] = "n".repeat(129).into(), "nonce must have"),
            (|r| r["nonce"] = "0123456789abcde\n".into(), "nonce must have"),
            (|r| r["nonce"] = 7.into(), "invalid type"),
            (|r| r["timestamp"] = "yesterday".into(), "timestamp must be"),
            (|r| r["timestamp"] = "2025-06-15T15:06:40".into(), "timestamp must be"),
            (|r| r["timestamp"] = "1969-12-31T23:59:59Z".into(), "timestamp must be"),
            (|r| r["timestamp"] = 1_750_000_000.into(), "invalid type"),
            (|r| r["clientPublicKey"] = "AAAA".into(), "not 32 bytes"),
            (|r| r["resource"] = serde_json::json!({"classification": "UNCLASSIFIED"}), "unknown field"),
            (|r| drop(r.as_object_mut().unwrap().remove("nonce")), "missing field `nonce`"),
        ];
        for (change, expected) in cases {
            let why = read(change).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
