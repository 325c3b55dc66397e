//! Where the two differ on purpose: as data, each with its reason, each seen on both arms.

use crate::arm::Arm;
use crate::support::*;
use futures_util::future::{BoxFuture, FutureExt};
use harness_proxy::Toxic;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One difference: what to look at, what each arm shows, and why ours is not like the other.
struct Difference {
    what: &'static str,
    why: &'static str,
    look: for<'a> fn(&'a Arm) -> BoxFuture<'a, String>,
    ours: &'static str,
    real: &'static str,
}

const TYPO: &str = "a typo or a wrong unit must not pass for a fault";
const ATOMIC: &str = "a refused change changes nothing";
const FAITHFUL: &str = "a proxy that is not told to do harm carries ends through as they came";

const DIFFERENCES: &[Difference] = &[
    Difference {
        what: "an attribute that the type does not have",
        why: TYPO,
        look: |arm| toxic(arm, r#"{"type":"latency","attributes":{"latenzy":10}}"#).boxed(),
        ours: "400",
        real: "200",
    },
    Difference {
        what: "a negative time",
        why: TYPO,
        look: |arm| toxic(arm, r#"{"type":"latency","attributes":{"latency":-5}}"#).boxed(),
        ours: "400",
        real: "200",
    },
    Difference {
        what: "a probability above one",
        why: TYPO,
        look: |arm| toxic(arm, r#"{"type":"latency","toxicity":3}"#).boxed(),
        ours: "400",
        real: "200",
    },
    Difference {
        what: "a slicer of size zero",
        why: "Toxiproxy slices for ever and takes the whole server with it",
        look: |arm| toxic(arm, r#"{"type":"slicer"}"#).boxed(),
        ours: "400",
        real: "200",
    },
    Difference {
        what: "an unknown member of a toxic",
        why: TYPO,
        look: |arm| toxic(arm, r#"{"type":"latency","toxisity":0.5}"#).boxed(),
        ours: "400",
        real: "200",
    },
    Difference {
        what: "an unknown member of a proxy",
        why: TYPO,
        look: |arm| {
            proxy(arm, r#"{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9","enable":false}"#)
                .boxed()
        },
        ours: "400",
        real: "201",
    },
    Difference {
        what: "members in capitals",
        why: "one way to write a thing",
        look: |arm| proxy(arm, r#"{"Name":"p","Listen":"127.0.0.1:0","Upstream":"127.0.0.1:9"}"#).boxed(),
        ours: "400",
        real: "201",
    },
    Difference {
        what: "something after the JSON",
        why: "half of what was sent would be ignored",
        look: |arm| {
            proxy(arm, r#"{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"} {"name":"q"}"#).boxed()
        },
        ours: "400",
        real: "201",
    },
    Difference {
        what: "toxics given with a new proxy",
        why: "Toxiproxy takes them and forgets them",
        look: |arm| {
            proxy(arm, r#"{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9","toxics":[{"type":"latency"}]}"#).boxed()
        },
        ours: "400",
        real: "201",
    },
    Difference {
        what: "a name that no path can hold",
        why: "such a proxy could never be changed or removed",
        look: |arm| proxy(arm, r#"{"name":"a/b","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"}"#).boxed(),
        ours: "400",
        real: "201",
    },
    Difference {
        what: "an upstream without a port",
        why: "it could never be reached",
        look: |arm| proxy(arm, r#"{"name":"p","listen":"127.0.0.1:0","upstream":"localhost"}"#).boxed(),
        ours: "400",
        real: "201",
    },
    Difference {
        what: "a body of 2 MB",
        why: "bodies are bounded",
        look: |arm| {
            async move {
                let small = r#"{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"}"#;
                proxy(arm, &(" ".repeat(2 << 20) + small)).await
            }
            .boxed()
        },
        ours: "413",
        real: "201",
    },
    Difference {
        what: "an update that would rename a toxic",
        why: "Toxiproxy says yes and does not do it",
        look: |arm| {
            async move {
                toxic(arm, r#"{"type":"latency","name":"a"}"#).await;
                arm.call("POST", "/proxies/edge/toxics/a", r#"{"name":"b"}"#).await.status.to_string()
            }
            .boxed()
        },
        ours: "400",
        real: "200",
    },
    Difference {
        what: "the latency after a refused update",
        why: ATOMIC,
        look: |arm| {
            async move {
                toxic(arm, r#"{"type":"latency","name":"a","attributes":{"latency":10}}"#).await;
                let bad = r#"{"attributes":{"latency":7,"jitter":"x"}}"#;
                let status = arm.call("POST", "/proxies/edge/toxics/a", bad).await.status;
                let now = arm.call("GET", "/proxies/edge/toxics/a", "").await.json();
                format!("{status}, {}", now["attributes"]["latency"])
            }
            .boxed()
        },
        ours: "400, 10",
        real: "400, 7",
    },
    Difference {
        what: "a proxy after it could not be moved to a taken port",
        why: ATOMIC,
        look: |arm| {
            async move {
                arm.edge_to("127.0.0.1:9").await;
                let taken = json!({ "listen": arm.addr.to_string() }).to_string();
                let status = arm.call("POST", "/proxies/edge", &taken).await.status;
                format!("{status}, enabled {}", arm.call("GET", "/proxies/edge", "").await.json()["enabled"])
            }
            .boxed()
        },
        ours: "500, enabled true",
        real: "500, enabled false",
    },
    Difference {
        what: "proxies after a populate of which one cannot listen",
        why: ATOMIC,
        look: |arm| {
            async move {
                let both = json!([
                    {"name": "one", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"},
                    {"name": "two", "listen": arm.addr.to_string(), "upstream": "127.0.0.1:9"},
                ]);
                let status = arm.call("POST", "/populate", &both.to_string()).await.status;
                format!(
                    "{status}, {}",
                    arm.call("GET", "/proxies", "").await.json().as_object().unwrap().len()
                )
            }
            .boxed()
        },
        ours: "500, 0",
        real: "500, 1",
    },
    Difference {
        what: "the port of a proxy created disabled on port 0",
        why: "the port is taken and kept while connections are refused, so that nobody else gets it",
        look: |arm| {
            async move {
                let off = r#"{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:9","enabled":false}"#;
                let shown = arm.call("POST", "/proxies", off).await.json();
                (if shown["listen"] == "127.0.0.1:0" { "unknown" } else { "known" }).to_owned()
            }
            .boxed()
        },
        ours: "known",
        real: "unknown",
    },
    Difference {
        what: "a member called Logger in what is shown",
        why: "an oversight there",
        look: |arm| {
            async move {
                arm.edge_to("127.0.0.1:9").await;
                arm.call("GET", "/proxies/edge", "").await.json().get("Logger").is_some().to_string()
            }
            .boxed()
        },
        ours: "false",
        real: "true",
    },
    Difference {
        what: "a toxic that only the harness has",
        why: "what Toxiproxy can't do is what this proxy is for",
        look: |arm| toxic(arm, r#"{"type":"black_hole"}"#).boxed(),
        ours: "200",
        real: "400",
    },
    Difference {
        what: "a toxic on both streams",
        why: "a partition has no direction",
        look: |arm| toxic(arm, r#"{"type":"timeout","stream":"both"}"#).boxed(),
        ours: "200",
        real: "400",
    },
    Difference {
        what: "the answer to a client that half-closes",
        why: FAITHFUL,
        look: |arm| {
            async move {
                let upstream = Upstream::counting().await;
                let mut client = connect(arm.edge(&upstream).await).await;
                client.write_all(b"1234567").await.unwrap();
                client.shutdown().await.unwrap();
                let mut answer = String::new();
                let _ = soon(client.read_to_string(&mut answer)).await;
                format!("{answer:?}")
            }
            .boxed()
        },
        ours: "\"7\"",
        real: "\"\"",
    },
    Difference {
        what: "a reset of the upstream, as the client sees it",
        why: FAITHFUL,
        look: |arm| {
            async move {
                let upstream = Upstream::serving(|mut socket| async move {
                    socket.read_exact(&mut [0]).await?;
                    socket.set_zero_linger()
                })
                .await;
                let mut client = connect(arm.edge(&upstream).await).await;
                client.write_all(b"x").await.unwrap();
                end_of(&mut client).await
            }
            .boxed()
        },
        ours: "reset",
        real: "fin",
    },
    Difference {
        what: "reset_peer on an established connection",
        why: "a fault is in force on every connection as soon as its call has returned",
        look: |arm| {
            async move {
                let upstream = Upstream::echo().await;
                let mut client = connect(arm.edge(&upstream).await).await;
                echo(&mut client, b"established").await.unwrap();
                arm.add(Toxic::reset_peer(Duration::ZERO).downstream()).await;
                client.write_all(b"x").await.unwrap();
                end_of(&mut client).await
            }
            .boxed()
        },
        ours: "reset",
        real: "fin",
    },
    Difference {
        what: "reset_peer with a probability that does not fire",
        why: "a toxic that does not fire leaves no trace; there the socket is armed before the draw",
        look: |arm| {
            async move {
                let upstream = Upstream::sending(vec![7; 100_000]).await;
                let edge = arm.edge(&upstream).await;
                arm.add(Toxic::reset_peer(Duration::ZERO).downstream().toxicity(0.0)).await;
                // The reset may be quicker than the news that the connection stands.
                let Ok(mut client) = soon(tokio::net::TcpStream::connect(edge)).await else {
                    return "reset".to_owned();
                };
                // What has been written is delivered only to a reader that is quick enough.
                tokio::time::sleep(QUIET).await;
                end_of(&mut client).await
            }
            .boxed()
        },
        ours: "fin",
        real: "reset",
    },
    Difference {
        what: "a toxic added while a client has stopped reading",
        why: "control never waits for a connection",
        look: |arm| {
            async move {
                let sent = Arc::new(AtomicUsize::new(0));
                let upstream = Upstream::serving({
                    let sent = Arc::clone(&sent);
                    move |mut socket| {
                        let sent = Arc::clone(&sent);
                        async move {
                            loop {
                                socket.write_all(&[7; 8192]).await?;
                                sent.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                })
                .await;
                let _deaf = connect(arm.edge(&upstream).await).await;
                // Until all buffers on the way are full: no more is taken for a while.
                let mut last = 0;
                soon(async {
                    loop {
                        tokio::time::sleep(Duration::from_millis(700)).await;
                        let now = sent.load(Ordering::Relaxed);
                        if now > 0 && now == last {
                            break;
                        }
                        last = now;
                    }
                })
                .await;
                let adding = toxic(arm, r#"{"type":"latency"}"#);
                match tokio::time::timeout(Duration::from_secs(2), adding).await {
                    Ok(status) => status,
                    Err(_) => "frozen".to_owned(),
                }
            }
            .boxed()
        },
        ours: "200",
        real: "frozen",
    },
];

/// The status of adding a toxic to `edge`.
async fn toxic(arm: &Arm, body: &str) -> String {
    if arm.call("GET", "/proxies/edge", "").await.status == 404 {
        arm.edge_to("127.0.0.1:9").await;
    }
    arm.call("POST", "/proxies/edge/toxics", body).await.status.to_string()
}

/// The status of creating a proxy.
async fn proxy(arm: &Arm, body: &str) -> String {
    arm.call("POST", "/proxies", body).await.status.to_string()
}

/// How the stream ends.
async fn end_of(client: &mut tokio::net::TcpStream) -> String {
    let mut all = Vec::new();
    match soon(client.read_to_end(&mut all)).await {
        Ok(_) => "fin".to_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => "reset".to_owned(),
        Err(e) => e.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_difference_is_there_on_our_side() {
    for difference in DIFFERENCES {
        let arm = Arm::ours().await;
        let seen = (difference.look)(&arm).await;
        assert_eq!(seen, difference.ours, "{} (ours: {})", difference.what, difference.why);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_difference_is_there_on_the_real_side() {
    for difference in DIFFERENCES {
        let Some(arm) = Arm::real().await else { return };
        let seen = (difference.look)(&arm).await;
        assert_eq!(seen, difference.real, "{}: Toxiproxy has changed, drop the row", difference.what);
    }
}

#[test]
fn no_difference_is_none() {
    for difference in DIFFERENCES {
        assert_ne!(difference.ours, difference.real, "{}", difference.what);
    }
}
