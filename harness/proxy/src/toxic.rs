//! What can be done to an edge: a toxic is an effect on a stream, with a probability and a name.

use crate::draw::Draw;
use crate::stage::Stage;
use crate::toxics::{
    answer::Answer,
    bandwidth::{Bandwidth, BandwidthStage},
    black_hole::{BlackHole, BlackHoleStage},
    half_open::HalfOpen,
    latency::{Latency, LatencyStage},
    limit_data::{LimitData, LimitDataStage},
    reset_peer::{ResetPeer, ResetPeerStage},
    slicer::{Slicer, SlicerStage},
    slow_close::{SlowClose, SlowCloseStage},
    stall::{Stall, StallStage},
    timeout::{Timeout, TimeoutStage},
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::time::{Duration, Instant};

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

/// What is done to the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Later.
    Latency(Latency),
    /// Slower.
    Bandwidth(Bandwidth),
    /// The end comes late.
    SlowClose(SlowClose),
    /// Nothing gets through, then the end.
    Timeout(Timeout),
    /// A TCP reset at the first bytes.
    ResetPeer(ResetPeer),
    /// In small segments.
    Slicer(Slicer),
    /// So many bytes, then the end.
    LimitData(LimitData),
    /// Bytes vanish silently.
    BlackHole(BlackHole),
    /// Bytes are held back and delivered when healed.
    Stall(Stall),
    /// One side is gone, the other believes.
    HalfOpen(HalfOpen),
    /// HTTP requests get a canned answer.
    Answer(Answer),
}

/// Why a toxic is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToxic {
    /// No effect has this name.
    #[error("invalid toxic type")]
    Type,
    /// Neither upstream nor downstream (nor both).
    #[error("stream was invalid, can be either upstream or downstream")]
    Stream,
    /// An attribute is unknown, missing or of the wrong kind.
    #[error("attributes: {0}")]
    Attributes(String),
    /// An attribute is out of its range.
    #[error("attribute {attribute}: {value} is outside {allowed}")]
    OutOfRange {
        /// Its name on the wire.
        attribute: &'static str,
        /// What was given.
        value: String,
        /// What would be taken.
        allowed: String,
    },
    /// A probability outside 0 to 1.
    #[error("toxicity: {0} is outside 0 to 1")]
    Toxicity(String),
    /// Names are 1 to 200 visible characters without `/`, `?`, `#` or `%`.
    #[error("name: {0:?} cannot stand in a path")]
    Name(String),
    /// This effect has no meaning on that stream.
    #[error("stream: {0}")]
    Unsuited(&'static str),
}

fn parse<T: DeserializeOwned>(attributes: Value) -> Result<T, InvalidToxic> {
    serde_json::from_value(attributes).map_err(|e| InvalidToxic::Attributes(e.to_string()))
}

fn attributes<T: Serialize>(of: &T) -> Map<String, Value> {
    match serde_json::to_value(of) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    }
}

impl Effect {
    /// The name of each effect on the wire; Toxiproxy knows the first seven.
    pub const TYPES: [&'static str; 11] = [
        "latency",
        "bandwidth",
        "slow_close",
        "timeout",
        "reset_peer",
        "slicer",
        "limit_data",
        "black_hole",
        "stall",
        "half_open",
        "answer",
    ];

    /// The name on the wire.
    pub fn type_name(&self) -> &'static str {
        Self::TYPES[match self {
            Self::Latency(_) => 0,
            Self::Bandwidth(_) => 1,
            Self::SlowClose(_) => 2,
            Self::Timeout(_) => 3,
            Self::ResetPeer(_) => 4,
            Self::Slicer(_) => 5,
            Self::LimitData(_) => 6,
            Self::BlackHole(_) => 7,
            Self::Stall(_) => 8,
            Self::HalfOpen(_) => 9,
            Self::Answer(_) => 10,
        }]
    }

    /// Whether real Toxiproxy has it too.
    pub fn is_toxiproxys(&self) -> bool {
        Self::TYPES[..7].contains(&self.type_name())
    }

    /// The attributes as Toxiproxy's JSON has them.
    pub fn attributes(&self) -> Map<String, Value> {
        match self {
            Self::Latency(a) => attributes(a),
            Self::Bandwidth(a) => attributes(a),
            Self::SlowClose(a) => attributes(a),
            Self::Timeout(a) => attributes(a),
            Self::ResetPeer(a) => attributes(a),
            Self::Slicer(a) => attributes(a),
            Self::LimitData(a) => attributes(a),
            Self::BlackHole(a) => attributes(a),
            Self::Stall(a) => attributes(a),
            Self::HalfOpen(a) => attributes(a),
            Self::Answer(a) => attributes(a),
        }
    }

    /// The effect of this type with these attributes: unknown ones are refused, as are values out of range.
    pub fn parse(type_name: &str, attributes: Map<String, Value>) -> Result<Self, InvalidToxic> {
        let given = Value::Object(attributes);
        let effect = match type_name {
            "latency" => Self::Latency(parse(given)?),
            "bandwidth" => Self::Bandwidth(parse(given)?),
            "slow_close" => Self::SlowClose(parse(given)?),
            "timeout" => Self::Timeout(parse(given)?),
            "reset_peer" => Self::ResetPeer(parse(given)?),
            "slicer" => Self::Slicer(parse(given)?),
            "limit_data" => Self::LimitData(parse(given)?),
            "black_hole" => Self::BlackHole(parse(given)?),
            "stall" => Self::Stall(parse(given)?),
            "half_open" => Self::HalfOpen(parse(given)?),
            "answer" => Self::Answer(parse(given)?),
            _ => return Err(InvalidToxic::Type),
        };
        effect.check()?;
        Ok(effect)
    }

    fn check(&self) -> Result<(), InvalidToxic> {
        match self {
            Self::Latency(a) => a.check(),
            Self::Bandwidth(a) => a.check(),
            Self::SlowClose(a) => a.check(),
            Self::Timeout(a) => a.check(),
            Self::ResetPeer(a) => a.check(),
            Self::Slicer(a) => a.check(),
            Self::LimitData(a) => a.check(),
            Self::Answer(a) => a.check(),
            Self::BlackHole(_) | Self::Stall(_) | Self::HalfOpen(_) => Ok(()),
        }
    }

    /// Its stage in one direction of one connection; `None` for the effects on whole connections.
    pub(crate) fn stage(&self, now: Instant, draw: Draw) -> Option<Box<dyn Stage>> {
        Some(match self {
            Self::Latency(a) => Box::new(LatencyStage::new(*a, draw)),
            Self::Bandwidth(a) => Box::new(BandwidthStage::new(*a, now)),
            Self::SlowClose(a) => Box::new(SlowCloseStage::new(*a)),
            Self::Timeout(a) => Box::new(TimeoutStage::new(*a, now)),
            Self::ResetPeer(a) => Box::new(ResetPeerStage::new(*a)),
            Self::Slicer(a) => Box::new(SlicerStage::new(*a, now, draw)),
            Self::LimitData(a) => Box::new(LimitDataStage::new(*a)),
            Self::BlackHole(_) => Box::new(BlackHoleStage::default()),
            Self::Stall(_) => Box::new(StallStage::default()),
            Self::HalfOpen(_) | Self::Answer(_) => return None,
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
    use serde_json::json;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn every_type_has_its_name_and_reads_its_own_attributes_back() {
        for name in Effect::TYPES {
            let given = match name {
                "slicer" => json!({"average_size": 10}),
                "answer" => json!({"status": 500}),
                _ => json!({}),
            };
            let effect = Effect::parse(name, map(&given)).unwrap();
            assert_eq!(effect.type_name(), name);
            assert_eq!(Effect::parse(name, effect.attributes()).unwrap(), effect);
        }
    }

    #[test]
    fn unknown_attributes_wrong_kinds_and_values_out_of_range_are_refused() {
        for (name, given) in [
            ("latency", json!({"latency": 1, "latenzy": 2})),
            ("latency", json!({"latency": -1})),
            ("latency", json!({"latency": 1.5})),
            ("latency", json!({"latency": "100"})),
            ("latency", json!({"jitter": 86_400_001})),
            ("bandwidth", json!({"rate": 10_000_001})),
            ("slicer", json!({"average_size": 10, "size_variation": 10})),
            ("slicer", json!({})),
            ("limit_data", json!({"bytes": u64::MAX})),
            ("stall", json!({"x": 1})),
            ("answer", json!({})),
            ("answer", json!({"status": 700})),
            ("nonsense", json!({})),
        ] {
            assert!(Effect::parse(name, map(&given)).is_err(), "{name} {given}");
        }
    }

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
