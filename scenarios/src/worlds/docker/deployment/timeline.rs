//! What the database and the engine tell, in one order.
//!
//! Both date what happened by the clock of this machine, and neither waits for the other to be read. So what is told is
//! held for a while and then put in the order of its times. Signals are not held: what a scenario waits for is seen at
//! once.

use std::pin::pin;
use std::time::Duration;

use dive_orchestrator::deploy::Thing;
use dive_orchestrator::{Instance, ResourceKind, Service};
use futures_util::StreamExt as _;
use harness_core::event::What;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_docker::Engine;
use harness_docker::changes::{Change, Kind, changes};
use harness_local::clock::Clock;
use tokio::time::interval;

use super::super::super::deployment::reading::{Reading, put};
use super::super::super::deployment::stage::{Stage, wall_ms};
use super::super::super::deployment::witness::Witness;
use super::super::super::deployment::{keycloak_breaker, nothing_yet};
use super::super::super::watch::LogClock;
use crate::binding::deployment::deeds::{self, GONE, MADE, WRITTEN};
use crate::binding::deployment::topology::{KEYCLOAK_BREAKER, is_deployed};

/// How often, in real time, it is read what was told.
const LOOK: Duration = Duration::from_millis(100);
/// How many real milliseconds after it happened something may be told, and still be put where it belongs.
const HELD: i64 = 1_500;
/// What a container is called until it is whole.
const UNFINISHED: &str = ".making";
/// What `dive` does not deploy: the node has no page of its own yet, nor policy a channel.
const LACKING: [Service; 3] = [Service::Frontend, Service::OpalServer, Service::OpalClient];

/// Puts all of it on the timeline, for ever.
pub(super) async fn watch(engine: &Engine, stage: Stage, clock: &Clock, recorder: &Recorder) {
    let began = clock.now();
    nothing_yet(recorder, began);
    for service in LACKING {
        recorder.record_at(began, deeds::lacking(service));
    }
    let (eye, mut witness) = (stage.connect(), Witness::of(&stage.database));
    let since = Duration::from_millis(stage.origin_ms);
    let mut reading = Reading::new(stage, LogClock::pair(began, clock.speed()));
    let mut told = pin!(changes(engine, since));
    let (mut held, mut last, mut look) = (Held::default(), began, interval(LOOK));
    loop {
        tokio::select! {
            biased;
            Some(change) = told.next() => match change {
                Ok(change) => {
                    let millis = i64::try_from(change.at.as_millis()).unwrap_or(i64::MAX);
                    let at = reading.at(millis, clock.now());
                    held.extend(meaning(&change).map(|what| (millis, at, what)));
                }
                Err(error) => tracing::warn!(%error, "what changes on the engine can't be read"),
            },
            _ = look.tick() => {
                let now = clock.now();
                for one in witness.read().await.unwrap_or_default() {
                    let at = reading.at(one.at, clock.now());
                    for what in reading.told(&one) {
                        match what {
                            What::Fact { .. } => held.extend([(one.at, at, what)]),
                            what => put(at, what, recorder),
                        }
                    }
                }
                reading.see_lapsed(Span::between(last, now), recorder);
                recorder.signal(Span::between(last, now), KEYCLOAK_BREAKER, keycloak_breaker(&eye).await);
                last = now;
                let until = i64::try_from(wall_ms()).unwrap_or(i64::MAX) - HELD;
                for (at, what) in held.until(until) {
                    recorder.record(at, what);
                }
            }
        }
    }
}

/// What a change is of a deployment, if it is of one.
fn meaning(change: &Change) -> Option<What> {
    let instance = owner(change.name.trim_end_matches(UNFINISHED))?;
    let kind = match change.kind {
        Kind::Container => ResourceKind::Container,
        Kind::Volume => ResourceKind::Volume,
    };
    let thing = Thing::new(kind, change.name.trim_end_matches(UNFINISHED));
    Some(if change.is_made { deeds::made(&instance, &thing) } else { deeds::gone(&instance, &thing) })
}

/// Of which of the run's instances a container or a volume is. What somebody else has on this machine is of none.
fn owner(name: &str) -> Option<Instance> {
    let name = name.strip_prefix("dive-")?;
    let of = |service: Service| name.strip_suffix(service.as_str())?.strip_suffix('-')?.parse().ok();
    Service::ALL.into_iter().find_map(of).filter(is_deployed)
}

/// What was told lately.
#[derive(Default)]
struct Held {
    /// With when it was, in real milliseconds since 1970.
    told: Vec<(i64, Span, What)>,
}

impl Held {
    fn extend(&mut self, told: impl IntoIterator<Item = (i64, Span, What)>) {
        self.told.extend(told);
    }

    /// Takes out what happened until then, in its order. Of one millisecond, which is as exactly as the database says
    /// it, what was written down comes first and then what came of it.
    fn until(&mut self, millis: i64) -> Vec<(Span, What)> {
        self.told.sort_by_key(|(at, _, what)| (*at, rank(what)));
        let over = self.told.partition_point(|(at, ..)| *at <= millis);
        self.told.drain(..over).map(|(_, at, what)| (at, what)).collect()
    }
}

fn rank(what: &What) -> u8 {
    match what {
        What::Fact { about, .. } if about == WRITTEN => 0,
        What::Fact { about, .. } if about == MADE || about == GONE => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use harness_core::time::At;

    use super::*;

    fn about(what: &What) -> &str {
        match what {
            What::Fact { about, .. } => about,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_told_late_is_put_where_it_belongs() {
        let thing = Thing::new(ResourceKind::Container, "dive-hub-kas");
        let span = Span::exactly(At::from_start(Duration::ZERO));
        let mut held = Held::default();
        held.extend([
            (7, span, deeds::struck_out(&Instance::Hub, &thing)),
            (5, span, deeds::made(&Instance::Hub, &thing)),
            (9, span, deeds::nothing_left(&Instance::Hub, "operator#1")),
            (7, span, deeds::gone(&Instance::Hub, &thing)),
            (5, span, deeds::written(&Instance::Hub, &thing)),
        ]);
        let until = |held: &mut Held, millis| -> Vec<String> {
            held.until(millis).iter().map(|(_, what)| about(what).to_owned()).collect()
        };
        assert!(until(&mut held, 4).is_empty());
        assert_eq!(until(&mut held, 8), ["written", "made", "gone", "struck-out"]);
        assert_eq!(until(&mut held, 9), ["nothing-left"]);
    }

    #[test]
    fn a_container_tells_by_its_name_whose_it_is_and_a_strangers_does_not() {
        let spoke: Instance = "spoke-fra".parse().unwrap();
        assert_eq!(owner("dive-hub-redis"), Some(Instance::Hub));
        assert_eq!(owner("dive-hub-blacklist-redis"), Some(Instance::Hub));
        assert_eq!(owner("dive-spoke-fra-keycloak"), Some(spoke));
        for stranger in ["dive-hub", "hub-redis", "dive-somebody-redis", "dive-spoke-xq-redis", "0a1b2c"] {
            assert_eq!(owner(stranger), None, "{stranger}");
        }
        let (at, name) = (Duration::ZERO, "dive-hub-opa.making".to_owned());
        let made = meaning(&Change { at, kind: Kind::Container, name, is_made: true });
        let thing = Thing::new(ResourceKind::Container, "dive-hub-opa");
        assert_eq!(made, Some(deeds::made(&Instance::Hub, &thing)));
    }
}
