//! A proxy on one edge, as its owner holds it.
//!
//! No call here waits for a connection, a peer or the accept loop: each swaps or reads shared state and returns.

use crate::accept::accept;
use crate::clock;
use crate::connections::{Connection, Connections, Cut};
use crate::counters::{Counters, Tally};
use crate::door::{Door, Sockets};
use crate::effect::{Effect, InvalidToxic};
use crate::exchanges::{ExchangeGauge, Exchanges};
use crate::limits::Limits;
use crate::plan::{Active, Control, FaultId, Plan};
use crate::toxic::{Toxic, is_name};
use crate::wire::{Edge, Target};
use parking_lot::RwLock;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Toxics on one proxy at a time.
const MOST_TOXICS: usize = 64;

/// Why a proxy cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken (give port 0 for a free one), or not one of this machine.
    #[error("listen tcp {addr}: {source}")]
    Bind {
        /// Where it was to listen.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Names are 1 to 200 visible characters without `/`, `?`, `#` or `%`.
    #[error("proxy name {0:?} cannot stand in a path")]
    Name(String),
    /// It cannot be connected to.
    #[error("upstream {0:?} is not host:port")]
    Upstream(String),
    /// Connections are carried by tasks.
    #[error("a proxy needs a tokio runtime: call this inside one")]
    NoRuntime,
}

/// Why a change of toxics is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The toxic itself cannot be meant.
    #[error(transparent)]
    Invalid(#[from] InvalidToxic),
    /// The proxy has one of that name.
    #[error("toxic already exists")]
    NameTaken,
    /// The proxy has none of that name.
    #[error("toxic not found")]
    NotFound,
    /// One proxy takes at most 64.
    #[error("too many toxics on one proxy")]
    TooMany,
}

#[derive(Debug)]
struct Shared {
    name: String,
    edge: Arc<Edge>,
    door: Arc<Door>,
    next: AtomicU64,
}

impl Shared {
    fn remove(&self, gone: impl Fn(&Active) -> bool) -> bool {
        self.edge
            .control
            .edit(|plan| {
                let before = plan.active.len();
                plan.active.retain(|a| !gone(a));
                if plan.active.len() < before { Ok(()) } else { Err(()) }
            })
            .is_ok()
    }
}

/// A running proxy. Dropping it closes the listener and every connection at once.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.door.close();
        self.accepting.abort();
    }
}

impl Proxy {
    /// Listens on `listen` (port 0: a free one, see [`Proxy::addr`]) and forwards to `upstream` (`host:port`, looked up
    /// anew for each connection). `seed` decides which connections toxics with a probability act on.
    pub fn listen(
        name: impl Into<String>,
        listen: SocketAddr,
        upstream: impl AsRef<str>,
        seed: u64,
    ) -> Result<Self, ListenError> {
        Self::listen_with(name, listen, upstream, seed, true, Limits::default())
    }

    /// The same with limits of one's own, refusing connections from the start unless `open`.
    pub fn listen_with(
        name: impl Into<String>,
        listen: SocketAddr,
        upstream: impl AsRef<str>,
        seed: u64,
        open: bool,
        limits: Limits,
    ) -> Result<Self, ListenError> {
        let (name, upstream) = (name.into(), upstream.as_ref());
        if !is_name(&name) {
            return Err(ListenError::Name(name));
        }
        let target = parse_target(upstream)?;
        let runtime = Handle::try_current().map_err(|_| ListenError::NoRuntime)?;
        let door = Door::new(listen, open, runtime.clone())
            .map_err(|source| ListenError::Bind { addr: listen, source })?;
        let edge = Arc::new(Edge {
            seed,
            limits,
            target: RwLock::new(target),
            control: Control::default(),
            tally: Tally::default(),
            exchanges: Arc::new(Exchanges::default()),
            connections: Connections::new(clock::now(), &limits),
        });
        let door = Arc::new(door);
        let accepting = runtime.spawn(accept(Arc::clone(&edge), Arc::clone(&door))).abort_handle();
        let shared = Arc::new(Shared { name, edge, door, next: AtomicU64::new(1) });
        Ok(Self { shared, accepting })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where it listens, or would if it did not refuse.
    pub fn addr(&self) -> SocketAddr {
        self.shared.door.addr()
    }

    /// Where it forwards to, as it was given.
    pub fn upstream(&self) -> String {
        self.shared.edge.target.read().to_string()
    }

    /// The seed of its draws.
    pub fn seed(&self) -> u64 {
        self.shared.edge.seed
    }

    /// Puts a toxic in force, on established connections too: when this returns, every byte that arrives is subject
    /// to it. It stays until it is removed.
    pub fn add(&self, toxic: Toxic) -> Result<FaultId, Refused> {
        toxic.check()?;
        let id = FaultId(self.shared.next.fetch_add(1, Ordering::Relaxed));
        self.shared.edge.control.edit(|plan| {
            if plan.named(&toxic.name).is_some() {
                return Err(Refused::NameTaken);
            }
            if plan.active.len() >= MOST_TOXICS {
                return Err(Refused::TooMany);
            }
            plan.active.push(Active { id, version: 0, toxic });
            Ok(id)
        })
    }

    /// Like [`Proxy::add`], until the returned guard is dropped.
    pub fn hold(&self, toxic: Toxic) -> Result<Held, Refused> {
        Ok(Held { id: self.add(toxic)?, proxy: Arc::downgrade(&self.shared) })
    }

    /// Replaces effect and toxicity of the toxic called `name`. What it holds back it goes on holding under the new
    /// terms; the effect must stay of its type.
    pub fn update(&self, name: &str, effect: Effect, toxicity: f32) -> Result<Toxic, Refused> {
        self.revise(name, |_| Ok((effect, toxicity)))
    }

    /// Replaces them by what `revise` makes of the toxic as it is.
    pub(crate) fn revise(
        &self,
        name: &str,
        revise: impl FnOnce(&Toxic) -> Result<(Effect, f32), InvalidToxic>,
    ) -> Result<Toxic, Refused> {
        self.shared.edge.control.edit(|plan| {
            let Some(active) = plan.active.iter_mut().find(|a| a.toxic.name == name) else {
                return Err(Refused::NotFound);
            };
            let (effect, toxicity) = revise(&active.toxic)?;
            if active.toxic.effect.type_name() != effect.type_name() {
                return Err(InvalidToxic::Type.into());
            }
            let next = Toxic { toxicity, effect, ..active.toxic.clone() };
            next.check()?;
            active.toxic = next.clone();
            active.version += 1;
            Ok(next)
        })
    }

    /// Heals one; `false` if it was gone already.
    pub fn remove(&self, id: FaultId) -> bool {
        self.shared.remove(|a| a.id == id)
    }

    /// Heals the one called `name`; `false` if there is none.
    pub fn remove_named(&self, name: &str) -> bool {
        self.shared.remove(|a| a.toxic.name == name)
    }

    /// Heals all.
    pub fn clear(&self) {
        self.shared.remove(|_| true);
    }

    /// The toxics in force, in the order they were added.
    pub fn toxics(&self) -> Vec<Toxic> {
        self.plan().active.iter().map(|a| a.toxic.clone()).collect()
    }

    /// The toxic called `name`.
    pub fn toxic(&self, name: &str) -> Option<Toxic> {
        self.plan().named(name).map(|a| a.toxic.clone())
    }

    fn plan(&self) -> Arc<Plan> {
        self.shared.edge.control.plan()
    }

    /// Whether the connection with this number is one that the toxic acts on.
    pub fn draws(&self, toxic: &Toxic, connection: u64) -> bool {
        crate::draw::fires(self.seed(), connection, &toxic.name, toxic.toxicity)
    }

    /// Closes the listener, so that connections are refused, or opens it again. Established connections stay. When
    /// this returns it is done. Opening fails when the port has been lost to somebody else.
    pub fn refuse(&self, refuse: bool) -> Result<(), ListenError> {
        if refuse {
            self.shared.door.close();
            return Ok(());
        }
        self.shared.door.open().map_err(|source| ListenError::Bind { addr: self.addr(), source })
    }

    /// Whether it refuses connections.
    pub fn refuses(&self) -> bool {
        !self.shared.door.is_open()
    }

    /// Ends every established connection, once; how many there were. They end within a turn of the runtime, and
    /// no byte that arrives after this call is forwarded.
    pub fn cut(&self, cut: Cut) -> usize {
        let n = self.shared.edge.connections.order(cut);
        self.shared.edge.control.ring();
        n
    }

    /// Moves listener and upstream, and cuts what is established in order. When the new address cannot be had,
    /// nothing changes.
    pub fn repoint(&self, listen: SocketAddr, upstream: &str, open: bool) -> Result<(), ListenError> {
        if listen == self.addr() {
            self.commit(self.prepare(listen, upstream, open)?);
            return Ok(());
        }
        let target = parse_target(upstream)?;
        self.shared.door.rebind(listen, open).map_err(|source| ListenError::Bind { addr: listen, source })?;
        self.commit(Move { sockets: None, target, open });
        Ok(())
    }

    /// Takes everything that a move needs, and changes nothing yet.
    pub(crate) fn prepare(
        &self,
        listen: SocketAddr,
        upstream: &str,
        open: bool,
    ) -> Result<Move, ListenError> {
        let target = parse_target(upstream)?;
        let stays = listen == self.addr() && (!open || !self.refuses());
        let sockets = if stays {
            None
        } else {
            let taken = self.shared.door.prepare(listen, open);
            Some(taken.map_err(|source| ListenError::Bind { addr: listen, source })?)
        };
        Ok(Move { sockets, target, open })
    }

    pub(crate) fn commit(&self, prepared: Move) {
        if let Some(sockets) = prepared.sockets {
            self.shared.door.replace(sockets);
        } else if !prepared.open {
            self.shared.door.close();
        }
        *self.shared.edge.target.write() = prepared.target;
        self.cut(Cut::Fin);
    }

    /// What it has counted.
    pub fn counters(&self) -> Counters {
        let Edge { tally, exchanges, connections, .. } = &*self.shared.edge;
        Counters {
            accepted: tally.accepted.get(),
            turned_away: tally.turned_away.get(),
            open: connections.open() as u64,
            closed: tally.closed.get(),
            dials_failed: tally.dials_failed.get(),
            cut: tally.cut.get(),
            answered: tally.answered.get(),
            upstream: tally.upstream.read(),
            downstream: tally.downstream.read(),
            exchanges: exchanges.read(),
        }
    }

    /// Connections whose last bytes went upstream and still await an answer, now and at most. One begins with the
    /// client's bytes and is over with the first bytes written back to it, its FIN, or the connection's end.
    pub fn exchanges(&self) -> ExchangeGauge {
        self.shared.edge.exchanges.read()
    }

    /// Sets the high-water mark to what is in progress now; the gauge as it was.
    pub fn reset_high_water(&self) -> ExchangeGauge {
        self.shared.edge.exchanges.reset_high_water()
    }

    /// The latest connections that are over (a bounded number), oldest first, then the open ones.
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.edge.connections.log()
    }
}

fn parse_target(upstream: &str) -> Result<Target, ListenError> {
    Target::parse(upstream).ok_or_else(|| ListenError::Upstream(upstream.to_owned()))
}

/// A move that can no longer fail.
#[derive(Debug)]
pub(crate) struct Move {
    sockets: Option<Sockets>,
    target: Target,
    open: bool,
}

/// Keeps a toxic in force; dropped, it heals it.
#[derive(Debug)]
#[must_use = "dropped, the toxic is healed at once"]
pub struct Held {
    id: FaultId,
    proxy: Weak<Shared>,
}

impl Held {
    /// Which toxic.
    pub fn id(&self) -> FaultId {
        self.id
    }

    /// Leaves the toxic in force.
    pub fn forget(mut self) -> FaultId {
        self.proxy = Weak::new();
        self.id
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(proxy) = self.proxy.upgrade() {
            proxy.remove(|a| a.id == self.id);
        }
    }
}
