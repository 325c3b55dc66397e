//! Wrong answers: the proxy speaks in the upstream's place.

use crate::edge;
use crate::support::*;
use harness_proxy::{Answer, Proxy, Toxic};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET: &[u8] = b"GET /v1/data HTTP/1.1\r\nhost: opa\r\n\r\n";

/// Status and body of the answer to one request on a kept connection.
async fn get(client: &mut TcpStream) -> (u16, String) {
    client.write_all(GET).await.unwrap();
    read_answer(client).await
}

async fn read_answer(client: &mut TcpStream) -> (u16, String) {
    let mut got = Vec::new();
    loop {
        let mut byte = [0];
        soon(client.read_exact(&mut byte)).await.unwrap();
        got.push(byte[0]);
        if got.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8(got).unwrap();
    let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    soon(client.read_exact(&mut body)).await.unwrap();
    (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn a_kept_connection_gets_wrong_answers_while_they_last_and_the_real_ones_again() {
    let upstream = Upstream::http().await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    assert_eq!(get(&mut client).await, (200, "real".into()));
    for (status, body) in [(500, ""), (200, r#"{"resu"#), (200, r#"{"result":[]}"#)] {
        let wrong = proxy.hold(Toxic::answer(Answer::json(status, body))).unwrap();
        for _ in 0..3 {
            assert_eq!(get(&mut client).await, (status, body.into()));
        }
        drop(wrong);
        assert_eq!(get(&mut client).await, (200, "real".into()));
    }
    assert_eq!(proxy.counters().answered, 9);
    assert_eq!(proxy.exchanges().in_progress, 0);
}

#[tokio::test]
async fn it_needs_no_upstream_and_meets_the_real_one_when_healed() {
    let upstream = Upstream::http().await;
    let proxy = edge(&upstream);
    let wrong = proxy.hold(Toxic::answer(Answer::json(503, "busy"))).unwrap();
    let mut client = connect(proxy.addr()).await;
    assert_eq!(get(&mut client).await, (503, "busy".into()));
    assert_eq!(upstream.accepted(), 0);
    drop(wrong);
    assert_eq!(get(&mut client).await, (200, "real".into()));

    let dead = Proxy::listen("dead", ANY, "127.0.0.1:1", 0).unwrap();
    dead.add(Toxic::answer(Answer::json(500, "down"))).unwrap();
    let mut client = connect(dead.addr()).await;
    assert_eq!(get(&mut client).await, (500, "down".into()));
}

#[tokio::test]
async fn an_exchange_that_the_upstream_has_begun_stays_with_it() {
    let upstream = Upstream::serving(|mut socket| async move {
        let mut buffer = [0; 4096];
        while socket.read(&mut buffer).await? > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow").await?;
        }
        Ok(())
    })
    .await;
    let proxy = edge(&upstream);
    let mut client = connect(proxy.addr()).await;
    client.write_all(GET).await.unwrap();
    until(|| proxy.counters().upstream.delivered > 0).await;
    let _wrong = proxy.hold(Toxic::answer(Answer::json(500, "wrong"))).unwrap();
    assert_eq!(read_answer(&mut client).await, (200, "slow".into()));
    assert_eq!(get(&mut client).await, (500, "wrong".into()));
}

#[tokio::test]
async fn wrong_answers_pass_the_toxics_of_their_direction() {
    let upstream = Upstream::http().await;
    let proxy = edge(&upstream);
    let _wrong = proxy.hold(Toxic::answer(Answer::json(500, "slowly"))).unwrap();
    let _slow = proxy.hold(Toxic::latency(Duration::from_millis(80), Duration::ZERO).downstream()).unwrap();
    let mut client = connect(proxy.addr()).await;
    let start = now();
    assert_eq!(get(&mut client).await, (500, "slowly".into()));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(80) && took < PATIENCE, "{took:?}");
}

#[tokio::test]
async fn a_client_that_leaves_or_speaks_no_http_is_let_go() {
    let upstream = Upstream::http().await;
    let proxy = edge(&upstream);
    let _wrong = proxy.hold(Toxic::answer(Answer::json(500, ""))).unwrap();
    let mut junk = connect(proxy.addr()).await;
    junk.write_all(&[0x16, 3, 1, 0, 0]).await.unwrap();
    assert_fin(&mut junk).await;
    let mut leaving = connect(proxy.addr()).await;
    leaving.shutdown().await.unwrap();
    assert_fin(&mut leaving).await;
    let mut closing = connect(proxy.addr()).await;
    closing.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut closing).await.0, 500);
    assert_fin(&mut closing).await;
    until(|| proxy.counters().open == 0).await;
}

#[tokio::test]
async fn a_client_that_asks_without_reading_is_held_back() {
    let upstream = Upstream::http().await;
    let proxy = edge(&upstream);
    let _wrong = proxy.hold(Toxic::answer(Answer::json(500, "x".repeat(100_000)))).unwrap();
    let mut deaf = connect(proxy.addr()).await;
    let flood = GET.repeat(10_000);
    let sent = tokio::time::timeout(Duration::from_millis(500), async {
        loop {
            deaf.write_all(&flood).await.unwrap();
        }
    });
    assert!(sent.await.is_err());
    // Until everything on the way is full.
    let mut read = 0;
    while read != proxy.counters().upstream.received {
        read = proxy.counters().upstream.received;
        tokio::time::sleep(QUIET).await;
    }
    assert!(proxy.counters().answered < 2_000, "{}", proxy.counters().answered);
}
