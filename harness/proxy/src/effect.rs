//! What is done to bytes: one variant per file of `toxics`, with its name and attributes on the wire.

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
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::time::Instant;

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

    pub(crate) fn check(&self) -> Result<(), InvalidToxic> {
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
}
