//! Control calls do not wait for anybody: not for a client that stops reading, nor an upstream that never answers or
//! never accepts.

use crate::edge;
use crate::support::*;
use harness_proxy::{Cut, Proxy, Toxic};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

/// Everything an owner can ask for, ten times over, in less than any of it could take if it waited.
fn all_calls(proxy: &Proxy) -> Duration {
    let start = now();
    for i in 0..10 {
        let toxics = [
            Toxic::latency(Duration::from_millis(50), Duration::ZERO),
            Toxic::bandwidth(1),
            Toxic::slicer(10, 5, Duration::from_millis(1)),
            Toxic::stall(),
        ];
        let ids: Vec<_> = toxics
            .into_iter()
            .map(|t| proxy.add(t.named(format!("t{i}-{}", rand_free()))).unwrap())
            .collect();
        let _ = (proxy.counters(), proxy.connections(), proxy.toxics(), proxy.exchanges());
        proxy.refuse(true).unwrap();
        proxy.refuse(false).unwrap();
        for id in ids {
            assert!(proxy.remove(id));
        }
    }
    start.elapsed()
}

fn rand_free() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_delays_no_call() {
    let upstream = Upstream::serving(|mut socket| async move {
        loop {
            socket.write_all(&[7; 8192]).await?;
        }
    })
    .await;
    let proxy = edge(&upstream);
    let _deaf = connect(proxy.addr()).await;
    // The pipe is full once nothing has been delivered for a while.
    let mut last = 0;
    soon(async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let delivered = proxy.counters().downstream.delivered;
            if delivered > 0 && delivered == last {
                break;
            }
            last = delivered;
        }
    })
    .await;
    let took = all_calls(&proxy);
    assert!(took < PATIENCE, "{took:?}");
    assert_eq!(proxy.cut(Cut::Rst), 1);
    until(|| proxy.counters().open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_never_accepts_delays_neither_calls_nor_other_connections() {
    // A listener whose backlog is full: further handshakes hang.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(ANY).unwrap();
    let full = socket.listen(1).unwrap();
    let addr = full.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(Ok(one)) =
        tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(addr)).await
    {
        filling.push(one);
        assert!(filling.len() < 64, "the backlog never fills");
    }
    let proxy = Proxy::listen("edge", ANY, addr.to_string(), 0).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let mut client = connect(proxy.addr()).await;
        client.write_all(b"x").await.unwrap();
        waiting.push(client);
    }
    until(|| proxy.counters().accepted == 10).await;
    let took = all_calls(&proxy);
    assert!(took < PATIENCE, "{took:?}");
    assert_eq!(proxy.cut(Cut::Fin), 10);
    for client in &mut waiting {
        assert_fin(client).await;
    }
}

#[tokio::test]
async fn a_refused_change_changes_nothing() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    proxy.add(Toxic::bandwidth(10).named("one")).unwrap();
    let before = proxy.toxics();
    assert!(proxy.add(Toxic::stall().named("one")).is_err());
    assert!(proxy.add(Toxic::stall().toxicity(2.0)).is_err());
    assert!(proxy.update("one", Toxic::stall().effect, 1.0).is_err());
    assert!(proxy.update("one", Toxic::bandwidth(u64::MAX).effect, 1.0).is_err());
    assert!(proxy.update("two", Toxic::bandwidth(1).effect, 1.0).is_err());
    assert!(!proxy.remove_named("two"));
    assert_eq!(proxy.toxics(), before);

    let (addr, other) = (proxy.addr(), edge(&upstream));
    assert!(proxy.repoint(other.addr(), "127.0.0.1:1", true).is_err());
    assert_eq!((proxy.addr(), proxy.upstream()), (addr, upstream.addr.to_string()));
    proxy.clear();
    let mut client = connect(addr).await;
    assert_eq!(echo(&mut client, b"as before").await.unwrap(), b"as before");
}

#[tokio::test]
async fn a_forgotten_guard_leaves_the_toxic() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let id = proxy.hold(Toxic::stall()).unwrap().forget();
    assert_eq!(proxy.toxics().len(), 1);
    assert!(proxy.remove(id));
    assert!(!proxy.remove(id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn injecting_and_removing_take_less_than_a_tenth_of_a_millisecond() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let mut standing = Vec::new();
    for _ in 0..50 {
        let mut client = connect(proxy.addr()).await;
        echo(&mut client, b"x").await.unwrap();
        standing.push(client);
    }
    let mut took: Vec<Duration> = (0..201)
        .map(|_| {
            let start = now();
            drop(proxy.hold(Toxic::latency(Duration::from_millis(1), Duration::ZERO)).unwrap());
            start.elapsed()
        })
        .collect();
    took.sort();
    // Both together, in the middle: a machine that stalls now and then is not the proxy's fault.
    assert!(took[100] < Duration::from_micros(100), "{:?}", took[100]);
}
