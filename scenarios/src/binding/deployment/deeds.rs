//! What happens while something is deployed, as the timeline keeps it.
//!
//! Each is told by who knows: the database what was written, the machine what came to be and what was asked of it. So
//! what an operator believes is not in it, and what is decided from it holds for a stored run as well.

use std::collections::{BTreeMap, BTreeSet};

use dive_orchestrator::deploy::Thing;
use dive_orchestrator::{ErrorCode, FencingToken, Instance, Service, StateChange};
use harness_core::event::What;

use super::topology::{ENGINE, STORE, opening, opens_signal, state_signal, watched};

/// A lock was given to somebody.
pub const LOCK: &str = "lock";
/// A lock was prolonged.
pub const RENEWAL: &str = "renewal";
/// A deployment's state changed.
pub const STATE: &str = "state";
/// What is going to be made was written down.
pub const WRITTEN: &str = "written";
/// What was undone was struck out.
pub const STRUCK_OUT: &str = "struck-out";
/// Somebody began to change something on the machine.
pub const CHANGE: &str = "change";
/// Something came to be.
pub const MADE: &str = "made";
/// Nothing of it is left.
pub const GONE: &str = "gone";
/// A run said that nothing of its deployment is left.
pub const NOTHING_LEFT: &str = "nothing-left";
/// Deployments of this world have no such service.
pub const LACKING: &str = "lacking";
/// Something was done in the wrong order.
pub const RULE: &str = "rule";
/// Other versions of a secret open what it is for.
pub const OPENS: &str = "opens";
/// An error was met, and helped against or not.
pub const ERROR: &str = "error";

fn fact<const N: usize>(witness: &str, about: &str, detail: [(&str, String); N]) -> What {
    let detail: BTreeMap<String, String> =
        detail.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    What::Fact { witness: witness.to_owned(), about: about.to_owned(), detail }
}

/// `by` took the lock.
pub fn lock(instance: &Instance, by: &str, token: FencingToken) -> What {
    let token = token.number().to_string();
    fact(STORE, LOCK, [("instance", instance.to_string()), ("by", by.to_owned()), ("token", token)])
}

/// `by` prolonged the lock.
pub fn renewal(instance: &Instance, by: &str) -> What {
    fact(STORE, RENEWAL, [("instance", instance.to_string()), ("by", by.to_owned())])
}

/// `by` changed the state.
pub fn state(instance: &Instance, by: &str, change: &StateChange) -> What {
    fact(
        STORE,
        STATE,
        [
            ("instance", instance.to_string()),
            ("by", by.to_owned()),
            ("from", change.from.to_string()),
            ("to", change.to.to_string()),
            ("why", change.why.clone()),
        ],
    )
}

/// The same, where it is seen.
pub fn state_seen(instance: &Instance, state: &str) -> What {
    signal(state_signal(instance), state)
}

/// `thing` was written down.
pub fn written(instance: &Instance, thing: &Thing) -> What {
    fact(STORE, WRITTEN, [("instance", instance.to_string()), ("thing", thing.to_string())])
}

/// `thing` was struck out.
pub fn struck_out(instance: &Instance, thing: &Thing) -> What {
    fact(STORE, STRUCK_OUT, [("instance", instance.to_string()), ("thing", thing.to_string())])
}

/// `by` began to do `what`.
pub fn change(instance: &Instance, by: &str, what: &str) -> What {
    fact(
        ENGINE,
        CHANGE,
        [("instance", instance.to_string()), ("by", by.to_owned()), ("what", what.to_owned())],
    )
}

/// `thing` came to be.
pub fn made(instance: &Instance, thing: &Thing) -> What {
    fact(ENGINE, MADE, [("instance", instance.to_string()), ("thing", thing.to_string())])
}

/// `thing` is gone.
pub fn gone(instance: &Instance, thing: &Thing) -> What {
    fact(ENGINE, GONE, [("instance", instance.to_string()), ("thing", thing.to_string())])
}

/// `by` says that nothing is left.
pub fn nothing_left(instance: &Instance, by: &str) -> What {
    fact(by, NOTHING_LEFT, [("instance", instance.to_string())])
}

/// Deployments of this world have no `service`.
pub fn lacking(service: Service) -> What {
    fact(ENGINE, LACKING, [("service", service.to_string())])
}

/// These versions of its secret open what an instance keeps, from now on.
pub fn opens(instance: &Instance, versions: &BTreeSet<u32>) -> What {
    let versions = opening(versions.iter().copied());
    if watched().contains(instance) {
        return signal(opens_signal(instance), &versions);
    }
    fact(ENGINE, OPENS, [("instance", instance.to_string()), ("versions", versions)])
}

/// A rule of the machine was broken.
pub fn rule(broken: &str) -> What {
    fact(ENGINE, RULE, [("rule", broken.to_owned())])
}

/// An error was met.
pub fn error(instance: &Instance, code: ErrorCode, recovered: bool) -> What {
    fact(
        STORE,
        ERROR,
        [
            ("instance", instance.to_string()),
            ("code", code.number().to_string()),
            ("recovered", recovered.to_string()),
        ],
    )
}

/// A signal's value.
pub fn signal(signal: String, value: &str) -> What {
    What::Signal { signal, value: value.to_owned(), was: None }
}
