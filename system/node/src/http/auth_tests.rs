//! Revoking over HTTP: who may, what follows, where it holds.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::testing::{EPOCH, FakeDecisions, FakeJournal, FakeRevocations, KEY, Switch, World, claims, token};
use crate::{Dependency, Settings};

fn sharing(store: &Arc<FakeRevocations>) -> World {
    sharing_with(store, &Arc::default())
}

fn sharing_with(store: &Arc<FakeRevocations>, journal: &Arc<FakeJournal>) -> World {
    let world = World::with(&Settings::default(), |ports| {
        ports.revocations = Some(store.clone());
        ports.revocation_journal = Some(journal.clone());
        ports.probes.insert(Dependency::BlacklistRedis, Switch::on());
    });
    world.node.start();
    world
}

/// A token like `token()`, one claim of it changed.
fn with(claim: &str, value: Value) -> String {
    let mut claims = claims();
    claims[claim] = value;
    KEY.sign(&claims)
}

async fn status(world: &World, token: &str) -> u16 {
    world.authorize(token, "secret-1").await.status.as_u16()
}

async fn revoke(world: &World, token: &str, body: Value) -> u16 {
    world.post(token, "/api/auth/revoke", &body).await.status.as_u16()
}

async fn logout(world: &World, token: &str) -> u16 {
    world.post(token, "/api/auth/logout", &Value::Null).await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn a_logout_ends_this_token_here_at_once_and_everywhere_within_five_seconds() {
    let store = Arc::new(FakeRevocations::default());
    let (here, there) = (sharing(&store), sharing(&store));
    let other = with("jti", "t2".into());
    assert_eq!((status(&here, &token()).await, status(&there, &token()).await), (200, 200));
    let answer = here.post(&token(), "/api/auth/logout", &Value::Null).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["everywhere"]), (200, &json!(true)));

    let refused = here.authorize(&token(), "secret-1").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["reason"]), (401, &json!("the token was revoked")));
    assert_eq!(here.get_as(&token(), "/api/resources/secret-1").await.status, 401);
    assert_eq!(here.get_as(&token(), "/api/resources/search").await.status, 401);
    assert_eq!(logout(&here, &token()).await, 401);
    assert_eq!(status(&here, &other).await, 200, "another login of the same user");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(status(&there, &token()).await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_revoked_logs_in_afresh() {
    let store = Arc::new(FakeRevocations::default());
    let world = sharing(&store);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(revoke(&world, &token(), json!({"uniqueID": "alice"})).await, 200);
    for old in [token(), with("jti", "t2".into())] {
        assert_eq!(status(&world, &old).await, 401);
    }
    assert_eq!(status(&world, &with("uniqueID", "bob".into())).await, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(status(&world, &with("iat", (EPOCH + 11).into())).await, 200, "a fresh login");
    assert_eq!(status(&world, &with("iat", (EPOCH + 10).into())).await, 401, "of the same second");
}

#[tokio::test(start_paused = true)]
async fn others_tokens_are_revoked_by_admins_alone() {
    for (roles, expected) in [
        (json!(["user"]), 403),
        (json!([]), 403),
        (json!(["hub-admin"]), 200),
        (json!(["x", "super-admin"]), 200),
    ] {
        for body in [json!({"jti": "of-bob"}), json!({"uniqueID": "bob"})] {
            let store = Arc::new(FakeRevocations::default());
            let world = sharing(&store);
            let bob = {
                let mut claims = claims();
                (claims["uniqueID"], claims["jti"]) = ("bob".into(), "of-bob".into());
                KEY.sign(&claims)
            };
            assert_eq!(revoke(&world, &with("roles", roles.clone()), body.clone()).await, expected);
            assert_eq!(status(&world, &bob).await, if expected == 200 { 401 } else { 200 }, "{body}");
            assert_eq!(store.held.lock().len(), usize::from(expected == 200));
            assert_eq!(status(&world, &token()).await, 200);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_revokes_without_a_token_that_verifies() {
    let store = Arc::new(FakeRevocations::default());
    let world = sharing(&store);
    let mut forged = token();
    forged.replace_range(forged.len() - 8..forged.len() - 4, "AAAA");
    let unsigned = format!("{}.", &token()[..token().rfind('.').unwrap()]);
    for bad in [forged.as_str(), &unsigned, "", "x"] {
        assert_eq!(revoke(&world, bad, json!({"jti": "t1"})).await, 401);
        assert_eq!(logout(&world, bad).await, 401);
    }
    assert!(store.held.lock().is_empty());
    assert_eq!(status(&world, &token()).await, 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_while_the_store_is_away_holds_here_and_is_told_later() {
    let store = Arc::new(FakeRevocations::default());
    let (here, there) = (sharing(&store), sharing(&store));
    let earlier = with("jti", "t2".into());
    logout(&here, &earlier).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    *store.away.lock() = true;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((status(&here, &earlier).await, status(&there, &earlier).await), (401, 401), "it still holds");
    assert_eq!(logout(&here, &token()).await, 202);
    assert_eq!((status(&here, &token()).await, status(&there, &token()).await), (401, 200));
    *store.away.lock() = false;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(status(&there, &token()).await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_read_what_was_revoked_lets_nobody_in() {
    let store = Arc::new(FakeRevocations::default());
    logout(&sharing(&store), &token()).await;
    *store.away.lock() = true;
    let cold = sharing(&store);
    let bob = with("uniqueID", "bob".into());
    for seconds in [0, 30] {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        for token in [&token(), &with("jti", "t2".into())] {
            let answer = cold.authorize(token, "secret-1").await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["reason"]),
                (503, &json!("revocations unavailable"))
            );
            assert!(answer.headers.contains_key("retry-after"));
        }
        for path in ["/api/resources/secret-1", "/api/resources/search"] {
            assert_eq!(cold.get_as(&bob, path).await.status, 503);
        }
        let admin = with("roles", json!(["hub-admin"]));
        assert_eq!(revoke(&cold, &admin, json!({"uniqueID": "bob"})).await, 503, "he may be revoked himself");
        assert_eq!(status(&cold, "x").await, 401, "who is nobody is told so");
    }
    assert_eq!(cold.audit.entries.lock().len(), 12, "one for each");
    let blacklist = |health: Value| health["services"]["blacklistRedis"]["status"].clone();
    let health = cold.get("/health/detailed").await;
    assert_eq!((health.status.as_u16(), blacklist(health.json())), (200, json!("down")), "{health:?}");
    assert_eq!(health.json()["status"], "degraded");

    *store.away.lock() = false;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(
        (status(&cold, &token()).await, status(&cold, &bob).await),
        (401, 401),
        "t1 is the name of both"
    );
    assert_eq!(status(&cold, &with("jti", "t2".into())).await, 200);
    assert_eq!(blacklist(cold.get("/health/detailed").await.json()), "up");
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_nothing_keeps_is_not_acknowledged_but_holds_here() {
    let (store, journal) = (Arc::new(FakeRevocations::default()), Arc::new(FakeJournal::default()));
    let world = sharing_with(&store, &journal);
    assert_eq!(status(&world, &token()).await, 200);
    (*store.away.lock(), *journal.full.lock()) = (true, true);
    let answer = world.post(&token(), "/api/auth/logout", &Value::Null).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["reason"]),
        (503, &json!("revoked at this node only"))
    );
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(status(&world, &token()).await, 401);

    *journal.full.lock() = false;
    assert_eq!(logout(&world, &with("jti", "t2".into())).await, 202);
    assert_eq!(journal.kept.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_named_by_its_jti_whoever_issued_it() {
    let world = sharing(&Arc::default());
    world.issuers.trust("https://partner.example", &[&KEY]);
    let namesake = with("iss", "https://partner.example".into());
    assert_eq!(status(&world, &namesake).await, 200);
    assert_eq!(logout(&world, &token()).await, 200);
    assert_eq!(status(&world, &namesake).await, 401, "refused for its name, though it was not meant");
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_a_security_event_and_one_entry() {
    for (who, target, decision, reason) in [
        (token(), "bob", "deny", "role"),
        (token(), "alice", "allow", "allow"),
        ("bad".to_owned(), "alice", "deny", "the token is malformed"),
    ] {
        let world = sharing(&Arc::default());
        revoke(&world, &who, json!({"uniqueID": target})).await;
        let entries = world.audit.entries.lock();
        assert_eq!(entries.len(), 1);
        let entry = &entries[0];
        assert_eq!((&entry["eventType"], &entry["action"]), (&json!("security_event"), &json!("revoke")));
        assert_eq!((&entry["decision"], &entry["reason"]), (&json!(decision), &json!(reason)));
        assert_eq!(entry["resource"], format!("user:{target}"));
    }
    let world = sharing(&Arc::default());
    *world.audit.full.lock() = true;
    assert_eq!(logout(&world, &token()).await, 503, "what cannot be audited is not done");
    *world.audit.full.lock() = false;
    assert_eq!(status(&world, &token()).await, 200);
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_revoke_nothing() {
    let world = sharing(&Arc::default());
    for body in [
        json!({}),
        json!({"jti": "t1", "uniqueID": "alice"}),
        json!({"jti": ""}),
        json!({"jti": 7}),
        json!({"token": "t1"}),
        json!({"jti": "x".repeat(513)}),
    ] {
        assert_eq!(revoke(&world, &token(), body.clone()).await, 400, "{body}");
    }
    assert_eq!(status(&world, &token()).await, 200);
    assert_eq!(logout(&World::new(), &token()).await, 503, "there is no store to keep it");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_would_outlive_its_revocation_is_refused_where_there_are_revocations() {
    let long = with("exp", (EPOCH + 7 * 24 * 3600).into());
    assert_eq!(status(&World::new(), &long).await, 200);
    let refused = sharing(&Arc::default()).authorize(&long, "secret-1").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["reason"], "the token lives longer than a revocation is kept");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_users_decisions_are_forgotten_here_and_in_the_shared_cache() {
    let (store, cache) = (Arc::new(FakeRevocations::default()), Arc::new(FakeDecisions::default()));
    let world = World::with(&Settings::default(), |ports| {
        ports.revocations = Some(store.clone());
        cache.join(ports);
    });
    world.engine.set_revision("r1");
    world.node.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let bob = with("uniqueID", "bob".into());
    for token in [&token(), &bob] {
        assert_eq!(status(&world, token).await, 200);
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(cache.kept.lock().len(), 2);
    assert_eq!(revoke(&world, &token(), json!({"uniqueID": "alice"})).await, 200);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(cache.kept.lock().len(), 1);
    assert_eq!(world.metric("dive_v3_cache_size{cache_type=\"decision\"}").await, Some(1.0));
}
