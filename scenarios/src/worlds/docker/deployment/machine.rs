//! What can be broken of the machine that is deployed onto: a service's containers, a port.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};

use dive_orchestrator::{ErrorCode, Service};
use harness_core::fault::{Fault, WrongAnswer};
use harness_core::owner::Owner;
use harness_core::world::{Evidence, Healed, WorldError};
use harness_docker::engine::ContainerState;
use harness_docker::{Engine, Inverse, cleanup, labels, outage};

use super::timeline;
use crate::binding::deployment::topology::{DEPLOYED, ENGINE, ground};
use crate::worlds::docker;

/// A way to break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// The service's containers are killed; whoever deploys them starts them again.
    Kill(Service),
    /// They are frozen, until healed.
    Freeze(Service),
    /// Somebody else listens at this port of 127.0.0.1, until healed.
    TakePort(u16),
}

impl Break {
    /// What a fault is here; nothing, when it is none of the machine's.
    ///
    /// # Errors
    /// When it is one of the machine's, and can't be made: why.
    pub(super) fn of(fault: &Fault) -> Result<Option<Self>, String> {
        if let Fault::Flap(flap) = fault {
            return Self::of(&flap.fault);
        }
        let unable = || format!("{fault}: the machine is real, and is not broken so");
        if !ground().any(|part| part == fault.victim().0) {
            return Ok(None);
        }
        let service = |name: &str| DEPLOYED.into_iter().find(|service| service.as_str() == name);
        let found = match fault {
            Fault::Kill(name) => service(&name.0).map(Self::Kill),
            Fault::Pause(name) => service(&name.0).map(Self::Freeze),
            Fault::WrongAnswer(WrongAnswer { edge, body, .. }) if edge.to.0 == ENGINE => {
                taken(body).map(Self::TakePort)
            }
            _ => None,
        };
        found.map(Some).ok_or_else(unable)
    }
}

/// The port of which an answer says that it is taken: `1007 port 8443 is taken …`.
fn taken(body: &str) -> Option<u16> {
    let mut words = body.split_whitespace();
    let is_conflict = words.next() == Some(&ErrorCode::InstanceConflict.to_string());
    let port = (words.next() == Some("port")).then(|| words.next()).flatten()?.parse().ok()?;
    is_conflict.then_some(port)
}

/// What is broken at present.
enum Broken {
    Killed,
    Frozen(Vec<String>),
    Taken { _by: TcpListener },
}

/// The machine. Only containers of the run's own are ever touched.
pub(super) struct Machine {
    engine: Engine,
    owner: Owner,
    broken: RefCell<BTreeMap<String, Broken>>,
}

impl Machine {
    /// One of which nothing is broken, with the containers of this owner.
    pub(super) fn new(engine: Engine, owner: Owner) -> Self {
        Self { engine, owner, broken: RefCell::default() }
    }

    /// Breaks it, and says what shows that; nothing, when there was nothing to break.
    ///
    /// # Errors
    /// When the engine fails, or the port can't be had.
    pub(super) async fn inject(&self, name: &str, how: Break) -> Result<Option<Evidence>, WorldError> {
        match how {
            Break::Kill(service) => {
                let running = self.running(service).await?;
                self.keep(name, Broken::Killed);
                for container in running.keys() {
                    outage::kill(&self.engine, container).await.map_err(docker::ground)?;
                }
                // It may run again by now, as another process.
                self.shown(&running, "ended", |state, pid| state.pid != Some(pid)).await
            }
            Break::Freeze(service) => {
                let running = self.running(service).await?;
                // Those that are are let go of, even when this is given up on the way.
                self.keep(name, Broken::Frozen(running.keys().cloned().collect()));
                for container in running.keys() {
                    outage::pause(&self.engine, container).await.map_err(docker::ground)?;
                }
                self.shown(&running, "is frozen", |state, _| state.paused == Some(true)).await
            }
            Break::TakePort(port) => {
                let at = (Ipv4Addr::LOCALHOST, port);
                let listener = TcpListener::bind(at).map_err(|error| WorldError::Ground {
                    problem: format!("127.0.0.1:{port} is not to be had: {error}"),
                    next_step: format!("end who has it: `ss -ltnp 'sport = :{port}'`"),
                })?;
                self.keep(name, Broken::Taken { _by: listener });
                let refusal = TcpListener::bind(at).err();
                Ok(refusal.map(|refusal| Evidence(format!("127.0.0.1:{port}: {refusal}"))))
            }
        }
    }

    fn keep(&self, name: &str, broken: Broken) {
        self.broken.borrow_mut().insert(name.to_owned(), broken);
    }

    /// Mends what broke by that name; nothing, when nothing did.
    ///
    /// # Errors
    /// When the engine fails.
    pub(super) async fn heal(&self, name: &str) -> Result<Option<Healed>, WorldError> {
        let (told, frozen) = match self.broken.borrow().get(name) {
            None => return Ok(None),
            Some(Broken::Killed) => ("whoever deploys them starts them again", Vec::new()),
            Some(Broken::Taken { .. }) => ("nobody else listens there any more", Vec::new()),
            Some(Broken::Frozen(containers)) => ("they go on", containers.clone()),
        };
        for container in frozen {
            Inverse::Unpause { container }.heal(&self.engine).await.map_err(docker::ground)?;
        }
        self.broken.borrow_mut().remove(name);
        Ok(Some(Evidence(told.into()).into()))
    }

    /// The run's containers of a service that run, each with the process that it is.
    async fn running(&self, service: Service) -> Result<BTreeMap<String, i64>, WorldError> {
        let (owner, mut running) = (self.owner.to_string(), BTreeMap::new());
        for (name, of) in cleanup::list_labelled(&self.engine, labels::OWNER).await.map_err(docker::ground)? {
            let is_its = of == owner && timeline::owner(&name).is_some_and(|(_, of)| of == service);
            // A volume is called as its container, and has no state.
            let state = if is_its { self.engine.state(&name).await.map_err(docker::ground)? } else { None };
            let state = state.filter(|state| state.running == Some(true) && state.paused != Some(true));
            running.extend(state.and_then(|state| Some((name, state.pid?))));
        }
        Ok(running)
    }

    /// What shows that each of those that ran is so, if there are any.
    async fn shown(
        &self,
        ran: &BTreeMap<String, i64>,
        so: &str,
        is_so: impl Fn(ContainerState, i64) -> bool,
    ) -> Result<Option<Evidence>, WorldError> {
        let mut told = Vec::new();
        for (container, pid) in ran {
            let state = self.engine.state(container).await.map_err(docker::ground)?.unwrap_or_default();
            if !is_so(state, *pid) {
                return Ok(None);
            }
            told.push(format!("pid {pid} of {container} {so}"));
        }
        Ok((!told.is_empty()).then(|| Evidence(told.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use harness_core::fault::{Edge, Flap};

    use super::*;
    use crate::binding::deployment::topology::{DISK, OPERATOR, STORE};

    fn said(to: &str, body: &str) -> Fault {
        let (edge, body) = (Edge::new(OPERATOR, to), body.to_owned());
        Fault::WrongAnswer(WrongAnswer { edge, status: 409, body })
    }

    #[test]
    fn what_is_broken_is_a_service_s_containers_or_the_port_that_is_named() {
        let broken = |fault: &Fault| Break::of(fault).unwrap();
        assert_eq!(broken(&Fault::Kill("keycloak".into())), Some(Break::Kill(Service::Keycloak)));
        let (down, up) = (Duration::from_secs(1).into(), Duration::from_secs(2).into());
        let flap = Fault::Flap(Box::new(Flap { fault: Fault::Pause("mongodb".into()), down, up }));
        assert_eq!(broken(&flap), Some(Break::Freeze(Service::Mongodb)));
        let conflict = "1007 port 8181 is taken by another program";
        assert_eq!(broken(&said(ENGINE, conflict)), Some(Break::TakePort(8181)));
    }

    #[test]
    fn hosts_and_their_store_are_not_the_machine_s_and_the_rest_of_it_can_t_be_broken() {
        for fault in [Fault::Kill(OPERATOR.into()), Fault::BlackHole(Edge::new(OPERATOR, STORE))] {
            assert_eq!(Break::of(&fault), Ok(None));
        }
        for fault in [
            Fault::Stop(ENGINE.into()),
            Fault::Refuse(Edge::new(OPERATOR, "kas")),
            said(ENGINE, "1201 no space is left"),
            said(ENGINE, "1007 somebody else"),
            said(DISK, "1007 port 8181 is taken"),
        ] {
            assert!(Break::of(&fault).is_err(), "{fault}");
        }
    }
}
