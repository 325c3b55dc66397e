//! The container world and its toolkit: real services in containers, faults that are real, nothing left behind.
//!
//! Start at [`Topology`]: a network of its own, the containers on it and the reaper that ends both.
//!
//! ```text
//! images/    recipe (data) ──► Images::ensure ──► an image tag: pulled, or built on the spot
//! engine     Engine::connect ──► every call to the Docker engine, each with a deadline
//! topology   Topology::create ──► network on a free subnet (subnet), reaper armed (reaper)
//! container  Topology::start(ContainerSpec) ──► Container: a fixed address, fixed published ports (ports)
//! outage     Outage::inverse (journal it) ──► inject ──► evidence (effect) ──► Inverse::heal, from any process
//! logs       follow ──► lines with their time, across restarts
//! lease      acquire ──► one topology for all test processes of a run, ended by a guard (reaper)
//! changes    what comes to be on the engine and what goes, whoever asks for it
//! labels     whose a container is; cleanup removes by that label and by nothing else
//! world      DockerWorld: all of this as a world that scenarios run in, its edges through Toxiproxy
//! ```
//!
//! testcontainers describes, starts and awaits containers; bollard does all else. testcontainers can't give
//! a container a fixed address, nor take up one that was created elsewhere. So the address that the engine
//! hands out at the first start is pinned whenever the container is attached or started again (`attachment`).
//!
//! The engine must run on this machine: containers are reached through `127.0.0.1` and at their own addresses.

mod attachment;
pub mod changes;
pub mod cleanup;
pub mod container;
pub mod effect;
pub mod engine;
pub mod files;
pub mod images;
pub mod labels;
pub mod lease;
pub mod logs;
pub mod outage;
pub mod ports;
pub mod reaper;
mod subnet;
pub mod topology;
pub mod world;

pub use container::{Container, ContainerSpec, Ready, StartError};
pub use effect::{Evidence, Reach};
pub use engine::{Engine, EngineError};
pub use images::{Image, ImageError, Images, Recipe, Source};
pub use outage::{Inverse, Outage};
pub use reaper::{Reaper, Watched};
pub use topology::{Topology, TopologyError};
pub use world::{ContainerPlan, DockerConfig, DockerSystem, DockerWorld, Site};
