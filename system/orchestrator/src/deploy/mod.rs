//! Deploying for real: the pure pipeline, driven over two seams, the [`Store`] and the [`Platform`].
//!
//! ```text
//!   Engine ── takes the lock, reads the facts, plans                               engine
//!     │ Holding ── renews the lock beside the work; lost: the work is dropped      holding
//!     │ after a holder who did not give it back: waits out his calls               settling
//!     ▼
//!   Run's moves, one after the other ── transitions, checkpoints, stopping         moves
//!     ├─► a phase: steps, each ── find ─▶ write down ─▶ make                       phases
//!     ├─► services, level by level, each up its ladder                             levels, services
//!     ├─► a spoke's look at its hub: up for what is made with something of it,
//!     │     COMPLETE for VERIFICATION                                              hub
//!     ├─► newer versions of secrets beside the earlier ones, which go last         rotation
//!     └─► undoing, newest first, each struck out once it is gone                   undo
//!            each through: breaker ─▶ try ─▶ remedy, wait by its row ─▶ try again  attempt, tries
//! ```
//! Beside runs there is looking: how all stand (`status`), and whether what is written down agrees with itself and
//! with what is there (`check`, by the rules of [`consistency`]), and whether one works (`trial`).
//!
//! One run is one future. Dropping it at any point is a crash at that point: the lock goes with the store's
//! client, everything that was made is written down, and the next run resumes or undoes it. A *stop* is milder:
//! what is being written or made is let come to its end, the state becomes FAILED and the lock is released.
//!
//! Time comes from the [`Runtime`](dive_runtime::Runtime), chance from the engine's maker: in a simulated world
//! a run repeats itself to the last event.

mod attempt;
mod check;
mod confirmed;
pub mod consistency;
mod ended;
mod engine;
mod estimate;
mod event;
mod holding;
mod hub;
mod levels;
mod moves;
mod phases;
mod platform;
pub mod rotation;
mod services;
mod settling;
pub mod simulated;
mod status;
mod trial;
mod tries;
mod undo;

pub use check::Compared;
pub use confirmed::{Confirmed, Unconfirmed};
pub use consistency::Difference;
pub use ended::{Interrupted, Report};
pub use engine::{Chance, Engine, Gone, Order};
pub use event::{Event, Observer};
pub use platform::{Action, Done, Failure, Found, Holding, Platform, Site, Step, Subject, Thing};
pub use services::POLL;
pub use status::{History, ServiceStatus, Status};
pub use trial::Tried;
