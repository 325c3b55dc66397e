//! The adapter against the stand-in, over real handshakes, and against servers that answer what a test says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse as _;
use coalition::Coalition;
use coalition::certificates::{Authority, ServerCertificate, Validity};
use coalition::realms::issuer;
use dive_runtime::TokioRuntime;
use parking_lot::Mutex;
use serde_json::{Value, json};
use standin_keycloak::{Listen, Options, serve::Listening};
use tokio::net::TcpListener;

use super::*;

static COALITION: LazyLock<Coalition> = LazyLock::new(|| Coalition::part(5, &["TST"]));

#[expect(clippy::disallowed_methods, reason = "certificates are good by the machine's clock")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn authority(name: &str) -> Authority {
    Authority::generate(name, Validity::around(now())).unwrap()
}

fn keycloak(main: &str, management: &str, trusted: &Authority) -> Keycloak {
    let settings = KeycloakSettings { url: main.to_owned(), health_url: management.to_owned() };
    let trust = Trust::from_pem(trusted.pem().as_bytes()).unwrap();
    Keycloak::new(&settings, &trust, Duration::from_secs(3), Arc::new(TokioRuntime::new()))
}

fn trusted(issuer: &str) -> TrustedIssuer {
    TrustedIssuer { issuer: issuer.to_owned(), tenant: "TST".to_owned(), keys_url: None, claim_map: None }
}

/// The stand-in behind `certificate`: its two base URLs.
async fn stand_in(certificate: Option<ServerCertificate>) -> (String, String) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listen = Listen { main: any, management: any, tls: certificate };
    let realms = Options::of(&COALITION, &["TST"], &[]).unwrap().realms().unwrap();
    let listening = Listening::bind(&listen, realms).await.unwrap();
    let bases = listening.bases().unwrap();
    tokio::spawn(listening.run());
    bases
}

#[tokio::test]
async fn keys_and_health_come_over_tls_from_whom_the_bundle_vouches_for() {
    let ours = authority("Coalition");
    let certificate = ours.issue(&["127.0.0.1"], Validity::around(now())).unwrap();
    let (main, management) = stand_in(Some(certificate)).await;
    assert!(main.starts_with("https://") && management.starts_with("https://"));
    let keycloak = keycloak(&main, &management, &ours);
    keycloak.check().await.unwrap();
    let keys = keycloak.keys(&trusted(&issuer(&main, "TST"))).await.unwrap();
    assert!(keys.find("tst-1").is_some());
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_told_apart_and_its_certificates_issuer_named() {
    let (ours, theirs) = (authority("Coalition"), authority("Foreign Authority"));
    let hour = Duration::from_hours(1);
    let past = Validity { from: now().saturating_sub(3 * hour), until: now().saturating_sub(hour) };
    let future = Validity { from: now() + hour, until: now() + 3 * hour };
    let good = Validity::around(now());
    let cases = [
        (theirs.issue(&["127.0.0.1"], good), "Foreign Authority", "of no trusted authority"),
        (ours.issue(&["127.0.0.1"], past), "Coalition", "has expired"),
        (ours.issue(&["127.0.0.1"], future), "Coalition", "not valid yet"),
        (ours.issue(&["keycloak-fra"], good), "Coalition", "another server's"),
    ];
    for (certificate, name, why) in cases {
        let (main, management) = stand_in(Some(certificate.unwrap())).await;
        let keycloak = keycloak(&main, &management, &ours);
        let check = keycloak.check().await.unwrap_err().0;
        let keys = keycloak.keys(&trusted(&issuer(&main, "TST"))).await.unwrap_err().to_string();
        for error in [check, keys] {
            for part in ["tls: ", name, why] {
                assert!(error.contains(part), "{error} should say {part}");
            }
        }
    }
}

#[tokio::test]
async fn plain_http_where_tls_is_spoken_and_the_other_way_round_is_no_answer() {
    let ours = authority("Coalition");
    let certificate = ours.issue(&["127.0.0.1"], Validity::around(now())).unwrap();
    let (secure, _) = stand_in(Some(certificate)).await;
    let (plain, _) = stand_in(None).await;
    for url in [secure.replace("https", "http"), plain.replace("http", "https")] {
        let error = keycloak(&url, "", &ours).check().await.unwrap_err().0;
        assert!(!error.contains("tls: "), "nobody showed a certificate: {error}");
    }
}

/// A server that answers by path, and what it was asked.
type Answers = Arc<Mutex<Vec<(&'static str, u16, String)>>>;

async fn scripted(answers: &Answers) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (answers, log) = (Arc::clone(answers), Arc::clone(&asked));
    let app = Router::new().fallback(move |uri: Uri| {
        log.lock().push(uri.path().to_owned());
        let found = answers.lock().iter().find(|(path, ..)| *path == uri.path()).cloned();
        async move {
            match found {
                Some((_, 0, _)) => std::future::pending().await,
                Some((_, 302, to)) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
                Some((_, status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, asked)
}

#[tokio::test]
async fn the_check_falls_back_from_readiness_to_health_to_a_realm() {
    let ours = authority("Coalition");
    let chain = ["/health/ready", "/health", "/realms/master"];
    for (number, last) in chain.iter().enumerate() {
        let answers = Answers::default();
        answers.lock().push((last, 200, String::new()));
        let (base, asked) = scripted(&answers).await;
        keycloak(&base, "", &ours).check().await.unwrap();
        assert_eq!(*asked.lock(), chain[..=number]);
    }
    let (base, asked) = scripted(&Answers::default()).await;
    assert_eq!(keycloak(&base, "", &ours).check().await.unwrap_err().0, "status 404");
    assert_eq!(*asked.lock(), chain);
}

#[tokio::test(start_paused = true)]
async fn a_path_that_hangs_leaves_time_for_the_next_and_all_of_them_end_in_time() {
    let ours = authority("Coalition");
    let chain = ["/health/ready", "/health", "/realms/master"];
    for answering in 0..=chain.len() {
        let answers = Answers::default();
        for (number, path) in chain.iter().enumerate() {
            answers.lock().push((path, if number == answering { 200 } else { 0 }, String::new()));
        }
        let (base, _) = scripted(&answers).await;
        let keycloak = keycloak(&base, "", &ours);
        let began = keycloak.runtime.now();
        let healthy = keycloak.check().await.is_ok();
        let took = keycloak.runtime.now().saturating_since(began);
        assert_eq!(healthy, answering < chain.len());
        let expected = Duration::from_secs(answering as u64);
        assert!((expected..=expected + Duration::from_millis(100)).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn a_discovery_document_speaks_for_its_own_issuer_only() {
    let ours = authority("Coalition");
    let answers = Answers::default();
    let (base, asked) = scripted(&answers).await;
    let keycloak = keycloak(&base, "", &ours);
    let says = |issuer: &str, jwks_uri: &str| {
        let document = json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string();
        *answers.lock() = vec![
            ("/.well-known/openid-configuration", 200, document),
            ("/keys", 200, COALITION.tenant("TST").unwrap().jwks().to_string()),
        ];
    };
    says(&base, &format!("{base}/keys"));
    assert!(keycloak.keys(&trusted(&base)).await.unwrap().find("tst-1").is_some());
    says("http://elsewhere", &format!("{base}/keys"));
    let error = keycloak.keys(&trusted(&base)).await.unwrap_err();
    assert!(error.to_string().contains("another issuer"), "{error}");
    assert!(!error.is_the_stores_fault(), "who answers is well: {error}");
    says(&base, "no address");
    assert!(keycloak.keys(&trusted(&base)).await.is_err());

    // Where the registry says where keys are, nothing is discovered.
    asked.lock().clear();
    let direct = TrustedIssuer { keys_url: Some(format!("{base}/keys")), ..trusted("https://idp.example") };
    says(&base, &format!("{base}/keys"));
    assert!(keycloak.keys(&direct).await.unwrap().find("tst-1").is_some());
    assert_eq!(*asked.lock(), ["/keys"]);
}

#[test]
fn keys_of_a_secure_issuer_do_not_come_over_plain_http() {
    for (issuer, jwks_uri, may) in [
        ("https://idp", "https://idp/keys", true),
        ("https://idp", "https://keys.elsewhere/keys", true),
        ("https://idp", "http://idp/keys", false),
        ("http://idp", "http://idp/keys", true),
    ] {
        let document = Discovery { issuer: issuer.to_owned(), jwks_uri: jwks_uri.to_owned() };
        assert_eq!(document.keys_of(issuer).is_ok(), may, "{jwks_uri}");
    }
}

#[tokio::test]
async fn strange_answers_are_no_keys_and_a_strange_key_hinders_no_other() {
    let ours = authority("Coalition");
    let answers = Answers::default();
    let (base, _) = scripted(&answers).await;
    let keycloak = keycloak(&base, "", &ours);
    let issuer = TrustedIssuer { keys_url: Some(format!("{base}/keys")), ..trusted("https://idp.example") };
    let good = COALITION.tenant("TST").unwrap().jwks().to_string();
    let long = format!("{good}{}", " ".repeat(ANSWER_LIMIT));
    for (status, body) in [
        (500, good.as_str()),
        (302, "/keys"),
        (200, ""),
        (200, "{}"),
        (200, "[]"),
        (200, &good[..good.len() - 1]),
        (200, &long),
    ] {
        *answers.lock() = vec![("/keys", status, body.to_owned())];
        assert!(keycloak.keys(&issuer).await.is_err(), "{status} {body:.20}");
    }
    let mut set: Value = serde_json::from_str(&good).unwrap();
    let strange =
        [json!({"kty": "magic", "kid": "a"}), json!(7), json!({"kty": "OKP", "crv": "X448", "x": ""})];
    set["keys"].as_array_mut().unwrap().extend(strange);
    *answers.lock() = vec![("/keys", 200, set.to_string())];
    let keys = keycloak.keys(&issuer).await.unwrap();
    assert!(keys.find("tst-1").is_some());
}

#[tokio::test]
async fn nobody_listening_is_away_and_not_untrusted() {
    let ours = authority("Coalition");
    let error = keycloak("https://127.0.0.1:1", "", &ours).check().await.unwrap_err().0;
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn keys_that_are_not_there_are_an_answer_and_a_failing_server_is_none() {
    let answers = Answers::default();
    let (base, _) = scripted(&answers).await;
    let keycloak = keycloak(&base, "", &authority("Coalition"));
    let at = |url: String| TrustedIssuer { keys_url: Some(url), ..trusted("https://idp.example") };
    let cases = [
        (400, "", false),
        (401, "", false),
        (404, "", false),
        (429, "", false),
        (500, "", true),
        (503, "", true),
        (200, "no set of keys", true),
    ];
    for (status, body, fault) in cases {
        *answers.lock() = vec![("/keys", status, body.to_owned())];
        let error = keycloak.keys(&at(format!("{base}/keys"))).await.unwrap_err();
        assert_eq!(error.is_the_stores_fault(), fault, "{status}: {error}");
    }
    let nobody = keycloak.keys(&at("http://127.0.0.1:1/keys".to_owned())).await.unwrap_err();
    assert!(nobody.is_the_stores_fault(), "{nobody}");
    let nowhere = keycloak.keys(&at("no address".to_owned())).await.unwrap_err();
    assert!(!nowhere.is_the_stores_fault(), "the registry is wrong, nobody was asked: {nowhere}");
}
