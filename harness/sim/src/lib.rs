//! The virtual world: a system runs in simulated time, on one thread, with everything left to chance
//! decided by a seed. The same seed gives the same run, event by event.
//!
//! ```text
//!            SimWorld ── the harness' `World`: injects, proves, heals        world/
//!               │ boots services into nodes, imposes rules on edges
//!   SimSystem ◄─┤                                                           (a binding's)
//!               │
//!   Link ──► rules, latency ──► Slot ──► handler, a task of the callee      links/, slot
//!               │
//!   Node ── one life of a machine: its tasks, its wall clock                node
//!               │
//!   Sim ── tasks, timers, the clock                                         executor/
//! ```
//!
//! Start reading at [`executor`] (what runs when), then [`links`] (what a call goes through), then
//! [`world`] (how faults map to both).
//!
//! What must hold inside, for a run to be repeatable: time only from a [`Node`] or the [`SimHandle`],
//! tasks only by [`Node::spawn`], chance only from the seed (each purpose from its own
//! [`chance::stream`]), no other thread, `select!` only `biased`, nothing that iterates a `HashMap`
//! where the order can be seen. Channels, locks and notifications of `tokio::sync` need no tokio
//! runtime and work (but not `watch` with several receivers, whose wake order is random); so do axum's
//! routers.
//!
//! ```
//! use std::time::Duration;
//! use harness_core::fault::Edge;
//! use harness_sim::{Links, Reply, Sim, SimSettings, Slot};
//!
//! let mut sim = Sim::new(SimSettings::seeded(7));
//! let clock = sim.handle();
//! let opa = clock.node("opa");
//! let slot = Slot::new();
//! slot.occupy(&opa, "a policy");
//! let link = Links::new(&clock).link(&Edge::new("hub", "opa"), &slot);
//!
//! let answer = sim.run(async {
//!     clock.sleep(Duration::from_secs(3_600)).await;
//!     link.call(|policy| async move { policy.len() }).await
//! });
//! assert_eq!(answer, Ok(Ok(Reply::Answer(8))));
//! assert_eq!(clock.now().to_string(), "t+3600.000s");
//! ```

pub mod chance;
pub mod executor;
pub mod links;
mod node;
mod slot;
pub mod world;

pub use executor::{ReadyOrder, Sim, SimError, SimSettings, Sleep, Task};
pub use links::{Latency, Link, LinkError, Links, Reply};
pub use node::{Node, SimHandle};
pub use slot::Slot;
pub use world::{SimSystem, SimWorld};
