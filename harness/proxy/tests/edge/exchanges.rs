//! The gauge that proves "at most one probe in flight".

use crate::edge;
use crate::support::*;
use harness_proxy::{ExchangeGauge, Toxic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn gauge(in_progress: u32, high_water: u32) -> ExchangeGauge {
    ExchangeGauge { in_progress, high_water }
}

#[tokio::test]
async fn it_counts_connections_that_await_an_answer_and_remembers_the_most() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let mut clients = [connect(proxy.addr()).await, connect(proxy.addr()).await, connect(proxy.addr()).await];
    assert_eq!(proxy.exchanges(), gauge(0, 0), "connected is not in flight");
    for client in &mut clients {
        echo(client, b"one after another").await.unwrap();
    }
    assert_eq!(proxy.exchanges(), gauge(0, 1));

    let stall = proxy.hold(Toxic::stall().downstream()).unwrap();
    for client in &mut clients {
        client.write_all(b"together").await.unwrap();
        client.write_all(b", in two parts").await.unwrap();
    }
    until(|| proxy.exchanges() == gauge(3, 3)).await;
    drop(stall);
    for client in &mut clients {
        soon(client.read_exact(&mut [0; 22])).await.unwrap();
    }
    assert_eq!(proxy.exchanges(), gauge(0, 3));
    assert_eq!(proxy.reset_high_water(), gauge(0, 3));
    assert_eq!(proxy.exchanges(), gauge(0, 0));
}

#[tokio::test]
async fn a_request_swallowed_is_in_flight_until_its_client_gives_up() {
    let upstream = Upstream::mute().await;
    let proxy = edge(&upstream);
    let hole = proxy.hold(Toxic::black_hole()).unwrap();
    let mut client = connect(proxy.addr()).await;
    client.write_all(b"anybody?").await.unwrap();
    until(|| proxy.exchanges() == gauge(1, 1)).await;
    drop(client);
    until(|| proxy.exchanges() == gauge(0, 1)).await;
    drop(hole);
}

#[tokio::test]
async fn a_client_that_leaves_an_upstream_that_hangs_is_not_in_flight() {
    let upstream = Upstream::mute().await;
    let proxy = edge(&upstream);
    for _ in 0..3 {
        let mut client = connect(proxy.addr()).await;
        client.write_all(b"anybody?").await.unwrap();
        until(|| proxy.exchanges().in_progress == 1).await;
        drop(client);
        until(|| proxy.exchanges().in_progress == 0).await;
    }
    assert_eq!(proxy.exchanges(), gauge(0, 1));
}

#[tokio::test]
async fn the_end_of_a_connection_ends_its_exchange() {
    let upstream = Upstream::mute().await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    client.write_all(b"anybody?").await.unwrap();
    until(|| proxy.exchanges().in_progress == 1).await;
    proxy.cut(harness_proxy::Cut::Rst);
    assert_rst(&mut client).await;
    until(|| proxy.exchanges() == gauge(0, 1)).await;
}
