//! How each service boots, and what outlives its lives.

use std::sync::Arc;

use axum::Router;
use coalition::HUB_TENANT;
use dive_authz::ztdf::key_wrap::PrivateKey;
use dive_kas::Kas;
use dive_node::adapters::mongodb::MongoStore;
use dive_node::adapters::redis::{RedisDecisions, RedisLink, RedisProbe, RedisRevocations};
use dive_node::ports::{PolicyEngine, Ports, Probe, SealingKey};
use dive_node::{Dependency, Node as DiveNode, Settings};
use dive_runtime::Runtime;
use harness_core::fault::Edge;
use harness_core::world::WorldError;
use harness_sim::{Link, Links, Node, Slot};
use parking_lot::Mutex;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use standin_keycloak::{Options, Realms};
use standin_mongodb::Database;

use super::Parts;
use super::engine::{LinkedEngine, Opa};
use super::feed::{Feed, Item, NodeFeed};
use super::files::{Files, Journal};
use super::kas::LinkedKas;
use super::keycloak::{self, Keycloak, LinkedKeycloak};
use super::mongodb::{AtHand, LinkedMongodb, Mongodb};
use super::redis::{LinkedRedis, Redis};
use super::runtime::SimRuntime;
use crate::binding::kit::{IDENTITY_PROVIDER, Kit};
use crate::binding::reading::Told;
use crate::binding::topology::{BLACKLIST, HUB, KAS, KEYCLOAK, MONGODB, OPA, REDIS, Shape};
use crate::worlds::seed;

/// Seals cached decisions; nobody is to be kept out of a simulation.
const CACHE_KEY: [u8; 32] = [0x5e; 32];

/// Every service of a topology: where it listens, and its disk.
pub(super) struct Services {
    pub(super) shape: Shape,
    settings: Settings,
    kit: Arc<Kit>,
    links: Links,
    parts: Parts,
    feed: Feed,
    pub(super) hub: Slot<Router>,
    pub(super) keycloak: Slot<Keycloak>,
    opa: Slot<Arc<Opa>>,
    mongodb: Slot<Mongodb>,
    redis: Slot<Redis>,
    blacklist: Slot<Redis>,
    pub(super) kas: Slot<Router>,
    realms: Mutex<Option<Arc<Mutex<Realms>>>>,
    documents: Mutex<Option<Arc<Mutex<Database>>>>,
    revocations: Arc<Mutex<standin_redis::Redis>>,
    journal: Arc<Journal>,
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn failed(why: impl ToString) -> WorldError {
    WorldError::Failed(why.to_string())
}

impl Services {
    pub(super) fn new(
        shape: Shape,
        settings: Settings,
        kit: Arc<Kit>,
        links: &Links,
        parts: Parts,
        feed: Feed,
    ) -> Self {
        Self {
            shape,
            settings,
            kit,
            links: links.clone(),
            parts,
            feed,
            hub: Slot::new(),
            keycloak: Slot::new(),
            opa: Slot::new(),
            mongodb: Slot::new(),
            redis: Slot::new(),
            blacklist: Slot::new(),
            kas: Slot::new(),
            realms: Mutex::default(),
            documents: Mutex::default(),
            revocations: Arc::default(),
            journal: Arc::default(),
        }
    }

    /// In the order in which they start.
    pub(super) fn names(&self) -> &'static [&'static str] {
        match self.shape {
            Shape::HubAndOpa => &[OPA, HUB],
            Shape::Hub => &[OPA, KEYCLOAK, MONGODB, REDIS, BLACKLIST, KAS, HUB],
        }
    }

    pub(super) async fn boot(&self, service: &str, node: &Node) -> Result<(), WorldError> {
        match service {
            HUB => self.boot_hub(node)?,
            OPA => self.opa.occupy(node, Arc::new(Opa::new(self.kit.engine(), self.feed.clone()))),
            KEYCLOAK => self.keycloak.occupy(node, Keycloak { realms: self.realms()?, life: node.clone() }),
            MONGODB => {
                let disk = self.documents(node).await?;
                self.mongodb.occupy(node, Mongodb { disk, life: node.clone() });
            }
            // A cache: what it held is gone.
            REDIS => self.redis.occupy(node, Redis::started(&Arc::default(), node)),
            BLACKLIST => self.blacklist.occupy(node, Redis::started(&self.revocations, node)),
            KAS => self.boot_kas(node)?,
            other => return Err(failed(format!("there is no service {other}"))),
        }
        Ok(())
    }

    pub(super) fn vacate(&self, service: &str) {
        match service {
            HUB => self.hub.vacate(),
            OPA => self.opa.vacate(),
            KEYCLOAK => self.keycloak.vacate(),
            MONGODB => self.mongodb.vacate(),
            REDIS => self.redis.vacate(),
            BLACKLIST => self.blacklist.vacate(),
            KAS => self.kas.vacate(),
            _ => {}
        }
    }

    fn realms(&self) -> Result<Arc<Mutex<Realms>>, WorldError> {
        let mut kept = self.realms.lock();
        if let Some(realms) = &*kept {
            return Ok(realms.clone());
        }
        let options = Options::of(self.kit.coalition(), &[HUB_TENANT], &[]).map_err(failed)?;
        let options = Options { hostname: Some(IDENTITY_PROVIDER.to_owned()), ..options };
        let realms = Arc::new(Mutex::new(options.realms().map_err(failed)?));
        Ok(kept.insert(realms).clone())
    }

    /// The database, filled before its first life.
    async fn documents(&self, node: &Node) -> Result<Arc<Mutex<Database>>, WorldError> {
        let kept = self.documents.lock().clone();
        if let Some(disk) = kept {
            return Ok(disk);
        }
        let disk: Arc<Mutex<Database>> = Arc::default();
        let mongodb = Mongodb { disk: disk.clone(), life: node.clone() };
        let at_hand = AtHand { mongodb, database: self.settings.mongodb.database.clone() };
        seed::fill(&MongoStore::new(Arc::new(at_hand)), &self.kit, keycloak::BASE).await.map_err(failed)?;
        *self.documents.lock() = Some(disk.clone());
        Ok(disk)
    }

    fn link<S: Clone + Send + 'static>(&self, from: &str, to: &str, slot: &Slot<S>) -> Link<S> {
        self.links.link(&Edge::new(from, to), slot)
    }

    fn boot_hub(&self, node: &Node) -> Result<(), WorldError> {
        let runtime: Arc<dyn Runtime> = Arc::new(SimRuntime(node.clone()));
        let mut ports = self.ports(HUB, node, &runtime);
        if self.shape == Shape::Hub {
            let redis: Arc<dyn RedisLink> =
                Arc::new(LinkedRedis { link: self.link(HUB, REDIS, &self.redis) });
            ports.revocation_journal = Some(self.journal.clone());
            ports.decisions = Some(Arc::new(RedisDecisions(redis.clone())));
            ports.sealing_key = Some(SealingKey::from_bytes(&CACHE_KEY));
            ports.probes.insert(Dependency::Redis, Arc::new(RedisProbe(redis)));
            ports.probes.insert(Dependency::Kas, Arc::new(LinkedKas(self.link(HUB, KAS, &self.kas))));
        }
        if let Some(change) = &self.parts.ports {
            change(HUB, node, &mut ports);
        }
        let hub = DiveNode::new(self.settings.clone(), ports, runtime).map_err(failed)?;
        let circuit = |dependency: &Dependency, state: &str| {
            Item::Told(HUB, Told::Circuit { dependency: dependency.name().into(), state: state.into() })
        };
        for dependency in self.shape.dependencies() {
            if let Some(breaker) = hub.breaker(*dependency) {
                self.feed.push(circuit(dependency, breaker.state.as_str()));
            }
        }
        let (feed, dependencies) = (self.feed.clone(), self.shape.dependencies());
        node.at_end(move || {
            for dependency in dependencies {
                if dependency.has_circuit() {
                    feed.push(circuit(dependency, "unknown"));
                }
                let told = Told::Service { dependency: dependency.name().into(), status: "unknown".into() };
                feed.push(Item::Told(HUB, told));
            }
            feed.push(Item::Told(HUB, Told::Status { status: "down".into() }));
        });
        hub.start();
        self.hub.occupy(node, hub.router());
        Ok(())
    }

    fn boot_kas(&self, node: &Node) -> Result<(), WorldError> {
        let runtime: Arc<dyn Runtime> = Arc::new(SimRuntime(node.clone()));
        let mut ports = self.ports(KAS, node, &runtime);
        if let Some(change) = &self.parts.ports {
            change(KAS, node, &mut ports);
        }
        let settings = self.settings.with("node.id", KAS).map_err(failed)?;
        let key: [u8; 32] =
            self.kit.sealed().kas_key.as_slice().try_into().map_err(|_| failed("the key has 32 bytes"))?;
        let chance = StdRng::seed_from_u64(self.kit.coalition().seed());
        let kas = Kas::new(settings, ports, PrivateKey::from_bytes(key), chance, runtime).map_err(failed)?;
        kas.start();
        self.kas.occupy(node, kas.router());
        Ok(())
    }

    /// What a node and a key access service have in common.
    fn ports(&self, of: &'static str, node: &Node, runtime: &Arc<dyn Runtime>) -> Ports {
        let engine: Arc<dyn PolicyEngine> = Arc::new(LinkedEngine(self.link(of, OPA, &self.opa)));
        let files = Arc::new(Files { node: of, kit: self.kit.clone(), feed: self.feed.clone() });
        let events = Arc::new(NodeFeed(of, self.feed.clone()));
        let mut ports = match self.shape {
            Shape::HubAndOpa => {
                Ports::new(engine, files.clone(), files.clone(), files.clone(), files, events)
            }
            Shape::Hub => {
                let commands = LinkedMongodb {
                    link: self.link(of, MONGODB, &self.mongodb),
                    database: self.settings.mongodb.database.clone(),
                };
                let store = Arc::new(MongoStore::new(Arc::new(commands)));
                let keycloak = Arc::new(LinkedKeycloak { link: self.link(of, KEYCLOAK, &self.keycloak) });
                let blacklist: Arc<dyn RedisLink> =
                    Arc::new(LinkedRedis { link: self.link(of, BLACKLIST, &self.blacklist) });
                let mut ports =
                    Ports::new(engine, store.clone(), keycloak.clone(), store.clone(), files, events);
                let entries = self.settings.revocation.entries;
                let revocations = RedisRevocations::new(blacklist.clone(), entries, runtime.clone());
                ports.revocations = Some(Arc::new(revocations));
                let probes: [(_, Arc<dyn Probe>); 3] = [
                    (Dependency::Mongodb, store),
                    (Dependency::Keycloak, keycloak),
                    (Dependency::BlacklistRedis, Arc::new(RedisProbe(blacklist))),
                ];
                ports.probes.extend(probes);
                ports
            }
        };
        if let Some(breakers) = self.parts.breakers.as_ref().filter(|_| of == HUB) {
            ports.breakers = breakers(node);
        }
        ports
    }
}
