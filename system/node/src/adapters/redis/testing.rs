//! Redis for the tests of these adapters: the stand-in over a socket, and the real one where it is installed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use dive_runtime::TokioRuntime;
use standin_redis::serve::Server;

use super::RedisClient;
use super::link::{RedisLink as _, command};
use crate::Settings;

/// A Redis that ends with this value.
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    pub(crate) at: SocketAddr,
    end: End,
}

enum End {
    Task(tokio::task::JoinHandle<()>),
    Process(Child),
}

impl Drop for End {
    fn drop(&mut self) {
        match self {
            Self::Task(task) => task.abort(),
            Self::Process(child) => {
                // Already gone is as good.
                child.kill().and_then(|()| child.wait()).map(drop).unwrap_or_default();
            }
        }
    }
}

impl Arm {
    /// The stand-in, and the real one if it is here, said aloud if not.
    pub(crate) async fn all() -> Vec<Self> {
        let mut arms = vec![Self::stand_in((Ipv4Addr::LOCALHOST, 0).into()).await];
        match Self::real().await {
            Some(real) => arms.push(real),
            None => eprintln!("SKIPPED: there is no redis-server"),
        }
        arms
    }

    pub(crate) async fn stand_in(at: SocketAddr) -> Self {
        let server = Server::bind(at, standin_redis::Options::default()).await.unwrap();
        let at = server.address();
        let task = tokio::spawn(async move { server.run().await.unwrap() });
        Self { name: "stand-in", at, end: End::Task(task) }
    }

    async fn real() -> Option<Self> {
        // Between finding a free port and taking it somebody else may take it.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let mut child = Process::new("redis-server")
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()?;
            let at = (Ipv4Addr::LOCALHOST, port).into();
            while child.try_wait().unwrap().is_none() {
                if client(at, Duration::from_secs(1)).pipeline(&[command([b"PING"])]).await.is_ok() {
                    return Some(Self { name: "real", at, end: End::Process(child) });
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn client(&self, timeout: Duration) -> Arc<RedisClient> {
        client(self.at, timeout)
    }

    /// Ends it, all connections included.
    pub(crate) async fn end(mut self) {
        if let End::Task(task) = &mut self.end {
            task.abort();
            // Cancelled, as it should be.
            task.await.unwrap_or_default();
        }
    }
}

pub(crate) fn client(at: SocketAddr, timeout: Duration) -> Arc<RedisClient> {
    let settings = Settings::default().with("redis.url", &format!("redis://{at}")).unwrap();
    let mut settings = settings.redis.clone();
    settings.timeout = timeout;
    Arc::new(RedisClient::new(&settings, None, Arc::new(TokioRuntime::new())).unwrap())
}
