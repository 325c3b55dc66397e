//! The proxies of one server, by name.

use crate::connections::Cut;
use crate::draw::Draw;
use crate::limits::Limits;
use crate::proxy::{ListenError, Proxy};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Proxies of one server at a time.
const MOST: usize = 1024;

/// Why the set stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// There is one of that name.
    #[error("proxy already exists")]
    Exists,
    /// There is none of that name.
    #[error("proxy not found")]
    NotFound,
    /// At most 1024.
    #[error("too many proxies")]
    TooMany,
    /// It could not listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// What a proxy shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: String,
    pub(crate) enabled: bool,
}

/// What shall become of a proxy; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) upstream: Option<String>,
    pub(crate) enabled: Option<bool>,
}

/// Proxies by name. Changes happen one at a time and none of them waits for a connection.
#[derive(Debug)]
pub struct ProxySet {
    seed: u64,
    limits: Limits,
    proxies: Mutex<BTreeMap<String, Arc<Proxy>>>,
}

impl ProxySet {
    /// Empty. Each proxy created here draws from `seed` and its name.
    pub fn new(seed: u64, limits: Limits) -> Arc<Self> {
        Arc::new(Self { seed, limits, proxies: Mutex::new(BTreeMap::new()) })
    }

    /// Takes in a proxy made elsewhere.
    pub fn insert(&self, proxy: Proxy) -> Result<Arc<Proxy>, SetError> {
        Self::enter(&mut self.proxies.lock(), proxy)
    }

    fn enter(proxies: &mut BTreeMap<String, Arc<Proxy>>, proxy: Proxy) -> Result<Arc<Proxy>, SetError> {
        if proxies.contains_key(proxy.name()) {
            return Err(SetError::Exists);
        }
        if proxies.len() >= MOST {
            return Err(SetError::TooMany);
        }
        let proxy = Arc::new(proxy);
        proxies.insert(proxy.name().to_owned(), Arc::clone(&proxy));
        Ok(proxy)
    }

    /// The one called `name`.
    pub fn get(&self, name: &str) -> Result<Arc<Proxy>, SetError> {
        self.proxies.lock().get(name).cloned().ok_or(SetError::NotFound)
    }

    /// All, by name.
    pub fn all(&self) -> Vec<Arc<Proxy>> {
        self.proxies.lock().values().cloned().collect()
    }

    /// Ends the one called `name`: its listener and connections are gone when this returns, or, if its owner still
    /// holds it, cut and closed to new ones.
    pub fn remove(&self, name: &str) -> Result<(), SetError> {
        let proxy = self.proxies.lock().remove(name).ok_or(SetError::NotFound)?;
        proxy.refuse(true)?;
        proxy.cut(Cut::Fin);
        Ok(())
    }

    /// Opens every proxy and heals all toxics. As in Toxiproxy this is everybody's. One that can't be opened doesn't
    /// keep the others from it.
    pub fn reset(&self) -> Result<(), SetError> {
        let mut outcome = Ok(());
        for proxy in self.all() {
            proxy.clear();
            outcome = outcome.and(proxy.refuse(false));
        }
        Ok(outcome?)
    }

    fn make(&self, wanted: &Wanted) -> Result<Proxy, ListenError> {
        let seed = Draw::new(self.seed, 0, &wanted.name, 0).next_u64();
        Proxy::listen_with(
            wanted.name.clone(),
            wanted.listen,
            &wanted.upstream,
            seed,
            wanted.enabled,
            self.limits,
        )
    }

    pub(crate) fn create(&self, wanted: &Wanted) -> Result<Arc<Proxy>, SetError> {
        let mut proxies = self.proxies.lock();
        if proxies.contains_key(&wanted.name) {
            return Err(SetError::Exists);
        }
        Self::enter(&mut proxies, self.make(wanted)?)
    }

    /// Opens, closes or moves a proxy. Moving cuts what is established; so does closing.
    pub(crate) fn update(&self, name: &str, patch: &Patch) -> Result<Arc<Proxy>, SetError> {
        let proxies = self.proxies.lock();
        let proxy = Arc::clone(proxies.get(name).ok_or(SetError::NotFound)?);
        let wanted = Wanted {
            name: name.to_owned(),
            listen: patch.listen.unwrap_or(proxy.addr()),
            upstream: patch.upstream.clone().unwrap_or_else(|| proxy.upstream()),
            enabled: patch.enabled.unwrap_or(!proxy.refuses()),
        };
        if differs(&proxy, &wanted) {
            proxy.repoint(wanted.listen, &wanted.upstream, wanted.enabled)?;
        } else if patch.enabled == Some(true) {
            proxy.refuse(false)?;
        } else if patch.enabled == Some(false) {
            proxy.refuse(true)?;
            proxy.cut(Cut::Fin);
        }
        Ok(proxy)
    }

    /// Creates what is missing, moves what differs (its toxics go), leaves the rest alone. All addresses are taken
    /// before anything is changed: if one can't be had, nothing is. Names must be unique.
    pub(crate) fn populate(&self, all: &[Wanted]) -> Result<Vec<Arc<Proxy>>, SetError> {
        let mut proxies = self.proxies.lock();
        let (mut made, mut moves) = (Vec::new(), Vec::new());
        for wanted in all {
            match proxies.get(&wanted.name) {
                None => made.push(self.make(wanted)?),
                Some(proxy) if differs(proxy, wanted) => {
                    let prepared = proxy.prepare(wanted.listen, &wanted.upstream, wanted.enabled)?;
                    moves.push((Arc::clone(proxy), prepared));
                }
                Some(_) => {}
            }
        }
        if proxies.len() + made.len() > MOST {
            return Err(SetError::TooMany);
        }
        for (proxy, prepared) in moves {
            proxy.commit(prepared);
            proxy.clear();
        }
        for proxy in made {
            Self::enter(&mut proxies, proxy)?;
        }
        all.iter().map(|w| proxies.get(&w.name).cloned().ok_or(SetError::NotFound)).collect()
    }
}

fn differs(proxy: &Proxy, wanted: &Wanted) -> bool {
    proxy.addr() != wanted.listen || proxy.upstream() != wanted.upstream
}
