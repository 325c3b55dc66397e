//! The two servers under test.

use crate::support::{ANY, Upstream, soon};
use harness_proxy::{Client, Limits, ProxySet, ProxySpec, Server, Toxic};
use reqwest::Method;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A server of its own for one test; it ends with the value.
pub(crate) struct Arm {
    pub(crate) addr: SocketAddr,
    pub(crate) is_ours: bool,
    pub(crate) client: Client,
    _ours: Option<Server>,
    _real: Option<Child>,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

fn real_server() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TOXIPROXY_SERVER") {
        let path = PathBuf::from(named);
        assert!(path.is_file(), "TOXIPROXY_SERVER names {}, which is no file", path.display());
        return Some(path);
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join("toxiproxy-server"))
        .find(|path| path.is_file())
}

impl Arm {
    pub(crate) async fn ours() -> Self {
        let server = Server::bind(ANY, ProxySet::new(42, Limits::default())).await.unwrap();
        let addr = server.addr();
        let client = Client::connect(format!("http://{addr}")).await.unwrap();
        Self { addr, is_ours: true, client, _ours: Some(server), _real: None }
    }

    /// `None` where there is no Toxiproxy.
    pub(crate) async fn real() -> Option<Self> {
        let Some(server) = real_server() else {
            eprintln!("no toxiproxy-server on the PATH nor in TOXIPROXY_SERVER: the real arm is NOT tested");
            return None;
        };
        for _ in 0..5 {
            let free = std::net::TcpListener::bind(ANY).unwrap().local_addr().unwrap();
            let mut child = Command::new(&server)
                .args(["-host", "127.0.0.1", "-port", &free.port().to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            for _ in 0..200 {
                if let Ok(client) = Client::connect(format!("http://{free}")).await {
                    return Some(Self {
                        addr: free,
                        is_ours: false,
                        client,
                        _ours: None,
                        _real: Some(child),
                    });
                }
                if child.try_wait().unwrap().is_some() {
                    break; // the port was taken meanwhile
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        panic!("toxiproxy-server does not start");
    }

    /// A call as any HTTP client makes it.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        self.call_as("conformance", method, path, body).await
    }

    pub(crate) async fn call_as(&self, agent: &str, method: &str, path: &str, body: &str) -> Reply {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http
            .request(Method::from_bytes(method.as_bytes()).unwrap(), format!("http://{}{path}", self.addr))
            .header("user-agent", agent)
            .body(body.to_owned());
        let response = soon(request.send()).await.unwrap();
        let content_type = response.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned());
        Reply {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default(),
            text: soon(response.text()).await.unwrap(),
        }
    }

    /// A proxy called `edge` in front of `upstream`; where it listens.
    pub(crate) async fn edge(&self, upstream: &Upstream) -> SocketAddr {
        self.edge_to(&upstream.addr.to_string()).await
    }

    pub(crate) async fn edge_to(&self, upstream: &str) -> SocketAddr {
        let spec = ProxySpec::new("edge", "127.0.0.1:0", upstream);
        self.client.create(&spec).await.unwrap().listen.parse().unwrap()
    }

    pub(crate) async fn add(&self, toxic: Toxic) {
        self.client.add("edge", &toxic).await.unwrap();
    }

    pub(crate) async fn remove(&self, toxic: &Toxic) {
        self.client.remove("edge", &toxic.name).await.unwrap();
    }
}
