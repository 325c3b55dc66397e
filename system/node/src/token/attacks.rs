//! Tokens made to be believed: a table of attacks, and tokens bent at random.
//!
//! Each row is a token and the words with which it is refused. The last proof of each is the same: the engine
//! was never asked.

use std::sync::atomic::Ordering;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::testing::{EPOCH, KEY, OTHER_KEY, TestKey, World, claims, token};

fn encoded(text: &str) -> String {
    Base64UrlUnpadded::encode_string(text.as_bytes())
}

/// A token of exactly these texts, signed by `key` as they are.
fn written(header: &str, payload: &str, key: &TestKey) -> String {
    signed(&format!("{}.{}", encoded(header), encoded(payload)), &key.private, Algorithm::RS256)
}

fn signed(message: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    format!("{message}.{}", crypto::sign(message.as_bytes(), key, algorithm).unwrap())
}

const HEADER: &str = r#"{"alg":"RS256","typ":"JWT","kid":"key-1"}"#;

fn payload(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims();
    change(&mut claims);
    claims.to_string()
}

const ALGORITHM: &str = "the token's algorithm is not RS256";
const CLAIMS: &str = "the token's claims are missing or of the wrong type";
const KEY_UNKNOWN: &str = "the token's key is not one of its issuer's";
const LONG: &str = "the token is longer than is looked at";
const MALFORMED: &str = "the token is malformed";
const NO_KEY: &str = "the token names no key";
const SIGNATURE: &str = "the token's signature does not match";
const NOT_YET: &str = "the token is not valid yet";

fn headers() -> Vec<(&'static str, String, &'static str)> {
    let with = |header: &str| written(header, &payload(|_| ()), &KEY);
    let confused = |algorithm, secret: &[u8]| {
        let name = format!("{algorithm:?}");
        let header = encoded(&json!({"alg": name, "kid": "key-1"}).to_string());
        let message = format!("{header}.{}", encoded(&payload(|_| ())));
        signed(&message, &EncodingKey::from_secret(secret), algorithm)
    };
    let public = serde_json::to_vec(&KEY.public).unwrap();
    let modulus = serde_json::to_value(&KEY.public).unwrap()["n"].as_str().unwrap().to_owned();
    let modulus = Base64UrlUnpadded::decode_vec(&modulus).unwrap();
    let unsigned = |name: &str| {
        format!("{}.{}.", encoded(&format!(r#"{{"alg":"{name}","kid":"key-1"}}"#)), encoded(&payload(|_| ())))
    };
    vec![
        ("no algorithm", unsigned("none"), ALGORITHM),
        ("no algorithm, in capitals", unsigned("NONE"), ALGORITHM),
        ("no algorithm, but signed", with(r#"{"alg":"none","kid":"key-1"}"#), ALGORITHM),
        ("no algorithm named", with(r#"{"kid":"key-1"}"#), ALGORITHM),
        ("RS256 in other letters", with(r#"{"alg":"rs256","kid":"key-1"}"#), ALGORITHM),
        ("a list of algorithms", with(r#"{"alg":["RS256"],"kid":"key-1"}"#), ALGORITHM),
        ("HMAC with the public key", confused(Algorithm::HS256, &public), ALGORITHM),
        ("HMAC with the modulus", confused(Algorithm::HS256, &modulus), ALGORITHM),
        ("a longer HMAC", confused(Algorithm::HS512, &public), ALGORITHM),
        ("another RSA", with(r#"{"alg":"RS512","kid":"key-1"}"#), ALGORITHM),
        ("PSS", with(r#"{"alg":"PS256","kid":"key-1"}"#), ALGORITHM),
        ("two algorithms", with(r#"{"alg":"none","alg":"RS256","kid":"key-1"}"#), MALFORMED),
        ("two keys", with(r#"{"alg":"RS256","kid":"key-2","kid":"key-1"}"#), MALFORMED),
        ("a header of its own making", with(r#"{"alg":"RS256","kid":"key-1","crit":["exp"]}"#), MALFORMED),
        ("a header that is no object", with(r#"["RS256"]"#), MALFORMED),
        ("no key named", with(r#"{"alg":"RS256"}"#), NO_KEY),
        ("a key without name", with(r#"{"alg":"RS256","kid":""}"#), NO_KEY),
        ("a key's number", with(r#"{"alg":"RS256","kid":1}"#), NO_KEY),
        ("a key's long name", with(&format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(513))), NO_KEY),
        ("an unknown key", with(r#"{"alg":"RS256","kid":"key-9"}"#), KEY_UNKNOWN),
        ("a key as a path", with(r#"{"alg":"RS256","kid":"../../key-1"}"#), KEY_UNKNOWN),
        (
            "a key brought along",
            written(
                &json!({"alg": "RS256", "kid": "key-1", "jwk": OTHER_KEY.public}).to_string(),
                &payload(|_| ()),
                &OTHER_KEY,
            ),
            SIGNATURE,
        ),
        (
            "a key to be fetched",
            written(
                r#"{"alg":"RS256","kid":"key-1","jku":"http://127.0.0.1:1/keys","x5u":"http://127.0.0.1:1/"}"#,
                &payload(|_| ()),
                &OTHER_KEY,
            ),
            SIGNATURE,
        ),
        (
            "a header over 8 KB",
            with(&format!(r#"{{"alg":"RS256","kid":"key-1","x":"{}"}}"#, "x".repeat(8192))),
            LONG,
        ),
    ]
}

fn payloads() -> Vec<(&'static str, String, &'static str)> {
    let with = |payload: &str| written(HEADER, payload, &KEY);
    let changed = |name: &'static str, value: Value| with(&payload(|claims| claims[name] = value));
    let doubled = |name: &str, value: &str| {
        let rest = payload(|_| ());
        with(&format!(r#"{{"{name}":{value},{}"#, &rest[1..]))
    };
    let without =
        |name: &'static str| with(&payload(|claims| drop(claims.as_object_mut().unwrap().remove(name))));
    vec![
        ("no issuer", without("iss"), CLAIMS),
        ("no expiry", without("exp"), CLAIMS),
        ("no time of issue", without("iat"), CLAIMS),
        ("no name of its own", without("jti"), CLAIMS),
        ("an empty name", changed("jti", json!("")), CLAIMS),
        ("a number for a name", changed("jti", json!(1)), CLAIMS),
        ("two issuers", doubled("iss", r#""https://elsewhere""#), CLAIMS),
        ("two clearances", doubled("clearance", r#""TOP_SECRET""#), CLAIMS),
        ("two clearances, one escaped", doubled(r"cl\u0065arance", r#""TOP_SECRET""#), CLAIMS),
        ("two expiries", doubled("exp", "9999999999"), CLAIMS),
        ("something twice that nobody reads", doubled("sub", r#""bob""#), CLAIMS),
        ("something twice further in", doubled("extra", r#"{"a":1,"a":2}"#), CLAIMS),
        ("a negative time of issue", changed("iat", json!(-1)), CLAIMS),
        ("a negative expiry", changed("exp", json!(-1)), CLAIMS),
        ("an expiry beyond time", changed("exp", json!(1e300)), CLAIMS),
        ("an expiry as text", changed("exp", json!("9999999999")), CLAIMS),
        ("an expiry before its issue", changed("exp", json!(EPOCH - 1)), CLAIMS),
        ("an expiry at its issue", changed("exp", json!(EPOCH)), CLAIMS),
        ("an issue in the future", changed("iat", json!(EPOCH + 31)), NOT_YET),
        ("a long text", changed("uniqueID", json!("u".repeat(513))), CLAIMS),
        ("a long list", changed("acpCOI", json!(vec!["C"; 65])), CLAIMS),
        ("a list of long texts", changed("acpCOI", json!(["c".repeat(513)])), CLAIMS),
        ("a list in a list", changed("amr", json!([["pwd", "otp"]])), CLAIMS),
        ("a text for a list", changed("amr", json!("pwd otp")), CLAIMS),
        ("truth for a class", changed("acr", json!(true)), CLAIMS),
        ("an object for a clearance", changed("clearance", json!({"level": "SECRET"})), CLAIMS),
        ("an identity token", changed("typ", json!("ID")), CLAIMS),
        ("a logout token", changed("typ", json!("Logout")), CLAIMS),
        ("a refresh token", changed("typ", json!("Refresh")), CLAIMS),
        ("no object", with("[]"), CLAIMS),
        ("no JSON", with("{"), CLAIMS),
        ("an issuer's long name", changed("iss", json!("i".repeat(513))), CLAIMS),
        ("a deep hole", with(&format!(r#"{{"iss":{}1{}}}"#, "[".repeat(500), "]".repeat(500))), CLAIMS),
    ]
}

fn shapes() -> Vec<(&'static str, String, &'static str)> {
    let good = token();
    let parts: Vec<&str> = good.split('.').collect();
    let promoted = encoded(&payload(|claims| claims["clearance"] = "TOP_SECRET".into()));
    vec![
        (
            "another payload under the same signature",
            format!("{}.{promoted}.{}", parts[0], parts[2]),
            SIGNATURE,
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), SIGNATURE),
        ("two parts", format!("{}.{}", parts[0], parts[1]), MALFORMED),
        ("four parts", format!("{good}.{}", parts[2]), CLAIMS),
        ("one part", parts[0].to_owned(), MALFORMED),
        ("dots", "..".to_owned(), MALFORMED),
        ("padding", format!("{}=.{}.{}", parts[0], parts[1], parts[2]), MALFORMED),
        ("no base64", format!("!{}.{}.{}", parts[0], parts[1], parts[2]), MALFORMED),
        ("a stranger's signature", OTHER_KEY.sign_as("key-1", &claims()), SIGNATURE),
    ]
}

#[tokio::test(start_paused = true)]
async fn no_attack_of_the_table_gets_as_far_as_the_engine() {
    let world = World::new();
    for (what, token, reason) in [headers(), payloads(), shapes()].into_iter().flatten() {
        let answer = world.authorize(&token, "secret-1").await;
        let said = (answer.status.as_u16(), answer.json()["reason"].as_str().unwrap_or_default().to_owned());
        assert_eq!(said, (401, reason.to_owned()), "{what}");
    }
    assert_eq!(world.engine.asked.load(Ordering::Relaxed), 0);
    let written = written(HEADER, &payload(|_| ()), &KEY);
    assert_eq!(
        world.authorize(&written, "secret-1").await.status,
        200,
        "what is written like this is believed"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// One byte changed anywhere in a good token, or some of it cut out: it is refused, unless it is the same.
    #[test]
    fn a_bent_token_is_refused(place in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.=-]", cut in 0usize..4) {
        let good = token();
        let place = place.index(good.len());
        let end = (place + cut.max(1)).min(good.len());
        let replacement = if cut == 0 { with.as_str() } else { "" };
        let bent = format!("{}{replacement}{}", &good[..place], &good[end..]);
        prop_assume!(bent != good);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let (status, asked) = runtime.unwrap().block_on(async {
            let world = World::new();
            let status = world.authorize(&bent, "secret-1").await.status;
            (status, world.engine.asked.load(Ordering::Relaxed))
        });
        prop_assert_eq!((status.as_u16(), asked), (401, 0));
    }
}
