//! What can be broken.
//!
//! A windowed [`Fault`] lasts until it is healed; a [`Strike`] happens once and has nothing to heal.
//! They are two types, so that nobody waits for a strike to end or forgets to end a fault.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::HumanDuration;

/// The name of a service of the topology: `hub`, `opa`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ServiceName(pub String);

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ServiceName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// A directed edge between two services, written `hub -> opa`: who calls, who is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// The calling side.
    pub from: ServiceName,
    /// The called side.
    pub to: ServiceName,
}

impl Edge {
    /// The edge from one service to another.
    pub fn new(from: &str, to: &str) -> Self {
        Self { from: from.into(), to: to.into() }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

impl FromStr for Edge {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("->").map(|(from, to)| (from.trim(), to.trim())) {
            Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok(Self::new(from, to)),
            _ => Err(format!("`{text}` is not an edge: write `caller -> callee`")),
        }
    }
}

impl Serialize for Edge {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Edge {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Edge {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Edge".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A directed edge: `caller -> callee`",
            "pattern": r"^\s*\S+\s*->\s*\S+\s*$",
        })
    }
}

/// A way of a connection, seen from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From caller to callee: requests.
    Up,
    /// From callee to caller: answers.
    Down,
}

/// A fault that lasts from its injection until it is healed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// End a service in good order. Its port refuses connections. Healing starts it again.
    Stop(ServiceName),
    /// End a service at once (SIGKILL), keeping its disk. Healing starts it again.
    Kill(ServiceName),
    /// Freeze a service: the kernel still accepts its connections, nobody answers.
    Pause(ServiceName),
    /// Connections over the edge are refused; established ones are closed.
    Refuse(Edge),
    /// Connections are accepted and every byte vanishes; nothing is ever answered.
    BlackHole(Edge),
    /// Bytes are held back, in order and without loss, until the fault is healed.
    Stall(Edge),
    /// Every answer comes later by `delay`, plus or minus a uniformly drawn `jitter`.
    Latency(Latency),
    /// At most `kilobytes` per second in each direction.
    Bandwidth(Bandwidth),
    /// New connections are reset as soon as they carry bytes.
    Reset(Edge),
    /// Bytes arrive in small pieces with pauses between them.
    Slice(Slice),
    /// The connection closes after so many bytes of an answer.
    Truncate(Truncate),
    /// Bytes of one direction vanish, the other goes on.
    OneWay(OneWay),
    /// The called side is replaced by an imposter with this one answer for everything.
    WrongAnswer(WrongAnswer),
    /// TLS over the edge ends at an interceptor, whose certificate is of an authority that nobody was told to
    /// trust. It passes on what it hears.
    ForeignCertificate(Edge),
    /// The wall clock of a service is off by so much. Its monotonic clock is not.
    ClockStep(ClockStep),
    /// Another fault, in effect for `down`, healed for `up`, again and again.
    Flap(Box<Flap>),
}

/// Settings of [`Fault::Latency`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Latency {
    /// The edge.
    pub edge: Edge,
    /// Added to every answer.
    pub delay: HumanDuration,
    /// Half the width of the uniform spread around `delay`.
    #[serde(default)]
    pub jitter: HumanDuration,
}

/// Settings of [`Fault::Bandwidth`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bandwidth {
    /// The edge.
    pub edge: Edge,
    /// Kilobytes per second, at least 1.
    #[schemars(range(min = 1))]
    pub kilobytes: u32,
}

/// Settings of [`Fault::Slice`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Slice {
    /// The edge.
    pub edge: Edge,
    /// Bytes in a piece, at least 1.
    #[schemars(range(min = 1))]
    pub bytes: u32,
    /// The pause between two pieces.
    pub pause: HumanDuration,
}

/// Settings of [`Fault::Truncate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Truncate {
    /// The edge.
    pub edge: Edge,
    /// Bytes that still get through.
    pub after_bytes: u64,
}

/// Settings of [`Fault::OneWay`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OneWay {
    /// The edge.
    pub edge: Edge,
    /// The direction whose bytes vanish.
    pub lost: Direction,
}

/// Settings of [`Fault::WrongAnswer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WrongAnswer {
    /// The edge.
    pub edge: Edge,
    /// The HTTP status, 100 to 599.
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// The body, as it is.
    #[serde(default)]
    pub body: String,
}

/// Settings of [`Fault::ClockStep`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClockStep {
    /// The service whose wall clock steps.
    pub service: ServiceName,
    /// How far.
    pub by: HumanDuration,
    /// Whether it steps back rather than ahead.
    #[serde(default)]
    pub back: bool,
}

/// Settings of [`Fault::Flap`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Flap {
    /// What comes and goes. Not a flap itself.
    pub fault: Fault,
    /// How long it is in effect each time.
    pub down: HumanDuration,
    /// How long it is healed each time.
    pub up: HumanDuration,
}

/// A fault that happens once, with nothing to heal afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strike {
    /// End a service in good order and start it again.
    Restart(ServiceName),
    /// End every established connection of the edge with a reset.
    Cut(Edge),
}

/// What a fault is aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A service.
    Service(&'a ServiceName),
    /// An edge.
    Edge(&'a Edge),
}

impl Fault {
    /// What this fault is aimed at.
    pub fn target(&self) -> Target<'_> {
        match self {
            Self::Stop(service) | Self::Kill(service) | Self::Pause(service) => Target::Service(service),
            Self::ClockStep(step) => Target::Service(&step.service),
            Self::Refuse(edge)
            | Self::BlackHole(edge)
            | Self::Stall(edge)
            | Self::Reset(edge)
            | Self::ForeignCertificate(edge)
            | Self::Latency(Latency { edge, .. })
            | Self::Bandwidth(Bandwidth { edge, .. })
            | Self::Slice(Slice { edge, .. })
            | Self::Truncate(Truncate { edge, .. })
            | Self::OneWay(OneWay { edge, .. })
            | Self::WrongAnswer(WrongAnswer { edge, .. }) => Target::Edge(edge),
            Self::Flap(flap) => flap.fault.target(),
        }
    }

    /// The service that suffers: the target itself, or the called side of the target edge.
    pub fn victim(&self) -> &ServiceName {
        match self.target() {
            Target::Service(service) => service,
            Target::Edge(edge) => &edge.to,
        }
    }
}

impl Strike {
    /// What this strike is aimed at.
    pub fn target(&self) -> Target<'_> {
        match self {
            Self::Restart(service) => Target::Service(service),
            Self::Cut(edge) => Target::Edge(edge),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop(service) => write!(f, "{service} stopped"),
            Self::Kill(service) => write!(f, "{service} killed"),
            Self::Pause(service) => write!(f, "{service} paused"),
            Self::Refuse(edge) => write!(f, "{edge} refused"),
            Self::BlackHole(edge) => write!(f, "{edge} black hole"),
            Self::Stall(edge) => write!(f, "{edge} stalled"),
            Self::Latency(l) if l.jitter.0.is_zero() => write!(f, "{} + {}", l.edge, l.delay),
            Self::Latency(l) => write!(f, "{} + {} ± {}", l.edge, l.delay, l.jitter),
            Self::Bandwidth(b) => write!(f, "{} at {} KB/s", b.edge, b.kilobytes),
            Self::Reset(edge) => write!(f, "{edge} reset"),
            Self::Slice(s) => write!(f, "{} in pieces of {} bytes", s.edge, s.bytes),
            Self::Truncate(t) => write!(f, "{} cut after {} bytes", t.edge, t.after_bytes),
            Self::OneWay(o) => write!(
                f,
                "{} loses its {} bytes",
                o.edge,
                match o.lost {
                    Direction::Up => "request",
                    Direction::Down => "answer",
                }
            ),
            Self::WrongAnswer(w) => write!(f, "{} answers {} {:?}", w.edge, w.status, w.body),
            Self::ForeignCertificate(edge) => write!(f, "{edge} under a foreign certificate"),
            Self::ClockStep(c) => write!(f, "{} clock {}{}", c.service, if c.back { "−" } else { "+" }, c.by),
            Self::Flap(flap) => write!(f, "{} for {}, not for {}, …", flap.fault, flap.down, flap.up),
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart(service) => write!(f, "{service} restarted"),
            Self::Cut(edge) => write!(f, "connections of {edge} cut"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_written_with_an_arrow() {
        assert_eq!("hub->opa".parse(), Ok(Edge::new("hub", "opa")));
        assert_eq!(Edge::new("hub", "opa").to_string(), "hub -> opa");
        assert!("hub".parse::<Edge>().is_err() && "-> opa".parse::<Edge>().is_err());
    }

    #[test]
    fn the_victim_of_an_edge_fault_is_the_called_side() {
        assert_eq!(Fault::Refuse(Edge::new("hub", "opa")).victim(), &"opa".into());
        assert_eq!(Fault::Stop("opa".into()).victim(), &"opa".into());
    }
}
