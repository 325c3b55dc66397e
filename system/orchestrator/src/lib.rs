//! Deploying a hub and its spokes: what may happen, in which order, and what is left when it is cut short.
//!
//! Decisions are pure state machines that take `now`; what they decide on is kept behind one trait, [`Store`], each of
//! whose methods is one transaction. A crash between any two of them leaves a deployment that can be resumed or
//! rolled back. What is deployed onto is behind another, [`deploy::Platform`]; [`deploy`] drives the one over the two
//! others, and is all there is of waiting and of doing.
//!
//! | where | what |
//! |---|---|
//! | [`Instance`], [`Service`], [`ports`] | what is deployed: hub and spokes, their services, names and ports |
//! | [`state`] | the states of a deployment, which may follow which, and their append-only log |
//! | [`LockRow`] | one holder per instance, and fencing tokens that shut out whoever lost the lock |
//! | [`Phase`], [`pipeline`] | the phases as data; from what stands and what was asked to the next move |
//! | [`checkpoint`] | what was made, written before it is made; finished phases; the way back |
//! | [`BreakerRow`], [`retry`], [`ErrorCode`], [`threshold`] | failing: breakers shared by all processes, waits, codes with their remedies, when a run ends |
//! | [`levels`], [`timeouts`], [`ladder`], [`preflight`] | starting: what after what, how long, when it counts as up |
//! | [`store`] | the seam to what keeps it all, and what keeps it: a SQLite file, PostgreSQL, memory |
//! | [`deploy`] | the engine: makes the moves, under a lock renewed beside the work; its seam to what is deployed onto |
//!
//! Start reading at [`state`], then [`LockRow`], then [`pipeline`], then [`deploy`].

mod breaker;
pub mod checkpoint;
pub mod deploy;
mod error_code;
mod instance;
pub mod ladder;
pub mod levels;
mod lock;
mod operation;
mod phase;
pub mod pipeline;
pub mod ports;
pub mod preflight;
pub mod retry;
mod service;
mod stamp;
pub mod state;
pub mod store;
pub mod threshold;
pub mod timeouts;

pub use breaker::{Admission, BreakerRow, BreakerState, OPEN_FOR, Open, Outcome};
pub use checkpoint::{Checkpoint, Corrupt, Intent, Resource, ResourceKind};
pub use error_code::{Class, ErrorCode, NoCodeOfThisNumber, Remedy, Severity};
pub use instance::{Instance, InstanceCode, NoCode, NoInstance};
pub use lock::{
    Contended, FencingToken, Forsaken, HEARTBEAT, Held, Holder, LEASE, LockRow, Lost, Predecessor, SessionId,
    Taken,
};
pub use operation::{NoOperation, Operation};
pub use phase::{NoPhase, OnFailure, Phase};
pub use ports::{Endpoint, NoSlotLeft, NoSlotOfThisNumber, Slot};
pub use service::{NETWORK, NoService, Service};
pub use stamp::Stamp;
pub use state::{DeploymentState, NoState, StateChange};
pub use store::{Lease, Store, StoreError};
