//! The guard's rules, against a model that forgets nothing.

use proptest::prelude::*;

use super::*;

const WINDOW: u64 = 300;

fn wall(seconds: u64) -> Wall {
    Wall::from_epoch(Duration::from_secs(seconds))
}

fn guard(capacity: usize) -> ReplayGuard {
    ReplayGuard::new(Duration::from_secs(WINDOW), NonZeroUsize::new(capacity).unwrap())
}

fn nonce(n: u8) -> Fingerprint {
    Fingerprint::of("alice", &n.to_string())
}

/// One request: how the clock moved before it, how far its timestamp is off, which nonce it bears.
#[derive(Clone, Copy, Debug)]
struct Step {
    clock: i64,
    off: i64,
    nonce: u8,
}

/// Timestamps and clock steps that land on the window's borders more often than chance would.
fn steps(backwards: bool) -> impl Strategy<Value = Vec<Step>> {
    let window = WINDOW.cast_signed();
    let forward =
        prop_oneof![4 => 0..=40i64, 1 => window - 1..=window + 1, 1 => 2 * window - 1..=2 * window + 2];
    let clock =
        if backwards { prop_oneof![3 => forward, 1 => -2 * window..0].boxed() } else { forward.boxed() };
    let border = prop_oneof![Just(-window), Just(window), Just(-window - 1), Just(window + 1)];
    let off = prop_oneof![3 => -window..=window, 1 => border];
    let step = (clock, off, 0..6u8).prop_map(|(clock, off, nonce)| Step { clock, off, nonce });
    proptest::collection::vec(step, 1..80)
}

/// What was accepted: when, with which timestamp and nonce.
type Accepted = Vec<(u64, u64, u8)>;

/// Runs the steps; `judge` sees each request, its answer and what was accepted before it.
fn run(
    guard: &mut ReplayGuard,
    steps: &[Step],
    mut judge: impl FnMut(u64, u64, u8, Result<(), Replay>, &Accepted),
) {
    let (mut now, mut accepted) = (1_000_000u64, Accepted::new());
    for step in steps {
        now = now.saturating_add_signed(step.clock);
        let timestamp = now.saturating_add_signed(step.off);
        let answer = guard.accept(wall(now), wall(timestamp), nonce(step.nonce));
        judge(now, timestamp, step.nonce, answer, &accepted);
        if answer.is_ok() {
            accepted.push((now, timestamp, step.nonce));
        }
    }
}

proptest! {
    #[test]
    fn an_accepted_request_is_never_accepted_again_whatever_the_clock_does(steps in steps(true)) {
        let mut seen = Vec::new();
        run(&mut guard(4), &steps, |_, timestamp, nonce, answer, before| {
            if answer.is_ok() {
                seen.push(before.iter().any(|(_, t, n)| (*t, *n) == (timestamp, nonce)));
            }
        });
        prop_assert!(!seen.contains(&true));
    }

    #[test]
    fn memory_is_bounded_whatever_comes(steps in steps(true), capacity in 1..5usize) {
        let mut guard = guard(capacity);
        let (mut now, mut longest) = (1_000_000u64, 0);
        for step in &steps {
            now = now.saturating_add_signed(step.clock);
            let _ = guard.accept(wall(now), wall(now.saturating_add_signed(step.off)), nonce(step.nonce));
            longest = longest.max(guard.len()).max(guard.until.len());
        }
        prop_assert!(longest <= capacity);
    }

    #[test]
    fn with_a_clock_that_only_goes_forward_the_answer_is_exactly_the_rules(
        steps in steps(false), capacity in 1..5usize
    ) {
        let mut wrong = Vec::new();
        run(&mut guard(capacity), &steps, |now, timestamp, nonce, answer, accepted| {
            let remembered = |(at, t, _): &&(u64, u64, u8)| now <= at.max(t) + WINDOW;
            let expected = if now.abs_diff(timestamp) > WINDOW {
                Err(Replay::Timestamp)
            } else if accepted.iter().filter(remembered).any(|(_, _, n)| *n == nonce) {
                Err(Replay::Used)
            } else if accepted.iter().filter(remembered).count() >= capacity {
                let first = accepted.iter().filter(remembered).map(|(at, t, _)| at.max(t) + WINDOW - now);
                Err(Replay::Full { retry_after: Duration::from_secs(first.min().unwrap_or_default()) })
            } else {
                Ok(())
            };
            if answer != expected {
                wrong.push((now, timestamp, nonce, answer, expected));
            }
        });
        prop_assert_eq!(wrong, vec![]);
    }
}

#[test]
fn the_window_is_closed_at_both_ends() {
    let at = |timestamp| guard(9).accept(wall(10_000), wall(timestamp), nonce(1));
    assert_eq!(at(10_000 - WINDOW), Ok(()));
    assert_eq!(at(10_000 + WINDOW), Ok(()));
    assert_eq!(at(10_000 - WINDOW - 1), Err(Replay::Timestamp));
    assert_eq!(at(10_000 + WINDOW + 1), Err(Replay::Timestamp));
}

#[test]
fn a_full_guard_refuses_and_has_room_again_when_it_said() {
    let mut guard = guard(2);
    guard.accept(wall(1000), wall(1000), nonce(1)).unwrap();
    guard.accept(wall(1010), wall(1010), nonce(2)).unwrap();
    let Err(Replay::Full { retry_after }) = guard.accept(wall(1020), wall(1020), nonce(3)) else {
        panic!("there is no room");
    };
    assert_eq!(retry_after, Duration::from_secs(WINDOW - 20));
    assert_eq!(guard.accept(wall(1020), wall(1020), nonce(1)), Err(Replay::Used), "nothing was forgotten");
    let later = 1020 + retry_after.as_secs() + 1;
    assert_eq!(guard.accept(wall(later), wall(later), nonce(3)), Ok(()));
}

#[test]
fn a_clock_that_was_set_back_does_not_let_an_old_request_in() {
    let mut guard = guard(9);
    guard.accept(wall(1000), wall(1000), nonce(1)).unwrap();
    guard.accept(wall(2000), wall(2000), nonce(2)).unwrap();
    assert_eq!(guard.len(), 1, "the first was forgotten: the fault can take effect");
    assert_eq!(guard.accept(wall(1000), wall(1000), nonce(1)), Err(Replay::Timestamp));
    assert_eq!(guard.accept(wall(1000), wall(1001), nonce(3)), Ok(()));
}

#[test]
fn nonces_of_two_callers_do_not_meet() {
    let mut guard = guard(9);
    for (caller, text) in [("ab", "c"), ("a", "bc"), ("", "abc")] {
        assert_eq!(guard.accept(wall(1000), wall(1000), Fingerprint::of(caller, text)), Ok(()));
    }
}
