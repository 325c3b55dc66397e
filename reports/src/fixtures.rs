//! Made-up runs of an OPA outage: one that held, one that was violated, one that was cut short, and
//! one with more of everything than a page can show.
//!
//! They look like what the worlds record, down to polled signals and probes that fail, so that the
//! forms of a report can be looked at and compared without running anything.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_core::event::{Answer, Event, Phase, Stage, What};
use harness_core::fault::{Edge, Fault, Strike};
use harness_core::record::{FORMAT, Header, Record};
use harness_core::scenario::{Anchor, Answers, Claim, Expectation, Load, Scenario, Step, Until, Window};
use harness_core::time::{At, Elapsed, Span};
use harness_core::verdict::{Axis, Finding, Judgement, Measured, Verdict};
use harness_core::world::WorldKind;

fn ms(ms: u64) -> At {
    At::from_start(Duration::from_millis(ms))
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A timeline being made up. Instants are milliseconds.
#[derive(Default)]
struct Pen {
    events: Vec<(Span, What)>,
    last: BTreeMap<String, String>,
}

impl Pen {
    fn write(&mut self, from: u64, until: u64, what: What) {
        self.events.push((Span::between(ms(from), ms(until)), what));
    }

    fn phase(&mut self, at: u64, phase: Phase) {
        self.write(at, at, What::Phase { phase });
    }

    fn fault(&mut self, at: u64, stage: Stage, detail: &str) {
        let fault = Fault::Stop("opa".into());
        self.write(at, at, What::Fault { name: "opa-gone".into(), fault, stage, detail: detail.into() });
    }

    fn signal(&mut self, from: u64, until: u64, signal: &str, value: &str) {
        let was = self.last.insert(signal.into(), value.into());
        self.write(from, until, What::Signal { signal: signal.into(), value: value.into(), was });
    }

    fn log(&mut self, at: u64, service: &str, line: &str) {
        self.write(at, at, What::Log { service: service.into(), line: line.into() });
    }

    /// Requests every `every` ms; `answer` says what comes of one sent at an instant, and after how many µs.
    fn load(&mut self, from: u64, until: u64, every: u64, answer: impl Fn(u64, u64) -> (&'static str, u64)) {
        for (number, at) in (from..until).step_by(every as usize).enumerate() {
            let (class, micros) = answer(number as u64, at);
            let span = Span { lo: ms(at), hi: ms(at) + Duration::from_micros(micros) };
            let answer = Answer::new(class).with("user", format!("alice-{}", number % 7));
            self.events.push((span, What::Request { load: "reads".into(), number: number as u64, answer }));
        }
    }

    /// A node that has just come up, everything well.
    fn well(&mut self) {
        self.phase(0, Phase::SetUp);
        self.log(220, "opa", "INFO listening addr=:8181");
        self.log(640, "hub", "INFO listening addr=0.0.0.0:8443 role=hub");
        self.phase(1_200, Phase::Steady);
        for circuit in ["opa", "keycloak", "mongodb", "kas"] {
            self.signal(1_250, 1_300, &format!("hub/circuit/{circuit}"), "CLOSED");
        }
        self.signal(1_250, 1_300, "hub/status", "healthy");
        self.signal(1_220, 1_240, "opa/up", "up");
        self.phase(11_300, Phase::Experiment);
    }

    fn record(mut self, header: Header, cut: bool) -> Record {
        // Everything is written when it is known, which is when it ends.
        self.events.sort_by_key(|(span, _)| span.hi);
        let events = self
            .events
            .into_iter()
            .enumerate()
            .map(|(seq, (at, what))| Event { seq: seq as u64, at, what })
            .collect();
        Record { header, events, cut }
    }
}

/// A spread that looks like noise and is the same each time.
const fn noise(n: u64, below: u64) -> u64 {
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % below
}

fn usual(number: u64) -> &'static str {
    if number % 5 == 4 { "denied" } else { "allowed" }
}

fn scenario(every: Duration) -> Scenario {
    let becomes = |signal: &str, value: &str, after: Anchor, within: u64| Claim::Becomes {
        signal: signal.into(),
        value: value.into(),
        after,
        not_before: Duration::ZERO,
        within: Duration::from_secs(within),
    };
    let expect = |name: Option<&str>, claim| Step::Expect(Expectation { name: name.map(Into::into), claim });
    let gone = || Anchor::InEffect("opa-gone".into());
    let refused = Claim::Requests {
        load: "reads".into(),
        answers: Answers::All(vec!["denied".into(), "unavailable".into()]),
        at_least: 10,
        answered_within: Some(Duration::from_secs(2)),
        window: Window { from: Anchor::Met("opened".into()), until: Until::Lasting(Duration::from_secs(60)) },
    };
    let mut scenario = Scenario::named("circuit/opa-outage");
    scenario.title = "The policy engine stops and comes back".into();
    scenario.why =
        "Without its policy engine a node must refuse everything, say so, and recover by itself.".into();
    scenario.tags = vec!["circuit-breaker".into(), "recovery".into()];
    scenario.worlds = WorldKind::ALL.to_vec();
    scenario.topology = "one-hub".into();
    scenario.load = vec![Load { name: "reads".into(), request: "authorize".into(), every }];
    scenario.steady.signals = [
        ("hub/circuit/opa", "CLOSED"),
        ("hub/circuit/keycloak", "CLOSED"),
        ("hub/circuit/mongodb", "CLOSED"),
        ("hub/status", "healthy"),
    ]
    .map(|(signal, value)| (signal.to_owned(), value.to_owned()))
    .into();
    scenario.always =
        ["fail-closed", "breaker-path", "contained", "recovered", "clean"].map(Into::into).into();
    scenario.faults = [("opa-gone".into(), Fault::Stop("opa".into()))].into();
    scenario.steps = vec![
        Step::Fault("opa-gone".into()),
        expect(Some("opened"), becomes("hub/circuit/opa", "OPEN", gone(), 30)),
        expect(None, becomes("hub/status", "unhealthy", Anchor::Met("opened".into()), 10)),
        expect(None, refused),
        Step::Heal("opa-gone".into()),
        expect(None, becomes("hub/circuit/opa", "CLOSED", Anchor::Healed("opa-gone".into()), 90)),
        expect(None, becomes("hub/status", "healthy", Anchor::Healed("opa-gone".into()), 100)),
    ];
    scenario
}

fn header(run: &str, world: WorldKind, every: Duration) -> Header {
    Header {
        format: FORMAT.into(),
        run: run.into(),
        scenario: scenario(every),
        world,
        seed: 7_340_033,
        speed: 1.0,
        started: "2025-11-21T08:12:03Z".into(),
        settings: BTreeMap::new(),
        versions: [("chaos", "0.1.0"), ("engine", "20.10.24"), ("opa", "1.22.0"), ("toxiproxy", "2.12.0")]
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .into(),
        replay: format!("cargo chaos run circuit/opa-outage --world {world} --seed 7340033"),
    }
}

fn finding(axis: Axis, claim: &str, verdict: Verdict, why: &str) -> Finding {
    Finding { axis, claim: claim.into(), verdict, why: why.into(), measured: None, window: None, seen: None }
}

/// A claim with a bound: seen between two instants, counted from another, all in ms.
fn timed(
    claim: &str,
    verdict: Verdict,
    why: &str,
    anchor: u64,
    seen: Option<(u64, u64)>,
    within: u64,
) -> Finding {
    let within = Duration::from_secs(within);
    let seen = seen.map(|(from, until)| Span::between(ms(from), ms(until)));
    let elapsed = seen.map(|seen| seen.elapsed_since(Span::exactly(ms(anchor))));
    Finding {
        measured: Some(Measured { elapsed, not_before: Duration::ZERO, within }),
        window: Some(Span { lo: ms(anchor), hi: ms(anchor) + within }),
        seen,
        ..finding(Axis::Experiment, claim, verdict, why)
    }
}

fn windowed(claim: &str, verdict: Verdict, why: &str, from: u64, until: u64) -> Finding {
    Finding {
        window: Some(Span::between(ms(from), ms(until))),
        ..finding(Axis::Experiment, claim, verdict, why)
    }
}

const OPENS: &str = "hub/circuit/opa becomes OPEN within 30.00 s after opa-gone";
const UNHEALTHY: &str = "hub/status becomes unhealthy within 10.00 s after opened";
const REFUSES: &str = "every answer to reads is denied or unavailable for 60.00 s from opened, of at least 10, each within 2.00 s";
const CLOSES: &str = "hub/circuit/opa becomes CLOSED within 90.00 s after the heal of opa-gone";
const HEALTHY: &str = "hub/status becomes healthy within 100 s after the heal of opa-gone";
const FAIL_CLOSED: &str =
    "fail-closed: no allow without a fresh decision of the policy engine for exactly that input";
const CONTAINED: &str = "contained: no circuit but that of the faulted service opens";
const CLEAN: &str = "nothing is left behind";

fn recovery(took: f64, within: u64, window: (u64, u64)) -> Finding {
    let elapsed = Elapsed { least: secs(took), most: secs(took + 0.25) };
    Finding {
        measured: Some(Measured {
            elapsed: Some(elapsed),
            not_before: Duration::ZERO,
            within: Duration::from_secs(within),
        }),
        window: Some(Span::between(ms(window.0), ms(window.1))),
        ..finding(
            Axis::Recovery,
            &format!("the steady state is back within {within} s of the last heal"),
            Verdict::Held,
            "",
        )
    }
}

/// Everything held, in containers. The first probe comes before the heal and fails.
pub(crate) fn held() -> (Record, Judgement) {
    let mut pen = Pen::default();
    pen.well();
    pen.fault(11_310, Stage::Injecting, "");
    pen.fault(11_420, Stage::InEffect, "GET opa:8181/health: connection refused");
    pen.signal(11_380, 11_440, "opa/up", "down");
    pen.log(
        11_900,
        "hub",
        "WARN policy engine call failed breaker=opa consecutive=1 error=\"connection refused\"",
    );
    pen.log(13_905, "hub", "WARN breaker moved breaker=opa from=CLOSED to=OPEN failures=5");
    pen.signal(13_800, 14_050, "hub/circuit/opa", "OPEN");
    pen.signal(13_100, 17_100, "hub/status", "unhealthy");
    pen.log(73_910, "hub", "INFO breaker moved breaker=opa from=OPEN to=HALF_OPEN");
    pen.signal(73_900, 73_950, "hub/circuit/opa", "HALF_OPEN");
    pen.log(74_020, "hub", "WARN breaker moved breaker=opa from=HALF_OPEN to=OPEN probe failed");
    pen.signal(74_000, 74_250, "hub/circuit/opa", "OPEN");
    pen.fault(78_100, Stage::Healing, "");
    pen.fault(78_460, Stage::Healed, "GET opa:8181/health: 200");
    pen.signal(78_400, 78_450, "opa/up", "up");
    pen.signal(134_000, 134_250, "hub/circuit/opa", "HALF_OPEN");
    pen.log(139_080, "hub", "INFO breaker moved breaker=opa from=HALF_OPEN to=CLOSED successes=2");
    pen.signal(138_950, 139_200, "hub/circuit/opa", "CLOSED");
    pen.signal(137_100, 141_100, "hub/status", "healthy");
    pen.load(1_500, 150_000, 500, |number, at| match at {
        11_420..13_900 => ("unavailable", 2_400 + noise(number, 3_000)),
        13_900..139_000 => ("unavailable", 420 + noise(number, 500)),
        _ => {
            (usual(number), 2_100 + noise(number, 2_600) + if number.is_multiple_of(23) { 9_000 } else { 0 })
        }
    });
    for number in 0..40 {
        let detail = [
            ("input", format!("sha256:{:016x}", noise(number, u64::MAX))),
            ("allow", (number % 5 != 4).to_string()),
        ];
        let detail = detail.map(|(key, value)| (key.to_owned(), value)).into();
        let at = 1_503 + number * 240;
        pen.write(at, at, What::Fact { witness: "opa".into(), about: "decision".into(), detail });
    }
    pen.phase(141_200, Phase::Recovery);
    pen.phase(151_400, Phase::CleanUp);
    pen.log(151_500, "hub", "INFO SIGTERM, draining");
    pen.write(152_300, 152_300, What::TornDown { leftovers: Vec::new() });
    pen.write(152_310, 152_310, What::End { interrupted: None });
    let record =
        pen.record(header("2025-11-21T08-12-03-docker-opa-outage", WorldKind::Docker, secs(0.5)), false);

    let findings = vec![
        timed(OPENS, Verdict::Held, "after 2.38 s … 2.63 s", 11_420, Some((13_800, 14_050)), 30),
        timed(UNHEALTHY, Verdict::Held, "after 0 s … 3.30 s", 13_925, Some((13_100, 17_100)), 10),
        windowed(
            REFUSES,
            Verdict::Held,
            "120 answers, all unavailable; the longest took 0.9 ms",
            14_050,
            74_050,
        ),
        timed(CLOSES, Verdict::Held, "after 60.49 s … 60.74 s", 78_460, Some((138_950, 139_200)), 90),
        timed(HEALTHY, Verdict::Held, "after 58.64 s … 62.64 s", 78_460, Some((137_100, 141_100)), 100),
        finding(Axis::Experiment, FAIL_CLOSED, Verdict::Held, "32 allows, each with its decision"),
        finding(
            Axis::Experiment,
            "breaker-path: CLOSED → OPEN → HALF_OPEN → CLOSED or OPEN only",
            Verdict::Held,
            "5 transitions, all legal",
        ),
        finding(Axis::Experiment, CONTAINED, Verdict::Held, "keycloak, mongodb and kas stayed CLOSED"),
        recovery(0.0, 120, (141_200, 151_400)),
        finding(Axis::CleanUp, CLEAN, Verdict::Held, "every service, fault and file of the run is gone"),
    ];
    (record, Judgement { findings })
}

/// The circuit opened far too late and allows went out meanwhile, in processes at twenty times the speed.
pub(crate) fn violated() -> (Record, Judgement) {
    let mut pen = Pen::default();
    pen.well();
    pen.fault(11_340, Stage::Injecting, "");
    pen.fault(11_620, Stage::InEffect, "connect 127.0.0.1: connection refused");
    pen.signal(11_500, 11_700, "opa/up", "down");
    for number in 0..9 {
        let at = 12_000 + number * 5_000;
        pen.log(at, "hub", &format!("WARN poll failed breaker=opa consecutive={}", number + 1));
    }
    pen.signal(50_000, 55_000, "hub/circuit/opa", "OPEN");
    pen.signal(16_000, 21_000, "hub/status", "degraded");
    pen.signal(51_000, 56_000, "hub/status", "unhealthy");
    pen.signal(52_000, 57_000, "hub/circuit/kas", "OPEN");
    pen.fault(86_700, Stage::Healing, "");
    pen.fault(87_000, Stage::Healed, "connect 127.0.0.1: accepted");
    pen.signal(86_900, 87_000, "opa/up", "up");
    pen.signal(87_000, 92_000, "hub/circuit/kas", "HALF_OPEN");
    pen.signal(92_000, 97_000, "hub/circuit/kas", "CLOSED");
    pen.signal(110_000, 115_000, "hub/circuit/opa", "HALF_OPEN");
    pen.signal(115_000, 120_000, "hub/circuit/opa", "CLOSED");
    pen.signal(116_000, 121_000, "hub/status", "healthy");
    pen.load(1_500, 132_000, 100, |number, at| match at {
        11_620..24_000 if number.is_multiple_of(3) => ("allowed", 600 + noise(number, 400)),
        11_620..51_000 if number.is_multiple_of(11) => ("timeout", 2_000_000),
        11_620..51_000 => ("unavailable", 90_000 + noise(number, 400_000)),
        51_000..117_000 => ("unavailable", 380 + noise(number, 300)),
        _ => (usual(number), 1_800 + noise(number, 2_900)),
    });
    for second in 1..130 {
        let held_back =
            if (12..51).contains(&second) { 18.0 + (second % 9) as f64 } else { (second % 3) as f64 };
        pen.write(
            second * 1_000,
            second * 1_000,
            What::Sample { measure: "hub/requests-in-flight".into(), value: held_back },
        );
    }
    pen.phase(121_500, Phase::Recovery);
    pen.phase(132_000, Phase::CleanUp);
    pen.write(132_900, 132_900, What::TornDown { leftovers: vec!["/tmp/chaos-4711/hub.sock".into()] });
    pen.write(132_950, 132_950, What::End { interrupted: None });
    let mut header = header("2025-11-21T08-20-41-local-opa-outage", WorldKind::Local, secs(0.1));
    header.speed = 20.0;
    header.settings =
        [("hub.opa.cache-ttl".into(), "60s".into()), ("hub.opa.threshold".into(), "9".into())].into();
    header.replay = "cargo chaos run circuit/opa-outage --world local --speed 20 --seed 7340033 --set hub.opa.threshold=9 --set hub.opa.cache-ttl=60s".into();
    let record = pen.record(header, false);

    let findings = vec![
        timed(OPENS, Verdict::Violated, "too late by 8.38 s", 11_620, Some((50_000, 55_000)), 30),
        timed(UNHEALTHY, Verdict::Held, "after 0 s … 3.50 s", 52_500, Some((51_000, 56_000)), 10),
        windowed(
            REFUSES,
            Verdict::Held,
            "600 answers, all unavailable; the longest took 0.7 ms",
            55_000,
            115_000,
        ),
        timed(CLOSES, Verdict::Held, "after 28.00 s … 33.00 s", 87_000, Some((115_000, 120_000)), 90),
        timed(HEALTHY, Verdict::Held, "after 29.00 s … 34.00 s", 87_000, Some((116_000, 121_000)), 100),
        finding(
            Axis::Experiment,
            FAIL_CLOSED,
            Verdict::Violated,
            "41 allows without a decision; the first is request 103 at t+11.800s, user alice-5",
        ),
        windowed(
            CONTAINED,
            Verdict::Violated,
            "hub/circuit/kas turned OPEN at 52.00 s … 57.00 s",
            11_620,
            87_000,
        ),
        recovery(0.0, 120, (121_500, 132_000)),
        finding(Axis::CleanUp, CLEAN, Verdict::Violated, "/tmp/chaos-4711/hub.sock"),
    ];
    (record, Judgement { findings })
}

/// The machine stalled, one instant is known too loosely, and the record ends in the middle.
pub(crate) fn cut_short() -> (Record, Judgement) {
    let mut pen = Pen::default();
    pen.well();
    pen.fault(11_310, Stage::Injecting, "");
    pen.fault(11_600, Stage::InEffect, "GET opa:8181/health: connection refused");
    pen.signal(11_500, 11_700, "opa/up", "down");
    pen.write(33_000, 39_400, What::Stall);
    pen.write(
        34_000,
        44_000,
        What::Blind { prefix: "hub/".into(), why: "no answer from hub:8443/health".into() },
    );
    pen.signal(34_000, 44_100, "hub/circuit/opa", "OPEN");
    pen.signal(43_000, 45_000, "hub/status", "unhealthy");
    pen.load(1_500, 61_000, 1_000, |number, at| match at {
        11_600..33_000 => ("unavailable", 3_000 + noise(number, 3_000)),
        33_000..39_400 => ("timeout", 2_000_000),
        39_400.. => ("unavailable", 500 + noise(number, 300)),
        _ => (usual(number), 2_500 + noise(number, 1_500)),
    });
    let record =
        pen.record(header("2025-11-21T09-01-10-docker-opa-outage", WorldKind::Docker, secs(1.0)), true);

    let pending = |claim| {
        finding(Axis::Experiment, claim, Verdict::Inconclusive, "the run never came to opa-gone being healed")
    };
    let mut findings = vec![
        finding(
            Axis::Experiment,
            "the run comes to its end",
            Verdict::Inconclusive,
            "the record ends before the run did",
        ),
        timed(
            OPENS,
            Verdict::Inconclusive,
            "after 22.40 s … 32.50 s, which may be in time or too late: it is known no closer",
            11_600,
            Some((34_000, 44_100)),
            30,
        ),
        timed(UNHEALTHY, Verdict::Held, "after 0 s … 5.95 s", 39_050, Some((43_000, 45_000)), 10),
        windowed(
            REFUSES,
            Verdict::Inconclusive,
            "the run ended before this could be decided",
            44_100,
            104_100,
        ),
        pending(CLOSES),
        pending(HEALTHY),
        finding(Axis::Experiment, FAIL_CLOSED, Verdict::Held, "8 allows, each with its decision"),
    ];
    let late = |axis, claim: &str| finding(axis, claim, Verdict::Inconclusive, "the run did not come to it");
    findings.push(late(Axis::Recovery, "the steady state is back within 120 s of the last heal"));
    findings.push(late(Axis::CleanUp, CLEAN));
    (record, Judgement { findings })
}

/// More signals, changes, requests and lines than can be drawn: ten minutes of flapping among many nodes.
pub(crate) fn crowded() -> (Record, Judgement) {
    let mut pen = Pen::default();
    pen.well();
    for node in 0..30_u64 {
        for (name, value) in [("circuit/hub", "CLOSED"), ("status", "healthy"), ("mode", "normal")] {
            pen.signal(1_250, 1_300, &format!("spoke-{node:02}/{name}"), value);
        }
    }
    for life in 0..12_u64 {
        let at = 20_000 + life * 40_000;
        pen.fault(at, Stage::Injecting, "");
        pen.fault(at + 200, Stage::InEffect, "connection refused");
        pen.signal(at + 100, at + 300, "opa/up", "down");
        pen.signal(at + 3_000, at + 5_000, "hub/circuit/opa", "OPEN");
        pen.fault(at + 15_000, Stage::Healing, "");
        pen.fault(at + 15_300, Stage::Healed, "");
        pen.signal(at + 15_200, at + 15_400, "opa/up", "up");
        pen.signal(at + 20_000, at + 21_000, "hub/circuit/opa", "HALF_OPEN");
        pen.signal(at + 25_000, at + 26_000, "hub/circuit/opa", "CLOSED");
    }
    for change in 0..2_000_u64 {
        let value = if change % 2 == 0 { "DEGRADED" } else { "normal" };
        pen.signal(100_000 + change * 100, 100_000 + change * 100, "spoke-07/mode", value);
    }
    let strike = Strike::Cut(Edge::new("spoke-03", "hub"));
    let struck = What::Strike { name: "cut".into(), strike, evidence: Some("12 connections reset".into()) };
    pen.write(300_000, 300_000, struck);
    pen.load(1_500, 600_000, 40, |number, at| match at % 40_000 {
        20_200..25_000 => ("unavailable", 4_000 + noise(number, 90_000)),
        25_000..39_999 => ("unavailable", 400 + noise(number, 300)),
        _ => (usual(number), 1_500 + noise(number, 4_000)),
    });
    for line in 0..6_000_u64 {
        let level = if line % 500 == 0 { "ERROR" } else { "INFO" };
        pen.log(
            1_000 + line * 99,
            &format!("spoke-{:02}", line % 30),
            &format!("{level} heartbeat number={line}"),
        );
    }
    pen.phase(590_000, Phase::Recovery);
    pen.phase(600_000, Phase::CleanUp);
    pen.write(601_000, 601_000, What::TornDown { leftovers: Vec::new() });
    pen.write(601_000, 601_000, What::End { interrupted: None });
    let record = pen.record(header("2025-11-21T10-00-00-local-crowded", WorldKind::Local, secs(0.04)), false);
    let findings = (0..60)
        .map(|spoke| {
            windowed(
                &format!("spoke-{spoke:02}/status stays healthy"),
                Verdict::Held,
                "seen throughout",
                20_000,
                590_000,
            )
        })
        .collect();
    (record, Judgement { findings })
}
