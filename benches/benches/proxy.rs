//! What the fault proxy costs while it does nothing, and what a fault costs while everybody waits for it.
//!
//! - *Idle*: a small HTTP/1 request and its answer over kept connections, straight to the server, through the
//!   proxy, and through real Toxiproxy, turn by turn in one run. What a proxy adds is the difference of the
//!   medians of the same round, so what client, server and machine cost cancels out. The proxy runs once in
//!   this process, as the process world has it, and once in a process of its own, as Toxiproxy does. A bare
//!   copy loop shows the floor: what any program between two sockets adds, even one that can do nothing else.
//! - *Faults*: one is put in force and taken away, with fifty connections established, and while a client
//!   that stopped reading has filled every buffer on the way. If a call waited for a connection, the last one
//!   would show it: the slowest call of all is printed.

use std::cell::RefCell;
use std::env;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use benches::exchange::{Exchange, request};
use benches::program::Program;
use benches::race::{Race, brief, micros, race, timed};
use benches::serve::{ANY, apart};
use benches::summary::{Goal, seen, summary};
use criterion::{Criterion, criterion_group};
use harness_proxy::{Limits, Proxy, ProxySet, Server, Toxic};

const DIRECT: &str = "direct";
const OURS: &str = "through the proxy, in this process";
const OURS_APART: &str = "through the proxy, a process of its own";
const COPY_LOOP: &str = "through a bare copy loop, in this process";
const TOXIPROXY: &str = "through Toxiproxy";

/// Makes this program a proxy in front of the address that follows.
const AS_PROXY: &str = "--as-proxy";

/// Answers every request with the same few bytes, one thread for each connection.
fn upstream() -> SocketAddr {
    each_connection(|mut socket| {
        let mut asked = [0; 4096];
        while socket.read(&mut asked)? > 0 {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nreal")?;
        }
        Ok(())
    })
}

/// Sends without end.
fn flood() -> SocketAddr {
    each_connection(|mut socket| {
        loop {
            socket.write_all(&[7; 8192])?;
        }
    })
}

fn each_connection(serve: fn(TcpStream) -> io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind(ANY).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let _ = socket.set_nodelay(true);
            thread::spawn(move || serve(socket));
        }
    });
    address
}

/// A proxy on a runtime of its own.
fn proxy(upstream: SocketAddr) -> Arc<Proxy> {
    apart(async move || {
        let proxy = Arc::new(Proxy::listen("edge", ANY, upstream.to_string(), 1).expect("a port is free"));
        (proxy, std::future::pending())
    })
}

/// The least that a program between two sockets can be.
fn copy_loop(upstream: SocketAddr) -> SocketAddr {
    apart(async move || {
        let listener = tokio::net::TcpListener::bind(ANY).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let carry = async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(upstream).await?;
                    client.set_nodelay(true)?;
                    server.set_nodelay(true)?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        };
        (address, carry)
    })
}

/// This program as a proxy: tells where it listens and ends with its parent.
fn be_a_proxy(upstream: &str) {
    let proxy = proxy(upstream.parse().expect("an address"));
    println!("{}", proxy.addr());
    let _ = io::stdin().read_to_end(&mut Vec::new());
}

/// The same in another process. Ends with the value.
struct Apart {
    address: SocketAddr,
    child: Child,
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).unwrap_or_default();
    }
}

fn proxy_apart(upstream: SocketAddr) -> io::Result<Apart> {
    let mut child = Command::new(env::current_exe()?)
        .args([AS_PROXY, &upstream.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    let address = line.trim().parse().map_err(io::Error::other)?;
    Ok(Apart { address, child })
}

fn toxiproxy() -> Option<Program> {
    let arguments = |port: u16| ["-host", "127.0.0.1", "-port", &port.to_string()].map(str::to_owned).into();
    Program::start("toxiproxy-server", arguments)
}

/// Has Toxiproxy stand in front of `upstream`; where it listens.
fn edge_of(toxiproxy: &Program, upstream: SocketAddr) -> SocketAddr {
    let spec = format!(r#"{{"name":"edge","listen":"127.0.0.1:0","upstream":"{upstream}","enabled":true}}"#);
    let mut api = Exchange::connect(toxiproxy.address).expect("it listens");
    let answer = api.send(&request("POST", "/proxies", &[], &spec)).expect("it answers");
    let state: serde_json::Value = serde_json::from_slice(answer.body).expect("it answers JSON");
    state["listen"].as_str().and_then(|listen| listen.parse().ok()).expect("it tells where it listens")
}

fn idle(criterion: &mut Criterion) {
    let raced = race(criterion, "proxy/idle round trip", || {
        let upstream = upstream();
        let ours = proxy(upstream);
        let ask = |server| {
            let mut exchange = Exchange::connect(server).expect("it listens");
            let asked = request("GET", "/health", &[], "");
            move || assert_eq!(exchange.send(&asked).expect("it answers").body, b"real")
        };
        let mut through_ours = ask(ours.addr());
        let race = Race::new()
            .with(OURS, move || {
                let _lives = &ours;
                through_ours();
            })
            .with(DIRECT, ask(upstream))
            .with(COPY_LOOP, ask(copy_loop(upstream)));
        if !benches::measuring() {
            return race;
        }
        let apart = proxy_apart(upstream).expect("this program can run again");
        let mut through_apart = ask(apart.address);
        let race = race.with(OURS_APART, move || {
            let _lives = &apart;
            through_apart();
        });
        let Some(toxiproxy) = toxiproxy() else { return race };
        let mut through_toxiproxy = ask(edge_of(&toxiproxy, upstream));
        race.with(TOXIPROXY, move || {
            let _lives = &toxiproxy;
            through_toxiproxy();
        })
    });
    let Some(race) = raced else { return };
    for name in [OURS, OURS_APART, COPY_LOOP, TOXIPROXY] {
        let Some(added) = race.added(name, DIRECT) else { continue };
        let ours = [OURS, OURS_APART].contains(&name);
        let goal = if ours { Goal::Under(40.0) } else { Goal::None };
        seen(&format!("idle round trip {name}: adds"), added.median, "µs", goal);
        if let Some(theirs) = race.added(TOXIPROXY, DIRECT).filter(|_| ours) {
            let share = 100.0 * added.median / theirs.median;
            seen("the same as a share of what Toxiproxy adds", share, "%", Goal::Under(33.3));
        }
    }
}

/// What stands on a proxy while faults come and go.
fn established(proxy: &Proxy) -> Vec<Exchange> {
    let connections = if benches::measuring() { 50 } else { 2 };
    (0..connections)
        .map(|_| {
            let mut exchange = Exchange::connect(proxy.addr()).expect("it listens");
            exchange.send(&request("GET", "/health", &[], "")).expect("it answers");
            exchange
        })
        .collect()
}

/// A client that reads nothing, with everything between it and its server full.
fn deaf(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(proxy.addr()).expect("it listens");
    let mut last = 0;
    loop {
        thread::sleep(Duration::from_millis(100));
        let received = proxy.counters().downstream.received;
        if received > 0 && received == last {
            return client;
        }
        last = received;
    }
}

fn latency() -> Toxic {
    Toxic::latency(Duration::from_millis(1), Duration::ZERO).named("late")
}

/// Puts a fault in force and takes it away, over and over, timing the one or the other.
fn in_and_out<'a, Standing: 'a>(proxy: &Arc<Proxy>, standing: Standing) -> Race<'a> {
    let standing = Rc::new(standing);
    let arm = |timed_part: fn(&Proxy) -> Duration| {
        let (proxy, standing) = (proxy.clone(), standing.clone());
        move || {
            let _stand = &standing;
            timed_part(&proxy)
        }
    };
    Race::new()
        .with_timed(
            "a toxic put in force",
            arm(|proxy| {
                let took = timed(|| proxy.add(latency()).expect("a valid toxic"));
                proxy.clear();
                took
            }),
        )
        .with_timed(
            "a toxic removed",
            arm(|proxy| {
                proxy.add(latency()).expect("a valid toxic");
                timed(|| assert!(proxy.remove_named("late")))
            }),
        )
        .with_timed(
            "connections refused from here on",
            arm(|proxy| {
                let took = timed(|| proxy.refuse(true).expect("closing can't fail"));
                proxy.refuse(false).expect("the port is still there");
                took
            }),
        )
        .with_timed(
            "connections accepted again",
            arm(|proxy| {
                proxy.refuse(true).expect("closing can't fail");
                timed(|| proxy.refuse(false).expect("the port is still there"))
            }),
        )
}

fn faults(criterion: &mut Criterion) {
    let quiet = race(criterion, "proxy/a fault, 50 connections established", || {
        let proxy = proxy(upstream());
        let standing = established(&proxy);
        in_and_out(&proxy, standing)
    });
    let deaf = race(criterion, "proxy/a fault, a client stopped reading", || {
        let proxy = proxy(flood());
        let standing = deaf(&proxy);
        in_and_out(&proxy, standing)
    });
    for (when, race) in [("50 connections established", quiet), ("a client stopped reading", deaf)] {
        for standing in race.iter().flat_map(Race::standings) {
            seen(&format!("{}, {when}", standing.name), micros(standing.p50), "µs", Goal::Under(100.0));
        }
    }
}

/// The same over the HTTP API, which Toxiproxy's clients speak, beside Toxiproxy's own.
fn over_the_api(criterion: &mut Criterion) {
    let raced = race(criterion, "proxy/a fault over HTTP", || {
        let upstream = upstream();
        let (set, api, lives) = apart(async || {
            let set = ProxySet::new(1, Limits::default());
            let server = Server::bind(ANY, set.clone()).await.expect("a port is free");
            ((set, server.addr(), Arc::new(server)), std::future::pending())
        });
        let arm = |api| {
            let api = RefCell::new(Exchange::connect(api).expect("it listens"));
            move || {
                let toxic = r#"{"name":"late","type":"latency","attributes":{"latency":1}}"#;
                let add = request("POST", "/proxies/edge/toxics", &[], toxic);
                let remove = request("DELETE", "/proxies/edge/toxics/late", &[], "");
                let mut api = api.borrow_mut();
                assert_eq!(api.send(&add).expect("it answers").status, 200);
                assert_eq!(api.send(&remove).expect("it answers").status, 204);
            }
        };
        let spec =
            format!(r#"{{"name":"edge","listen":"127.0.0.1:0","upstream":"{upstream}","enabled":true}}"#);
        let created = Exchange::connect(api).and_then(|mut api| {
            api.send(&request("POST", "/proxies", &[], &spec)).map(|answer| answer.status)
        });
        assert_eq!(created.expect("it answers"), 201);
        let ours = arm(api);
        let race = Race::new().with("the proxy: a toxic added and removed", move || {
            let _live = (&set, &lives);
            ours();
        });
        let Some(toxiproxy) = benches::measuring().then(toxiproxy).flatten() else { return race };
        edge_of(&toxiproxy, upstream);
        let theirs = arm(toxiproxy.address);
        race.with("Toxiproxy: a toxic added and removed", move || {
            let _lives = &toxiproxy;
            theirs();
        })
    });
    for standing in raced.iter().flat_map(Race::standings) {
        seen(&format!("over HTTP, {}", standing.name), micros(standing.p50), "µs", Goal::None);
    }
}

criterion_group!(name = benches; config = brief(); targets = idle, faults, over_the_api, summary);

fn main() {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(AS_PROXY) {
        return be_a_proxy(&arguments.next().expect("an address follows"));
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
