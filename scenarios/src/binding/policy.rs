//! The policies and the coalition's data in the stand-in of the policy engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use dive_authz::{Decision, Input, policies};
use parking_lot::Mutex;
use serde_json::Value;
use standin_opa::{Engine, Options, Policies, PolicyError};

/// The embedded policies by id.
fn modules() -> BTreeMap<String, String> {
    policies::modules().iter().map(|module| (module.path.to_owned(), module.source.to_owned())).collect()
}

/// The embedded data with `own` documents beside it.
fn documents(own: Value) -> Value {
    let mut documents = policies::data().clone();
    if let (Value::Object(documents), Value::Object(own)) = (&mut documents, own) {
        documents.extend(own);
    }
    documents
}

/// What a process of the stand-in is started with.
pub fn options(own: Value) -> Options {
    let hot = vec![policies::ENTRYPOINT.to_owned()];
    Options { policies: modules(), data: documents(own), hot, decision_log: true }
}

/// An engine within this process. Clones share what was compiled.
pub struct Authz(Mutex<Engine>);

impl Authz {
    /// An engine over the embedded policies and `own` data.
    ///
    /// # Errors
    /// When a policy does not compile.
    pub fn new(own: Value) -> Result<Self, PolicyError> {
        let policies = Arc::new(Policies::new(modules(), documents(own))?);
        Ok(Self(Mutex::new(Engine::new(policies, &[policies::ENTRYPOINT]))))
    }

    /// The body of the answer to a question: `{"result": …}`, or `{}` when the result is undefined.
    pub fn answer(&self, input: &Input) -> String {
        let text = serde_json::to_string(input).unwrap_or_default();
        match self.0.lock().decide(policies::ENTRYPOINT, Some(&text)) {
            Ok(Some(result)) => format!(r#"{{"result":{result}}}"#),
            Ok(None) | Err(_) => "{}".to_owned(),
        }
    }

    /// Whether the policies allow it.
    pub fn allows(&self, input: &Input) -> bool {
        Decision::from_engine(self.answer(input).as_bytes()).is_ok_and(|decision| decision.allow())
    }
}

impl Clone for Authz {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.0.lock().clone()))
    }
}
