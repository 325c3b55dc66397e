//! The typed client against both arms: what it promises, and what it says when it can't keep it.

use crate::arm::Arm;
use crate::on_both_arms;
use crate::support::*;
use harness_proxy::{Answer, Client, ClientError, Cut, ProxySpec, Stream, Toxic};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

on_both_arms!(what_is_written_is_read_back, refusals_are_told, only_ours_is_told, clear_is_one_proxys);

async fn what_is_written_is_read_back(arm: &Arm) {
    let client = &arm.client;
    let spec = ProxySpec::new("edge", "127.0.0.1:0", "127.0.0.1:9");
    let made = client.create(&spec).await.unwrap();
    assert_eq!(client.proxy("edge").await.unwrap(), made);
    let toxic = Toxic::latency(Duration::from_millis(5), Duration::ZERO).upstream().toxicity(0.3);
    client.add("edge", &toxic).await.unwrap();
    assert_eq!(client.toxics("edge").await.unwrap(), std::slice::from_ref(&toxic));
    let slower = Toxic { effect: Toxic::latency(Duration::from_millis(50), Duration::ZERO).effect, ..toxic };
    client.update("edge", &slower).await.unwrap();
    assert_eq!(client.toxics("edge").await.unwrap(), std::slice::from_ref(&slower));
    client.remove("edge", &slower.name).await.unwrap();
    assert!(!client.enable("edge", false).await.unwrap().enabled);
    assert_eq!(client.redirect("edge", "127.0.0.1:10").await.unwrap().upstream, "127.0.0.1:10");
    let others = [
        ProxySpec::new("two", "127.0.0.1:0", "127.0.0.1:9"),
        ProxySpec::new("three", "localhost:0", "127.0.0.1:9"),
    ];
    assert_eq!(client.populate(&others).await.unwrap().len(), 2);
    assert_eq!(client.proxies().await.unwrap().len(), 3);
    client.reset_everybody().await.unwrap();
    client.delete("edge").await.unwrap();
    assert_eq!(client.proxies().await.unwrap().len(), 2);
}

async fn refusals_are_told(arm: &Arm) {
    let client = &arm.client;
    arm.edge_to("127.0.0.1:9").await;
    let toxic = Toxic::bandwidth(1).upstream();
    client.add("edge", &toxic).await.unwrap();
    assert_eq!(client.add("edge", &toxic).await.unwrap_err().status(), Some(409));
    assert_eq!(client.add("nobody", &toxic).await.unwrap_err().status(), Some(404));
    assert_eq!(client.remove("edge", "nothing").await.unwrap_err().status(), Some(404));
    let invalid = client.add("edge", &toxic.toxicity(1.5)).await;
    assert!(matches!(invalid, Err(ClientError::Invalid { .. })), "{invalid:?}");
    let again = client.create(&ProxySpec::new("edge", "127.0.0.1:0", "127.0.0.1:9")).await;
    assert_eq!(again.unwrap_err().to_string(), "POST /proxies: refused with 409: proxy already exists");
}

async fn only_ours_is_told(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let edge = arm.edge(&upstream).await;
    let client = &arm.client;
    let mut standing = connect(edge).await;
    echo(&mut standing, b"established").await.unwrap();
    let toxics = [
        Toxic::black_hole(),
        Toxic::stall().upstream(),
        Toxic::half_open(Stream::Upstream).toxicity(0.0),
        Toxic::answer(Answer::json(500, "")).toxicity(0.0),
    ];
    if !arm.is_ours {
        let only_ours = |e: ClientError| assert!(matches!(e, ClientError::OnlyOurs { .. }), "{e}");
        for toxic in &toxics {
            only_ours(client.add("edge", toxic).await.unwrap_err());
        }
        only_ours(client.cut("edge", Cut::Rst).await.unwrap_err());
        only_ours(client.refuse("edge", true).await.unwrap_err());
        only_ours(client.counters("edge").await.unwrap_err());
        only_ours(client.exchanges("edge").await.unwrap_err());
        only_ours(client.reset_high_water("edge").await.unwrap_err());
        only_ours(client.connections("edge").await.unwrap_err());
        assert!(client.toxics("edge").await.unwrap().is_empty());
        return;
    }
    for toxic in &toxics {
        client.add("edge", toxic).await.unwrap();
    }
    standing.write_all(b"swallowed").await.unwrap();
    assert_silent(&mut standing).await;
    soon(async {
        while client.counters("edge").await.unwrap().upstream.dropped < 9 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(client.counters("edge").await.unwrap().upstream.dropped, 9);
    assert_eq!(client.exchanges("edge").await.unwrap().in_progress, 1);
    assert_eq!(client.reset_high_water("edge").await.unwrap().high_water, 1);
    client.refuse("edge", true).await.unwrap();
    assert_refused(edge).await;
    assert_eq!(client.cut("edge", Cut::Rst).await.unwrap(), 1);
    assert_rst(&mut standing).await;
    client.refuse("edge", false).await.unwrap();
    let mut standing = connect(edge).await;
    until_open(client).await;
    client.refuse("edge", true).await.unwrap();
    client.enable("edge", false).await.unwrap();
    assert_fin(&mut standing).await;
    client.enable("edge", true).await.unwrap();
    let log = client.connections("edge").await.unwrap();
    assert_eq!((log.len(), log[0].upstream_bytes), (2, 20));
    client.clear("edge").await.unwrap();
    assert_eq!(echo(&mut connect(edge).await, b"healed").await.unwrap(), b"healed");
}

async fn until_open(client: &Client) {
    soon(async {
        while client.counters("edge").await.unwrap().open == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

async fn clear_is_one_proxys(arm: &Arm) {
    let client = &arm.client;
    arm.edge_to("127.0.0.1:9").await;
    client.create(&ProxySpec::new("other", "127.0.0.1:0", "127.0.0.1:9")).await.unwrap();
    for proxy in ["edge", "other"] {
        client.add(proxy, &Toxic::bandwidth(1).upstream()).await.unwrap();
        client.add(proxy, &Toxic::bandwidth(1).downstream()).await.unwrap();
    }
    client.clear("edge").await.unwrap();
    assert_eq!(client.toxics("edge").await.unwrap().len(), 0);
    assert_eq!(client.toxics("other").await.unwrap().len(), 2);
}

#[tokio::test]
async fn nobody_there_a_wrong_somebody_and_a_silent_one_are_told_apart() {
    for bad in ["", "127.0.0.1:8474", "ftp://x", "http://x/y"] {
        let told = Client::connect(bad).await.unwrap_err();
        assert!(matches!(told, ClientError::Address { .. }), "{bad}: {told}");
    }
    let told = Client::connect(format!("http://{NOBODY}")).await.unwrap_err();
    assert!(matches!(told, ClientError::Unreachable { .. }), "{told}");

    let somebody = Upstream::http().await;
    let told = Client::connect(format!("http://{}", somebody.addr)).await.unwrap_err();
    assert!(matches!(told, ClientError::Unintelligible { .. }), "{told}");

    let mute = Upstream::mute().await;
    let start = now();
    let told = Client::connect_within(format!("http://{}", mute.addr), Duration::from_millis(200))
        .await
        .unwrap_err();
    assert!(matches!(told, ClientError::Deadline { .. }), "{told}");
    assert!((190..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

/// A server that says yes to everything and does nothing.
#[tokio::test]
async fn a_yes_without_the_deed_is_told() {
    let liar = Upstream::serving(|mut socket| async move {
        use tokio::io::AsyncReadExt;
        let mut buffer = vec![0; 8192];
        while socket.read(&mut buffer).await? > 0 {
            let body = r#"{"version":"0","name":"bandwidth_upstream","type":"bandwidth","stream":"upstream","toxicity":1,"attributes":{"rate":2}}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(body.as_bytes()).await?;
        }
        Ok(())
    })
    .await;
    let client = Client::connect(format!("http://{}", liar.addr)).await;
    let told = client.unwrap().add("edge", &Toxic::bandwidth(1).upstream()).await.unwrap_err();
    assert!(matches!(told, ClientError::Unintelligible { .. } | ClientError::NotAsAsked { .. }), "{told}");
}
