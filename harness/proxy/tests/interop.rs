//! Somebody else's client: the crate `toxiproxy_rust` drives our server and the real one alike.
//!
//! The crate blocks, so it runs in the test's own thread, outside of any runtime; the servers and their traffic run in
//! a runtime beside it. It ignores HTTP statuses: what it did is judged by traffic and by what it reads back.

#![expect(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]
#![expect(dead_code, reason = "the arms are the conformance suite's, which uses more of them")]

#[path = "conformance/arm.rs"]
mod arm;
mod support;

use arm::Arm;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use support::{ANY, PATIENCE, Upstream, now};
use tokio::runtime::Runtime;
use toxiproxy_rust::client::Client;
use toxiproxy_rust::proxy::ProxyPack;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// How long an echo takes; `None` when the connection ends instead.
fn round_trip(edge: SocketAddr) -> Option<Duration> {
    let start = now();
    let mut socket = TcpStream::connect(edge).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(b"ping").ok()?;
    let mut back = [0; 4];
    socket.read_exact(&mut back).ok()?;
    assert_eq!(&back, b"ping");
    Some(start.elapsed())
}

/// The fastest of a few: what a busy machine adds to one is no part of it.
fn fastest(addr: SocketAddr) -> Duration {
    (0..5).map(|_| round_trip(addr).unwrap()).min().unwrap()
}

fn drive(server: SocketAddr, upstream: SocketAddr) {
    let client = Client::new(server);
    assert!(client.is_running());
    assert!(client.version().unwrap().contains("\"version\""));
    let pack = ProxyPack::new("edge".into(), ANY.to_string(), upstream.to_string());
    let made = client.populate(vec![pack]).unwrap();
    assert_eq!(made.len(), 1);
    let addr: SocketAddr = made[0].proxy_pack.listen.parse().unwrap();
    assert!(fastest(addr) < Duration::from_millis(100), "the edge is whole");

    let edge = client.find_and_reset_proxy("edge").unwrap();
    edge.with_latency("downstream".into(), 120, 0, 1.0)
        .apply(|| {
            let took = round_trip(addr).unwrap();
            assert!(took >= Duration::from_millis(119) && took < PATIENCE, "{took:?}");
        })
        .unwrap();
    assert!(fastest(addr) < Duration::from_millis(100), "healed");

    edge.with_down(|| assert_eq!(round_trip(addr), None)).unwrap();
    assert!(round_trip(addr).is_some());
    edge.with_limit_data("downstream".into(), 2, 1.0).apply(|| assert_eq!(round_trip(addr), None)).unwrap();
    edge.with_timeout("upstream".into(), 50, 1.0).apply(|| assert_eq!(round_trip(addr), None)).unwrap();
    edge.with_slicer("downstream".into(), 2, 1, 10, 1.0)
        .with_bandwidth("downstream".into(), 100, 1.0)
        .with_slow_close("downstream".into(), 10, 1.0);
    let mut names: Vec<_> = edge.toxics().unwrap().into_iter().map(|t| t.name).collect();
    names.sort();
    assert_eq!(names, ["bandwidth_downstream", "slicer_downstream", "slow_close_downstream"]);
    assert!(round_trip(addr).is_some());

    edge.disable().unwrap();
    client.reset().unwrap();
    let all = client.all().unwrap();
    assert!(all["edge"].proxy_pack.enabled && all["edge"].proxy_pack.toxics.is_empty());
    edge.delete().unwrap();
    assert!(client.all().unwrap().is_empty());
    assert_eq!(round_trip(addr), None);
}

#[test]
fn it_drives_ours() {
    let runtime = runtime();
    let (arm, upstream) = runtime.block_on(async { (Arm::ours().await, Upstream::echo().await) });
    drive(arm.addr, upstream.addr);
}

#[test]
fn it_drives_the_real_one() {
    let runtime = runtime();
    let (arm, upstream) = runtime.block_on(async { (Arm::real().await, Upstream::echo().await) });
    if let Some(arm) = &arm {
        drive(arm.addr, upstream.addr);
    }
    let _inside = runtime.enter();
    drop(arm);
}
