//! The rules of the stored breaker, over random histories of many callers.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    ClockBack(u64),
    Admit,
    Settle(prop::sample::Index, Outcome),
    Reset,
    /// Every process ends; only the row, as it is stored, is left.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome =
        prop_oneof![2 => Just(Outcome::Success), 5 => Just(Outcome::Failure), 1 => Just(Outcome::Cancelled)];
    prop_oneof![
        3 => (0u64..70_000).prop_map(Step::Wait),
        1 => (0u64..200_000).prop_map(Step::ClockBack),
        8 => Just(Step::Admit),
        8 => (any::<prop::sample::Index>(), outcome).prop_map(|(index, outcome)| Step::Settle(index, outcome)),
        1 => Just(Step::Reset),
        1 => Just(Step::Restart),
    ]
}

fn is_closed(row: &BreakerRow) -> bool {
    row.state == BreakerState::Closed
}

proptest! {
    #[test]
    fn every_rule_holds_in_every_history(
        operation in prop::sample::select(Operation::ALL.to_vec()),
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let mut row = BreakerRow::new(operation);
        let mut now = Stamp::from_millis(1_000_000_000);
        let mut flights: Vec<Admission> = Vec::new();
        for step in steps {
            let before = row.clone();
            match step {
                Step::Wait(ms) => now = now + Duration::from_millis(ms),
                Step::ClockBack(ms) => now = Stamp::from_millis(now.millis() - ms),
                Step::Restart => {
                    let stored = serde_json::to_string(&row).unwrap();
                    row = serde_json::from_str(&stored).unwrap();
                    prop_assert_eq!(&row, &before, "it survives a restart");
                    flights.clear();
                }
                Step::Reset => {
                    row.reset();
                    prop_assert!(is_closed(&row) && row.failures == 0);
                }
                Step::Admit => {
                    let answer = row.admit(now);
                    match (before.state, answer) {
                        (BreakerState::Closed, answer) => prop_assert!(answer.is_ok()),
                        (BreakerState::Open { since } | BreakerState::HalfOpen { probing: since, .. }, Ok(_)) => {
                            prop_assert!(now.saturating_since(since) >= OPEN_FOR, "never early");
                            let probing = matches!(row.state, BreakerState::HalfOpen { .. });
                            prop_assert!(probing && row.generation > before.generation);
                            prop_assert!(row.admit(now).is_err(), "one at a time");
                        }
                        (BreakerState::Open { since } | BreakerState::HalfOpen { probing: since, .. }, Err(Open(left))) => {
                            prop_assert!(!left.is_zero() && left <= OPEN_FOR);
                            prop_assert!(now.saturating_since(since) < OPEN_FOR, "never late");
                            prop_assert!(row.clone().admit(now + left).is_ok(), "what is said to be left is");
                            prop_assert_eq!((row.failures, row.generation), (before.failures, before.generation));
                        }
                    }
                    flights.extend(answer);
                }
                Step::Settle(index, outcome) => {
                    if flights.is_empty() { continue }
                    let admission = flights.swap_remove(index.index(flights.len()));
                    row.settle(now, admission, outcome);
                    if admission.generation != before.generation {
                        prop_assert_eq!(&row, &before, "late outcomes change nothing");
                        continue;
                    }
                    match outcome {
                        Outcome::Success => prop_assert!(is_closed(&row) && row.failures == 0, "one success closes"),
                        Outcome::Failure => {
                            prop_assert_eq!(row.failures, before.failures + 1);
                            let opens = !is_closed(&before) || row.failures >= threshold(operation);
                            prop_assert_eq!(matches!(row.state, BreakerState::Open { since } if since == now), opens);
                        }
                        Outcome::Cancelled => {
                            prop_assert_eq!(row.failures, before.failures);
                            if !is_closed(&before) && now >= Stamp::from_millis(1_000_000_000) {
                                prop_assert!(!is_closed(&row));
                            }
                        }
                    }
                }
            }
            prop_assert!(!is_closed(&row) || row.failures < threshold(operation));
        }
    }

    #[test]
    fn however_it_got_there_two_silent_open_times_and_one_success_close_it(
        operation in prop::sample::select(Operation::ALL.to_vec()),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut row = BreakerRow::new(operation);
        let mut now = Stamp::from_millis(1_000_000_000);
        for step in steps {
            match step {
                Step::Wait(ms) => now = now + Duration::from_millis(ms),
                Step::ClockBack(ms) => now = Stamp::from_millis(now.millis() - ms),
                Step::Admit => {
                    if let Ok(admission) = row.admit(now) {
                        row.settle(now, admission, Outcome::Failure);
                    }
                }
                _ => row = row.clone(),
            }
        }
        let _ = row.admit(now);
        let admission = row.admit(now + OPEN_FOR);
        prop_assert!(admission.is_ok() || is_closed(&row), "nobody's silence wedges it");
        row.settle(now, admission.unwrap(), Outcome::Success);
        prop_assert!(is_closed(&row));
    }
}

#[test]
fn keycloak_opens_at_3_and_the_rest_at_5() {
    for operation in Operation::ALL {
        let mut row = BreakerRow::new(operation);
        let opens = if operation == Operation::Keycloak { 3 } else { 5 };
        for failure in 1..=opens {
            let admission = row.admit(Stamp::default()).unwrap();
            row.settle(Stamp::default(), admission, Outcome::Failure);
            assert_eq!(is_closed(&row), failure < opens, "{operation}: {failure}");
        }
    }
}

#[test]
fn a_cancelled_probe_lets_the_next_one_through_at_once() {
    let mut row = BreakerRow::new(Operation::Keycloak);
    for _ in 0..3 {
        let admission = row.admit(Stamp::default()).unwrap();
        row.settle(Stamp::default(), admission, Outcome::Failure);
    }
    let then = Stamp::default() + OPEN_FOR;
    let probe = row.admit(then).unwrap();
    assert!(row.admit(then).is_err());
    row.settle(then, probe, Outcome::Cancelled);
    assert!(row.admit(then).is_ok());
}
