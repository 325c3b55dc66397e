//! Breaking and mending one edge, and showing both.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use harness_core::fault::{Direction, Edge, Fault, OneWay};
use harness_core::world::{Evidence, WorldError};
use harness_proxy::{Counters, Cut, Proxy};
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::canary::{Canary, Outcome};
use crate::clock::Clock;
use crate::effect::{Means, evidence, look, means};
use crate::identity::Identity;
use crate::interceptor::{Beyond, Interceptor};

/// How long an undisturbed canary may take.
const UNDISTURBED: Duration = Duration::from_millis(500);
/// How often at most that is tried, and what is quick enough not to try again.
const UNDISTURBED_TRIES: u32 = 3;
const QUICK: Duration = Duration::from_millis(5);
/// How long a healed edge may take to carry canaries again.
const MENDED: Duration = Duration::from_secs(5);
/// How long a connection may outlive its cutting.
const CUT: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);

/// An edge with what it takes to look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breakable<'a> {
    pub(crate) edge: &'a Edge,
    pub(crate) proxy: &'a Proxy,
    /// The far end: the called service itself.
    pub(crate) service: SocketAddr,
    pub(crate) canary: &'a Canary,
    /// What the service proves itself with, where it speaks TLS.
    pub(crate) identity: Option<&'a Identity>,
    /// Who stands in the called side's place at which edge.
    pub(crate) intercepted: &'a RefCell<BTreeMap<Edge, Interception>>,
    /// What interceptors run on.
    pub(crate) network: &'a Handle,
    pub(crate) clock: &'a Clock,
}

/// Who stands in a service's place where TLS is spoken.
#[derive(Debug)]
pub(crate) struct Interception {
    _interceptor: Interceptor,
    /// Whoever answers in clear what the interceptor has heard.
    answering: Option<Proxy>,
}

impl Breakable<'_> {
    /// Breaks the edge; `name` names the fault.
    pub(crate) fn inject(&self, name: &str, fault: &Fault) -> Result<(), WorldError> {
        match means(fault, self.clock).map_err(WorldError::Failed)? {
            Means::Refuse => {
                self.proxy.refuse(true).map_err(|error| self.failed(error))?;
                self.proxy.cut(Cut::Fin);
            }
            Means::Intercept => {
                let near = self.proxy.addr().ip().to_string();
                let names = [near, "localhost".to_owned(), self.edge.to.to_string()];
                let foreign = Identity::foreign(&names).map_err(|error| self.failed(error))?;
                self.intercept(&foreign, None)?;
            }
            Means::Toxic(toxic) if matches!(fault, Fault::WrongAnswer(_)) && self.identity.is_some() => {
                let _network = self.network.enter();
                let (any_port, upstream) = ((Ipv4Addr::LOCALHOST, 0).into(), self.service.to_string());
                let answering = Proxy::listen(toxic_name(name), any_port, upstream, self.proxy.seed());
                let answering = answering.map_err(|error| self.failed(error))?;
                answering.add(toxic).map_err(|error| self.failed(error))?;
                if let Some(own) = self.identity {
                    self.intercept(own, Some(answering))?;
                }
            }
            Means::Toxic(toxic) => {
                self.proxy.add(toxic.named(toxic_name(name))).map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    /// Leads the edge to an interceptor of this identity, and that to `answering`, or to the service.
    fn intercept(&self, identity: &Identity, answering: Option<Proxy>) -> Result<(), WorldError> {
        if self.identity.is_none() {
            return Err(self.failed(format!("{} does not speak TLS", self.edge.to)));
        }
        if self.intercepted.borrow().contains_key(self.edge) {
            return Err(self.failed("somebody stands in the called side's place already"));
        }
        let beyond = match &answering {
            Some(answering) => Beyond::Plain(answering.addr()),
            None => Beyond::Tls(self.service),
        };
        let interceptor = Interceptor::start(self.network, identity, beyond);
        let interceptor = interceptor.map_err(|error| self.failed(error))?;
        self.lead(interceptor.address())?;
        let interception = Interception { _interceptor: interceptor, answering };
        self.intercepted.borrow_mut().insert(self.edge.clone(), interception);
        Ok(())
    }

    /// Leads the edge there, which ends its connections.
    fn lead(&self, to: SocketAddr) -> Result<(), WorldError> {
        let (near, open) = (self.proxy.addr(), !self.proxy.refuses());
        let _network = self.network.enter();
        self.proxy.repoint(near, &to.to_string(), open).map_err(|error| self.failed(error))
    }

    fn counters(&self) -> Counters {
        let intercepted = self.intercepted.borrow();
        let answering = intercepted.get(self.edge).and_then(|interception| interception.answering.as_ref());
        answering.unwrap_or(self.proxy).counters()
    }

    /// What a canary meets that goes past the edge: the quickest of a few, since what goes over it is measured by that, and
    /// one can be held up by chance.
    async fn undisturbed(&self) -> Outcome {
        let mut quickest = self.canary.send(self.service, 0, UNDISTURBED).await;
        for _ in 1..UNDISTURBED_TRIES {
            let took = quickest.answer().map(|heard| heard.whole);
            if took.is_none_or(|took| took < QUICK) {
                break;
            }
            let again = self.canary.send(self.service, 0, UNDISTURBED).await;
            if again.answer().map(|heard| heard.whole).is_some_and(|whole| Some(whole) < took) {
                quickest = again;
            }
        }
        quickest
    }

    /// What shows that the fault is in effect, if anything does.
    pub(crate) async fn evidence(&self, fault: &Fault) -> Option<Evidence> {
        let direct = self.undisturbed().await;
        let look = look(fault, self.clock, &direct);
        for _ in 0..look.tries {
            let before = self.counters();
            let through = self.canary.send(self.proxy.addr(), look.padding, look.limit).await;
            if !is_counted(fault, &before, &self.counters()) {
                continue;
            }
            if let Some(shown) = evidence(fault, self.clock, self.canary, look, &direct, &through) {
                return Some(Evidence(shown));
            }
        }
        None
    }

    /// Takes the fault off the edge.
    pub(crate) fn lift(&self, name: &str, fault: &Fault) -> Result<(), WorldError> {
        if matches!(fault, Fault::Refuse(_)) {
            return self.proxy.refuse(false).map_err(|error| self.failed(error));
        }
        let intercepts = match fault {
            Fault::ForeignCertificate(_) => true,
            Fault::WrongAnswer(_) => self.identity.is_some(),
            _ => false,
        };
        if intercepts {
            // It goes when nothing leads to it any more.
            let gone = self.intercepted.borrow_mut().remove(self.edge);
            return gone.map_or(Ok(()), |_| self.lead(self.service));
        }
        self.proxy.remove_named(&toxic_name(name));
        Ok(())
    }

    /// Completes when the edge carries what goes past it: then nothing of the fault is left.
    pub(crate) async fn mended(&self) -> Result<Evidence, WorldError> {
        let mut through = Outcome::Refused;
        let carried = async {
            loop {
                let direct = self.canary.send(self.service, 0, UNDISTURBED).await;
                through = self.canary.send(self.proxy.addr(), 0, UNDISTURBED).await;
                let (Some(wanted), Some(got)) = (direct.answer(), through.answer()) else {
                    if direct.answer().is_none() && through != Outcome::Refused {
                        let service = &self.edge.to;
                        return Evidence(format!("the edge takes connections; {service} itself: {direct}"));
                    }
                    sleep(LOOK).await;
                    continue;
                };
                if wanted.status == got.status && wanted.certificate == got.certificate {
                    return Evidence(format!("a canary over the edge: {through}; past it: {direct}"));
                }
                sleep(LOOK).await;
            }
        };
        if let Ok(evidence) = timeout(MENDED, carried).await {
            return Ok(evidence);
        }
        Err(WorldError::Failed(format!(
            "{} was healed {MENDED:?} ago, and a canary over it: {through}",
            self.edge
        )))
    }

    /// Ends every connection of the edge. What is shown is the end of a connection made for it.
    pub(crate) async fn cut(&self) -> Option<Evidence> {
        let witness = self.canary.keep(self.proxy.addr(), UNDISTURBED).await;
        let cut = self.proxy.cut(Cut::Rst);
        let mut byte = [0];
        let ended = timeout(CUT, async { witness?.read(&mut byte).await.err() }).await.ok().flatten()?;
        Some(Evidence(format!("{cut} connections reset; the canary's own: {ended}")))
    }

    fn failed(&self, error: impl std::fmt::Display) -> WorldError {
        WorldError::Failed(format!("{}: {error}", self.edge))
    }
}

/// Whether the proxy has done what can't be told by a canary alone: a service may give the wrong answer
/// by itself, and lost requests look like lost answers.
fn is_counted(fault: &Fault, before: &Counters, after: &Counters) -> bool {
    match fault {
        Fault::WrongAnswer(_) => after.answered > before.answered,
        Fault::OneWay(OneWay { lost: Direction::Up, .. }) => after.upstream.dropped > before.upstream.dropped,
        Fault::OneWay(OneWay { lost: Direction::Down, .. }) => {
            after.downstream.dropped > before.downstream.dropped
        }
        _ => true,
    }
}

/// A name that any proxy takes: scenarios may name their faults as they like.
fn toxic_name(fault: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    format!("fault-{}", fault.chars().map(plain).take(150).collect::<String>())
}
