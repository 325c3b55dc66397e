//! What an edge's fault is made of in Toxiproxy's terms.
//!
//! Durations and rates of a fault are in system time; Toxiproxy works in real time. It knows one direction a
//! toxic, so what goes both ways is two of them.

use std::time::Duration;

use harness_core::fault::{Direction, Fault, OneWay};
use harness_core::time::seconds;
use harness_local::clock::Clock;
use harness_proxy::Toxic;

/// The shortest delay that Toxiproxy makes and that can be told from noise.
const GRAIN: Duration = Duration::from_millis(1);

/// What to do to the edge's proxy.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Means {
    /// Close its listener and end what is established.
    Disable,
    /// Put these in force.
    Toxics(Vec<Toxic>),
    /// Lead it to an interceptor that is somebody else.
    Intercept,
}

/// The means of an edge's fault; an error in words when it can't be had here, or not at this speed.
pub(super) fn means(fault: &Fault, clock: &Clock) -> Result<Means, String> {
    let both = |toxic: Toxic| vec![toxic.clone().upstream(), toxic.downstream()];
    // The idle timer of length zero never fires: it swallows whatever comes.
    let swallow = || Toxic::timeout(Duration::ZERO);
    let toxics = match fault {
        Fault::Refuse(_) => return Ok(Means::Disable),
        Fault::ForeignCertificate(_) => return Ok(Means::Intercept),
        Fault::BlackHole(_) => both(swallow()),
        Fault::OneWay(OneWay { lost: Direction::Up, .. }) => vec![swallow().upstream()],
        // The end of the answer still comes: who asked for it closes when the service does.
        Fault::OneWay(OneWay { lost: Direction::Down, .. }) => vec![swallow().downstream()],
        // At no bytes a second everything waits and nothing is lost.
        Fault::Stall(_) => both(Toxic::bandwidth(0)),
        Fault::Bandwidth(bandwidth) => {
            let rate = (f64::from(bandwidth.kilobytes) * clock.speed()).round().max(1.0);
            both(Toxic::bandwidth(rate as u64))
        }
        Fault::Latency(latency) => {
            let delay = fine_enough(fault, latency.delay.0, clock)?;
            vec![Toxic::latency(delay, clock.real(latency.jitter.0)).downstream()]
        }
        Fault::Slice(slice) => {
            let pause = if slice.pause.0.is_zero() {
                Duration::ZERO
            } else {
                fine_enough(fault, slice.pause.0, clock)?
            };
            both(Toxic::slicer(slice.bytes.into(), 0, pause))
        }
        Fault::Truncate(truncate) => vec![Toxic::limit_data(truncate.after_bytes).downstream()],
        Fault::Reset(_) => vec![Toxic::reset_peer(Duration::ZERO).upstream()],
        Fault::WrongAnswer(_) => return Err(format!("{fault}: Toxiproxy passes bytes on and makes none")),
        Fault::Stop(_) | Fault::Kill(_) | Fault::Pause(_) | Fault::ClockStep(_) | Fault::Flap(_) => {
            return Err(format!("{fault} is no fault of an edge"));
        }
    };
    for toxic in &toxics {
        toxic.check().map_err(|error| format!("{fault}: {error}"))?;
    }
    Ok(Means::Toxics(toxics))
}

fn fine_enough(fault: &Fault, system: Duration, clock: &Clock) -> Result<Duration, String> {
    let (real, speed) = (clock.real(system), clock.speed());
    if real < GRAIN {
        return Err(format!(
            "{fault}: at speed {speed} that is {}, too short to make; go slower",
            seconds(real)
        ));
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use harness_core::fault::{Bandwidth, Edge, Latency, Slice, Truncate, WrongAnswer};
    use harness_core::time::HumanDuration;
    use harness_proxy::{Effect, Stream};

    use super::*;

    fn edge() -> Edge {
        Edge::new("hub", "opa")
    }

    fn ms(ms: u64) -> HumanDuration {
        HumanDuration(Duration::from_millis(ms))
    }

    fn toxics(fault: &Fault, speed: f64) -> Vec<Toxic> {
        match means(fault, &Clock::start(speed).unwrap()).unwrap() {
            Means::Toxics(toxics) => toxics,
            other => panic!("{fault}: {other:?}"),
        }
    }

    #[test]
    fn every_toxic_is_one_that_toxiproxy_has_in_a_direction_that_it_knows() {
        let faults = [
            Fault::BlackHole(edge()),
            Fault::Stall(edge()),
            Fault::Reset(edge()),
            Fault::Latency(Latency { edge: edge(), delay: ms(100), jitter: ms(10) }),
            Fault::Bandwidth(Bandwidth { edge: edge(), kilobytes: 1 }),
            Fault::Slice(Slice { edge: edge(), bytes: 10, pause: ms(5) }),
            Fault::Truncate(Truncate { edge: edge(), after_bytes: 10 }),
            Fault::OneWay(OneWay { edge: edge(), lost: Direction::Up }),
            Fault::OneWay(OneWay { edge: edge(), lost: Direction::Down }),
        ];
        for fault in faults {
            for toxic in toxics(&fault, 1.0) {
                assert!(toxic.effect.is_toxiproxys() && toxic.stream != Stream::Both, "{toxic:?}");
                assert!((toxic.toxicity - 1.0).abs() < f32::EPSILON, "{toxic:?}");
            }
        }
    }

    #[test]
    fn durations_shrink_and_rates_grow_with_the_speed() {
        let latency = Fault::Latency(Latency { edge: edge(), delay: ms(1_000), jitter: ms(0) });
        let expected = Toxic::latency(Duration::from_millis(100), Duration::ZERO).downstream();
        assert_eq!(toxics(&latency, 10.0), [expected]);
        let bandwidth = Fault::Bandwidth(Bandwidth { edge: edge(), kilobytes: 3 });
        for toxic in toxics(&bandwidth, 10.0) {
            assert!(matches!(toxic.effect, Effect::Bandwidth(at) if at.rate == 30), "{toxic:?}");
        }
    }

    #[test]
    fn what_can_not_be_made_is_refused_in_words() {
        let clock = Clock::start(10.0).unwrap();
        let short = Fault::Latency(Latency { edge: edge(), delay: ms(5), jitter: ms(0) });
        assert!(means(&short, &clock).unwrap_err().contains("go slower"));
        let wrong = Fault::WrongAnswer(WrongAnswer { edge: edge(), status: 500, body: "no".into() });
        assert!(means(&wrong, &clock).unwrap_err().contains("makes none"));
        assert!(means(&Fault::Stop("opa".into()), &clock).is_err());
        assert_eq!(means(&Fault::Refuse(edge()), &clock), Ok(Means::Disable));
    }
}
