//! Tokens that are to be refused, tokens that are not, and what is remembered of them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::Settings;
use crate::testing::{EPOCH, ISSUER, KEY, OTHER_KEY, World, claims, token};

/// The status of a request with `token`, and the reason when it was refused.
async fn status(world: &World, token: &str) -> (u16, String) {
    let answer = world.authorize(token, "secret-1").await;
    (answer.status.as_u16(), answer.json()["reason"].as_str().unwrap_or_default().to_owned())
}

async fn refused(world: &World, token: &str, reason: &str) {
    assert_eq!(status(world, token).await, (401, reason.to_owned()));
}

fn with(claim: &str, value: Value) -> Value {
    let mut changed = claims();
    changed[claim] = value;
    changed
}

fn without(claim: &str) -> Value {
    let mut changed = claims();
    changed.as_object_mut().unwrap().remove(claim);
    changed
}

/// `alg: none`, written by hand, for no library would.
fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", base64url(&json!({"alg": "none", "kid": "key-1"})), base64url(claims))
}

/// Base64url of a value's text.
fn base64url(value: &Value) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let text = value.to_string();
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

#[tokio::test(start_paused = true)]
async fn only_rs256_under_a_key_of_the_named_issuer_is_accepted() {
    let world = World::new();
    assert_eq!(status(&world, &token()).await.0, 200);

    refused(&world, &unsigned(&claims()), "the token's algorithm is not RS256").await;
    let hmac = Header { kid: Some("key-1".to_owned()), ..Header::new(Algorithm::HS256) };
    let public = serde_json::to_vec(&KEY.public).unwrap();
    let forged = encode(&hmac, &claims(), &EncodingKey::from_secret(&public)).unwrap();
    refused(&world, &forged, "the token's algorithm is not RS256").await;
    let other_rsa = Header { kid: Some("key-1".to_owned()), ..Header::new(Algorithm::RS512) };
    let stronger = encode(&other_rsa, &claims(), &KEY.private).unwrap();
    refused(&world, &stronger, "the token's algorithm is not RS256").await;

    refused(&world, &OTHER_KEY.sign_as("key-1", &claims()), "the token's signature does not match").await;
    refused(&world, &OTHER_KEY.sign(&claims()), "the token's key is not one of its issuer's").await;
    let foreign = KEY.sign(&with("iss", json!("https://elsewhere")));
    refused(&world, &foreign, "the token's issuer is not trusted").await;
    let nameless = encode(&Header::new(Algorithm::RS256), &claims(), &KEY.private).unwrap();
    refused(&world, &nameless, "the token names no key").await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_token_is_refused() {
    let world = World::new();
    let good = token();
    let parts: Vec<&str> = good.split('.').collect();
    let promoted = base64url(&with("clearance", json!("TOP_SECRET")));
    let forged = format!("{}.{promoted}.{}", parts[0], parts[2]);
    refused(&world, &forged, "the token's signature does not match").await;
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        assert_eq!(status(&world, &good[..cut]).await.0, 401, "{cut}");
    }
    assert_eq!(status(&world, &format!("{good}.{good}")).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn times_hold_with_thirty_seconds_of_skew_and_not_a_second_more() {
    let cases = [
        ("exp", EPOCH - 29, 200, ""),
        ("exp", EPOCH - 30, 401, "the token has expired"),
        ("nbf", EPOCH + 30, 200, ""),
        ("nbf", EPOCH + 31, 401, "the token is not valid yet"),
        ("iat", EPOCH + 30, 200, ""),
        ("iat", EPOCH + 31, 401, "the token is not valid yet"),
    ];
    for (claim, at, expected, reason) in cases {
        let world = World::new();
        let mut timed = claims();
        timed["iat"] = (EPOCH - 1_000).into();
        timed["nbf"] = (EPOCH - 1_000).into();
        timed[claim] = at.into();
        let (status, said) = status(&world, &KEY.sign(&timed)).await;
        assert_eq!(status, expected, "{claim} {}", at - EPOCH);
        assert!(expected == 200 || said == reason, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_refused_once_it_has_expired_or_the_clock_steps_back() {
    let world = World::new();
    assert_eq!(status(&world, &token()).await.0, 200);
    world.runtime.step_wall(3600 + 29);
    assert_eq!(status(&world, &token()).await.0, 200);
    world.runtime.step_wall(1);
    refused(&world, &token(), "the token has expired").await;
    world.runtime.step_wall(-3600 - 30 - 31);
    refused(&world, &token(), "the token is not valid yet").await;
}

#[tokio::test(start_paused = true)]
async fn claims_that_are_missing_or_of_another_type_refuse_the_token() {
    let world = World::new();
    let strange = [
        without("exp"),
        without("iat"),
        without("iss"),
        with("exp", json!("1750003600")),
        with("exp", json!(-1)),
        with("exp", json!(1e300)),
        with("exp", json!(EPOCH)),
        with("nbf", json!(true)),
        with("acpCOI", json!("FVEY")),
        with("amr", json!("pwd")),
        with("amr", json!([1])),
        with("acr", json!(true)),
        with("clearance", json!(["SECRET"])),
        with("uniqueID", json!(7)),
        json!([]),
    ];
    for claims in strange {
        refused(&world, &KEY.sign(&claims), "the token's claims are missing or of the wrong type").await;
    }
}

#[tokio::test(start_paused = true)]
async fn absent_attributes_travel_to_the_engine_as_they_are() {
    let world = World::new();
    assert_eq!(status(&world, &KEY.sign(&without("clearance"))).await.0, 200);
    assert_eq!(world.engine.last.lock().as_ref().unwrap().subject.clearance, None);
}

#[tokio::test(start_paused = true)]
async fn an_overlong_token_is_not_looked_at() {
    let world = World::new();
    let long = KEY.sign(&with("padding", json!("x".repeat(8_000))));
    refused(&world, &long, "the token is longer than is looked at").await;
    assert_eq!(world.issuers.entries_read.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn two_tokens_with_the_same_beginning_are_two_tokens() {
    let world = World::new();
    let (alice, bob) = (token(), KEY.sign(&with("uniqueID", json!("bob"))));
    assert_eq!(alice[..64], bob[..64]);
    for (token, subject) in [(&alice, "alice"), (&bob, "bob"), (&alice, "alice"), (&bob, "bob")] {
        world.authorize(token, "secret-1").await;
        assert_eq!(world.audit.entries.lock().last().unwrap()["subject"], subject);
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_trusted_set_cannot_be_read_only_issuers_read_before_are_trusted() {
    let world = World::new();
    world.issuers.trust("https://fra", &[&OTHER_KEY]);
    let known = token();
    let unknown = OTHER_KEY.sign(&with("iss", json!("https://fra")));
    assert_eq!(status(&world, &known).await.0, 200);
    world.issuers.readable(false);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_mins(61)).await;
        world.runtime.step_wall(-3660);
        assert_eq!(status(&world, &known).await.0, 200, "cached keys still verify");
        refused(&world, &unknown, "the token's issuer is not trusted").await;
    }
    world.issuers.readable(true);
    assert_eq!(status(&world, &unknown).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_no_longer_trusted_is_refused_within_the_entrys_time_to_live() {
    let world = World::new();
    assert_eq!(status(&world, &token()).await.0, 200);
    world.issuers.trusted.lock().clear();
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(status(&world, &token()).await.0, 200, "its entry is fresh");
    tokio::time::sleep(Duration::from_secs(1)).await;
    refused(&world, &token(), "the token's issuer is not trusted").await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_makes_the_keys_be_read_again_once_and_not_at_will() {
    let world = World::new();
    assert_eq!(status(&world, &token()).await.0, 200);
    world.issuers.trust(ISSUER, &[&KEY, &OTHER_KEY]);
    let rotated = OTHER_KEY.sign(&claims());
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(status(&world, &rotated).await.0, 200, "a new key is found");
    let reads = world.issuers.keys_read.load(Ordering::Relaxed);
    for number in 0..50 {
        let made_up = KEY.sign_as(&format!("key-{number}-made-up"), &claims());
        refused(&world, &made_up, "the token's key is not one of its issuer's").await;
    }
    assert_eq!(world.issuers.keys_read.load(Ordering::Relaxed), reads, "not again within 30 s");
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_again_after_an_hour() {
    let settings = Settings::default().with("token.trust_ttl", "24h").unwrap();
    let world = World::with(&settings, |_| {});
    let long_lived = KEY.sign(&with("exp", json!(EPOCH + 100_000)));
    assert_eq!(status(&world, &long_lived).await.0, 200);
    world.issuers.trust(ISSUER, &[&OTHER_KEY]);
    tokio::time::sleep(Duration::from_mins(59)).await;
    assert_eq!(status(&world, &long_lived).await.0, 200);
    tokio::time::sleep(Duration::from_mins(1)).await;
    refused(&world, &long_lived, "the token's key is not one of its issuer's").await;
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_not_verified_anew_while_its_key_stays() {
    let world = World::new();
    let remembered = "dive_v3_cache_operations_total{cache_type=\"token\",hit=\"true\"}";
    for minutes in 0..10 {
        assert_eq!(status(&world, &token()).await.0, 200);
        assert_eq!(world.metric(remembered).await, Some(f64::from(minutes)));
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    assert_eq!(world.issuers.entries_read.load(Ordering::Relaxed), 10, "the entry is read every time");
    assert_eq!(world.issuers.keys_read.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_not_meant_for_this_vouch_for_nothing() {
    use jsonwebtoken::jwk::{AlgorithmParameters, KeyAlgorithm, PublicKeyUse};
    let changes: [fn(&mut jsonwebtoken::jwk::Jwk); 4] = [
        |jwk| jwk.common.public_key_use = Some(PublicKeyUse::Encryption),
        |jwk| jwk.common.key_algorithm = Some(KeyAlgorithm::RS512),
        |jwk| jwk.common.key_id = None,
        |jwk| {
            if let AlgorithmParameters::RSA(rsa) = &mut jwk.algorithm {
                rsa.n.truncate(200);
            }
        },
    ];
    for change in changes {
        let world = World::new();
        change(&mut world.issuers.trusted.lock().get_mut(ISSUER).unwrap().keys[0]);
        refused(&world, &token(), "the token's key is not one of its issuer's").await;
    }
}

#[tokio::test(start_paused = true)]
async fn verified_tokens_are_remembered_and_bounded() {
    let settings = Settings::default().with("token.cache_entries", "2").unwrap();
    let world = World::with(&settings, |_| {});
    for number in 0..5 {
        world.authorize(&KEY.sign(&with("jti", json!(number))), "secret-1").await;
    }
    assert_eq!(world.metric("dive_v3_cache_size{cache_type=\"token\"}").await, Some(2.0));
    assert_eq!(world.metric("dive_v3_cache_evictions_total{cache_type=\"token\"}").await, Some(3.0));
}
