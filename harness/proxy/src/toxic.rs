//! A toxic: an effect on a stream, with a probability and a name.

use crate::effect::{Effect, InvalidToxic};
use crate::toxics::{
    answer::Answer, bandwidth::Bandwidth, black_hole::BlackHole, half_open::HalfOpen, latency::Latency,
    limit_data::LimitData, reset_peer::ResetPeer, slicer::Slicer, slow_close::SlowClose, stall::Stall,
    timeout::Timeout,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Which way the bytes go that a toxic acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    #[default]
    Downstream,
    /// Either way. Toxiproxy does not have it.
    Both,
}

impl Stream {
    /// Whether bytes of `direction` (which is not `Both`) are meant.
    pub(crate) fn covers(self, direction: Stream) -> bool {
        self == Stream::Both || self == direction
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
            Self::Both => "both",
        })
    }
}

/// A toxic: what, on which stream, how likely per connection, under which name.
#[derive(Debug, Clone, PartialEq)]
pub struct Toxic {
    /// Unique within a proxy. The draw depends on it. Default `<type>_<stream>`.
    pub name: String,
    /// Which direction. An answer acts on the upstream, whatever is said.
    pub stream: Stream,
    /// Probability per connection, 0 to 1.
    pub toxicity: f32,
    /// What it does.
    pub effect: Effect,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Toxic {
    /// On every connection, both ways, under the default name.
    pub fn new(effect: Effect) -> Self {
        Self { name: String::new(), stream: Stream::Both, toxicity: 1.0, effect }.renamed()
    }

    fn renamed(mut self) -> Self {
        self.name = Self::default_name(self.effect.type_name(), self.stream);
        self
    }

    pub(crate) fn default_name(type_name: &str, stream: Stream) -> String {
        format!("{type_name}_{stream}")
    }

    /// Only on `stream`; the name follows unless one was given.
    #[must_use]
    pub fn on(mut self, stream: Stream) -> Self {
        let unnamed = self.name == Self::default_name(self.effect.type_name(), self.stream);
        self.stream = stream;
        if unnamed { self.renamed() } else { self }
    }

    /// Only from client to server.
    #[must_use]
    pub fn upstream(self) -> Self {
        self.on(Stream::Upstream)
    }

    /// Only from server to client.
    #[must_use]
    pub fn downstream(self) -> Self {
        self.on(Stream::Downstream)
    }

    /// On this share of the connections.
    #[must_use]
    pub fn toxicity(mut self, probability: f32) -> Self {
        self.toxicity = probability;
        self
    }

    /// Under this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// [`Latency`] ± jitter, both rounded down to milliseconds.
    pub fn latency(latency: Duration, jitter: Duration) -> Self {
        Self::new(Effect::Latency(Latency { latency: ms(latency), jitter: ms(jitter) }))
    }

    /// [`Bandwidth`] in thousand bytes per second.
    pub fn bandwidth(rate: u64) -> Self {
        Self::new(Effect::Bandwidth(Bandwidth { rate }))
    }

    /// [`SlowClose`], rounded down to milliseconds.
    pub fn slow_close(delay: Duration) -> Self {
        Self::new(Effect::SlowClose(SlowClose { delay: ms(delay) }))
    }

    /// [`Timeout`], rounded down to milliseconds; zero never ends the connection.
    pub fn timeout(timeout: Duration) -> Self {
        Self::new(Effect::Timeout(Timeout { timeout: ms(timeout) }))
    }

    /// [`ResetPeer`], rounded down to milliseconds.
    pub fn reset_peer(timeout: Duration) -> Self {
        Self::new(Effect::ResetPeer(ResetPeer { timeout: ms(timeout) }))
    }

    /// [`Slicer`], sizes in bytes, the pause rounded down to microseconds.
    pub fn slicer(average_size: u64, size_variation: u64, delay: Duration) -> Self {
        let delay = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        Self::new(Effect::Slicer(Slicer { average_size, size_variation, delay }))
    }

    /// [`LimitData`] in bytes.
    pub fn limit_data(bytes: u64) -> Self {
        Self::new(Effect::LimitData(LimitData { bytes }))
    }

    /// [`BlackHole`], both ways unless said otherwise.
    pub fn black_hole() -> Self {
        Self::new(Effect::BlackHole(BlackHole {}))
    }

    /// [`Stall`], both ways unless said otherwise.
    pub fn stall() -> Self {
        Self::new(Effect::Stall(Stall {}))
    }

    /// [`HalfOpen`]: on `Upstream` the server is gone and the client believes, on `Downstream` the reverse.
    pub fn half_open(gone: Stream) -> Self {
        Self::new(Effect::HalfOpen(HalfOpen {})).on(gone)
    }

    /// [`Answer`] to every HTTP request.
    pub fn answer(answer: Answer) -> Self {
        Self::new(Effect::Answer(answer)).upstream()
    }

    /// Refuses what cannot be meant.
    pub fn check(&self) -> Result<(), InvalidToxic> {
        self.effect.check()?;
        if !(0.0..=1.0).contains(&self.toxicity) {
            return Err(InvalidToxic::Toxicity(self.toxicity.to_string()));
        }
        if matches!(self.effect, Effect::HalfOpen(_)) && self.stream == Stream::Both {
            return Err(InvalidToxic::Unsuited(
                "half_open needs the side that is gone: upstream or downstream",
            ));
        }
        if !is_name(&self.name) {
            return Err(InvalidToxic::Name(self.name.clone()));
        }
        Ok(())
    }
}

/// Names stand in URL paths and in logs.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=200).contains(&name.len())
        && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '?' | '#' | '%'))
        && !matches!(name, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toxicity_streams_and_names_are_checked() {
        assert!(Toxic::stall().check().is_ok());
        for toxicity in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            assert!(Toxic::stall().toxicity(toxicity).check().is_err());
        }
        for name in ["", "a/b", "a%2f", "..", "a\nb", &"x".repeat(201)] {
            assert!(Toxic::stall().named(name).check().is_err(), "{name:?}");
        }
        assert!(Toxic::half_open(Stream::Both).check().is_err());
        assert_eq!(Toxic::stall().upstream().name, "stall_upstream");
        assert_eq!(Toxic::stall().named("mine").upstream().name, "mine");
    }
}
