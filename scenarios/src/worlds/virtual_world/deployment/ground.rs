//! The machine that is deployed onto: each part of it called over a link of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::simulated::SimulatedPlatform;
use dive_orchestrator::deploy::{Done, Failure};
use harness_core::fault::Edge;
use harness_sim::{Link, Reply};

use super::Site;
use crate::binding::deployment::deeds;
use crate::worlds::deployment::calls::{Answered, Call};
use crate::worlds::deployment::platform::{Ways, unreachable};

/// The machine's parts, as one process reaches them.
pub(super) struct Links {
    ways: BTreeMap<&'static str, Link<SimulatedPlatform>>,
    site: Arc<Site>,
}

impl Links {
    pub(super) fn new(host: &str, site: &Arc<Site>) -> Self {
        let way = |(service, slot): (&&'static str, _)| {
            (*service, site.links.link(&Edge::new(host, service), slot))
        };
        Self { ways: site.ground.iter().map(way).collect(), site: site.clone() }
    }
}

/// What somebody else said: the number of an error code, and words.
fn failure(said: &str) -> Failure {
    let (number, words) = said.split_once(' ').unwrap_or((said, "as an imposter says"));
    let code = number.parse().ok().and_then(|number: u16| ErrorCode::try_from(number).ok());
    Failure::new(code.unwrap_or(ErrorCode::Unknown), if code.is_some() { words } else { said })
}

#[async_trait]
impl Ways for Links {
    /// What is going to be changed by a call is told where it arrives.
    async fn call(&self, to: &'static str, call: Call) -> Done<Answered> {
        let Some(way) = self.ways.get(to) else { return Err(unreachable(to, &"there is no such place")) };
        let site = self.site.clone();
        let called = way.call(move |machine: SimulatedPlatform| async move {
            if let Some(what) = call.changes() {
                site.tell(deeds::change(&call.instance, &call.by, &what));
            }
            call.carry_out(&machine).await
        });
        match called.await {
            Ok(Reply::Answer(done)) => done,
            Ok(Reply::Truncated { .. }) => Err(unreachable(to, &"the answer was cut short")),
            Ok(Reply::Wrong { body, .. }) => Err(failure(&body)),
            Err(error) => Err(unreachable(to, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imposter_may_say_any_error_and_what_is_none_is_unknown() {
        let told = |said| {
            let failure = failure(said);
            (failure.code, failure.detail)
        };
        assert_eq!(told("1106 no space left"), (ErrorCode::Folder, "no space left".to_owned()));
        assert_eq!(told("9999 what"), (ErrorCode::Unknown, "9999 what".to_owned()));
        assert_eq!(told("oops"), (ErrorCode::Unknown, "oops".to_owned()));
    }
}
