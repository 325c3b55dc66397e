//! Real OPA with the policies and data that the stand-in decides by.

use dive_authz::policies;
use standin_opa::Options;

use crate::exchange::{Exchange, request};
use crate::program::Program;

/// The path of a question to OPA's data API.
pub fn path() -> String {
    format!("/v1/data/{}", policies::ENTRYPOINT)
}

/// A server of real OPA; `None`, said aloud, where this machine has none.
///
/// # Panics
/// When it refuses policies or data.
pub fn real(options: &Options) -> Option<Program> {
    let arguments = |port| {
        ["run", "--server", "--log-level", "error", "--addr"]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("127.0.0.1:{port}")])
            .collect()
    };
    let opa = Program::start("opa", arguments)?;
    let mut exchange = Exchange::connect(opa.address).expect("it listens");
    let mut put = |path: String, body: &str| {
        let answer = exchange.send(&request("PUT", &path, &[], body)).expect("it answers");
        assert!(answer.status < 300, "PUT {path}: {}", String::from_utf8_lossy(answer.body));
    };
    // Functions must be there before what calls them.
    let mut modules: Vec<_> = options.policies.iter().collect();
    modules.sort_by_key(|(id, _)| *id != "base/types.rego");
    for (id, source) in modules {
        put(format!("/v1/policies/{id}"), source);
    }
    for (name, value) in options.data.as_object().expect("the data is an object") {
        put(format!("/v1/data/{name}"), &value.to_string());
    }
    Some(opa)
}
