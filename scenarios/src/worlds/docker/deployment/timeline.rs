//! What the database and the engine tell, in one order.
//!
//! Both date what happened by the clock of this machine, and neither waits for the other to be read. So what is told is
//! held for a while and then put in the order of its times, and as long as the database can't be asked: what it told
//! before may be the cause. Signals are not held: what a scenario waits for is seen at once.

use std::pin::pin;
use std::time::Duration;

use dive_orchestrator::deploy::Thing;
use dive_orchestrator::{Instance, ResourceKind, Service};
use futures_util::StreamExt as _;
use harness_core::event::What;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_docker::Engine;
use harness_docker::changes::{Became, Change, Kind, changes};
use harness_local::clock::Clock;
use tokio::time::interval;

use super::super::super::deployment::reading::{Reading, put};
use super::super::super::deployment::stage::{Stage, wall_ms};
use super::super::super::deployment::witness::Witness;
use super::super::super::deployment::{keycloak_breaker, nothing_yet};
use super::super::super::watch::LogClock;
use super::levels::Levels;
use crate::binding::deployment::deeds::{self, GONE, MADE, WRITTEN};
use crate::binding::deployment::topology::{KEYCLOAK_BREAKER, UNKNOWN, is_deployed};

/// How often, in real time, it is read what was told.
const LOOK: Duration = Duration::from_millis(100);
/// How many real milliseconds after it happened something may be told, and still be put where it belongs.
const HELD: i64 = 1_500;
/// What a container is called until it is whole.
const UNFINISHED: &str = ".making";
/// What `dive` does not deploy: the node has no page of its own yet, nor policy a channel.
pub(super) const LACKING: [Service; 3] = [Service::Frontend, Service::OpalServer, Service::OpalClient];

/// The label of a container that names the process which had it made.
pub(super) const ORDERED_BY: &str = "dev.chaos.ordered-by";

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
    let mut levels = Levels::default();
    loop {
        tokio::select! {
            biased;
            Some(change) = told.next() => match change {
                Ok(change) => {
                    let millis = i64::try_from(change.at.as_millis()).unwrap_or(i64::MAX);
                    let at = reading.at(millis, clock.now());
                    held.extend(meaning(&change, &mut levels).into_iter().map(|what| (millis, at, what)));
                }
                Err(error) => tracing::warn!(%error, "what changes on the engine can't be read"),
            },
            _ = look.tick() => {
                let (now, until) = (clock.now(), i64::try_from(wall_ms()).unwrap_or(i64::MAX) - HELD);
                let witnessed = witness.read().await;
                // It was so when it was asked, or came to be so since it was asked last.
                let seen = || Span::between(last, clock.now());
                let breaker = match witnessed {
                    Ok(witnessed) => {
                        for one in witnessed {
                            let at = reading.at(one.at, clock.now());
                            for what in reading.told(&one) {
                                match what {
                                    What::Fact { .. } => held.extend([(one.at, at, what)]),
                                    what => put(at, what, recorder),
                                }
                            }
                        }
                        for (at, what) in held.until(until) {
                            recorder.record(at, what);
                        }
                        reading.see_lapsed(seen(), &eye, recorder).await;
                        keycloak_breaker(&eye).await
                    }
                    Err(error) => {
                        tracing::debug!(%error, "what was witnessed can't be read");
                        reading.see_nothing(seen(), recorder);
                        UNKNOWN
                    }
                };
                recorder.signal(seen(), KEYCLOAK_BREAKER, breaker);
                last = now;
            }
        }
    }
}

/// What a change means for a deployment, if it is of one.
fn meaning(change: &Change, levels: &mut Levels) -> Vec<What> {
    let name = change.name.trim_end_matches(UNFINISHED);
    let Some((instance, service)) = owner(name) else { return Vec::new() };
    let kind = match change.kind {
        Kind::Container => ResourceKind::Container,
        Kind::Volume => ResourceKind::Volume,
    };
    let thing = Thing::new(kind, name);
    let by = change.attributes.get(ORDERED_BY);
    let mut told = Vec::new();
    match change.became {
        Became::Made => {
            told.extend(by.map(|by| deeds::change(&instance, by, &format!("make {thing}"))));
            told.push(deeds::made(&instance, &thing));
        }
        Became::Gone => told.push(deeds::gone(&instance, &thing)),
        _ => {}
    }
    if change.kind == Kind::Container {
        told.extend(levels.see(&instance, service, change.became).map(|broken| deeds::rule(&broken)));
    }
    told
}

/// Of which of the run's instances and services a container or a volume is. What somebody else has on this machine is
/// of none.
pub(super) fn owner(name: &str) -> Option<(Instance, Service)> {
    let name = name.strip_prefix("dive-")?;
    let of = |service: Service| {
        let instance = name.strip_suffix(service.as_str())?.strip_suffix('-')?.parse().ok()?;
        Some((instance, service))
    };
    Service::ALL.into_iter().find_map(of).filter(|(instance, _)| is_deployed(instance))
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
        assert_eq!(owner("dive-hub-redis"), Some((Instance::Hub, Service::Redis)));
        assert_eq!(owner("dive-hub-blacklist-redis"), Some((Instance::Hub, Service::BlacklistRedis)));
        assert_eq!(owner("dive-spoke-fra-keycloak"), Some((spoke, Service::Keycloak)));
        for stranger in ["dive-hub", "hub-redis", "dive-somebody-redis", "dive-spoke-xq-redis", "0a1b2c"] {
            assert_eq!(owner(stranger), None, "{stranger}");
        }
    }

    fn changed(kind: Kind, name: &str, became: Became) -> Change {
        let attributes = [(ORDERED_BY.to_owned(), "operator#7".to_owned())].into();
        Change { at: Duration::ZERO, kind, name: name.to_owned(), attributes, became }
    }

    #[test]
    fn who_had_a_container_made_is_told_by_its_label() {
        let levels = &mut Levels::default();
        let thing = Thing::new(ResourceKind::Container, "dive-hub-opa");
        let made = meaning(&changed(Kind::Container, "dive-hub-opa.making", Became::Made), levels);
        let change = deeds::change(&Instance::Hub, "operator#7", "make container dive-hub-opa");
        assert_eq!(made, [change, deeds::made(&Instance::Hub, &thing)]);
        let gone = meaning(&changed(Kind::Container, "dive-hub-opa", Became::Gone), levels);
        assert_eq!(gone, [deeds::gone(&Instance::Hub, &thing)]);
    }

    #[test]
    fn what_is_started_too_early_is_told() {
        let levels = &mut Levels::default();
        let mut seen = |name: &str, became| meaning(&changed(Kind::Container, name, became), levels);
        assert_eq!(seen("dive-hub-postgres", Became::Started), []);
        let told: Vec<_> = seen("dive-hub-keycloak", Became::Started);
        assert_eq!(about(&told[0]), "rule");
        assert_eq!(seen("dive-hub-postgres", Became::Healthy), []);
        assert_eq!(seen("dive-hub-keycloak", Became::Started), []);
        assert_eq!(meaning(&changed(Kind::Volume, "dive-hub-keycloak", Became::Started), levels), []);
    }
}
