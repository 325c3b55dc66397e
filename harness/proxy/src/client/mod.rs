//! The typed client of a proxy server: the harness' own or real Toxiproxy.
//!
//! Every call has a deadline. Every change is read back and compared, because Toxiproxy accepts what it does not
//! understand. What only the harness' proxy can do is said so when the server is Toxiproxy.

mod error;
mod transport;

pub use error::ClientError;

use crate::json::{ToxicIn, ToxicOut};
use crate::{Connection, Counters, Cut, ExchangeGauge, Stream, Toxic};
use reqwest::{Method, StatusCode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use transport::{Answer, Transport};

/// Longer than a healthy server needs by far; a frozen Toxiproxy takes 25 s.
const WITHIN: Duration = Duration::from_secs(5);

/// What a proxy shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProxySpec {
    /// Its name, which stands in paths.
    pub name: String,
    /// `host:port`; port 0 takes a free one, see [`ProxyState::listen`].
    pub listen: String,
    /// `host:port`.
    pub upstream: String,
    /// Whether it accepts connections.
    pub enabled: bool,
}

impl ProxySpec {
    /// Enabled.
    pub fn new(name: impl Into<String>, listen: impl Into<String>, upstream: impl Into<String>) -> Self {
        Self { name: name.into(), listen: listen.into(), upstream: upstream.into(), enabled: true }
    }
}

/// What a proxy is.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyState {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub listen: String,
    /// Where it forwards to.
    pub upstream: String,
    /// Whether it accepts connections.
    pub enabled: bool,
    /// Upstream ones first.
    pub toxics: Vec<Toxic>,
}

#[derive(Deserialize)]
struct Shown {
    name: String,
    listen: String,
    upstream: String,
    enabled: bool,
    toxics: Vec<ToxicIn>,
}

impl Shown {
    fn understood(self, call: &str) -> Result<ProxyState, ClientError> {
        let Self { name, listen, upstream, enabled, toxics } = self;
        let toxics = toxics.into_iter().map(|t| understood(t, call)).collect::<Result<_, _>>()?;
        Ok(ProxyState { name, listen, upstream, enabled, toxics })
    }
}

fn understood(shown: ToxicIn, call: &str) -> Result<Toxic, ClientError> {
    shown.create().map_err(|e| ClientError::Unintelligible {
        call: call.to_owned(),
        detail: format!("it shows a toxic that cannot be: {e}"),
    })
}

/// Drives one server.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    version: String,
}

impl Client {
    /// Meets the server at `base` (`http://host:port`), with a deadline of 5 s per request.
    pub async fn connect(base: impl AsRef<str>) -> Result<Self, ClientError> {
        Self::connect_within(base, WITHIN).await
    }

    /// The same with a deadline of one's own.
    pub async fn connect_within(base: impl AsRef<str>, within: Duration) -> Result<Self, ClientError> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        let transport = Transport::new(base.as_ref(), within)?;
        let Version { version } = transport.call(Method::GET, &["version"], None).await?.read()?;
        Ok(Self { transport, version })
    }

    /// What the server said its version is (`git` for a Toxiproxy built from source).
    pub fn version(&self) -> &str {
        &self.version
    }

    async fn get(&self, path: &[&str]) -> Result<Answer, ClientError> {
        self.transport.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &[&str], body: &Value) -> Result<Answer, ClientError> {
        self.transport.call(Method::POST, path, Some(body)).await
    }

    async fn delete_at(&self, path: &[&str]) -> Result<(), ClientError> {
        let answer = self.transport.call(Method::DELETE, path, None).await?.accepted()?;
        let back = self.get(path).await?;
        if back.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(ClientError::NotAsAsked {
            call: answer.call().to_owned(),
            asked: "its absence".to_owned(),
            found: back.refusal(),
        })
    }

    /// All proxies, by name.
    pub async fn proxies(&self) -> Result<BTreeMap<String, ProxyState>, ClientError> {
        let shown: BTreeMap<String, Shown> = self.get(&["proxies"]).await?.read()?;
        shown.into_iter().map(|(name, shown)| Ok((name, shown.understood("GET /proxies")?))).collect()
    }

    /// The proxy called `name`.
    pub async fn proxy(&self, name: &str) -> Result<ProxyState, ClientError> {
        let answer = self.get(&["proxies", name]).await?;
        let call = answer.call().to_owned();
        answer.read::<Shown>()?.understood(&call)
    }

    async fn read_back(&self, call: &str, spec: &ProxySpec) -> Result<ProxyState, ClientError> {
        let found = self.proxy(&spec.name).await?;
        let listens =
            spec.listen.ends_with(":0") || spec.listen.is_empty() || same_port(&spec.listen, &found.listen);
        if found.upstream == spec.upstream && found.enabled == spec.enabled && listens {
            return Ok(found);
        }
        Err(ClientError::NotAsAsked {
            call: call.to_owned(),
            asked: format!("{spec:?}"),
            found: format!("{found:?}"),
        })
    }

    /// Creates a proxy.
    pub async fn create(&self, spec: &ProxySpec) -> Result<ProxyState, ClientError> {
        let answer = self.post(&["proxies"], &json!(spec)).await?.accepted()?;
        self.read_back(answer.call(), spec).await
    }

    /// Creates the missing ones of these, moves those that differ, leaves the rest with their toxics.
    pub async fn populate(&self, specs: &[ProxySpec]) -> Result<Vec<ProxyState>, ClientError> {
        let answer = self.post(&["populate"], &json!(specs)).await?.accepted()?;
        let mut found = Vec::new();
        for spec in specs {
            found.push(self.read_back(answer.call(), spec).await?);
        }
        Ok(found)
    }

    /// Opens or closes a proxy: closed, it refuses connections and has cut the established ones.
    pub async fn enable(&self, name: &str, enabled: bool) -> Result<ProxyState, ClientError> {
        self.change(name, &json!({ "enabled": enabled })).await
    }

    /// Lets a proxy forward to another upstream. What is established is cut.
    pub async fn redirect(&self, name: &str, upstream: &str) -> Result<ProxyState, ClientError> {
        self.change(name, &json!({ "upstream": upstream })).await
    }

    async fn change(&self, name: &str, patch: &Value) -> Result<ProxyState, ClientError> {
        let was = self.proxy(name).await?;
        // POST, because servers before 2.6 have no PATCH.
        let answer = self.post(&["proxies", name], patch).await?.accepted()?;
        let spec = ProxySpec {
            name: was.name,
            listen: was.listen,
            upstream: patch["upstream"].as_str().map_or(was.upstream, str::to_owned),
            enabled: patch["enabled"].as_bool().unwrap_or(was.enabled),
        };
        self.read_back(answer.call(), &spec).await
    }

    /// Ends a proxy with its connections and toxics.
    pub async fn delete(&self, name: &str) -> Result<(), ClientError> {
        self.delete_at(&["proxies", name]).await
    }

    /// The toxics of a proxy.
    pub async fn toxics(&self, name: &str) -> Result<Vec<Toxic>, ClientError> {
        Ok(self.proxy(name).await?.toxics)
    }

    /// Puts a toxic in force.
    pub async fn add(&self, proxy: &str, toxic: &Toxic) -> Result<(), ClientError> {
        let path = ["proxies", proxy, "toxics"];
        self.put(&path, proxy, toxic).await
    }

    /// Replaces attributes and toxicity of the toxic of this name.
    pub async fn update(&self, proxy: &str, toxic: &Toxic) -> Result<(), ClientError> {
        let path = ["proxies", proxy, "toxics", &toxic.name];
        self.put(&path, proxy, toxic).await
    }

    async fn put(&self, path: &[&str], proxy: &str, toxic: &Toxic) -> Result<(), ClientError> {
        let call = format!("POST /{}", path.join("/"));
        toxic.check().map_err(|source| ClientError::Invalid { call: call.clone(), source })?;
        let answer = self.post(path, &json!(ToxicOut::from(toxic.clone()))).await?;
        let ours = !toxic.effect.is_toxiproxys() || toxic.stream == Stream::Both;
        let unknown = matches!(answer.refusal().as_str(), "invalid toxic type")
            || answer.refusal().starts_with("stream was invalid");
        if ours && answer.status() == StatusCode::BAD_REQUEST && unknown {
            let what = format!("{} on {}", toxic.effect.type_name(), toxic.stream);
            return Err(ClientError::OnlyOurs { call, what });
        }
        answer.accepted()?;
        let back = self.get(&["proxies", proxy, "toxics", &toxic.name]).await?;
        let found = understood(back.read()?, &call)?;
        if found == *toxic {
            return Ok(());
        }
        Err(ClientError::NotAsAsked { call, asked: format!("{toxic:?}"), found: format!("{found:?}") })
    }

    /// Heals the toxic called `toxic`.
    pub async fn remove(&self, proxy: &str, toxic: &str) -> Result<(), ClientError> {
        self.delete_at(&["proxies", proxy, "toxics", toxic]).await
    }

    /// Heals all toxics of one proxy.
    pub async fn clear(&self, proxy: &str) -> Result<(), ClientError> {
        for toxic in self.toxics(proxy).await? {
            self.remove(proxy, &toxic.name).await?;
        }
        Ok(())
    }

    /// Opens every proxy of the server and heals all their toxics, other users' as well.
    pub async fn reset_everybody(&self) -> Result<(), ClientError> {
        let answer = self.transport.call(Method::POST, &["reset"], None).await?.accepted()?;
        let found = self.proxies().await?;
        if found.values().all(|p| p.enabled && p.toxics.is_empty()) {
            return Ok(());
        }
        Err(ClientError::NotAsAsked {
            call: answer.call().to_owned(),
            asked: "no toxics".to_owned(),
            found: format!("{found:?}"),
        })
    }

    async fn ours<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        proxy: &str,
        what: &str,
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        let answer = self.transport.call(method, &["proxies", proxy, what], body).await?;
        if answer.is_unknown_path() {
            return Err(ClientError::OnlyOurs { call: answer.call().to_owned(), what: what.to_owned() });
        }
        answer.read()
    }

    /// Closes or opens the listener and leaves established connections alone. Not in Toxiproxy.
    pub async fn refuse(&self, proxy: &str, refuse: bool) -> Result<(), ClientError> {
        let _: IgnoredAny =
            self.ours(Method::POST, proxy, "refuse", Some(&json!({ "refuse": refuse }))).await?;
        let found = self.proxy(proxy).await?;
        if found.enabled != refuse {
            return Ok(());
        }
        Err(ClientError::NotAsAsked {
            call: format!("POST /proxies/{proxy}/refuse"),
            asked: format!("refuse {refuse}"),
            found: format!("{found:?}"),
        })
    }

    /// Ends established connections; how many. Not in Toxiproxy.
    pub async fn cut(&self, proxy: &str, cut: Cut) -> Result<usize, ClientError> {
        #[derive(Deserialize)]
        struct Done {
            cut: usize,
        }
        let done: Done = self.ours(Method::POST, proxy, "cut", Some(&json!({ "cut": cut }))).await?;
        Ok(done.cut)
    }

    /// What the proxy has counted. Not in Toxiproxy.
    pub async fn counters(&self, proxy: &str) -> Result<Counters, ClientError> {
        self.ours(Method::GET, proxy, "counters", None).await
    }

    /// Exchanges in progress. Not in Toxiproxy.
    pub async fn exchanges(&self, proxy: &str) -> Result<ExchangeGauge, ClientError> {
        self.ours(Method::GET, proxy, "exchanges", None).await
    }

    /// Resets the high-water mark; the gauge as it was. Not in Toxiproxy.
    pub async fn reset_high_water(&self, proxy: &str) -> Result<ExchangeGauge, ClientError> {
        self.ours(Method::DELETE, proxy, "exchanges", None).await
    }

    /// The log of connections. Not in Toxiproxy.
    pub async fn connections(&self, proxy: &str) -> Result<Vec<Connection>, ClientError> {
        self.ours(Method::GET, proxy, "connections", None).await
    }
}

/// `localhost` is shown as an address, and every address as `[::]`: the port is what must agree.
fn same_port(asked: &str, found: &str) -> bool {
    let port = |addr: &str| addr.rsplit_once(':').map(|(_, port)| port.to_owned());
    port(asked) == port(found)
}
