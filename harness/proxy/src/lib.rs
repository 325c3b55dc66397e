//! TCP fault proxy with Toxiproxy's HTTP API, and the typed client that drives either.
//!
//! A [`Proxy`] stands on one edge, between a client and its upstream, and passes bytes on as fast as it can until it
//! is told to do harm. What it can do Toxiproxy can, with the same names and attributes; besides, it refuses, cuts,
//! swallows, stalls, half-opens, answers in the upstream's place, draws from a seed and counts.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use harness_proxy::{Cut, Proxy, Toxic};
//! use std::time::Duration;
//!
//! let edge = Proxy::listen("hub-opa", ([127, 0, 0, 1], 0).into(), "127.0.0.1:8181", 42)?;
//! println!("connect to {}", edge.addr());
//! let slow = edge.hold(Toxic::latency(Duration::from_millis(300), Duration::ZERO).downstream())?;
//! drop(slow); // healed
//! edge.refuse(true)?; // connection refused from here on
//! let ended = edge.cut(Cut::Rst); // and those that stood are reset
//! # assert_eq!(ended, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # The way of a byte
//!
//! ```text
//!            door ── accept ──▶ wire (one task per connection)
//!                                 client ─▶ lane ─▶ chain of stages ─▶ upstream
//!                                 client ◀─ chain of stages ◀─ lane ◀─ upstream
//!  Proxy::add ─▶ plan (swapped, revision + bell) ──┘ every connection takes it up at once
//! ```
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | `proxy`, `accept` | what an owner holds: [`Proxy`]; the accept loop |
//! | `toxic`, `effect`, `toxics/` | what can be done; one effect, one file, with attributes, ranges, behaviour, tests |
//! | `stage`, `chain`, `queue` | the pure pipeline: pieces in, pieces out, `now` comes in |
//! | `plan`, `draw` | which toxics are in force, and on which connections |
//! | `wire/` | the shell of a connection: sockets, lanes, dialing, parting |
//! | `door` | the listener that really closes |
//! | `set`, `api/`, `json` | many proxies by name, and Toxiproxy's HTTP API over them: [`Server`] |
//! | `client/` | the typed client of either: [`Client`] |
//! | `connections`, `counters`, `exchanges`, `limits` | the book, the numbers, the bounds |
//! | `fuzzing` | for fuzzers alone: bodies and bytes without a socket |
//!
//! Start with `stage`, then `toxics/latency`, `chain`, `wire`.
//!
//! Toxics that draw, delay or hold do so per connection and direction in state machines without clock or socket; only
//! `wire` and `door` touch the system.

mod accept;
mod api;
mod chain;
mod client;
mod clock;
mod connections;
mod counters;
mod door;
mod draw;
mod effect;
mod exchanges;
#[doc(hidden)]
pub mod fuzzing;
mod json;
mod limits;
mod plan;
mod proxy;
mod queue;
mod set;
mod stage;
mod toxic;
mod toxics;
mod wire;

pub use api::{Server, TOXIPROXY_VERSION};
pub use client::{Client, ClientError, ProxySpec, ProxyState};
pub use connections::{Connection, Cut, End};
pub use counters::{Counters, StreamCounters};
pub use effect::{Effect, InvalidToxic};
pub use exchanges::ExchangeGauge;
pub use limits::Limits;
pub use plan::FaultId;
pub use proxy::{Held, ListenError, Proxy, Refused};
pub use set::{ProxySet, SetError};
pub use toxic::{Stream, Toxic};
pub use toxics::{
    answer::Answer, bandwidth::Bandwidth, black_hole::BlackHole, half_open::HalfOpen, latency::Latency,
    limit_data::LimitData, reset_peer::ResetPeer, slicer::Slicer, slow_close::SlowClose, stall::Stall,
    timeout::Timeout,
};
