//! What a fuzzer drives: a token's way from text to claims, as if its signature had matched. No fuzzer finds a
//! signature, so none would get further otherwise.
//!
//! Nothing that is read here leaves: all a caller learns is whether it would be believed.

use std::sync::Arc;

use dive_runtime::Monotonic;
use parking_lot::Mutex;

use super::claim_map::ClaimMap;
use super::compact::Compact;
use super::verifying_key::VerifyingKey;
use super::{Vouched, claims};
use crate::ports::TrustedIssuer;

/// The longest text and the longest list in what is believed.
const LONGEST_TEXT: usize = 512;
const LONGEST_LIST: usize = 64;

/// Whether `token` would be believed if its issuer, whose claims `map` explains, had signed it.
///
/// Panics when what would be believed is not what the rest of the node counts on: it is from the issuer whose key
/// would be asked for, it can be named, it lasts, it was valid at no time before it was issued, and everything in
/// it is of bearable length.
pub fn would_be_believed(token: &str, map: Option<&ClaimMap>) -> bool {
    let Ok(token) = Compact::read(token) else { return false };
    let entry = TrustedIssuer {
        issuer: token.issuer.clone(),
        tenant: String::new(),
        keys_url: None,
        claim_map: map.cloned().map(Arc::new),
    };
    let vouched = Vouched {
        kid: token.kid,
        key: Arc::new(VerifyingKey::none()),
        entry: Arc::new(entry),
        until: Mutex::new(Monotonic::START),
    };
    let Ok(read) = claims::read(token.claims, map, vouched) else { return false };

    let subject = &read.subject;
    assert_eq!(subject.issuer.as_deref(), Some(token.issuer.as_str()), "whose key vouches is who says so");
    assert!(!read.jti.is_empty(), "what has no name cannot be revoked");
    assert!(0 <= read.issued && read.issued < read.expires && read.issued <= read.not_before);
    let texts = [
        &subject.unique_id,
        &subject.clearance,
        &subject.clearance_original,
        &subject.clearance_country,
        &subject.country_of_affiliation,
        &subject.organization_type,
    ];
    let no_amr = Vec::new();
    let lists = [&subject.acp_coi, &read.roles, read.amr.as_ref().unwrap_or(&no_amr)];
    assert!(lists.iter().all(|list| list.len() <= LONGEST_LIST));
    let mut all = texts.into_iter().flatten().chain(lists.into_iter().flatten()).chain([&read.jti]);
    assert!(all.all(|text| text.len() <= LONGEST_TEXT));
    true
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding as _};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::testing::claims;

    fn token(header: &str, claims: &str) -> String {
        let encoded = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
        format!("{}.{}.", encoded(header), encoded(claims))
    }

    const HEADER: &str = r#"{"alg":"RS256","kid":"key-1"}"#;

    fn map() -> ClaimMap {
        let map = r#"{"claims": {"login": "uniqueID", "grade": "clearance", "pays": "countryOfAffiliation"},
                      "countries": {"FR": "FRA"}, "clearances": {"SECRET DEFENSE": "SECRET"}}"#;
        serde_json::from_str(map).unwrap()
    }

    #[test]
    fn what_the_draws_begin_with_would_be_believed() {
        assert!(would_be_believed(&token(HEADER, &claims().to_string()), None));
        let partner = r#"{"iss":"https://partner","exp":2,"iat":1,"jti":"j","login":"a","grade":"secret defense","pays":"FR"}"#;
        assert!(would_be_believed(&token(HEADER, partner), Some(&map())));
    }

    proptest! {
        /// Good claims, a few of them typed over by other values.
        #[test]
        fn whatever_is_claimed_it_is_refused_or_can_be_counted_on(
            changes in prop::collection::vec((any::<prop::sample::Index>(), value()), 0..4),
            new in prop::option::of(("(login|grade|pays|typ|roles|amr|[a-z]{1,3})", value())),
            mapped: bool,
        ) {
            let mut claims = claims();
            let object = claims.as_object_mut().unwrap();
            let names: Vec<String> = object.keys().cloned().collect();
            for (at, value) in changes {
                object.insert(at.get(&names).clone(), value);
            }
            object.extend(new);
            would_be_believed(&token(HEADER, &claims.to_string()), mapped.then(map).as_ref());
        }

        #[test]
        fn no_text_is_too_much(header in ".{0,40}", claims in ".{0,40}", text in ".{0,60}") {
            prop_assert!(!would_be_believed(&token(&header, &claims), None));
            prop_assert!(!would_be_believed(&text, None));
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            (500_usize..520).prop_map(|length| "x".repeat(length).into()),
            prop::collection::vec(".{0,4}", 0..4).prop_map(Value::from),
            (60_usize..70).prop_map(|length| vec!["x"; length].into()),
        ]
    }
}
