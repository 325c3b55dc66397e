//! Defects that no scenario reaches, because they need an operator or another coalition: shown on the breaker and on
//! the policies themselves. Each law holds for the product and is broken by what is defective.

use std::sync::Arc;
use std::time::Duration;

use dive_authz::Input;
use dive_resilience::{Breaker, BreakerSettings, Caller, CircuitBreaker, Moment, Outcome, State};

use scenarios::binding::policy::Authz;
use serde_json::{Value, json};

use super::breaker::{Defect, DefectiveBreaker};

fn at(seconds: u64) -> Moment {
    Moment::from_start(Duration::from_secs(seconds))
}

fn product() -> Box<dyn CircuitBreaker> {
    Box::new(Breaker::new("opa", &BreakerSettings::OPA))
}

fn defective(defect: Defect) -> Box<dyn CircuitBreaker> {
    Box::new(DefectiveBreaker::new("opa", BreakerSettings::OPA, defect, Arc::new(|| Duration::ZERO)))
}

fn open(breaker: &mut dyn CircuitBreaker, now: Moment) {
    let mut log = Vec::new();
    for _ in 0..BreakerSettings::OPA.failures.get() {
        let permit = breaker.admit(now, Caller::Request, &mut log).expect("a closed circuit admits");
        breaker.settle(now, permit, Outcome::Failure, &mut log);
    }
    assert_eq!(breaker.snapshot(now).state, State::Open);
}

/// Opened, reset by an operator and opened again, a circuit stays open for its full time.
fn each_opening_lasts_its_full_time(breaker: &mut dyn CircuitBreaker) -> bool {
    let mut log = Vec::new();
    open(breaker, at(0));
    breaker.reset(at(40), &mut log);
    open(breaker, at(41));
    breaker.tick(at(70), &mut log);
    let still_open = breaker.snapshot(at(70)).state == State::Open;
    breaker.tick(at(102), &mut log);
    still_open && breaker.snapshot(at(102)).state == State::HalfOpen
}

/// Forced open, a circuit stays open until it is released, however long that is.
fn a_forced_open_stays(breaker: &mut dyn CircuitBreaker) -> bool {
    let mut log = Vec::new();
    breaker.force(at(0), State::Open, &mut log);
    breaker.tick(at(86_400), &mut log);
    let still_open = breaker.admit(at(86_400), Caller::Request, &mut log).is_err()
        && breaker.snapshot(at(86_400)).state == State::Open;
    breaker.release(at(86_401), &mut log);
    breaker.tick(at(86_401), &mut log);
    still_open && breaker.snapshot(at(86_401)).state == State::HalfOpen
}

#[test]
fn the_timer_of_an_earlier_opening_is_seen() {
    assert!(each_opening_lasts_its_full_time(&mut *product()));
    assert!(each_opening_lasts_its_full_time(&mut *defective(Defect::None)));
    assert!(!each_opening_lasts_its_full_time(&mut *defective(Defect::OldTimerFires)));
}

#[test]
fn a_forced_open_that_heals_itself_is_seen() {
    assert!(a_forced_open_stays(&mut *product()));
    assert!(a_forced_open_stays(&mut *defective(Defect::None)));
    assert!(!a_forced_open_stays(&mut *defective(Defect::ForcedOpenHeals)));
}

/// A question about a resource that every member may read, with the strongest login there is. `tenant` is whose node
/// asks.
fn question(issuer: &str, tenant: &str) -> Input {
    serde_json::from_value(json!({
        "subject": {
            "authenticated": true, "uniqueID": "anna", "clearance": "SECRET", "countryOfAffiliation": "POL",
            "acpCOI": [], "issuer": issuer,
        },
        "action": {"operation": "read"},
        "resource": {
            "resourceId": "plan", "classification": "RESTRICTED", "releasabilityTo": ["POL", "USA"], "COI": [],
        },
        "context": {
            "currentTime": "2026-01-01T00:00:00Z", "acr": "3", "amr": ["pwd", "hwk"], "tenant": tenant,
            "sourceIP": "127.0.0.1", "requestId": "r",
        },
    }))
    .expect("it is a question")
}

const ALLIED: &str = "https://idp.gbr.example";
const APART: &str = "https://idp.pol.example";

/// An ally that federates with the node's tenant, and a trusted issuer whose tenant federates with nobody.
fn coalition() -> Value {
    json!({
        "trusted_issuers": {
            ALLIED: {"tenant": "GBR", "maxClassification": "SECRET"},
            APART: {"tenant": "POL", "maxClassification": "SECRET"},
        },
        "federation_matrix": {"USA": ["GBR"], "GBR": ["USA"], "POL": []},
    })
}

/// An ally is let in and who federates with nobody is not. `tenant` is what the node says that it is, asked by somebody
/// of that tenant.
fn the_federation_matrix_decides(tenant: fn(&'static str) -> &'static str) -> bool {
    let engine = Authz::new(coalition()).expect("the policies compile");
    engine.allows(&question(ALLIED, tenant("GBR"))) && !engine.allows(&question(APART, tenant("POL")))
}

#[test]
fn a_tenant_taken_from_the_token_is_seen() {
    assert!(the_federation_matrix_decides(|_| "USA"));
    assert!(!the_federation_matrix_decides(|of_the_token| of_the_token));
}

/// With data an ally is let in; without any, nobody. `loaded` is what the engine makes of the data it is given.
fn without_data_nobody_is_trusted(loaded: fn(Value) -> Value) -> bool {
    let asked = question(ALLIED, "USA");
    let allows = |data| Authz::new(loaded(data)).expect("the policies compile").allows(&asked);
    allows(coalition())
        && !allows(json!({}))
        && !allows(json!({"trusted_issuers": {}, "federation_matrix": {}}))
}

#[test]
fn a_trust_list_of_its_own_in_the_place_of_an_empty_one_is_seen() {
    assert!(without_data_nobody_is_trusted(|data| data));
    let falls_back = |data: Value| {
        let listed = data["trusted_issuers"].as_object().is_some_and(|issuers| !issuers.is_empty());
        if listed { data } else { coalition() }
    };
    assert!(!without_data_nobody_is_trusted(falls_back));
}
