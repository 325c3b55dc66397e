//! The proxy through its in-process API, on real sockets.
//!
//! Method: every test first shows the edge whole, then that the fault took effect on traffic, then what must hold.

#![expect(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

#[path = "edge/answers.rs"]
mod answers;
#[path = "edge/control.rs"]
mod control;
#[path = "edge/draws.rs"]
mod draws;
#[path = "edge/exchanges.rs"]
mod exchanges;
#[path = "edge/faults.rs"]
mod faults;
#[path = "edge/plain.rs"]
mod plain;
mod support;

use harness_proxy::Proxy;

fn edge(upstream: &support::Upstream) -> Proxy {
    Proxy::listen("edge", support::ANY, upstream.addr.to_string(), 42).unwrap()
}
