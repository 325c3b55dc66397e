//! What a killed operator had asked the machine for comes to its end without him, after others looked.

use std::sync::Arc;
use std::time::Duration;

use dive_orchestrator::deploy::{Done, Event, Interrupted};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{HEARTBEAT, Instance, LEASE};
use dive_runtime::Runtime;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::crashes::steps_of_a_deployment;
use crate::faulty::{Defect, Faulty};
use crate::time::Time;
use crate::world::{Command, World};

const HUB: Instance = Instance::Hub;

/// How long after the end of a process what it had asked for comes to its own.
const LATE: Duration = HEARTBEAT.saturating_sub(Duration::from_millis(100));

/// The same of an operator on another machine, who was cut off and went on as long as his lease let him.
const LATE_ELSEWHERE: Duration = LEASE.saturating_sub(HEARTBEAT).saturating_sub(Duration::from_millis(100));

type Call = Box<dyn Fn() -> BoxFuture<'static, Done> + Send + Sync>;

/// Calls whose callers are gone.
#[derive(Clone)]
pub(crate) struct Late {
    time: Time,
    by: Duration,
    calls: Arc<Mutex<Vec<(Duration, Call)>>>,
}

/// A call that outlives its caller.
struct UnderWay<'a> {
    call: Option<Call>,
    late: &'a Late,
}

impl Late {
    fn new(time: &Time, by: Duration) -> Self {
        Self { time: time.clone(), by, calls: Arc::default() }
    }

    /// Makes a call, after those whose time has come.
    pub(crate) async fn call(&self, call: Call) -> Done {
        self.arrive().await;
        let answer = call();
        let mut under_way = UnderWay { call: Some(call), late: self };
        let done = answer.await;
        under_way.call = None;
        done
    }

    async fn arrive(&self) {
        let now = self.time.since_start();
        let due: Vec<_> = self.calls.lock().extract_if(.., |(at, _)| *at <= now).collect();
        for (_, call) in due {
            // Nobody hears of it.
            let _ = call().await;
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.late.calls.lock().push((self.late.time.since_start() + self.late.by, call));
        }
    }
}

struct Site {
    world: World,
    late: Late,
}

fn site(by: Duration) -> Site {
    let mut world = World::in_memory();
    let late = Late::new(&world.time, by);
    let machine = Arc::new(world.machine.clone());
    world.platform = Arc::new(Faulty { defect: Defect::None, machine, late: Some(late.clone()) });
    Site { world, late }
}

impl Site {
    /// Begins a deployment, which is killed before its step of this number, if a call is under way then.
    fn is_killed_in_a_call(&self, step: u64) -> bool {
        let deploy = World::command(self.world.engine(), &HUB, Command::Deploy);
        self.world.cut(Some(step), Box::pin(deploy)).is_none() && !self.late.calls.lock().is_empty()
    }

    fn waits_until_all_has_come(&self) {
        self.world.run(Box::pin(async {
            self.world.time.runtime().sleep(LEASE).await;
            self.late.arrive().await;
        }));
        assert!(self.late.calls.lock().is_empty());
    }
}

/// As many sites whose operator was killed with a call under way, which comes late by this much.
fn kills(wanted: usize, by: Duration) -> impl Iterator<Item = Site> {
    let steps = steps_of_a_deployment();
    let drawn = (0u64..).map(move |kill| (kill + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % steps);
    drawn
        .filter_map(move |step| {
            let site = site(by);
            site.is_killed_in_a_call(step).then_some(site)
        })
        .take(wanted)
}

#[test]
fn what_comes_after_its_caller_was_killed_is_undone_with_the_rest_or_used() {
    for (number, killed) in kills(60, LATE).enumerate() {
        if number % 2 == 0 {
            killed.world.ends(&HUB, Command::Rollback(None), Ending::RolledBack { to: None });
            killed.waits_until_all_has_come();
            killed.world.is_gone(&HUB);
        } else {
            killed.world.ends(&HUB, Command::Resume, Ending::Complete);
            killed.waits_until_all_has_come();
            killed.world.stands(&HUB);
        }
    }
}

#[test]
fn not_waiting_for_it_leaves_what_is_written_down_nowhere() {
    let left = kills(60, LATE).filter(|killed| {
        killed.world.forgets_who_was_before();
        killed.world.ends(&HUB, Command::Rollback(None), Ending::RolledBack { to: None });
        killed.waits_until_all_has_come();
        !killed.world.there(&HUB).is_empty()
    });
    assert!(left.count() > 0, "the defect is not seen");
}

#[test]
fn one_that_ended_in_good_order_is_not_waited_for() {
    let site = site(LATE);
    site.world.ends(&HUB, Command::Deploy, Ending::Complete);
    site.world.ends(&HUB, Command::Rollback(None), Ending::RolledBack { to: None });
    let waited = |event: &Event| matches!(event, Event::Settling { .. });
    assert!(!site.world.events().iter().any(waited));
}

/// He who waits and is killed or stopped has not waited it out for the next.
#[test]
fn a_wait_that_was_cut_short_is_begun_anew_by_the_next() {
    for is_stopped in [false, true] {
        let killed = kills(1, LATE).next().unwrap();
        let (world, stop) = (&killed.world, CancellationToken::new());
        let runtime: Arc<dyn Runtime> = world.time.runtime();
        let (engine, began) = (world.engine(), world.time.since_start());
        let waits = world.watch(
            |_| {
                if is_stopped && world.time.since_start() > began {
                    stop.cancel();
                }
            },
            Box::pin(async {
                tokio::select! {
                    biased;
                    ended = engine.rollback(&HUB, None, &stop) => Some(ended.map(|_| ())),
                    () = runtime.sleep(HEARTBEAT / 2), if !is_stopped => None,
                }
            }),
        );
        assert!(matches!(waits, None | Some(Err(Interrupted::Cancelled { .. }))), "{waits:?}");
        drop(engine);
        world.ends(&HUB, Command::Rollback(None), Ending::RolledBack { to: None });
        let waits = world.events().iter().filter(|event| matches!(event, Event::Settling { .. })).count();
        assert_eq!(waits, 2);
    }
}

/// Whether he lives can't be known; he who waits for him and is killed hands that on.
#[test]
fn one_on_another_machine_is_waited_for_by_the_next_but_one_too() {
    for killed in kills(20, LATE_ELSEWHERE) {
        let world = &killed.world;
        let far_away = world.engine().holder.pid - 1;
        let engine = || {
            let mut engine = world.engine();
            let is_gone = engine.gone;
            engine.gone = Arc::new(move |holder| holder.pid != far_away && is_gone(holder));
            engine
        };
        let (waiting, runtime) = (engine(), world.time.runtime());
        let waits = world.run(Box::pin(async {
            tokio::select! {
                biased;
                ended = World::command(waiting, &HUB, Command::Rollback(None)) => Some(ended),
                () = runtime.sleep(HEARTBEAT / 2) => None,
            }
        }));
        assert!(waits.is_none(), "{waits:?}");
        let report = world.run(Box::pin(World::command(engine(), &HUB, Command::Rollback(None)))).unwrap();
        assert_eq!(report.ending, Ending::RolledBack { to: None });
        killed.waits_until_all_has_come();
        world.is_gone(&HUB);
    }
}
