//! What the orchestration keeps its state in, in a run: the setting `store`.

use std::path::Path;

use harness_core::fault::{Fault, Target};
use harness_core::scenario::{Scenario, Step};
use harness_core::world::WorldError;
use harness_local::{Canary, Ready, ServiceSpec, Site};

use super::server::{self, READY, STARTS_WITHIN};
use super::stage::{DATABASE, Database};
use crate::binding::deployment::topology::{DEPLOYMENT, ENGINE, STORE};
use crate::execute::{ExecuteError, Plan};

/// The setting.
pub const SETTING: &str = "store";
/// A file, which needs nothing and can't be broken.
pub const SQLITE: &str = "sqlite";
/// A server, which is a service like any other.
pub(super) const POSTGRES: &str = "postgres";

/// The values of the setting under which a scenario can be run where operators' commands are processes.
pub fn stores(scenario: &Scenario) -> &'static [&'static str] {
    match (scenario.topology == DEPLOYMENT, breaks_store(scenario)) {
        (false, _) => &[],
        (true, false) => &[SQLITE, POSTGRES],
        (true, true) => &[POSTGRES],
    }
}

/// Whether something is done to the server, or to a way to it, in a scenario.
fn breaks_store(scenario: &Scenario) -> bool {
    let is_store = |target: Target<'_>| match target {
        Target::Service(service) => service.0 == STORE,
        Target::Edge(edge) => edge.to.0 == STORE,
    };
    let strikes = scenario.steps.iter().any(|step| match step {
        Step::Strike { strike, .. } => is_store(strike.target()),
        _ => false,
    });
    strikes || scenario.faults.values().map(Fault::target).any(is_store)
}

/// It.
pub(in crate::worlds) enum Store {
    Sqlite,
    Postgres(server::Installed),
}

impl Store {
    /// As the plan's settings say; SQLite when they say nothing.
    ///
    /// # Errors
    /// When they say something else, when the scenario needs a server and there is to be none, and when no server is
    /// installed.
    pub(in crate::worlds) fn of(plan: &Plan) -> Result<Self, ExecuteError> {
        let settings = plan.all_settings();
        if let Some(unknown) = settings.keys().find(|key| *key != SETTING) {
            let told = format!("`{unknown}` is no setting of a deployment: there is `{SETTING}` alone");
            return Err(ExecuteError::Setting(told));
        }
        match settings.get(SETTING).map_or(SQLITE, String::as_str) {
            SQLITE if breaks_store(&plan.scenario) => Err(WorldError::Ground {
                problem: format!(
                    "{} breaks {STORE}, and the {} world keeps its state in a SQLite file",
                    plan.scenario.id, plan.world
                ),
                next_step: format!("add `--set {SETTING}={POSTGRES}`; {}", server::NEXT),
            }
            .into()),
            SQLITE => Ok(Self::Sqlite),
            POSTGRES => Ok(Self::Postgres(server::Installed::find()?)),
            other => {
                Err(ExecuteError::Setting(format!("`{SETTING}` is {SQLITE} or {POSTGRES}, not `{other}`")))
            }
        }
    }

    /// The service that it is, if it is one.
    pub(in crate::worlds) fn service(
        &self,
        program: &Path,
        site: &Site,
    ) -> Result<Option<ServiceSpec>, WorldError> {
        let Self::Postgres(installed) = self else { return Ok(None) };
        let listen = site.address(STORE)?.to_string();
        let binaries = installed.binaries.display().to_string();
        let service = ServiceSpec::new(STORE, program, "")
            .args(["serve", "postgres", "--listen", &listen, "--binaries", &binaries])
            .file(server::PASSWORD, installed.password.as_bytes())
            .ready(Ready::Logs(READY.into()), STARTS_WITHIN)
            .canary(Canary::Bytes(server::HELLO.to_vec()));
        Ok(Some(service))
    }

    /// Where it is for `host`, or, past every edge, for whoever is none.
    pub(in crate::worlds) fn database(
        &self,
        site: &Site,
        host: Option<&str>,
    ) -> Result<Database, WorldError> {
        let folder = site.folder(ENGINE);
        Ok(match self {
            Self::Sqlite => Database::Sqlite(folder.join(DATABASE)),
            Self::Postgres(installed) => {
                let at = host.map_or_else(|| site.address(STORE), |host| site.via(host, STORE))?;
                Database::Postgres { url: installed.url(at), told: folder.join("told.db") }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use harness_core::fault::Edge;

    use super::*;
    use crate::binding::deployment::topology::OPERATOR;

    fn plan(faults: &[Fault], settings: &[(&str, &str)]) -> Plan {
        let mut scenario = Scenario::named("deploy/any");
        scenario.topology = DEPLOYMENT.into();
        scenario.faults = faults.iter().map(|fault| (fault.to_string(), fault.clone())).collect();
        let mut plan = Plan::simulated(scenario, 1);
        plan.settings = settings.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        plan
    }

    fn refusal(plan: &Plan) -> String {
        let Err(error) = Store::of(plan) else { panic!("{:?} is taken", plan.settings) };
        format!("{:?}", miette::Report::new(error))
    }

    #[test]
    fn a_file_is_the_default_and_what_is_no_store_is_refused() {
        assert!(matches!(Store::of(&plan(&[], &[])), Ok(Store::Sqlite)));
        assert!(matches!(Store::of(&plan(&[], &[(SETTING, SQLITE)])), Ok(Store::Sqlite)));
        assert!(refusal(&plan(&[], &[(SETTING, "mysql")])).contains("sqlite or postgres"));
        assert!(refusal(&plan(&[], &[("breaker.opa.failures", "3")])).contains("no setting of a deployment"));
    }

    /// What it says next is the setting and the package.
    #[test]
    fn a_scenario_that_breaks_the_server_is_not_run_without_one() {
        let edge = Edge::new(OPERATOR, STORE);
        for fault in [Fault::Stop(STORE.into()), Fault::BlackHole(edge)] {
            let plan = plan(&[fault], &[]);
            assert_eq!(stores(&plan.scenario), [POSTGRES]);
            let refusal = refusal(&plan);
            assert!(refusal.contains("--set store=postgres") && refusal.contains("postgresql"), "{refusal}");
        }
        assert_eq!(stores(&plan(&[Fault::Kill(OPERATOR.into())], &[]).scenario), [SQLITE, POSTGRES]);
    }
}
