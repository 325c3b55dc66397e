//! DIVE, bound to the harness: the catalogue, the binding, the worlds, the `chaos` command.
//!
//! ```text
//!  catalogue/*.yaml ─► catalogue ─► execute ─► worlds ─► harness-sim, harness-local, harness-docker
//!                                      │          │
//!                                      │          └─ binding: what DIVE's words mean, how it is asked and read
//!                                      ▼
//!                                   reports
//! ```
//!
//! Start at [`binding`] for what scenarios can say, at [`execute`] for how a run is made, at [`chaos`]
//! for the command. The test entries are `tests/scenarios.rs` (every scenario in every world) and
//! `tests/controls.rs` (the same with the resilience taken out: each must come out violated).

pub mod binding;
pub mod catalogue;
pub mod chaos;
pub mod execute;
pub mod folders;
mod runtime;
pub mod stamp;
pub mod worlds;
