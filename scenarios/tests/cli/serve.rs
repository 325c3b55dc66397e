//! Roles that can't begin: a node's log goes through the command, so its complaints are the command's.

use std::net::TcpListener;

use crate::bench::Bench;

#[test]
fn a_taken_address_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let bench = Bench::new();
    bench.run(&["serve", "standin-opa", "--listen", &address]).code(70).silent().says(&[
        &address,
        "Address already in use",
        "--listen",
    ]);

    bench.file("issuers.json", "[]");
    bench.file("resources.json", "[]");
    let mut node = bench.chaos(&["serve", "node"]);
    node.envs([
        ("DIVE_HTTP_LISTEN", address.as_str()),
        ("DIVE_FILES_ISSUERS", "issuers.json"),
        ("DIVE_FILES_RESOURCES", "resources.json"),
        ("DIVE_AUDIT_PATH", "audit.jsonl"),
    ]);
    crate::bench::Running::start(&mut node).ended().code(70).says(&[
        &address,
        "Address already in use",
        "http.listen",
    ]);
    bench.assert_clean();
}

#[test]
fn settings_that_are_none_are_told_with_their_place() {
    let bench = Bench::new();
    bench.run(&["serve", "node", "--config", "nosuch.toml"]).code(64).says(&["nosuch.toml: No such file"]);
    let broken = bench.file("broken.toml", "[http]\nlisten = \n");
    bench.run(&["serve", "node", "--config", broken]).code(64).says(&["broken.toml", "line 2", "help"]);
    let unknown = bench.file("unknown.toml", "[http]\nlistn = \"127.0.0.1:1\"\n");
    bench.run(&["serve", "node", "--config", unknown]).code(64).says(&[
        "unknown.toml",
        "http.listn",
        "did you mean `http.listen`",
    ]);
    bench.run(&["serve", "node"]).code(70).says(&["audit.path"]);

    let mut node = bench.chaos(&["serve", "node"]);
    node.env("DIVE_HTTP_LISTN", "127.0.0.1:1");
    crate::bench::Running::start(&mut node)
        .ended()
        .code(64)
        .says(&["DIVE_HTTP_LISTN", "did you mean `DIVE_HTTP_LISTEN`"]);
}

#[test]
fn data_that_is_none_is_told_with_its_file() {
    let bench = Bench::new();
    let serve = |file: &str| {
        bench.run(&["serve", "standin-opa", "--listen", "127.0.0.1:0", "--data", file]).code(64).silent()
    };
    serve("nosuch.json").says(&["nosuch.json: No such file"]);
    serve(bench.file("broken.json", "{\"a\":")).says(&["broken.json: not JSON", "line 1"]);
    serve(bench.file("list.json", "[1]")).says(&["list.json: not a JSON object"]);
}
