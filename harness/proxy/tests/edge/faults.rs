//! What Toxiproxy can't do, and what must hold of a fault while it comes, stays and goes.

use crate::edge;
use crate::support::*;
use harness_proxy::{Cut, End, Stream, Toxic};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn refuse_closes_the_listener_and_leaves_established_connections() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let mut standing = connect(proxy.addr()).await;
    echo(&mut standing, b"before").await.unwrap();
    proxy.refuse(true).unwrap();
    assert!(proxy.refuses());
    assert_refused(proxy.addr()).await;
    assert_eq!(echo(&mut standing, b"during").await.unwrap(), b"during");
    proxy.refuse(false).unwrap();
    let mut fresh = connect(proxy.addr()).await;
    assert_eq!(echo(&mut fresh, b"after").await.unwrap(), b"after");
}

#[tokio::test]
async fn a_cut_ends_idle_connections_on_both_sides_once() {
    for (cut, idle) in [(Cut::Rst, 3), (Cut::Fin, 2)] {
        let (saw, mut sees) = tokio::sync::mpsc::unbounded_channel();
        let upstream = Upstream::serving(move |mut socket| {
            let saw = saw.clone();
            async move {
                socket.write_all(b"!").await?;
                let mut byte = [0];
                let _ = saw.send(socket.read(&mut byte).await.map_err(|e| e.kind()));
                Ok(())
            }
        })
        .await;
        let proxy = edge(&upstream);
        let mut clients = Vec::new();
        for _ in 0..idle {
            let mut client = connect(proxy.addr()).await;
            let mut hello = [0];
            soon(client.read_exact(&mut hello)).await.unwrap();
            clients.push(client);
        }
        assert_eq!(proxy.cut(cut), idle);
        for client in &mut clients {
            match cut {
                Cut::Rst => assert_rst(client).await,
                Cut::Fin => assert_fin(client).await,
            }
            let server = soon(sees.recv()).await.unwrap();
            let expected = if cut == Cut::Fin { Ok(0) } else { Err(std::io::ErrorKind::ConnectionReset) };
            assert_eq!(server, expected);
        }
        until(|| proxy.counters().open == 0).await;
        assert_eq!(proxy.cut(cut), 0, "one shot");
        assert_eq!(proxy.counters().cut as usize, idle);
        assert!(proxy.connections().iter().all(|c| c.end == Some(End::Cut(cut))));
        let mut fresh = connect(proxy.addr()).await;
        soon(fresh.read_exact(&mut [0])).await.unwrap();
    }
}

#[tokio::test]
async fn a_black_hole_swallows_silently_and_the_connection_goes_on_when_healed() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let mut standing = connect(proxy.addr()).await;
    echo(&mut standing, b"before").await.unwrap();
    let hole = proxy.hold(Toxic::black_hole()).unwrap();
    standing.write_all(b"lost").await.unwrap();
    until(|| proxy.counters().upstream.dropped == 4).await;
    assert_silent(&mut standing).await;
    let mut fresh = connect(proxy.addr()).await;
    fresh.write_all(b"lost too").await.unwrap();
    until(|| proxy.counters().upstream.dropped == 12).await;
    assert_silent(&mut fresh).await;
    assert_eq!(upstream.accepted(), 1, "no SYN passes a black hole");
    drop(hole);
    assert_eq!(echo(&mut standing, b"after").await.unwrap(), b"after");
    assert_eq!(echo(&mut fresh, b"after").await.unwrap(), b"after");
}

#[tokio::test]
async fn a_black_hole_hides_a_dead_upstream_until_it_is_healed() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let hole = proxy.hold(Toxic::black_hole()).unwrap();
    drop(upstream);
    let mut client = connect(proxy.addr()).await;
    client.write_all(b"x").await.unwrap();
    assert_silent(&mut client).await;
    drop(hole);
    assert_fin(&mut client).await;
}

#[tokio::test]
async fn one_direction_only_is_one_direction_only() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    echo(&mut client, b"before").await.unwrap();
    let before = proxy.counters();
    let hole = proxy.hold(Toxic::black_hole().downstream()).unwrap();
    client.write_all(b"heard").await.unwrap();
    until(|| proxy.counters().downstream.dropped > before.downstream.dropped).await;
    assert_silent(&mut client).await;
    let during = proxy.counters();
    assert_eq!(during.upstream.delivered - before.upstream.delivered, 5, "the server heard it");
    assert_eq!(during.downstream.dropped, 5, "its answer was lost");
    drop(hole);
    assert_eq!(echo(&mut client, b"after").await.unwrap(), b"after");
}

#[tokio::test]
async fn a_stall_holds_back_bytes_and_ends_and_loses_nothing() {
    let upstream = Upstream::counting().await;
    let proxy = edge(&upstream);
    let stall = proxy.hold(Toxic::stall()).unwrap();
    let mut client = connect(proxy.addr()).await;
    client.write_all(b"held ").await.unwrap();
    client.write_all(b"back").await.unwrap();
    client.shutdown().await.unwrap();
    assert_silent(&mut client).await;
    assert_eq!(proxy.counters().upstream.delivered, 0);
    drop(stall);
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "9");
}

#[tokio::test]
async fn a_stall_hides_a_reset_until_it_is_healed() {
    let upstream = Upstream::serving(|mut socket| async move {
        socket.read_exact(&mut [0]).await?;
        socket.set_zero_linger()
    })
    .await;
    let proxy = edge(&upstream);
    let stall = proxy.hold(Toxic::stall().downstream()).unwrap();
    let mut client = connect(proxy.addr()).await;
    client.write_all(b"x").await.unwrap();
    assert_silent(&mut client).await;
    drop(stall);
    assert_rst(&mut client).await;
}

#[tokio::test]
async fn half_open_the_server_is_gone_and_the_client_believes() {
    let (saw, mut sees) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::serving(move |mut socket| {
        let saw = saw.clone();
        async move {
            socket.write_all(b"!").await?;
            let _ = saw.send(socket.read(&mut [0]).await.is_err());
            Ok(())
        }
    })
    .await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    soon(client.read_exact(&mut [0])).await.unwrap();
    let half = proxy.hold(Toxic::half_open(Stream::Upstream)).unwrap();
    assert!(soon(sees.recv()).await.unwrap(), "the server's side is reset");
    client.write_all(b"anybody there?").await.unwrap();
    assert_silent(&mut client).await;
    drop(half);
    assert_silent(&mut client).await;
    client.write_all(b"hello?").await.unwrap();
    assert_rst(&mut client).await;
    let mut fresh = connect(proxy.addr()).await;
    soon(fresh.read_exact(&mut [0])).await.unwrap();
}

#[tokio::test]
async fn half_open_the_client_is_gone_and_the_server_believes() {
    let (saw, mut sees) = tokio::sync::mpsc::unbounded_channel();
    let (say, _) = tokio::sync::broadcast::channel::<()>(4);
    let upstream = Upstream::serving({
        let say = say.clone();
        move |mut socket| {
            let (saw, mut say) = (saw.clone(), say.subscribe());
            async move {
                socket.write_all(b"!").await?;
                let silent = tokio::time::timeout(QUIET, socket.read(&mut [0])).await.is_err();
                let _ = saw.send(silent);
                let _ = say.recv().await;
                socket.write_all(b"news").await?;
                let _ = saw.send(socket.read(&mut [0]).await.is_err());
                Ok(())
            }
        }
    })
    .await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    soon(client.read_exact(&mut [0])).await.unwrap();
    let half = proxy.hold(Toxic::half_open(Stream::Downstream)).unwrap();
    assert_rst(&mut client).await;
    assert!(soon(sees.recv()).await.unwrap(), "the server was told something");
    drop(half);
    say.send(()).unwrap();
    assert!(soon(sees.recv()).await.unwrap(), "found out at its next bytes");
}

#[tokio::test]
async fn a_toxic_takes_effect_on_an_established_connection_before_the_call_returns() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    let mut fastest = Duration::MAX;
    for _ in 0..50 {
        echo(&mut client, b"fast").await.unwrap();
        let slow = proxy.hold(Toxic::latency(Duration::from_millis(20), Duration::ZERO).upstream()).unwrap();
        let start = now();
        echo(&mut client, b"slow").await.unwrap();
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(20), "slipped past: {took:?}");
        fastest = fastest.min(took);
        drop(slow);
    }
    assert!(fastest < Duration::from_millis(40), "{fastest:?}");
}

#[tokio::test]
async fn removing_a_latency_releases_what_it_holds_at_once() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    let slow = proxy.hold(Toxic::latency(Duration::from_secs(3600), Duration::ZERO)).unwrap();
    client.write_all(b"held").await.unwrap();
    assert_silent(&mut client).await;
    drop(slow);
    let mut back = [0; 4];
    soon(client.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"held");
}

#[tokio::test]
async fn what_a_toxic_loses_is_counted_to_the_last_byte() {
    let upstream = Upstream::sending(vec![7; 10_000]).await;
    let proxy = edge(&upstream);
    proxy.add(Toxic::limit_data(1_000).downstream()).unwrap();
    let mut all = Vec::new();
    soon(connect(proxy.addr()).await.read_to_end(&mut all)).await.unwrap();
    until(|| proxy.counters().open == 0).await;
    let down = proxy.counters().downstream;
    assert_eq!((all.len(), down.delivered), (1_000, 1_000));
    assert_eq!(down.received, down.delivered + down.dropped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_stays_whole_while_toxics_come_and_go() {
    let upstream = Upstream::echo().await;
    let proxy = edge(&upstream);
    let sent: Vec<u8> = (0..600_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut from, mut to) = connect(proxy.addr()).await.into_split();
    let writer = tokio::spawn({
        let sent = sent.clone();
        async move {
            for part in sent.chunks(3_000) {
                to.write_all(part).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            to.shutdown().await.unwrap();
        }
    });
    let reader = tokio::spawn(async move {
        let mut got = Vec::new();
        from.read_to_end(&mut got).await.map(|_| got)
    });
    let toxics = [
        Toxic::latency(Duration::from_millis(8), Duration::from_millis(7)),
        Toxic::slicer(700, 300, Duration::ZERO),
        Toxic::bandwidth(3_000),
        Toxic::stall(),
        Toxic::slow_close(Duration::from_millis(5)),
    ];
    let mut rounds = 0;
    while !writer.is_finished() {
        let held: Vec<_> = toxics.iter().skip(rounds % 3).map(|t| proxy.hold(t.clone()).unwrap()).collect();
        tokio::time::sleep(Duration::from_millis(3)).await;
        for guard in held {
            drop(guard);
            tokio::task::yield_now().await;
        }
        rounds += 1;
    }
    writer.await.unwrap();
    let got = soon(reader).await.unwrap().unwrap();
    assert!(got == sent, "{} of {} bytes, or out of order", got.len(), sent.len());
    assert!(rounds > 10, "{rounds}");
}
