//! Without faults: bytes, ends and resets pass as if there were no proxy.

use std::time::Duration;

use crate::edge;
use crate::support::*;
use harness_proxy::{End, Limits, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn bytes_pass_both_ways_and_are_counted() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
    let counters = proxy.counters();
    assert_eq!((counters.accepted, counters.open), (1, 1));
    assert_eq!((counters.upstream.received, counters.upstream.delivered), (5, 5));
    assert_eq!((counters.downstream.received, counters.downstream.delivered), (5, 5));
}

#[tokio::test]
async fn megabytes_arrive_whole_and_in_order() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let sent: Vec<u8> = (0..8_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut from, mut to) = connect(proxy.addr()).await.into_split();
    let writer = tokio::spawn({
        let sent = sent.clone();
        async move {
            to.write_all(&sent).await.unwrap();
            to.shutdown().await.unwrap();
        }
    });
    let mut got = Vec::new();
    soon(from.read_to_end(&mut got)).await.unwrap();
    writer.await.unwrap();
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
}

#[tokio::test]
async fn a_half_close_of_the_client_is_carried_through_and_the_answer_still_comes() {
    let upstream = Upstream::counting().await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    client.write_all(b"1234567").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "7");
    until(|| proxy.connections().iter().any(|c| c.end == Some(End::Closed))).await;
}

#[tokio::test]
async fn a_half_close_of_the_server_is_carried_through_and_it_still_hears() {
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::serving(move |mut socket| {
        let heard = heard.clone();
        async move {
            socket.shutdown().await?;
            let mut all = Vec::new();
            socket.read_to_end(&mut all).await?;
            let _ = heard.send(all);
            Ok(())
        }
    })
    .await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    assert_fin(&mut client).await;
    client.write_all(b"still here").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(soon(hears.recv()).await.unwrap(), b"still here");
}

#[tokio::test]
async fn a_reset_of_either_side_reaches_the_other_as_a_reset() {
    let upstream = Upstream::serving(|mut socket| async move {
        let mut byte = [0];
        socket.read_exact(&mut byte).await?;
        socket.set_zero_linger()
    })
    .await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    client.write_all(b"x").await.unwrap();
    assert_rst(&mut client).await;

    let (saw, mut sees) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::serving(move |mut socket| {
        let saw = saw.clone();
        async move {
            socket.write_all(b"hi").await?;
            let mut byte = [0];
            let _ = saw.send(socket.read(&mut byte).await.map_err(|e| e.kind()));
            Ok(())
        }
    })
    .await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    let mut hi = [0; 2];
    soon(client.read_exact(&mut hi)).await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(soon(sees.recv()).await.unwrap(), Err(std::io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_dead_upstream_is_accepted_then_closed() {
    assert_refused(NOBODY).await;
    let proxy = Proxy::listen("edge", ANY, NOBODY.to_string(), 0).unwrap();
    let mut client = connect(proxy.addr()).await;
    assert_fin(&mut client).await;
    assert_eq!(proxy.counters().dials_failed, 1);
    assert_eq!(proxy.connections()[0].end, Some(End::DialFailed));
}

#[tokio::test]
async fn connections_past_the_limit_are_reset_and_counted() {
    let upstream = Upstream::echo().await;
    let limits = Limits { connections: 2, ..Limits::default() };
    let proxy = Proxy::listen_with("edge", ANY, upstream.addr.to_string(), 0, true, limits).unwrap();
    let mut first = connect(proxy.addr()).await;
    let mut second = connect(proxy.addr()).await;
    echo(&mut first, b"1").await.unwrap();
    echo(&mut second, b"2").await.unwrap();
    // The reset may be quicker than the news that the connection stands.
    match soon(TcpStream::connect(proxy.addr())).await {
        Ok(mut third) => assert_rst(&mut third).await,
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert_eq!(proxy.counters().turned_away, 1);
    drop(first);
    until(|| proxy.counters().open == 1).await;
    let mut fourth = connect(proxy.addr()).await;
    assert_eq!(echo(&mut fourth, b"4").await.unwrap(), b"4");
}

#[tokio::test]
async fn dropping_the_proxy_ends_everything_at_once() {
    let upstream = Upstream::echo().await;
    let mut fastest = Duration::MAX;
    // What a busy machine adds to one of them is no part of it.
    for _ in 0..5 {
        let proxy = edge(&upstream);
        let addr = proxy.addr();
        let mut clients = Vec::new();
        for _ in 0..20 {
            let mut client = connect(addr).await;
            echo(&mut client, b"x").await.unwrap();
            clients.push(client);
        }
        let start = now();
        drop(proxy);
        assert_refused(addr).await;
        for client in &mut clients {
            assert_fin(client).await;
        }
        fastest = fastest.min(start.elapsed());
    }
    assert!(fastest < Duration::from_millis(200), "{fastest:?}");
}

#[tokio::test]
async fn junk_never_ends_it() {
    let upstream = Upstream::mute().await;
    let proxy = edge(&upstream);
    let junk: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(747_796_405) >> 13) as u8).collect();
    for n in [0, 1, 7, 4096, 100_000] {
        let mut client = connect(proxy.addr()).await;
        client.write_all(&junk[..n]).await.unwrap();
        if n % 2 == 0 {
            client.set_zero_linger().unwrap();
        }
    }
    until(|| proxy.counters().accepted == 5).await;
    assert!(!proxy.refuses());
}
