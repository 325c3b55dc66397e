//! Random sequences of calls against a model: after each, the server holds what the model holds, and a call that the
//! model refuses is refused and has changed nothing.

use crate::support::{ANY, soon};
use harness_proxy::{Limits, ProxySet, Server};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Call {
    Create {
        name: usize,
        enabled: bool,
    },
    Delete {
        name: usize,
    },
    Enable {
        name: usize,
        enabled: bool,
    },
    Upstream {
        name: usize,
        port: u16,
    },
    AddToxic {
        proxy: usize,
        toxic: usize,
        stream: usize,
        latency: i64,
        toxicity: f32,
    },
    ChangeToxic {
        proxy: usize,
        toxic: usize,
        latency: Option<i64>,
        jitter: Option<i64>,
        toxicity: Option<f32>,
    },
    DeleteToxic {
        proxy: usize,
        toxic: usize,
    },
    Reset,
}

const STREAMS: [&str; 4] = ["upstream", "downstream", "both", "sideways"];

fn call() -> impl Strategy<Value = Call> {
    let (name, toxic) = (0_usize..3, 0_usize..3);
    let latency = prop_oneof![5 => 0_i64..1000, 1 => Just(-1_i64), 1 => Just(86_400_001)];
    let toxicity = prop_oneof![5 => (0_u8..=8).prop_map(|n| f32::from(n) / 8.0), 1 => Just(1.5_f32), 1 => Just(-0.5_f32)];
    prop_oneof![
        3 => (name.clone(), any::<bool>()).prop_map(|(name, enabled)| Call::Create { name, enabled }),
        1 => name.clone().prop_map(|name| Call::Delete { name }),
        2 => (name.clone(), any::<bool>()).prop_map(|(name, enabled)| Call::Enable { name, enabled }),
        1 => (name.clone(), 0_u16..4).prop_map(|(name, port)| Call::Upstream { name, port }),
        4 => (name.clone(), toxic.clone(), 0_usize..4, latency.clone(), toxicity.clone()).prop_map(
            |(proxy, toxic, stream, latency, toxicity)| Call::AddToxic { proxy, toxic, stream, latency, toxicity }),
        3 => (name.clone(), toxic.clone(), prop::option::of(latency.clone()), prop::option::of(latency), prop::option::of(toxicity)).prop_map(
            |(proxy, toxic, latency, jitter, toxicity)| Call::ChangeToxic { proxy, toxic, latency, jitter, toxicity }),
        2 => (name, toxic).prop_map(|(proxy, toxic)| Call::DeleteToxic { proxy, toxic }),
        1 => Just(Call::Reset),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct ToxicModel {
    name: String,
    stream: usize,
    latency: i64,
    jitter: i64,
    toxicity: f32,
}

#[derive(Debug, Clone, PartialEq)]
struct ProxyModel {
    upstream: u16,
    enabled: bool,
    toxics: Vec<ToxicModel>,
}

type Model = BTreeMap<String, ProxyModel>;

fn proxy_name(i: usize) -> String {
    format!("p{i}")
}

fn is_time(ms: i64) -> bool {
    (0..=86_400_000).contains(&ms)
}

fn is_share(toxicity: f32) -> bool {
    (0.0..=1.0).contains(&toxicity)
}

/// What the call must answer, and what it makes of the model.
fn expected(model: &mut Model, call: &Call) -> u16 {
    match call {
        Call::Create { name, enabled } => {
            if model.contains_key(&proxy_name(*name)) {
                return 409;
            }
            let made = ProxyModel { upstream: 9, enabled: *enabled, toxics: Vec::new() };
            model.insert(proxy_name(*name), made);
            201
        }
        Call::Delete { name } => model.remove(&proxy_name(*name)).map_or(404, |_| 204),
        Call::Enable { name, enabled } => model.get_mut(&proxy_name(*name)).map_or(404, |p| {
            p.enabled = *enabled;
            200
        }),
        Call::Upstream { name, port } => match model.get_mut(&proxy_name(*name)) {
            None => 404,
            Some(_) if *port == 0 => 400,
            Some(p) => {
                p.upstream = *port;
                200
            }
        },
        Call::AddToxic { proxy, toxic, stream, latency, toxicity } => {
            let Some(p) = model.get_mut(&proxy_name(*proxy)) else { return 404 };
            let name = format!("t{toxic}");
            if *stream == 3 || !is_time(*latency) || !is_share(*toxicity) {
                return 400;
            }
            if p.toxics.iter().any(|t| t.name == name) {
                return 409;
            }
            let made =
                ToxicModel { name, stream: *stream, latency: *latency, jitter: 0, toxicity: *toxicity };
            p.toxics.push(made);
            200
        }
        Call::ChangeToxic { proxy, toxic, latency, jitter, toxicity } => {
            let Some(p) = model.get_mut(&proxy_name(*proxy)) else { return 404 };
            let Some(t) = p.toxics.iter_mut().find(|t| t.name == format!("t{toxic}")) else { return 404 };
            if !latency.is_none_or(is_time) || !jitter.is_none_or(is_time) || !toxicity.is_none_or(is_share) {
                return 400;
            }
            t.latency = latency.unwrap_or(t.latency);
            t.jitter = jitter.unwrap_or(t.jitter);
            t.toxicity = toxicity.unwrap_or(t.toxicity);
            200
        }
        Call::DeleteToxic { proxy, toxic } => {
            let Some(p) = model.get_mut(&proxy_name(*proxy)) else { return 404 };
            let before = p.toxics.len();
            p.toxics.retain(|t| t.name != format!("t{toxic}"));
            if p.toxics.len() < before { 204 } else { 404 }
        }
        Call::Reset => {
            for p in model.values_mut() {
                p.enabled = true;
                p.toxics.clear();
            }
            204
        }
    }
}

fn shown(model: &Model) -> Value {
    let proxy = |(name, p): (&String, &ProxyModel)| {
        let mut toxics = p.toxics.clone();
        toxics.sort_by_key(|t| t.stream);
        let toxics: Vec<_> = toxics
            .iter()
            .map(|t| {
                json!({
                    "name": t.name, "type": "latency", "stream": STREAMS[t.stream],
                    "toxicity": f64::from(t.toxicity), "attributes": {"latency": t.latency, "jitter": t.jitter},
                })
            })
            .collect();
        let upstream = format!("127.0.0.1:{}", p.upstream);
        (name.clone(), json!({"name": name, "upstream": upstream, "enabled": p.enabled, "toxics": toxics}))
    };
    Value::Object(model.iter().map(proxy).collect())
}

/// As the model shows it: without ports, which nobody can foretell, and with numbers as numbers.
fn comparable(mut listed: Value) -> Value {
    for proxy in listed.as_object_mut().unwrap().values_mut() {
        proxy.as_object_mut().unwrap().remove("listen");
        for toxic in proxy["toxics"].as_array_mut().unwrap() {
            toxic["toxicity"] = toxic["toxicity"].as_f64().into();
        }
    }
    listed
}

fn request(call: &Call) -> (&'static str, String, Value) {
    let optional = |members: &[(&str, Option<Value>)]| {
        Value::Object(members.iter().filter_map(|(k, v)| Some(((*k).to_owned(), v.clone()?))).collect())
    };
    match call {
        Call::Create { name, enabled } => (
            "POST",
            "/proxies".to_owned(),
            json!({"name": proxy_name(*name), "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "enabled": enabled}),
        ),
        Call::Delete { name } => ("DELETE", format!("/proxies/p{name}"), Value::Null),
        Call::Enable { name, enabled } => {
            ("PATCH", format!("/proxies/p{name}"), json!({ "enabled": enabled }))
        }
        Call::Upstream { name, port } => {
            ("POST", format!("/proxies/p{name}"), json!({"upstream": format!("127.0.0.1:{port}")}))
        }
        Call::AddToxic { proxy, toxic, stream, latency, toxicity } => (
            "POST",
            format!("/proxies/p{proxy}/toxics"),
            json!({
                "name": format!("t{toxic}"), "type": "latency", "stream": STREAMS[*stream],
                "toxicity": toxicity, "attributes": {"latency": latency},
            }),
        ),
        Call::ChangeToxic { proxy, toxic, latency, jitter, toxicity } => {
            let attributes =
                optional(&[("latency", latency.map(Value::from)), ("jitter", jitter.map(Value::from))]);
            let body =
                optional(&[("attributes", Some(attributes)), ("toxicity", toxicity.map(|t| json!(t)))]);
            ("PATCH", format!("/proxies/p{proxy}/toxics/t{toxic}"), body)
        }
        Call::DeleteToxic { proxy, toxic } => {
            ("DELETE", format!("/proxies/p{proxy}/toxics/t{toxic}"), Value::Null)
        }
        Call::Reset => ("POST", "/reset".to_owned(), Value::Null),
    }
}

async fn play(calls: Vec<Call>) -> Result<(), TestCaseError> {
    let server = Server::bind(ANY, ProxySet::new(1, Limits::default())).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = format!("http://{}", server.addr());
    let mut model = Model::new();
    for call in calls {
        let status = expected(&mut model, &call);
        let (method, path, body) = request(&call);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer =
            soon(http.request(method, format!("{base}{path}")).body(body.to_string()).send()).await.unwrap();
        prop_assert_eq!(answer.status().as_u16(), status, "{:?}", call);
        let listed: Value =
            soon(soon(http.get(format!("{base}/proxies")).send()).await.unwrap().json()).await.unwrap();
        prop_assert_eq!(comparable(listed), shown(&model), "after {:?}", call);
        for proxy in server.proxies().all() {
            let open = std::net::TcpStream::connect(proxy.addr()).is_ok();
            prop_assert_eq!(open, model[proxy.name()].enabled, "{} as a client finds it", proxy.name());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_server_holds_what_the_model_holds(calls in prop::collection::vec(call(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(play(calls))?;
    }
}
