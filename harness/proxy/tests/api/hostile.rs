//! What no client should send: it is refused or ignored, and the server goes on serving.

use crate::support::*;
use harness_proxy::{Client, Limits, Proxy, ProxySet, ProxySpec, Server, Toxic};
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Sends `bytes`, then leaves, in order or not.
async fn throw(addr: std::net::SocketAddr, bytes: &[u8], in_order: bool) {
    // A toxic may reset it before it knows that it was established.
    let Ok(mut socket) = soon(tokio::net::TcpStream::connect(addr)).await else { return };
    let _ = socket.write_all(bytes).await;
    if in_order {
        let _ = socket.shutdown().await;
        let _ = tokio::time::timeout(Duration::from_millis(20), socket.read(&mut [0; 1024])).await;
    } else {
        let _ = socket.set_zero_linger();
    }
}

/// Bytes that begin like something.
fn junk() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        Just(""),
        Just("GET /proxies HTTP/1.1\r\n"),
        Just("POST /proxies HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n"),
        Just("POST /proxies/edge/toxics HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nfff\r\n"),
        Just("PATCH /proxies/%00%ff HTTP/1.1\r\nhost: x\r\n\r\n"),
        Just("POST /populate HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n[[[[[[[["),
    ];
    (start, prop::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(start, rest)| [start.as_bytes(), &rest].concat())
}

fn bad_effect() -> impl Strategy<Value = Toxic> {
    prop_oneof![
        Just(Toxic::latency(Duration::from_millis(1), Duration::from_millis(1))),
        Just(Toxic::slicer(3, 2, Duration::ZERO)),
        Just(Toxic::bandwidth(1)),
        Just(Toxic::limit_data(10)),
        Just(Toxic::stall()),
        Just(Toxic::black_hole()),
        Just(Toxic::reset_peer(Duration::ZERO)),
        Just(Toxic::timeout(Duration::from_millis(1))),
        Just(Toxic::half_open(harness_proxy::Stream::Downstream)),
        Just(Toxic::answer(harness_proxy::Answer::json(500, "{}"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn junk_at_the_api_never_ends_it(thrown in prop::collection::vec((junk(), any::<bool>()), 1..8)) {
        runtime().block_on(async {
            let server = Server::bind(ANY, ProxySet::new(1, Limits::default())).await.unwrap();
            for (bytes, in_order) in &thrown {
                throw(server.addr(), bytes, *in_order).await;
            }
            let client = Client::connect(format!("http://{}", server.addr())).await.unwrap();
            assert!(client.proxies().await.unwrap().is_empty());
        });
    }

    #[test]
    fn junk_at_the_data_port_under_any_toxics_never_ends_it(
        thrown in prop::collection::vec((junk(), any::<bool>()), 1..6),
        toxics in prop::collection::vec(bad_effect(), 0..4),
    ) {
        runtime().block_on(async {
            let upstream = Upstream::echo().await;
            let proxy = Proxy::listen("edge", ANY, upstream.addr.to_string(), 1).unwrap();
            for (i, toxic) in toxics.into_iter().enumerate() {
                proxy.add(toxic.named(format!("t{i}"))).unwrap();
            }
            for (bytes, in_order) in &thrown {
                throw(proxy.addr(), bytes, *in_order).await;
            }
            proxy.clear();
            let mut client = connect(proxy.addr()).await;
            assert_eq!(echo(&mut client, b"alive").await.unwrap(), b"alive");
            drop(client);
            proxy.cut(harness_proxy::Cut::Rst);
            until(|| proxy.counters().open == 0).await;
            assert_eq!(proxy.counters().closed, proxy.counters().accepted);
            assert_eq!(proxy.exchanges().in_progress, 0);
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_silent_clients_of_the_api_do_not_keep_others_waiting() {
    let server = Server::bind(ANY, ProxySet::new(1, Limits::default())).await.unwrap();
    let mut holding = Vec::new();
    for i in 0..200 {
        let mut socket = connect(server.addr()).await;
        if i % 2 == 0 {
            socket
                .write_all(b"POST /proxies HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
                .await
                .unwrap();
        }
        holding.push(socket);
    }
    let start = now();
    let client = Client::connect(format!("http://{}", server.addr())).await.unwrap();
    let spec = ProxySpec::new("edge", "127.0.0.1:0", "127.0.0.1:9");
    client.create(&spec).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn deep_json_is_refused() {
    let server = Server::bind(ANY, ProxySet::new(1, Limits::default())).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = "[".repeat(500_000);
    let url = format!("http://{}/populate", server.addr());
    assert_eq!(soon(http.post(url).body(body).send()).await.unwrap().status(), 400);
}
