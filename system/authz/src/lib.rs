//! Who may do what with which resource: the vocabulary, the policies, the decision cache, protected data.
//!
//! ```text
//!  token + metadata ──► Input ──► DecisionCache ──miss──► policy engine (policies/, Rego)
//!                                      │                          │ {"result": {…}}
//!                                      └────── Decision ◄─────────┘ Decision::from_engine
//! ```
//!
//! - [`input`]: the question. [`check`], [`decision`]: the answer, read strictly.
//! - [`classification`], [`country`]: the two small vocabularies both are written in.
//! - [`policies`]: the Rego modules and their data, embedded, with a revision derived from their content.
//!   The rules themselves live in `policies/`, laid out base / org / tenant / entrypoints.
//! - [`cache`]: decisions already made.
//! - [`ztdf`]: data that carries its own policy, and the keys to it.
//!
//! The rules are decided by the policy engine alone. Nothing here evaluates them a second time, so there
//! is no weaker answer to fall back to. Start reading at [`Input`], then [`Decision::from_engine`].

pub mod cache;
pub mod check;
pub mod classification;
pub mod country;
pub mod decision;
pub mod input;
pub mod policies;
pub mod ztdf;

#[cfg(test)]
mod testing;

pub use cache::{CacheKey, CacheSettings, DecisionCache, PolicyRevision, Ttl};
pub use check::{Check, Checks};
pub use classification::Classification;
pub use country::Country;
pub use decision::{Decision, KasAction, MalformedDecision, Obligation, Reason};
pub use input::{Acr, Action, Context, Input, Resource, Subject, Ztdf};
