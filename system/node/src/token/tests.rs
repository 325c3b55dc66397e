//! Tokens over time: when they are good, whom to believe meanwhile, and what is remembered.

use std::sync::atomic::Ordering;
use std::time::Duration;

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
async fn verified_tokens_are_remembered_and_bounded() {
    let settings = Settings::default().with("token.cache_entries", "2").unwrap();
    let world = World::with(&settings, |_| {});
    for number in 0..5 {
        world.authorize(&KEY.sign(&with("jti", json!(format!("t{number}")))), "secret-1").await;
    }
    assert_eq!(world.metric("dive_v3_cache_size{cache_type=\"token\"}").await, Some(2.0));
    assert_eq!(world.metric("dive_v3_cache_evictions_total{cache_type=\"token\"}").await, Some(3.0));
}

#[tokio::test(start_paused = true)]
async fn a_token_once_refused_for_its_key_stays_refused() {
    let world = World::new();
    let token = token();
    assert_eq!(status(&world, &token).await.0, 200);
    // Another key under the same id: whoever holds the old one can sign nothing any more.
    let mut other = OTHER_KEY.public.clone();
    other.common.key_id = KEY.public.common.key_id.clone();
    world.issuers.trusted.lock().get_mut(ISSUER).unwrap().keys = vec![other];
    tokio::time::sleep(Duration::from_mins(61)).await;
    world.runtime.step_wall(-3660);
    for _ in 0..3 {
        refused(&world, &token, "the token's signature does not match").await;
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_keys_published_for_a_minute_are_got_over_without_waiting_for_the_hour() {
    let world = World::new();
    let mut foreign = OTHER_KEY.public.clone();
    foreign.common.key_id = KEY.public.common.key_id.clone();
    world.issuers.trusted.lock().get_mut(ISSUER).unwrap().keys = vec![foreign];
    refused(&world, &token(), "the token's signature does not match").await;
    world.issuers.trust(ISSUER, &[&KEY]);
    tokio::time::sleep(Duration::from_secs(29)).await;
    refused(&world, &token(), "the token's signature does not match").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(status(&world, &token()).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn keys_never_read_verify_nothing() {
    let world = World::new();
    world.issuers.keys_away(true);
    refused(&world, &token(), "the token's key is not one of its issuer's").await;
    world.issuers.keys_away(false);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(status(&world, &token()).await.0, 200);
    world.issuers.keys_away(true);
    tokio::time::sleep(Duration::from_mins(59)).await;
    world.runtime.step_wall(-3600);
    assert_eq!(status(&world, &token()).await.0, 200, "read once, they go on");
}

#[tokio::test(start_paused = true)]
async fn a_partners_claims_are_mapped_and_a_change_of_the_map_is_seen() {
    let world = World::new();
    let map = |term: &str| -> crate::ClaimMap {
        serde_json::from_value(json!({
            "claims": {"login": "uniqueID", "niveau": "clearance", "pays": "countryOfAffiliation"},
            "countries": {"FR": "FRA"},
            "clearances": {"SECRET DÉFENSE": term},
        }))
        .unwrap()
    };
    *world.issuers.claim_map.lock() = Some(std::sync::Arc::new(map("SECRET")));
    let mut theirs = claims();
    for name in ["uniqueID", "clearance", "countryOfAffiliation", "acpCOI"] {
        theirs.as_object_mut().unwrap().remove(name);
    }
    theirs["login"] = "hugo".into();
    theirs["niveau"] = "Secret Défense".into();
    theirs["pays"] = "FR".into();
    let token = KEY.sign(&theirs);
    assert_eq!(status(&world, &token).await.0, 200);
    let subject = world.engine.last.lock().as_ref().unwrap().subject.clone();
    assert_eq!(subject.unique_id.as_deref(), Some("hugo"));
    assert_eq!(subject.clearance.as_deref(), Some("SECRET"));
    assert_eq!(subject.country_of_affiliation.as_deref(), Some("FRA"));
    refused(&world, &self::token(), "the token's claims cannot be mapped").await;

    *world.issuers.claim_map.lock() = Some(std::sync::Arc::new(map("CONFIDENTIAL")));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(status(&world, &token).await.0, 200);
    let clearance = world.engine.last.lock().as_ref().unwrap().subject.clearance.clone();
    assert_eq!(clearance.as_deref(), Some("CONFIDENTIAL"), "a remembered token, too, is mapped anew");
    assert_eq!(world.issuers.keys_read.load(Ordering::Relaxed), 1, "its keys stay");
}
