//! The store through the official driver, against the stand-in that is held to the real one.
//!
//! With `CONTRACT_MONGODB=host:port` the same tests run against whatever stands there.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bson::doc;
use dive_authz::Resource;
use futures_util::future::join_all;
use standin_mongodb::{Options, Server};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::Settings;
use crate::audit::AuditEntry;
use crate::ports::{Audit as _, IssuerRegistry as _, Probe as _, ResourceStore as _, StoredResource};
use crate::settings::MongodbSettings;

struct Bed {
    settings: MongodbSettings,
    driver: Arc<Driver>,
    store: MongoStore,
}

async fn serve(address: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    let server = Server::bind(address, Options::default()).await.unwrap();
    let address = server.address();
    (address, tokio::spawn(async move { server.run().await.unwrap() }))
}

async fn driver(settings: &MongodbSettings) -> Arc<Driver> {
    Arc::new(Driver::new(settings).await.unwrap())
}

fn settings(address: &str, database: &str) -> MongodbSettings {
    let settings = Settings::default().with("mongodb.url", &format!("mongodb://{address}")).unwrap();
    settings.with("mongodb.database", database).unwrap().mongodb.clone()
}

/// Longer than any machine stands still.
const PATIENT: Duration = Duration::from_secs(20);

async fn bed(name: &str) -> Bed {
    let address = if let Ok(address) = std::env::var("CONTRACT_MONGODB") {
        address
    } else {
        serve(([127, 0, 0, 1], 0).into()).await.0.to_string()
    };
    let mut settings = settings(&address, &format!("node-{name}"));
    settings.timeout = PATIENT;
    let driver = driver(&settings).await;
    Bed { store: MongoStore::new(driver.clone()), driver, settings }
}

fn resource(id: &str) -> StoredResource {
    let metadata = serde_json::json!({
        "resourceId": id, "classification": "SECRET", "releasabilityTo": ["USA"], "COI": ["FVEY"],
    });
    StoredResource { metadata: serde_json::from_value::<Resource>(metadata).unwrap(), object: None }
}

fn entry(id: &str) -> AuditEntry<'_> {
    AuditEntry {
        id: Cow::Borrowed(id),
        time: "2026-01-01T00:00:00Z".into(),
        event_type: "authorization_decision".into(),
        instance: "usa".into(),
        subject: Some("alice".into()),
        resource: "doc-1".into(),
        action: "read".into(),
        decision: "allow".into(),
        reason: "ok".into(),
        correlation_id: "c".into(),
        offline: false,
    }
}

#[tokio::test]
async fn resources_are_kept_with_their_objects_and_found_by_id() {
    let store = bed("resources").await.store;
    assert_eq!(store.resource("doc-1").await.unwrap(), None);
    store.put_resource(resource("doc-1")).await.unwrap();
    assert_eq!(*store.resource("doc-1").await.unwrap().unwrap(), resource("doc-1"));
    let encrypted = StoredResource { object: Some(br#"{"manifest":{}}"#.to_vec()), ..resource("doc-1") };
    store.put_resource(encrypted.clone()).await.unwrap();
    assert_eq!(*store.resource("doc-1").await.unwrap().unwrap(), encrypted);
}

#[tokio::test]
async fn searches_are_literal_ordered_and_paged() {
    let store = bed("search").await.store;
    for id in ["b.1", "a.1", "bx1", "c.1", "zzz", "(.*)"] {
        store.put_resource(resource(id)).await.unwrap();
    }
    assert_eq!(store.search(".1", None, 10).await.unwrap(), ["a.1", "b.1", "c.1"]);
    assert_eq!(store.search(".1", Some("a.1"), 1).await.unwrap(), ["b.1"]);
    assert_eq!(store.search("(.*)", None, 10).await.unwrap(), ["(.*)"]);
    assert_eq!(store.search("", None, 2).await.unwrap(), ["(.*)", "a.1"]);
    assert!(store.search("", None, 0).await.unwrap().is_empty());
    for number in 0..200 {
        store.put_resource(resource(&format!("many-{number:03}"))).await.unwrap();
    }
    let many = store.search("many-", None, 150).await.unwrap();
    assert_eq!((many.len(), many.last().map(String::as_str)), (150, Some("many-149")));
}

#[tokio::test]
async fn issuers_are_trusted_until_they_are_not() {
    let store = bed("issuers").await.store;
    let issuer = |id: &str| IssuerDocument {
        issuer: id.to_owned(),
        tenant: "FRA".to_owned(),
        jwks_uri: Some("https://idp/keys".to_owned()),
        max_classification: Some("SECRET".to_owned()),
        claim_map: Some(
            serde_json::from_value(serde_json::json!({"claims": {
                "sub": "uniqueID", "clearance": "clearance", "pays": "countryOfAffiliation",
            }}))
            .unwrap(),
        ),
    };
    assert_eq!(store.trusted("https://b").await.unwrap(), None);
    for id in ["https://b", "https://a"] {
        store.put_issuer(&issuer(id)).await.unwrap();
    }
    let trusted = store.trusted("https://b").await.unwrap().unwrap();
    assert_eq!((trusted.tenant.as_str(), trusted.keys_url.as_deref()), ("FRA", Some("https://idp/keys")));
    let all: Vec<String> = store.all().await.unwrap().into_iter().map(|issuer| issuer.issuer).collect();
    assert_eq!(all, ["https://a", "https://b"]);
    assert!(store.remove_issuer("https://b").await.unwrap());
    assert!(!store.remove_issuer("https://b").await.unwrap());
    assert_eq!(store.trusted("https://b").await.unwrap(), None);
}

#[tokio::test]
async fn an_entry_is_kept_once_however_often_and_by_however_many_it_is_recorded() {
    let bed = bed("audit").await;
    let kept = join_all((0..20).map(|_| async { bed.store.record(&entry("e-1")).await })).await;
    assert!(kept.iter().all(Result::is_ok), "{kept:?}");
    assert_eq!(bed.store.audit_entry("e-1").await.unwrap(), Some(entry("e-1")));
    assert_eq!(bed.store.audit_entry("e-2").await.unwrap(), None);
    let count = bed.driver.run(doc! {"count": collections::AUDIT}).await.unwrap();
    assert_eq!(count.get_i32("n").unwrap(), 1);
}

#[tokio::test]
async fn a_batch_of_entries_of_which_some_are_kept_already_is_kept_whole() {
    let bed = bed("audit-batch").await;
    for batch in [0..0, 0..3, 1..6, 3..3, 0..8, 5..40] {
        let ids: Vec<_> = batch.map(|number| format!("e-{number}")).collect();
        let entries: Vec<_> = ids.iter().map(|id| entry(id)).collect();
        bed.store.record_all(&entries).await.unwrap();
        for id in &ids {
            assert_eq!(bed.store.audit_entry(id).await.unwrap(), Some(entry(id).clone()), "{id}");
        }
    }
    assert_eq!(bed.store.audit_entry("e-40").await.unwrap(), None);
}

#[tokio::test]
async fn documents_that_are_not_understood_are_errors_not_answers() {
    let bed = bed("damaged").await;
    let documents = [
        doc! {"_id": "unknown field", "metadata": {"resourceId": "unknown field", "COI": []}, "more": 1},
        doc! {"_id": "no metadata"},
        doc! {"_id": "another's", "metadata": {"resourceId": "doc-1", "COI": []}},
        doc! {"_id": "wrong type", "metadata": {"resourceId": "wrong type", "COI": "FVEY"}},
    ];
    for document in documents {
        let id = document.get_str("_id").unwrap().to_owned();
        let update = doc! {"q": {"_id": &id}, "u": document, "upsert": true};
        bed.driver.run(doc! {"update": collections::RESOURCES, "updates": [update]}).await.unwrap();
        assert!(bed.store.resource(&id).await.is_err(), "{id}");
    }
    let issuer = doc! {"_id": "https://x", "tenant": "USA", "trusted": "yes"};
    let update = doc! {"q": {"_id": "https://x"}, "u": issuer, "upsert": true};
    bed.driver.run(doc! {"update": collections::ISSUERS, "updates": [update]}).await.unwrap();
    assert!(bed.store.trusted("https://x").await.is_err());
    assert!(bed.store.all().await.is_err());
}

#[tokio::test]
async fn twenty_that_start_at_once_migrate_once() {
    let bed = bed("migrations").await;
    let stores = join_all((0..20).map(|_| async { MongoStore::new(driver(&bed.settings).await) })).await;
    let checked = join_all(stores.iter().map(MongoStore::check)).await;
    assert!(checked.iter().all(Result::is_ok), "{checked:?}");
    let noted = bed.driver.run(doc! {"count": collections::MIGRATIONS}).await.unwrap();
    assert_eq!(noted.get_i32("n").unwrap(), 1);
    let indexes = bed.driver.run(doc! {"listIndexes": collections::AUDIT}).await.unwrap();
    let names: Vec<String> = store::first_batch(indexes)
        .unwrap()
        .iter()
        .map(|index| index.get_str("name").unwrap().to_owned())
        .collect();
    assert_eq!(names, ["_id_", "by_time", "by_correlation"]);

    let later =
        doc! {"insert": collections::MIGRATIONS, "documents": [{"_id": 99, "name": "from the future"}]};
    let _ = bed.driver.run(later).await.unwrap();
    let error = MongoStore::new(bed.driver.clone()).check().await.unwrap_err();
    assert!(error.0.contains("version 99"), "{error}");
}

/// Far beyond the time of a command here, and far below the driver's own thirty seconds.
const BOUND: Duration = Duration::from_secs(10);

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_told_within_the_time_of_a_command() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobodys = ([127, 0, 0, 1], 1).into();
    for address in [silent.local_addr().unwrap(), nobodys] {
        let mut settings = settings(&address.to_string(), "node");
        settings.timeout = Duration::from_millis(400);
        let driver = driver(&settings).await;
        let store = MongoStore::new(driver.clone());
        for _ in 0..2 {
            let answer = tokio::time::timeout(BOUND, store.resource("doc-1")).await;
            assert!(answer.expect("bounded").is_err(), "{address}");
        }
        assert!(tokio::time::timeout(BOUND, store.check()).await.expect("bounded").is_err());
        let errors = driver.pool().snapshot().errors;
        assert!(errors.values().sum::<u64>() >= 2, "{errors:?}");
    }
    drop(silent);
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    // Nobody else gets its place while it is away.
    let place = tokio::net::TcpSocket::new_v4().unwrap();
    place.set_reuseaddr(true).unwrap();
    place.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let (address, server) = serve(place.local_addr().unwrap()).await;
    let store = MongoStore::new(driver(&settings(&address.to_string(), "node-return")).await);
    store.check().await.unwrap();
    server.abort();
    let _ = server.await;
    assert!(store.check().await.is_err());
    let (_, again) = serve(address).await;
    let back = async {
        while store.check().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("back");
    again.abort();
}

#[tokio::test]
async fn the_pool_is_seen_at_work_and_at_rest() {
    let bed = bed("pool").await;
    let view = bed.driver.pool();
    assert_eq!(view.snapshot(), PoolSnapshot::default());
    let many = join_all((0..50).map(|_| bed.store.resource("doc-1"))).await;
    assert!(many.iter().all(Result::is_ok));
    let at_rest = async {
        loop {
            let seen = view.snapshot();
            if seen.active == 0 && seen.idle == seen.total {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(5), at_rest).await.unwrap();
    assert!((1..=bed.settings.pool as usize).contains(&seen.total), "{seen:?}");
    assert!(seen.errors.is_empty(), "{seen:?}");
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_without_telling_it() {
    for url in ["mongodb://a,b", "mongodb://user:secret@", "mongodb://user:secret@h/?socketTimeoutMS=x"] {
        let settings = MongodbSettings { url: url.to_owned(), ..settings("127.0.0.1:1", "node") };
        let error = Driver::new(&settings).await.unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
