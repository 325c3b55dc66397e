use std::time::Duration;

use super::*;
use crate::dependency::Dependency;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(Some(TomlFile { name: "node.toml", text }), environment)
}

fn message(result: Result<Settings, SettingsError>) -> String {
    result.expect_err("the settings are refused").to_string()
}

fn origin(settings: &Settings, key: &str) -> Origin {
    settings.effective().into_iter().find(|line| line.key == key).expect("a known key").origin
}

#[test]
fn defaults_are_those_of_the_rules() {
    let settings = Settings::default();
    assert_eq!(settings.breakers[&Dependency::Opa], dive_resilience::BreakerSettings::OPA);
    assert_eq!(settings.breakers[&Dependency::Keycloak], dive_resilience::BreakerSettings::KEYCLOAK);
    assert_eq!(settings.breakers[&Dependency::Mongodb], dive_resilience::BreakerSettings::MONGODB);
    assert_eq!(settings.breakers[&Dependency::Kas], dive_resilience::BreakerSettings::KAS);
    assert_eq!(settings.cache, dive_authz::CacheSettings::default());
    assert_eq!(settings.opa.timeout, Duration::from_secs(5));
    assert_eq!(settings.token.skew, Duration::from_secs(30));
    for (dependency, poll) in &settings.polls {
        assert_eq!(poll.interval, Duration::from_secs(5), "{dependency:?}");
        let deadline = if *dependency == Dependency::Keycloak { 3 } else { 2 };
        assert_eq!(poll.deadline, Duration::from_secs(deadline), "{dependency:?}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let text = "[breaker.opa]\nfailures = 7\nopen_for = \"10s\"\n";
    let settings = load(text, &[("DIVE_BREAKER_OPA_FAILURES", "8"), ("HOME", "/")]).unwrap();
    assert_eq!(settings.breakers[&Dependency::Opa].failures.get(), 8);
    assert_eq!(settings.breakers[&Dependency::Opa].open_for, Duration::from_secs(10));
    assert_eq!(
        origin(&settings, "breaker.opa.failures"),
        Origin::Environment("DIVE_BREAKER_OPA_FAILURES".to_owned())
    );
    assert_eq!(
        origin(&settings, "breaker.opa.open_for"),
        Origin::File { name: "node.toml".to_owned(), line: 3 }
    );
    assert_eq!(origin(&settings, "breaker.opa.successes"), Origin::Default);
}

#[test]
fn everything_wrong_is_named_at_once_with_place_and_range() {
    let text = "[breaker.opa]\nfailure = 7\nopen_for = 60\n[poll.opa]\ninterval = \"25h\"\n";
    insta::assert_snapshot!(message(load(text, &[("DIVE_BREAKER_OPA_FAILURE", "8"), ("DIVE_CACHE_DECISIONS", "0")])), @r#"
    DIVE_BREAKER_OPA_FAILURE: unknown setting `DIVE_BREAKER_OPA_FAILURE`; did you mean `DIVE_BREAKER_OPA_FAILURES`?
    node.toml:2: unknown setting `breaker.opa.failure`; did you mean `breaker.opa.failures`?
    node.toml:3: `breaker.opa.open_for` cannot be "60": expected a duration from 1ms to 1day, such as "30s"
    DIVE_CACHE_DECISIONS: `cache.decisions` cannot be "0": expected a whole number from 1 to 10000000
    node.toml:5: `poll.opa.interval` cannot be "25h": expected a duration from 1ms to 1day, such as "30s"
    "#);
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    for wrong in [
        "breaker.opa.failures = \"8\"",
        "breaker.opa.failures = 8.0",
        "breaker.opa.failures = true",
        "breaker.opa.failures = [8]",
        "breaker.opa.failures = -1",
        "breaker.opa = 8",
        "node.id = \"\"",
        "node.id = 3",
        "http.listen = \"localhost\"",
        "opa.url = \"https://opa:8181\"",
        "opa.url = \"http://opa:8181/v1\"",
        "profile = \"staging\"",
    ] {
        assert!(load(wrong, &[]).is_err(), "{wrong}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line() {
    let message = message(load("[breaker.opa\n", &[]));
    assert!(message.starts_with("node.toml: TOML parse error at line 1"), "{message}");
}

#[test]
fn a_check_must_be_over_before_the_next_is_due() {
    let message = message(load("[poll.opa]\ndeadline = \"5s\"\n", &[]));
    assert_eq!(
        message,
        "`poll.opa.deadline` must be less than `poll.opa.interval`: \
         a check must be over before the next one is due"
    );
}

#[test]
fn the_profile_changes_defaults_and_nothing_that_was_set() {
    let production = load("profile = \"production\"", &[]).unwrap();
    assert_eq!(production.audit.durability, Durability::Sync);
    assert_eq!(origin(&production, "audit.durability"), Origin::Profile);
    assert_eq!(Settings::default().audit.durability, Durability::Write);
    assert_eq!(Settings::default().with("profile", "production").unwrap().values, production.values);

    let kept = load("profile = \"production\"\naudit.durability = \"write\"", &[]).unwrap();
    assert_eq!(kept.audit.durability, Durability::Write);
}

#[test]
fn one_setting_can_be_changed_and_is_checked() {
    let settings = Settings::default().with("breaker.opa.failures", "1000000").unwrap();
    assert_eq!(settings.breakers[&Dependency::Opa].failures.get(), 1_000_000);
    assert_eq!(origin(&settings, "breaker.opa.failures"), Origin::Override);
    assert!(settings.with("breaker.opa.failures", "0").is_err());
    assert!(settings.with("breaker.opal.failures", "1").is_err());
}

#[test]
fn compression_divides_every_span_but_the_tolerances_for_others() {
    let settings = Settings::default();
    let fast = settings.compressed(20.0);
    assert_eq!(fast.breakers[&Dependency::Opa].open_for, Duration::from_secs(3));
    assert_eq!(fast.polls[&Dependency::Opa].interval, Duration::from_millis(250));
    assert_eq!(fast.cache.ttl.top_secret, Duration::from_millis(750));
    assert_eq!(fast.token.skew, settings.token.skew);
    assert_eq!(fast.breakers[&Dependency::Opa].failures, settings.breakers[&Dependency::Opa].failures);
    for (slow, fast) in settings.resolved.iter().zip(&fast.resolved) {
        if let ((key, (Value::Span(slow), _)), (_, (Value::Span(fast), _))) = (slow, fast) {
            let answer = key.ends_with("slow_over") || key.ends_with("redis.timeout");
            let divided = *slow == *fast * 20 || (answer && *fast == LEAST_ANSWER);
            let others = ["kas.replay.window", "revocation.hold", "token.skew"].contains(&key.as_str());
            assert_eq!(divided, !others, "{key}");
        }
    }
}

#[test]
fn secrets_are_never_shown() {
    let settings = load("opa.token = \"s3cret\"", &[]).unwrap();
    assert_eq!(settings.opa.token, "s3cret");
    assert!(!format!("{:?} {settings:?}", settings.effective()).contains("s3cret"));
    let refused = message(load("opa.url = \"http://me:s3cret@opa:8181\"", &[]));
    assert!(!refused.contains("s3cret"), "{refused}");
}
