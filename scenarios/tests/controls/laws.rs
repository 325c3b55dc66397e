//! Defects that no scenario of this slice can reach, because they need an operator: shown on the breaker
//! itself. Each law holds for the product's breaker and is broken by the defective one.

use std::sync::Arc;
use std::time::Duration;

use dive_resilience::{Breaker, BreakerSettings, Caller, CircuitBreaker, Moment, Outcome, State};

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
