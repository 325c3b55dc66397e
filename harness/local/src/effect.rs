//! What an edge's fault is made of here, and what a canary shows of it.
//!
//! Durations and rates of a fault are in system time; the proxy works in real time.

use std::time::Duration;

use harness_core::fault::{Direction, Fault, Latency, OneWay, Slice, Truncate, WrongAnswer};
use harness_core::time::seconds;
use harness_proxy::{Answer, Stream, Toxic};

use crate::canary::{Canary, Outcome};
use crate::clock::Clock;

/// How long, in real time, an answer must fail to come before that is called silence.
const SILENCE: Duration = Duration::from_millis(50);
/// And how many times as long as an undisturbed answer takes.
const SILENCE_FACTOR: u32 = 20;
/// For how long a canary waits beyond what the fault accounts for.
const PATIENCE: Duration = Duration::from_millis(500);
/// The longest that a canary waits for an answer, beyond a delay that it expects.
const LONGEST: Duration = Duration::from_secs(5);
/// The shortest delay that can be told from noise, and the finest that the proxy makes.
const GRAIN: Duration = Duration::from_millis(1);
/// A slowing of less than this is not told from noise.
const NOTICEABLE: Duration = Duration::from_millis(4);
/// Bytes that a request may be made longer by; every HTTP server takes this much in a header.
const MOST_PADDING: usize = 6_000;

/// What to do to the edge's proxy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Means {
    /// Close the listener and end what is established.
    Refuse,
    /// Put this in force.
    Toxic(Toxic),
    /// Lead it to an interceptor that is somebody else.
    Intercept,
}

/// The means of an edge's fault; an error in words when it can't be had at this speed.
pub(crate) fn means(fault: &Fault, clock: &Clock) -> Result<Means, String> {
    let toxic = match fault {
        Fault::Refuse(_) => return Ok(Means::Refuse),
        Fault::ForeignCertificate(_) => return Ok(Means::Intercept),
        Fault::BlackHole(_) => Toxic::black_hole(),
        Fault::Stall(_) => Toxic::stall(),
        Fault::Latency(latency) => {
            let delay = clock.real(latency.delay.0);
            if delay < GRAIN {
                return Err(too_fine(fault, delay, clock));
            }
            Toxic::latency(delay, clock.real(latency.jitter.0)).downstream()
        }
        Fault::Bandwidth(bandwidth) => {
            Toxic::bandwidth((f64::from(bandwidth.kilobytes) * clock.speed()).round().max(1.0) as u64)
        }
        Fault::Reset(_) => Toxic::reset_peer(Duration::ZERO).upstream(),
        Fault::Slice(slice) => {
            let pause = clock.real(slice.pause.0);
            if pause < GRAIN && !pause.is_zero() {
                return Err(too_fine(fault, pause, clock));
            }
            Toxic::slicer(slice.bytes.into(), 0, pause)
        }
        Fault::Truncate(truncate) => Toxic::limit_data(truncate.after_bytes).downstream(),
        Fault::OneWay(OneWay { lost: Direction::Up, .. }) => Toxic::black_hole().on(Stream::Upstream),
        Fault::OneWay(OneWay { lost: Direction::Down, .. }) => Toxic::black_hole().on(Stream::Downstream),
        Fault::WrongAnswer(answer) => Toxic::answer(Answer::json(answer.status, answer.body.clone())),
        Fault::Stop(_) | Fault::Kill(_) | Fault::Pause(_) | Fault::ClockStep(_) | Fault::Flap(_) => {
            return Err(format!("{fault} is no fault of an edge"));
        }
    };
    toxic.check().map_err(|error| format!("{fault}: {error}"))?;
    Ok(Means::Toxic(toxic))
}

fn too_fine(fault: &Fault, real: Duration, clock: &Clock) -> String {
    let speed = clock.speed();
    format!("{fault}: at speed {speed} that is {}, too short to make; go slower", seconds(real))
}

/// How to look for a fault's effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Bytes by which the canary's request is longer than it need be.
    pub padding: usize,
    /// How long to wait for its answer, in real time.
    pub limit: Duration,
    /// How often to look.
    pub tries: u32,
}

/// How to look for the effect of `fault` where an undisturbed canary met `direct`.
pub(crate) fn look(fault: &Fault, clock: &Clock, direct: &Outcome) -> Look {
    let undisturbed = direct.answer().map_or(Duration::ZERO, |heard| heard.whole);
    let once = |limit| Look { padding: 0, limit, tries: 1 };
    match fault {
        Fault::BlackHole(_) | Fault::Stall(_) | Fault::OneWay(_) => {
            let limit = SILENCE.max(undisturbed * SILENCE_FACTOR).min(LONGEST);
            // What was lost is counted where it is lost, a moment after at times.
            Look { tries: if matches!(fault, Fault::OneWay(_)) { 5 } else { 1 }, ..once(limit) }
        }
        Fault::Latency(Latency { delay, jitter, .. }) => {
            // Other delays of the same edge add to it.
            let limit = clock.real(delay.0 + jitter.0) + LONGEST;
            // A jitter as wide as the delay may add nothing to one answer, hardly to all of some.
            Look { tries: if jitter.0.is_zero() { 1 } else { 5 }, ..once(limit) }
        }
        Fault::Bandwidth(_) => Look { padding: MOST_PADDING, ..once(LONGEST) },
        Fault::Slice(slice) => {
            Look { padding: (3 * slice.bytes as usize).min(MOST_PADDING), ..once(LONGEST) }
        }
        _ => once(PATIENCE + undisturbed),
    }
}

/// What shows that `fault` is in effect: `through` is what a canary met at the edge, `direct` what one
/// met that went past it. `None` when they do not show it.
pub(crate) fn evidence(
    fault: &Fault,
    clock: &Clock,
    canary: &Canary,
    look: Look,
    direct: &Outcome,
    through: &Outcome,
) -> Option<String> {
    let shown = match (fault, through) {
        (Fault::Refuse(_), Outcome::Refused)
        | (Fault::Reset(_), Outcome::Ended { reset: true, .. })
        | (
            Fault::BlackHole(_) | Fault::Stall(_) | Fault::OneWay(_) | Fault::Bandwidth(_) | Fault::Slice(_),
            Outcome::Silent(_),
        ) => true,
        (Fault::WrongAnswer(WrongAnswer { status, body, .. }), Outcome::Answered(heard)) => {
            heard.status == Some(*status) && heard.body == body.as_bytes()
        }
        (Fault::ForeignCertificate(_), Outcome::Answered(heard)) => {
            let own = direct.answer()?.certificate.as_ref()?;
            heard.certificate.as_ref().is_some_and(|shown| shown != own)
        }
        (Fault::Truncate(Truncate { after_bytes, .. }), Outcome::Ended { heard, reset: false }) => {
            heard.bytes as u64 == *after_bytes
        }
        (Fault::Latency(latency), Outcome::Answered(heard)) => {
            let least = clock.real(latency.delay.0.saturating_sub(latency.jitter.0));
            // With jitter, an answer that came later by half the delay was not late by chance.
            let telling = least.max(clock.real(latency.delay.0) / 2).max(GRAIN / 2);
            heard.first_byte >= direct.answer()?.first_byte.min(GRAIN) + telling
        }
        (Fault::Bandwidth(bandwidth), Outcome::Answered(heard)) => {
            let bytes = canary.request(look.padding, false).len() + heard.bytes;
            let rate = f64::from(bandwidth.kilobytes) * 1_000.0 * clock.speed();
            is_slower_by(Duration::from_secs_f64(bytes as f64 / rate), direct, through)?
        }
        (Fault::Slice(slice), Outcome::Answered(heard)) => {
            let pauses = |bytes: usize| bytes.div_ceil(slice.bytes.max(1) as usize).saturating_sub(1);
            let pauses = pauses(canary.request(look.padding, false).len()) + pauses(heard.bytes);
            is_sliced(slice, clock, pauses, direct, through)?
        }
        _ => false,
    };
    // Silence and slowness tell nothing of the edge when the service itself is silent.
    let needs_comparison =
        !matches!(fault, Fault::Refuse(_) | Fault::Reset(_) | Fault::WrongAnswer(_) | Fault::Truncate(_));
    if !shown || (needs_comparison && direct.answer().is_none()) {
        return None;
    }
    let under = if matches!(fault, Fault::ForeignCertificate(_)) { " under another certificate" } else { "" };
    Some(format!("a canary over the edge: {through}{under}; past it: {direct}"))
}

fn is_sliced(
    slice: &Slice,
    clock: &Clock,
    pauses: usize,
    direct: &Outcome,
    through: &Outcome,
) -> Option<bool> {
    if slice.pause.0.is_zero() {
        return Some(through.answer()?.pieces > direct.answer()?.pieces + 1);
    }
    is_slower_by(clock.real(slice.pause.0) * u32::try_from(pauses).ok()?, direct, through)
}

/// Whether a canary took longer by most of `expected`, if that is long enough to be told from noise.
fn is_slower_by(expected: Duration, direct: &Outcome, through: &Outcome) -> Option<bool> {
    let slower = through.answer()?.whole.saturating_sub(direct.answer()?.whole);
    Some(expected >= NOTICEABLE && slower >= expected.mul_f64(0.8))
}

#[cfg(test)]
mod tests {
    use harness_core::fault::{Bandwidth, Edge};
    use harness_core::time::HumanDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::canary::Heard;

    fn edge() -> Edge {
        Edge::new("a", "b")
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn answered(after: Duration) -> Outcome {
        let heard = Heard {
            status: Some(200),
            bytes: 100,
            pieces: 1,
            first_byte: after,
            whole: after,
            ..Heard::default()
        };
        Outcome::Answered(heard)
    }

    fn latency(delay_ms: u64) -> Fault {
        let (delay, jitter) = (HumanDuration(ms(delay_ms)), HumanDuration::default());
        Fault::Latency(Latency { edge: edge(), delay, jitter })
    }

    fn seen(fault: &Fault, speed: f64, direct: &Outcome, through: &Outcome) -> bool {
        let (clock, canary) = (Clock::start(speed).unwrap(), Canary::Http("/".into()));
        evidence(fault, &clock, &canary, look(fault, &clock, direct), direct, through).is_some()
    }

    fn edge_faults() -> Vec<Fault> {
        let slice = Slice { edge: edge(), bytes: 10, pause: HumanDuration(ms(100)) };
        let answer = WrongAnswer { edge: edge(), status: 500, body: "no".into() };
        vec![
            Fault::Refuse(edge()),
            Fault::BlackHole(edge()),
            Fault::Stall(edge()),
            latency(1_000),
            Fault::Bandwidth(Bandwidth { edge: edge(), kilobytes: 1 }),
            Fault::Reset(edge()),
            Fault::Slice(slice),
            Fault::Truncate(Truncate { edge: edge(), after_bytes: 10 }),
            Fault::OneWay(OneWay { edge: edge(), lost: Direction::Up }),
            Fault::OneWay(OneWay { edge: edge(), lost: Direction::Down }),
            Fault::WrongAnswer(answer),
            Fault::ForeignCertificate(edge()),
        ]
    }

    #[test]
    fn an_undisturbed_answer_is_evidence_of_nothing() {
        for fault in edge_faults() {
            assert!(!seen(&fault, 1.0, &answered(ms(1)), &answered(ms(1))), "{fault}");
        }
    }

    #[test]
    fn a_foreign_certificate_is_shown_by_another_one_and_not_by_the_want_of_one() {
        let shown = |certificate: Option<&[u8]>| {
            let Outcome::Answered(heard) = answered(ms(1)) else { unreachable!() };
            Outcome::Answered(Heard { certificate: certificate.map(<[u8]>::to_vec), ..heard })
        };
        let fault = Fault::ForeignCertificate(edge());
        let own = shown(Some(b"own"));
        assert!(seen(&fault, 1.0, &own, &shown(Some(b"foreign"))));
        for (direct, through) in [(&own, &own), (&own, &shown(None)), (&shown(None), &own)] {
            assert!(!seen(&fault, 1.0, direct, through), "{direct:?} {through:?}");
        }
    }

    #[test]
    fn a_service_that_is_silent_itself_is_no_evidence_of_a_silent_edge() {
        let silent = Outcome::Silent(Heard::default());
        for fault in [Fault::BlackHole(edge()), Fault::Stall(edge())] {
            assert!(seen(&fault, 1.0, &answered(ms(1)), &silent), "{fault}");
            assert!(!seen(&fault, 1.0, &silent, &silent), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn a_delay_is_shown_by_an_answer_as_late_as_that_in_real_time_and_by_none_earlier(
            delay_ms in 20u64..5_000, speed in 0.5f64..20.0, share in 0.0f64..2.0,
        ) {
            let real = ms(delay_ms).div_f64(speed);
            prop_assume!(real > ms(2) && (share - 1.0).abs() > 1e-6);
            let through = answered(real.mul_f64(share));
            let shown = seen(&latency(delay_ms), speed, &answered(Duration::ZERO), &through);
            prop_assert_eq!(shown, share > 1.0);
        }
    }

    #[test]
    fn every_edge_fault_has_its_means_and_a_delay_too_short_for_the_speed_has_none() {
        let clock = Clock::start(10.0).unwrap();
        for fault in edge_faults() {
            assert!(means(&fault, &clock).is_ok(), "{fault}");
        }
        assert!(means(&latency(5), &clock).unwrap_err().contains("go slower"));
        assert!(means(&Fault::Stop("b".into()), &clock).is_err());
        let Means::Toxic(toxic) = means(&latency(1_000), &clock).unwrap() else { panic!("no toxic") };
        assert_eq!(toxic, Toxic::latency(ms(100), Duration::ZERO).downstream());
    }
}
