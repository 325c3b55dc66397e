//! What a canary must meet at an edge for its fault to count as in effect.

use std::time::Duration;

use harness_core::fault::{Direction, Fault, OneWay, Truncate};
use harness_local::canary::{Heard, Outcome};
use harness_local::clock::Clock;

/// How long an answer must fail to come before that is called silence, and how many times as long as an
/// undisturbed one takes.
const SILENCE: Duration = Duration::from_millis(200);
const SILENCE_FACTOR: u32 = 20;
/// For how long a canary waits beyond what the fault accounts for.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest that a canary is kept waiting by the fault itself.
const LONGEST: Duration = Duration::from_secs(5);
/// An undisturbed answer's way is not counted beyond this.
const GRAIN: Duration = Duration::from_millis(1);
/// A slowing of less than this is not told from noise.
const NOTICEABLE: Duration = Duration::from_millis(5);
/// Bytes that a request may be made longer by; every HTTP server takes this much in a header.
const MOST_PADDING: u64 = 6_000;
/// A jittered answer may be late by nothing; hardly all of so many.
const TRIES_WITH_JITTER: u32 = 5;

/// How to look for an effect, and what is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Bytes by which the canary's request is longer than it need be.
    pub(super) padding: usize,
    /// How long to wait for its answer, in real time.
    pub(super) limit: Duration,
    /// How often to look.
    pub(super) tries: u32,
    sign: Sign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// No connection.
    Refused,
    /// A reset.
    Reset,
    /// A connection and nothing more.
    Silent,
    /// A connection and not a byte, until its end or longer.
    Nothing,
    /// The end after exactly so many bytes.
    CutAfter(u64),
    /// The first byte comes later by so much.
    Late(Duration),
    /// The whole answer takes longer by so much.
    Slow(Duration),
    /// The answer comes in more pieces.
    InPieces,
    /// The answer comes under another certificate.
    OtherCertificate,
}

impl Look {
    /// How to look for the effect of an edge's fault, where an undisturbed canary met `direct`.
    pub(super) fn for_effect(fault: &Fault, clock: &Clock, direct: &Outcome) -> Self {
        let undisturbed = direct.answer().map_or(Duration::ZERO, |heard| heard.whole);
        let at_once = PATIENCE + undisturbed;
        let look =
            |sign, padding: u64, limit: Duration| Self { padding: padding as usize, limit, tries: 1, sign };
        match fault {
            Fault::Refuse(_) => look(Sign::Refused, 0, at_once),
            Fault::Reset(_) => look(Sign::Reset, 0, at_once),
            Fault::ForeignCertificate(_) => look(Sign::OtherCertificate, 0, at_once),
            Fault::Truncate(Truncate { after_bytes, .. }) => look(Sign::CutAfter(*after_bytes), 0, at_once),
            Fault::Latency(latency) => {
                let (delay, jitter) = (clock.real(latency.delay.0), clock.real(latency.jitter.0));
                // An answer that came later by half the delay was not late by chance.
                let telling = delay.saturating_sub(jitter).max(delay / 2).max(GRAIN).min(LONGEST);
                let limit = (delay + jitter).min(LONGEST) + at_once;
                let tries = if jitter.is_zero() { 1 } else { TRIES_WITH_JITTER };
                Self { tries, ..look(Sign::Late(telling), 0, limit) }
            }
            Fault::Bandwidth(bandwidth) => {
                let rate = f64::from(bandwidth.kilobytes) * 1_000.0 * clock.speed();
                // What passes in half a second is enough to tell.
                let padding = MOST_PADDING.min((rate / 2.0) as u64);
                let expected = Duration::from_secs_f64(padding as f64 / rate);
                look(Sign::Slow(expected), padding, LONGEST)
            }
            Fault::Slice(slice) if slice.pause.0.is_zero() => look(Sign::InPieces, 0, at_once),
            Fault::Slice(slice) => {
                let bytes = u64::from(slice.bytes.max(1));
                let padding = MOST_PADDING.min(3 * bytes);
                let pauses = u32::try_from(padding / bytes).unwrap_or(u32::MAX);
                look(Sign::Slow(clock.real(slice.pause.0).saturating_mul(pauses)), padding, LONGEST)
            }
            fault => look(silence(fault), 0, SILENCE.max(undisturbed * SILENCE_FACTOR).min(LONGEST)),
        }
    }

    /// Whether the effect shows: `through` is what a canary met at the edge, `direct` what one met past it.
    pub(super) fn shows(self, direct: &Outcome, through: &Outcome) -> bool {
        match (self.sign, through) {
            (Sign::Refused, through) => *through == Outcome::Refused,
            (Sign::Reset, through) => matches!(through, Outcome::Ended { reset: true, .. }),
            (Sign::CutAfter(bytes), through) => {
                matches!(through, Outcome::Ended { heard, .. } if heard.bytes as u64 == bytes)
            }
            (Sign::Nothing, Outcome::Ended { heard, reset: false }) => {
                heard.bytes == 0 && direct.answer().is_some()
            }
            // The others tell nothing of the edge when the service itself is silent.
            (sign, Outcome::Answered(heard) | Outcome::Silent(heard)) => direct
                .answer()
                .is_some_and(|undisturbed| differs(sign, undisturbed, heard, through.answer().is_some())),
            _ => false,
        }
    }
}

/// Toxiproxy loses the bytes of an answer, not its end.
fn silence(fault: &Fault) -> Sign {
    match fault {
        Fault::OneWay(OneWay { lost: Direction::Down, .. }) => Sign::Nothing,
        _ => Sign::Silent,
    }
}

fn differs(sign: Sign, undisturbed: &Heard, heard: &Heard, answered: bool) -> bool {
    match sign {
        Sign::Silent => !answered,
        Sign::Nothing => !answered && heard.bytes == 0,
        Sign::Late(by) => {
            let first = if heard.bytes == 0 { heard.whole } else { heard.first_byte };
            first >= undisturbed.first_byte.min(GRAIN) + by
        }
        Sign::Slow(by) => {
            by >= NOTICEABLE && heard.whole.saturating_sub(undisturbed.whole) >= by.mul_f64(0.8)
        }
        Sign::OtherCertificate => {
            let both = undisturbed.certificate.as_ref().zip(heard.certificate.as_ref());
            answered && both.is_some_and(|(own, shown)| own != shown)
        }
        Sign::InPieces => heard.pieces > undisturbed.pieces + 1,
        Sign::Refused | Sign::Reset | Sign::CutAfter(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use harness_core::fault::{Bandwidth, Edge, Latency, Slice};
    use harness_core::time::HumanDuration;
    use proptest::prelude::*;

    use super::*;

    fn edge() -> Edge {
        Edge::new("hub", "opa")
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn heard(after: Duration) -> Heard {
        Heard {
            status: Some(200),
            bytes: 100,
            pieces: 1,
            first_byte: after,
            whole: after,
            ..Heard::default()
        }
    }

    fn answered(after: Duration) -> Outcome {
        Outcome::Answered(heard(after))
    }

    fn silent(whole: Duration) -> Outcome {
        Outcome::Silent(Heard { whole, ..Heard::default() })
    }

    fn latency(delay: Duration) -> Fault {
        let (delay, jitter) = (HumanDuration(delay), HumanDuration::default());
        Fault::Latency(Latency { edge: edge(), delay, jitter })
    }

    fn edge_faults() -> Vec<Fault> {
        vec![
            Fault::Refuse(edge()),
            Fault::BlackHole(edge()),
            Fault::Stall(edge()),
            Fault::Reset(edge()),
            latency(ms(300)),
            Fault::Bandwidth(Bandwidth { edge: edge(), kilobytes: 1 }),
            Fault::Slice(Slice { edge: edge(), bytes: 10, pause: HumanDuration(ms(100)) }),
            Fault::Slice(Slice { edge: edge(), bytes: 10, pause: HumanDuration::default() }),
            Fault::Truncate(Truncate { edge: edge(), after_bytes: 10 }),
            Fault::OneWay(OneWay { edge: edge(), lost: Direction::Up }),
            Fault::OneWay(OneWay { edge: edge(), lost: Direction::Down }),
            Fault::ForeignCertificate(edge()),
        ]
    }

    fn seen(fault: &Fault, speed: f64, direct: &Outcome, through: &Outcome) -> bool {
        Look::for_effect(fault, &Clock::start(speed).unwrap(), direct).shows(direct, through)
    }

    #[test]
    fn an_undisturbed_answer_is_proof_of_nothing() {
        for fault in edge_faults() {
            assert!(!seen(&fault, 1.0, &answered(ms(1)), &answered(ms(1))), "{fault}");
        }
    }

    #[test]
    fn a_foreign_certificate_is_shown_by_another_one_and_not_by_the_want_of_one() {
        let shown = |certificate: Option<&[u8]>| {
            Outcome::Answered(Heard { certificate: certificate.map(<[u8]>::to_vec), ..heard(ms(1)) })
        };
        let fault = Fault::ForeignCertificate(edge());
        let own = shown(Some(b"own"));
        assert!(seen(&fault, 1.0, &own, &shown(Some(b"foreign"))));
        for (direct, through) in [(&own, &own), (&own, &shown(None)), (&shown(None), &own)] {
            assert!(!seen(&fault, 1.0, direct, through), "{direct:?} {through:?}");
        }
    }

    #[test]
    fn a_service_that_is_silent_itself_is_no_proof_of_a_silent_or_slow_edge() {
        for fault in [Fault::BlackHole(edge()), Fault::Stall(edge()), latency(ms(300))] {
            assert!(seen(&fault, 1.0, &answered(ms(1)), &silent(ms(9_000))), "{fault}");
            assert!(!seen(&fault, 1.0, &silent(ms(500)), &silent(ms(9_000))), "{fault}");
        }
    }

    #[test]
    fn refusal_reset_and_cut_are_told_apart() {
        let ended = |bytes, reset| Outcome::Ended { heard: Heard { bytes, ..Heard::default() }, reset };
        let direct = answered(ms(1));
        let truncate = Fault::Truncate(Truncate { edge: edge(), after_bytes: 10 });
        for (fault, outcome) in [
            (Fault::Refuse(edge()), Outcome::Refused),
            (Fault::Reset(edge()), ended(0, true)),
            (truncate, ended(10, false)),
            (Fault::BlackHole(edge()), silent(ms(400))),
        ] {
            for other in
                [Outcome::Refused, ended(0, true), ended(10, false), ended(11, false), silent(ms(400))]
            {
                assert_eq!(seen(&fault, 1.0, &direct, &other), other == outcome, "{fault}, {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_delay_shows_in_an_answer_as_late_as_that_in_real_time_and_in_none_earlier(
            delay_ms in 20u64..4_000, speed in 0.5f64..10.0, share in 0.0f64..2.0,
        ) {
            let real = Clock::start(speed).unwrap().real(ms(delay_ms));
            prop_assume!((share - 1.0).abs() > 1e-6);
            let through = answered(real.mul_f64(share));
            prop_assert_eq!(seen(&latency(ms(delay_ms)), speed, &answered(Duration::ZERO), &through), share > 1.0);
        }

        #[test]
        fn whatever_the_fault_the_look_is_bounded(delay_s in 0u64..10_000, undisturbed_ms in 0u64..500) {
            for fault in edge_faults().into_iter().chain([latency(Duration::from_secs(delay_s))]) {
                let direct = answered(ms(undisturbed_ms));
                let look = Look::for_effect(&fault, &Clock::start(1.0).unwrap(), &direct);
                prop_assert!(look.limit * look.tries <= Duration::from_secs(40), "{:?}", look);
            }
        }
    }
}
