//! The rules of the breaker as properties over random histories.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Percent;

/// Something that happens to a breaker.
#[derive(Clone, Debug)]
enum Step {
    Wait(Duration),
    Admit(Caller),
    /// Settles the n-th permit in flight (modulo their number).
    Settle(usize, Outcome),
    Cancel(usize),
    Tick,
    Operator(Order),
}

#[derive(Clone, Debug)]
enum Order {
    Force(State),
    Release,
    Reset,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![2 => Just(Outcome::Success), 3 => Just(Outcome::Failure)]
}

fn caller() -> impl Strategy<Value = Caller> {
    prop_oneof![Just(Caller::Request), Just(Caller::Poll)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u64..20_000).prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
        5 => caller().prop_map(Step::Admit),
        5 => (0usize..8, outcome()).prop_map(|(index, outcome)| Step::Settle(index, outcome)),
        1 => (0usize..8).prop_map(Step::Cancel),
        1 => Just(Step::Tick),
    ]
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..120)
}

fn history_with_operator() -> impl Strategy<Value = Vec<Step>> {
    let order = prop_oneof![
        prop_oneof![Just(State::Closed), Just(State::HalfOpen), Just(State::Open)].prop_map(Order::Force),
        Just(Order::Release),
        Just(Order::Reset),
    ];
    prop::collection::vec(prop_oneof![12 => step(), 1 => order.prop_map(Step::Operator)], 0..120)
}

fn settings() -> impl Strategy<Value = BreakerSettings> {
    let count = |most: u32| (1..=most).prop_map(|n| NonZeroU32::new(n).unwrap());
    let admission = prop_oneof![
        count(3).prop_map(Admission::Probes),
        (1u8..=100).prop_map(|share| Admission::Sample(Percent::new(share).unwrap())),
    ];
    let span = |most: u64| (1..=most).prop_map(Duration::from_secs);
    (count(5), prop::option::of(span(60)), span(60), count(3), admission, prop::option::of(span(60)))
        .prop_map(|(failures, within, open_for, successes, half_open, half_open_at_most)| BreakerSettings {
            failures,
            within,
            open_for,
            successes,
            half_open,
            half_open_at_most,
        })
}

/// A breaker with the callers around it, and all it ever reported.
struct Bench {
    settings: BreakerSettings,
    breaker: Breaker,
    now: Moment,
    permits: Vec<Permit>,
    log: Vec<Transition>,
}

impl Bench {
    fn new(settings: BreakerSettings) -> Self {
        Self::starting_at(settings, Moment::START)
    }

    fn starting_at(settings: BreakerSettings, now: Moment) -> Self {
        let breaker = Breaker::new("opa", &settings);
        Self { settings, breaker, now, permits: Vec::new(), log: Vec::new() }
    }

    fn snapshot(&self) -> Snapshot {
        self.breaker.snapshot(self.now)
    }

    fn state(&self) -> State {
        self.snapshot().state
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    fn tick(&mut self) {
        self.breaker.tick(self.now, &mut self.log);
    }

    fn admit(&mut self, caller: Caller) -> Result<Permit, Rejected> {
        self.breaker.admit(self.now, caller, &mut self.log)
    }

    fn settle(&mut self, permit: Permit, outcome: Outcome) {
        self.breaker.settle(self.now, permit, outcome, &mut self.log);
    }

    /// One call that ends at once.
    fn call(&mut self, outcome: Outcome) {
        let permit = self.admit(Caller::Request).expect("the breaker lets the call through");
        self.settle(permit, outcome);
    }

    fn take(&mut self, index: usize) -> Option<Permit> {
        (!self.permits.is_empty()).then(|| self.permits.remove(index % self.permits.len()))
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Wait(span) => self.wait(*span),
            Step::Admit(caller) => {
                if let Ok(permit) = self.admit(*caller) {
                    self.permits.push(permit);
                }
            }
            Step::Settle(index, outcome) => {
                if let Some(permit) = self.take(*index) {
                    self.settle(permit, *outcome);
                }
            }
            Step::Cancel(index) => {
                if let Some(permit) = self.take(*index) {
                    self.breaker.cancel(permit);
                }
            }
            Step::Tick => self.tick(),
            Step::Operator(Order::Force(to)) => self.breaker.force(self.now, *to, &mut self.log),
            Step::Operator(Order::Release) => self.breaker.release(self.now, &mut self.log),
            Step::Operator(Order::Reset) => self.breaker.reset(self.now, &mut self.log),
        }
    }

    fn live(&mut self, history: &[Step]) {
        for step in history {
            self.apply(step);
        }
    }

    /// Whether the permit would still count if it came back now.
    fn is_current(&mut self, index: usize) -> bool {
        self.tick();
        let generation = self.snapshot().generation;
        !self.permits.is_empty() && self.permits[index % self.permits.len()].generation() == generation
    }

    fn open(&mut self) {
        while self.state() == State::Closed {
            self.call(Outcome::Failure);
        }
        assert_eq!(self.state(), State::Open);
    }

    fn half_open(&mut self) {
        self.open();
        self.wait(self.settings.open_for);
        self.tick();
        assert_eq!(self.state(), State::HalfOpen);
    }
}

proptest! {
    #[test]
    fn the_path_is_only_closed_open_half_open_then_closed_or_open(
        settings in settings(), history in history(),
    ) {
        let mut bench = Bench::new(settings);
        bench.live(&history);
        let mut state = State::Closed;
        let mut at = Moment::START;
        for moved in &bench.log {
            prop_assert_eq!(moved.from, state);
            prop_assert!(moved.at >= at);
            let legal = [
                (State::Closed, State::Open, Cause::FailureThreshold),
                (State::Open, State::HalfOpen, Cause::OpenElapsed),
                (State::HalfOpen, State::Open, Cause::ProbeFailed),
                (State::HalfOpen, State::Open, Cause::HalfOpenElapsed),
                (State::HalfOpen, State::Closed, Cause::ProbesSucceeded),
            ];
            prop_assert!(legal.contains(&(moved.from, moved.to, moved.cause)), "{:?}", moved);
            (state, at) = (moved.to, moved.at);
        }
        prop_assert_eq!(state, bench.state());
    }

    #[test]
    fn every_transition_is_one_event_and_one_generation(
        settings in settings(), history in history_with_operator(),
    ) {
        let mut bench = Bench::new(settings);
        bench.live(&history);
        let snapshot = bench.snapshot();
        prop_assert_eq!(snapshot.generation, bench.log.len() as u64);
        let opens = bench.log.iter().filter(|moved| moved.to == State::Open).count();
        prop_assert_eq!(snapshot.counters.opens, opens as u64);
    }

    #[test]
    fn the_threshold_th_consecutive_failure_opens_and_none_before_it(
        settings in settings(), gaps in prop::collection::vec(0u64..100, 0..20),
    ) {
        let settings = BreakerSettings { within: None, ..settings };
        let mut bench = Bench::new(settings);
        for _ in 1..settings.failures.get() {
            bench.call(Outcome::Failure);
            bench.wait(Duration::from_secs(gaps.first().copied().unwrap_or(1)));
            prop_assert_eq!(bench.state(), State::Closed);
        }
        bench.call(Outcome::Failure);
        prop_assert_eq!(bench.state(), State::Open);
    }

    #[test]
    fn with_a_window_it_opens_exactly_when_the_last_consecutive_failures_all_lie_inside_it(
        settings in settings(),
        within in 1u64..60_000,
        calls in prop::collection::vec((0u64..30_000, outcome()), 1..60),
    ) {
        let within = Duration::from_millis(within);
        let settings = BreakerSettings { within: Some(within), ..settings };
        let needed = settings.failures.get() as usize;
        let mut bench = Bench::new(settings);
        let mut run: Vec<Moment> = Vec::new();
        for (gap, outcome) in calls {
            bench.wait(Duration::from_millis(gap));
            match outcome {
                Outcome::Success => run.clear(),
                Outcome::Failure => run.push(bench.now),
            }
            bench.call(outcome);
            let inside = run.len() >= needed
                && bench.now.saturating_since(run[run.len() - needed]) <= within;
            prop_assert_eq!(bench.state() == State::Open, outcome == Outcome::Failure && inside);
            if inside {
                break;
            }
        }
    }

    #[test]
    fn open_rejects_every_call_until_its_time_has_passed_and_not_an_instant_longer(
        settings in settings(), asks in prop::collection::vec((1u64..10_000, caller()), 0..40),
    ) {
        let mut bench = Bench::new(settings);
        bench.open();
        let until = bench.now + settings.open_for;
        for (gap, caller) in asks {
            let later = bench.now + Duration::from_millis(gap);
            if later >= until {
                break;
            }
            bench.now = later;
            let rejected = bench.admit(caller).unwrap_err();
            prop_assert_eq!(rejected.retry_after, Some(until.saturating_since(later)));
            prop_assert_eq!(&*rejected.breaker, "opa");
            prop_assert_eq!(bench.state(), State::Open);
        }
        bench.now = until;
        prop_assert!(bench.admit(Caller::Request).is_ok(), "the first request after the open time is a probe");
        prop_assert_eq!(bench.state(), State::HalfOpen);
    }

    #[test]
    fn a_rejection_is_no_failure_and_moves_no_timer(
        settings in settings(), asks in prop::collection::vec(caller(), 0..40),
    ) {
        let mut bench = Bench::new(settings);
        bench.open();
        let (before, deadline) = (bench.snapshot(), bench.breaker.next_deadline());
        let mut requests = 0;
        for caller in asks {
            prop_assert!(bench.admit(caller).is_err());
            requests += u64::from(caller == Caller::Request);
        }
        let after = bench.snapshot();
        prop_assert_eq!(bench.breaker.next_deadline(), deadline);
        prop_assert_eq!(after.counters.rejects, before.counters.rejects + requests);
        let expected = Counters { rejects: after.counters.rejects, ..before.counters };
        prop_assert_eq!(after, Snapshot { counters: expected, ..before });
    }

    #[test]
    fn never_more_than_the_allowed_probes_are_in_flight(
        settings in settings(), history in history(), most in 1u32..4,
    ) {
        let most = NonZeroU32::new(most).unwrap();
        let settings = BreakerSettings { half_open: Admission::Probes(most), ..settings };
        let mut bench = Bench::new(settings);
        for step in &history {
            bench.apply(step);
            if bench.state() == State::HalfOpen {
                let generation = bench.snapshot().generation;
                let held = bench.permits.iter().filter(|permit| permit.generation() == generation).count();
                prop_assert!(held <= most.get() as usize);
                prop_assert_eq!(bench.snapshot().probes_in_flight as usize, held, "no slot leaks");
            }
        }
    }

    #[test]
    fn a_cancelled_probe_gives_its_slot_back_and_tells_nothing(settings in settings(), most in 1u32..4) {
        let most = NonZeroU32::new(most).unwrap();
        let mut bench = Bench::new(BreakerSettings { half_open: Admission::Probes(most), ..settings });
        bench.half_open();
        let before = bench.snapshot();
        for _ in 0..10 {
            let probes: Vec<_> = (0..most.get()).map(|_| bench.admit(Caller::Request).unwrap()).collect();
            prop_assert!(bench.admit(Caller::Request).is_err(), "all slots are taken");
            for probe in probes {
                bench.breaker.cancel(probe);
            }
        }
        let after = bench.snapshot();
        prop_assert_eq!((after.state, after.failures), (before.state, before.failures));
        prop_assert_eq!(after.counters.successes, before.counters.successes);
    }

    #[test]
    fn a_result_of_an_older_generation_changes_nothing(
        settings in settings(), history in history(), index in 0usize..8, outcome in outcome(),
    ) {
        let mut bench = Bench::new(settings);
        bench.live(&history);
        if bench.is_current(index) {
            return Ok(());
        }
        let Some(permit) = bench.take(index) else { return Ok(()) };
        let (before, moves) = (bench.snapshot(), bench.log.len());
        bench.settle(permit, outcome);
        let after = bench.snapshot();
        let expected = Counters { stale: before.counters.stale + 1, ..before.counters };
        prop_assert_eq!(after, Snapshot { counters: expected, ..before });
        prop_assert_eq!(bench.log.len(), moves);
    }

    #[test]
    fn the_exported_count_is_that_of_consecutive_failures_failed_probes_included(
        settings in settings(), history in history(),
    ) {
        let mut bench = Bench::new(settings);
        let mut consecutive = 0;
        for step in &history {
            if let Step::Settle(index, outcome) = step
                && bench.is_current(*index)
            {
                consecutive = if *outcome == Outcome::Failure { consecutive + 1 } else { 0 };
            }
            bench.apply(step);
            prop_assert_eq!(bench.snapshot().failures, consecutive);
        }
    }

    #[test]
    fn any_failed_probe_opens_again_for_the_full_time(settings in settings(), successes in 0u32..3) {
        let mut bench = Bench::new(BreakerSettings {
            half_open: Admission::Probes(NonZeroU32::MIN),
            ..settings
        });
        bench.half_open();
        for _ in 0..successes.min(settings.successes.get() - 1) {
            bench.call(Outcome::Success);
        }
        prop_assert_eq!(bench.state(), State::HalfOpen);
        bench.wait(Duration::from_millis(300));
        bench.call(Outcome::Failure);
        prop_assert_eq!(bench.state(), State::Open);
        prop_assert_eq!(bench.breaker.next_deadline(), Some(bench.now + settings.open_for));
    }

    #[test]
    fn counts_start_at_zero_on_every_entry_to_half_open(settings in settings(), relapses in 1usize..4) {
        let successes = NonZeroU32::new(3).unwrap();
        let half_open = Admission::Probes(NonZeroU32::MIN);
        let mut bench = Bench::new(BreakerSettings { successes, half_open, ..settings });
        bench.open();
        for _ in 0..relapses {
            bench.wait(settings.open_for);
            bench.call(Outcome::Success);
            bench.call(Outcome::Success);
            bench.call(Outcome::Failure);
        }
        bench.wait(settings.open_for);
        for _ in 0..2 {
            bench.call(Outcome::Success);
            prop_assert_eq!(bench.state(), State::HalfOpen);
        }
        bench.call(Outcome::Success);
        prop_assert_eq!(bench.state(), State::Closed);
    }

    #[test]
    fn half_open_lasts_no_longer_than_its_limit_and_no_shorter(
        settings in settings(), limit in 1u64..60, share in 1u8..=100,
    ) {
        let limit = Duration::from_secs(limit);
        let mut bench = Bench::new(BreakerSettings {
            half_open: Admission::Sample(Percent::new(share).unwrap()),
            half_open_at_most: Some(limit),
            ..settings
        });
        bench.half_open();
        bench.wait(limit.saturating_sub(Duration::from_nanos(1)));
        bench.tick();
        prop_assert_eq!(bench.state(), State::HalfOpen);
        bench.wait(Duration::from_nanos(1));
        bench.tick();
        prop_assert_eq!(bench.state(), State::Open);
        prop_assert_eq!(bench.log.last().map(|moved| moved.cause), Some(Cause::HalfOpenElapsed));
    }

    #[test]
    fn sampling_admits_its_share_of_requests_and_every_poll(
        settings in settings(), share in 1u8..=100, asks in prop::collection::vec(caller(), 0..300),
    ) {
        let mut bench = Bench::new(BreakerSettings {
            half_open: Admission::Sample(Percent::new(share).unwrap()),
            half_open_at_most: None,
            ..settings
        });
        bench.half_open();
        let (mut requests, mut through) = (0, 0);
        for caller in asks {
            let admitted = bench.admit(caller).map(|permit| bench.breaker.cancel(permit)).is_ok();
            match caller {
                Caller::Poll => prop_assert!(admitted),
                Caller::Request => {
                    requests += 1;
                    through += usize::from(admitted);
                }
            }
        }
        prop_assert_eq!(through, (requests * usize::from(share) + 100 - usize::from(share)) / 100);
    }

    #[test]
    fn a_forced_open_stays_until_it_is_released(settings in settings(), history in history()) {
        let mut bench = Bench::new(settings);
        bench.breaker.force(bench.now, State::Open, &mut bench.log);
        let moves = bench.log.len();
        let forced_at = bench.now;
        for step in &history {
            bench.apply(step);
        }
        bench.wait(10 * settings.open_for);
        let rejected = bench.admit(Caller::Poll).unwrap_err();
        prop_assert_eq!(rejected.retry_after, None, "only an operator can tell");
        prop_assert_eq!(bench.log.len(), moves);
        prop_assert!(bench.now.saturating_since(forced_at) >= settings.open_for);
        bench.breaker.release(bench.now, &mut bench.log);
        prop_assert_eq!(bench.state(), State::HalfOpen);
    }

    #[test]
    fn a_reset_leaves_a_closed_breaker_as_new(settings in settings(), history in history_with_operator()) {
        let mut bench = Bench::new(settings);
        bench.live(&history);
        bench.breaker.reset(bench.now, &mut bench.log);
        bench.permits.clear();
        prop_assert_eq!((bench.state(), bench.snapshot().failures), (State::Closed, 0));
        for failures in 1..=settings.failures.get() {
            prop_assert_eq!(bench.state(), State::Closed, "after {} failures", failures - 1);
            bench.call(Outcome::Failure);
        }
        prop_assert_eq!(bench.state(), State::Open);
    }

    #[test]
    fn an_earlier_openings_timer_never_moves_a_later_one(settings in settings(), held in 1u64..1_000) {
        let mut bench = Bench::new(settings);
        bench.open();
        let first_deadline = bench.now + settings.open_for;
        bench.wait(Duration::from_millis(held).min(settings.open_for / 2));
        bench.breaker.reset(bench.now, &mut bench.log);
        bench.open();
        let reopened = bench.now;
        bench.now = first_deadline;
        bench.tick();
        prop_assert_eq!(bench.state(), State::Open);
        bench.now = reopened + settings.open_for;
        bench.tick();
        prop_assert_eq!(bench.state(), State::HalfOpen);
    }

    #[test]
    fn only_differences_of_time_matter(
        settings in settings(), history in history_with_operator(), offset in 0u64..1_000_000_000,
    ) {
        let offset = Duration::from_millis(offset);
        let mut bench = Bench::new(settings);
        let mut shifted = Bench::starting_at(settings, Moment::START + offset);
        for step in &history {
            bench.apply(step);
            shifted.apply(step);
        }
        prop_assert_eq!(bench.snapshot(), shifted.snapshot());
        let moved_back: Vec<_> = shifted
            .log
            .iter()
            .map(|moved| Transition {
                at: Moment::from_start(moved.at.since_start().saturating_sub(offset)),
                ..*moved
            })
            .collect();
        prop_assert_eq!(bench.log, moved_back);
    }

    #[test]
    fn looking_changes_nothing(settings in settings(), history in history_with_operator()) {
        let mut bench = Bench::new(settings);
        let mut watched = Bench::new(settings);
        for step in &history {
            bench.apply(step);
            watched.apply(step);
            for _ in 0..3 {
                let _ = (watched.snapshot(), watched.breaker.next_deadline());
            }
        }
        prop_assert_eq!(bench.snapshot(), watched.snapshot());
    }
}
