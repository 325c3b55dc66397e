//! The world of processes: services as children on 127.0.0.1, edges as fault proxies in this process.
//!
//! ```text
//!                 LocalSystem::plan ──► ServiceSpec, Site::via       what to run, which edges there are
//!                        │
//!   LocalWorld ──► topology ──► service ──► process ──► lines ──► LocalSystem::on_log
//!     (World)         │            │           │
//!                     │          ports      procfs (which process a pid means)
//!                     └─► edge ──► harness_proxy ◄── canary ── effect (what shows that a fault works)
//!
//!   reaper (a process of its own) ◄── deathwatch ── whatever was started, should this process die
//! ```
//!
//! Start at [`LocalSystem`], what a system tells of itself, and [`LocalWorld`], what is made of it.
//!
//! | module | its one idea |
//! |---|---|
//! | [`system`], [`site`] | what a system must tell; the ground it stands on |
//! | [`world`], `topology` | the world of one run; its parts brought up, broken, mended, taken down |
//! | `service`, [`process`], [`lines`] | a service over its restarts; a child in its own group; what it prints |
//! | `edge`, `effect`, [`canary`], `connection` | breaking an edge; what shows it; a harmless exchange, and over what |
//! | [`identity`], [`interceptor`] | what a server shows when TLS begins; who comes between with another |
//! | [`ports`], [`listener`] | ports that stay a service's own; who listens where |
//! | [`reaper`], [`deathwatch`], [`procfs`] | nothing outlives its owner, however it ends |
//! | [`leftovers`] | what is left should the reaper have met its end too |
//! | `scratch` | where the folders of worlds are |
//! | [`undo`] | how another process undoes a fault |
//! | [`clock`], [`heartbeat`], `pressure` | system time; whether the machine kept going, or had too much to do |
//!
//! The executable that makes a [`LocalWorld`] must lead a subcommand of its own to [`reaper::main`] and
//! name it in [`LocalConfig::reaper`]; the services may be further subcommands of it.
//!
//! Bounds of a scenario are in system time, bounds of the machine (how long a process may take to
//! start) in real time: compressing a run makes nobody's machine faster.

pub mod canary;
pub mod clock;
mod connection;
pub mod deathwatch;
mod edge;
mod effect;
pub mod heartbeat;
pub mod identity;
pub mod interceptor;
pub mod leftovers;
pub mod lines;
pub mod listener;
pub mod ports;
mod pressure;
pub mod process;
pub mod procfs;
pub mod reaper;
mod scratch;
mod service;
pub mod site;
pub mod system;
mod topology;
pub mod undo;
pub mod world;

pub use canary::Canary;
pub use connection::Kept;
pub use deathwatch::WatcherCommand;
pub use identity::Identity;
pub use lines::LogLine;
pub use site::Site;
pub use system::{LocalSystem, Ready, ServiceSpec};
pub use world::{LocalConfig, LocalWorld};
