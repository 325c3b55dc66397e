//! Probability: a draw is the connection's, for its life, and the seed's.

use crate::support::*;
use harness_proxy::{Proxy, Toxic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// Which of the first `n` connections a stall of toxicity one half holds, as their traffic shows.
async fn stalled(proxy: &Proxy, n: usize) -> Vec<bool> {
    let mut clients = Vec::new();
    for i in 0..n {
        clients.push(connect(proxy.addr()).await);
        until(|| proxy.counters().accepted == i as u64 + 1).await;
    }
    for client in &mut clients {
        client.write_all(b"x").await.unwrap();
    }
    until(|| proxy.counters().downstream.received == n as u64).await;
    let mut stalled = Vec::new();
    for client in &mut clients {
        stalled.push(timeout(QUIET, client.read(&mut [0; 8])).await.is_err());
    }
    stalled
}

#[tokio::test]
async fn the_same_seed_picks_the_same_connections_and_as_announced() {
    let upstream = Upstream::echo().await;
    let half = || Toxic::stall().toxicity(0.5).downstream();
    let mut seen = Vec::new();
    for seed in [7, 7, 8] {
        let proxy = Proxy::listen("edge", ANY, upstream.addr.to_string(), seed).unwrap();
        proxy.add(half()).unwrap();
        let hit = stalled(&proxy, 16).await;
        let announced: Vec<_> = (1..=16).map(|n| proxy.draws(&half(), n)).collect();
        assert_eq!(hit, announced);
        assert!(hit.contains(&true) && hit.contains(&false), "{hit:?}");
        seen.push(hit);
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
}

#[tokio::test]
async fn a_draw_holds_whatever_neighbours_come_and_go() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::listen("edge", ANY, upstream.addr.to_string(), 7).unwrap();
    proxy.add(Toxic::stall().toxicity(0.5).downstream().named("half")).unwrap();
    let mut clients = Vec::new();
    for i in 0..12 {
        clients.push(connect(proxy.addr()).await);
        until(|| proxy.counters().accepted == i + 1).await;
    }
    let free: Vec<bool> = (1..=12).map(|n| !proxy.draws(&proxy.toxic("half").unwrap(), n)).collect();
    for round in 0..10 {
        let neighbour = proxy.hold(Toxic::slicer(4, 1, std::time::Duration::ZERO)).unwrap();
        for (client, free) in clients.iter_mut().zip(&free) {
            if *free {
                assert_eq!(echo(client, b"round").await.unwrap(), b"round", "{round}");
            } else {
                client.write_all(b"round").await.unwrap();
            }
        }
        drop(neighbour);
    }
    for (client, free) in clients.iter_mut().zip(&free) {
        if !free {
            assert_silent(client).await;
        }
    }
}
