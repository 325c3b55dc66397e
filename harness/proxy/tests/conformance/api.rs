//! Call by call: status, kind and body are the same on both arms.

use crate::arm::{Arm, Reply};
use crate::on_both_arms;
use serde_json::{Value, json};

on_both_arms!(
    version_and_the_unknown,
    the_life_of_a_proxy,
    the_life_of_a_toxic,
    every_type_takes_its_attributes,
    bad_requests,
    populate,
    browsers,
    reset,
);

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The body without what the table of differences explains.
fn without_logger(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.remove("Logger");
            map.values_mut().for_each(|v| *v = without_logger(v.take()));
        }
        Value::Array(all) => all.iter_mut().for_each(|v| *v = without_logger(v.take())),
        _ => {}
    }
    value
}

fn error(reply: &Reply, status: u16, message: &str) {
    let expected = json!({ "error": message, "status": status });
    assert_eq!((reply.status, reply.json()), (status, expected), "{reply:?}");
    assert_eq!(reply.content_type, TEXT);
    assert!(reply.text.ends_with("}\n"), "{reply:?}");
}

fn ok(reply: &Reply, status: u16, body: &Value) {
    assert_eq!((reply.status, &without_logger(reply.json())), (status, body), "{reply:?}");
    assert_eq!(reply.content_type, JSON);
}

async fn version_and_the_unknown(arm: &Arm) {
    let version = arm.call("GET", "/version", "").await;
    assert_eq!((version.status, &*version.content_type), (200, "application/json;charset=utf-8"));
    assert!(version.json()["version"].is_string(), "{version:?}");
    assert!(version.text.starts_with("{\"version\": \"") && version.text.ends_with("\"}\n"), "{version:?}");
    for path in ["/nope", "/proxies/", "/proxies/x/y", "/metrics", "/proxies/x/toxics/y/z"] {
        let reply = arm.call("GET", path, "").await;
        assert_eq!((reply.status, &*reply.text), (404, "404 page not found\n"), "{path}");
        assert_eq!(reply.content_type, TEXT);
    }
    for (method, path) in [
        ("DELETE", "/proxies"),
        ("PUT", "/proxies/x"),
        ("GET", "/reset"),
        ("GET", "/populate"),
        ("POST", "/version"),
        ("PUT", "/proxies/x/toxics/y"),
    ] {
        let reply = arm.call(method, path, "").await;
        assert_eq!((reply.status, &*reply.text), (405, ""), "{method} {path}");
    }
}

async fn the_life_of_a_proxy(arm: &Arm) {
    ok(&arm.call("GET", "/proxies", "").await, 200, &json!({}));
    let made =
        arm.call("POST", "/proxies", r#"{"name":"a","listen":"localhost:0","upstream":"127.0.0.1:9"}"#).await;
    let listen = made.json()["listen"].as_str().unwrap().to_owned();
    assert!(listen.starts_with("127.0.0.1:") && !listen.ends_with(":0"), "{listen}");
    let mut shown =
        json!({"name": "a", "listen": listen, "upstream": "127.0.0.1:9", "enabled": true, "toxics": []});
    ok(&made, 201, &shown);
    let again = arm.call("POST", "/proxies", r#"{"name":"a","upstream":"127.0.0.1:9"}"#).await;
    error(&again, 409, "proxy already exists");
    ok(&arm.call("GET", "/proxies/a", "").await, 200, &shown);
    ok(&arm.call("GET", "/proxies", "").await, 200, &json!({ "a": shown }));

    for method in ["POST", "PATCH"] {
        for enabled in [false, true] {
            shown["enabled"] = enabled.into();
            let body = json!({ "enabled": enabled }).to_string();
            ok(&arm.call(method, "/proxies/a", &body).await, 200, &shown);
            ok(&arm.call(method, "/proxies/a", "{}").await, 200, &shown);
        }
    }
    shown["upstream"] = "127.0.0.1:10".into();
    ok(&arm.call("PATCH", "/proxies/a", r#"{"upstream":"127.0.0.1:10"}"#).await, 200, &shown);
    // A client sends back all it was shown.
    ok(&arm.call("POST", "/proxies/a", &shown.to_string()).await, 200, &shown);

    let gone = arm.call("DELETE", "/proxies/a", "").await;
    assert_eq!((gone.status, &*gone.text), (204, ""));
    for (method, path) in [
        ("GET", "/proxies/a"),
        ("POST", "/proxies/a"),
        ("PATCH", "/proxies/a"),
        ("DELETE", "/proxies/a"),
        ("GET", "/proxies/a/toxics"),
        ("POST", "/proxies/a/toxics"),
        ("GET", "/proxies/a/toxics/x"),
        ("POST", "/proxies/a/toxics/x"),
        ("DELETE", "/proxies/a/toxics/x"),
    ] {
        error(&arm.call(method, path, "{}").await, 404, "proxy not found");
    }
}

async fn the_life_of_a_toxic(arm: &Arm) {
    arm.edge_to("127.0.0.1:9").await;
    let at = "/proxies/edge/toxics";
    ok(&arm.call("GET", at, "").await, 200, &json!([]));
    let made = arm.call("POST", at, r#"{"type":"latency","attributes":{"latency":10},"toxicity":0.8}"#).await;
    let down = json!({
        "attributes": {"latency": 10, "jitter": 0},
        "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 0.8,
    });
    ok(&made, 200, &down);
    assert!(made.text.contains("\"toxicity\":0.8"), "{made:?}");
    error(&arm.call("POST", at, r#"{"type":"latency"}"#).await, 409, "toxic already exists");
    let made = arm
        .call(
            "POST",
            at,
            r#"{"name":"up","type":"bandwidth","stream":"upstream","attributes":{"rate":null}}"#,
        )
        .await;
    let mut up = json!({
        "attributes": {"rate": 0},
        "name": "up", "type": "bandwidth", "stream": "upstream", "toxicity": 1,
    });
    ok(&made, 200, &up);
    assert!(made.text.contains("\"toxicity\":1}") || made.text.contains("\"toxicity\":1,"), "{made:?}");
    ok(&arm.call("GET", at, "").await, 200, &json!([up, down]));
    assert_eq!(arm.call("GET", "/proxies/edge", "").await.json()["toxics"], json!([up, down]));

    up["attributes"]["rate"] = 7.into();
    let at_up = "/proxies/edge/toxics/up";
    ok(&arm.call("POST", at_up, r#"{"attributes":{"rate":7}}"#).await, 200, &up);
    up["toxicity"] = 0.25.into();
    ok(&arm.call("PATCH", at_up, r#"{"toxicity":0.25}"#).await, 200, &up);
    ok(&arm.call("PATCH", at_up, "{}").await, 200, &up);
    ok(&arm.call("PATCH", at_up, &up.to_string()).await, 200, &up);
    ok(&arm.call("GET", at_up, "").await, 200, &up);

    assert_eq!(arm.call("DELETE", at_up, "").await.status, 204);
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        error(&arm.call(method, at_up, "{}").await, 404, "toxic not found");
    }
    ok(&arm.call("GET", at, "").await, 200, &json!([down]));
}

async fn every_type_takes_its_attributes(arm: &Arm) {
    arm.edge_to("127.0.0.1:9").await;
    for (name, attributes) in [
        ("latency", json!({"latency": 100, "jitter": 10})),
        ("bandwidth", json!({"rate": 64})),
        ("slow_close", json!({"delay": 20})),
        ("timeout", json!({"timeout": 30})),
        ("reset_peer", json!({"timeout": 40})),
        ("slicer", json!({"average_size": 64, "size_variation": 32, "delay": 10})),
        ("limit_data", json!({"bytes": 1000})),
    ] {
        for stream in ["upstream", "downstream"] {
            let body = json!({"type": name, "stream": stream, "attributes": attributes}).to_string();
            let expected = json!({
                "attributes": attributes,
                "name": format!("{name}_{stream}"), "type": name, "stream": stream, "toxicity": 1,
            });
            ok(&arm.call("POST", "/proxies/edge/toxics", &body).await, 200, &expected);
        }
    }
    let toxics = arm.call("GET", "/proxies/edge/toxics", "").await.json();
    assert_eq!(toxics.as_array().unwrap().len(), 14);
}

async fn bad_requests(arm: &Arm) {
    arm.edge_to("127.0.0.1:9").await;
    let missing = |field: &str| format!("missing required field: {field}");
    error(&arm.call("POST", "/proxies", r#"{"upstream":"x:1"}"#).await, 400, &missing("name"));
    error(&arm.call("POST", "/proxies", r#"{"name":"","upstream":"x:1"}"#).await, 400, &missing("name"));
    error(&arm.call("POST", "/proxies", r#"{"name":"b"}"#).await, 400, &missing("upstream"));
    let toxics = "/proxies/edge/toxics";
    let sideways = r#"{"type":"latency","stream":"sideways"}"#;
    error(
        &arm.call("POST", toxics, sideways).await,
        400,
        "stream was invalid, can be either upstream or downstream",
    );
    error(&arm.call("POST", toxics, r#"{"type":"nope"}"#).await, 400, "invalid toxic type");
    error(&arm.call("POST", toxics, "{}").await, 400, "invalid toxic type");

    arm.call("POST", toxics, r#"{"name":"t","type":"latency"}"#).await;
    for (path, body) in [
        ("/proxies", ""),
        ("/proxies", "{bad"),
        ("/proxies", "[]"),
        ("/proxies", "\"x\""),
        ("/proxies", "\u{0}"),
        ("/proxies", r#"{"name":"b","upstream":"x:1","enabled":"yes"}"#),
        ("/proxies", r#"{"name":7,"upstream":"x:1"}"#),
        ("/proxies/edge", "{bad"),
        ("/proxies/edge", r#"{"enabled":1}"#),
        (toxics, "{bad"),
        (toxics, r#"{"type":"latency","name":"x","attributes":{"latency":1.5}}"#),
        (toxics, r#"{"type":"latency","name":"x","attributes":{"latency":"1"}}"#),
        (toxics, r#"{"type":"latency","name":"x","attributes":{"latency":99999999999999999999}}"#),
        (toxics, r#"{"type":"latency","name":"x","toxicity":"1"}"#),
        (toxics, r#"{"type":"latency","name":"x","attributes":[]}"#),
        ("/proxies/edge/toxics/t", "{bad"),
        ("/proxies/edge/toxics/t", r#"{"attributes":{"latency":true}}"#),
    ] {
        let reply = arm.call("POST", path, body).await;
        assert_eq!(reply.status, 400, "{path} {body:?}: {reply:?}");
        assert_eq!(reply.json()["status"], 400);
        let message = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(message.starts_with("bad request body: "), "{path} {body:?}: {message}");
    }
    let taken =
        json!({"name": "taken", "listen": arm.addr.to_string(), "upstream": "127.0.0.1:9"}).to_string();
    let reply = arm.call("POST", "/proxies", &taken).await;
    assert_eq!(reply.status, 500);
    assert!(reply.json()["error"].as_str().unwrap().starts_with("listen tcp "), "{reply:?}");
    error(&arm.call("GET", "/proxies/taken", "").await, 404, "proxy not found");
    let names: Vec<_> =
        arm.call("GET", "/proxies", "").await.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["edge"]);
}

async fn populate(arm: &Arm) {
    let one = |upstream: &str| json!({"name": "one", "listen": "127.0.0.1:0", "upstream": upstream});
    let made = arm.call("POST", "/populate", &json!([one("127.0.0.1:9")]).to_string()).await;
    assert_eq!((made.status, &*made.content_type), (201, JSON));
    let shown = without_logger(made.json()["proxies"][0].clone());
    assert_eq!(
        (&shown["name"], &shown["enabled"], &shown["toxics"]),
        (&json!("one"), &json!(true), &json!([]))
    );
    arm.call("POST", "/proxies/one/toxics", r#"{"type":"latency"}"#).await;

    // The same again is left alone with its toxics; something else loses them.
    let same = json!([{"name": "one", "listen": shown["listen"], "upstream": "127.0.0.1:9"}]).to_string();
    let again = arm.call("POST", "/populate", &same).await.json();
    assert_eq!(again["proxies"][0]["toxics"].as_array().unwrap().len(), 1);
    let other =
        json!([{"name": "one", "listen": shown["listen"], "upstream": "127.0.0.1:10", "enabled": false}]);
    let moved = arm.call("POST", "/populate", &other.to_string()).await.json();
    let moved = &moved["proxies"][0];
    assert_eq!(moved["upstream"], "127.0.0.1:10");
    assert_eq!((&moved["enabled"], &moved["toxics"]), (&json!(false), &json!([])));

    let incomplete = json!([one("127.0.0.1:9"), {"name": "two"}]).to_string();
    let reply = arm.call("POST", "/populate", &incomplete).await;
    let expected =
        json!({"error": "missing required field: upstream at proxy 2", "status": 400, "proxies": null});
    ok(&reply, 400, &expected);
    let reply = arm.call("POST", "/populate", "{}").await;
    assert_eq!((reply.status, &reply.json()["proxies"]), (400, &Value::Null));
    ok(&arm.call("GET", "/proxies/one", "").await, 200, &without_logger(moved.clone()));
}

async fn browsers(arm: &Arm) {
    let reply = arm.call_as("Mozilla/5.0 (X11)", "GET", "/version", "").await;
    assert_eq!((reply.status, &*reply.text), (403, "User agent not allowed\n"));
    assert_eq!(reply.content_type, TEXT);
    arm.call_as("Mozilla/5.0", "POST", "/proxies", r#"{"name":"b","upstream":"x:1"}"#).await;
    ok(&arm.call("GET", "/proxies", "").await, 200, &json!({}));
    assert_eq!(arm.call_as("curl/8 Mozilla/", "GET", "/version", "").await.status, 200);
}

async fn reset(arm: &Arm) {
    arm.edge_to("127.0.0.1:9").await;
    arm.call("POST", "/proxies/edge/toxics", r#"{"type":"latency"}"#).await;
    arm.call("POST", "/proxies/edge/toxics", r#"{"type":"latency","stream":"upstream"}"#).await;
    arm.call("POST", "/proxies/edge", r#"{"enabled":false}"#).await;
    let reply = arm.call("POST", "/reset", "").await;
    assert_eq!((reply.status, &*reply.text), (204, ""));
    let shown = arm.call("GET", "/proxies/edge", "").await.json();
    assert_eq!((&shown["enabled"], &shown["toxics"]), (&json!(true), &json!([])));
}
