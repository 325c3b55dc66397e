//! The binding of DIVE to the harness: what can be said about it, and how to read what it says.
//!
//! | module | its one idea |
//! |---|---|
//! | [`words`] | the vocabulary: topologies, requests, invariants, settings |
//! | [`topology`] | the services, who calls whom, what can be seen |
//! | [`kit`] | what every run stands on: the coalition, its callers, a policy engine |
//! | [`policy`] | the policies in the stand-in of the policy engine |
//! | [`requests`] | from a request's number to a user, a resource and what must come of it |
//! | [`reading`] | from what a node and an engine tell to the timeline |
//! | [`invariants`] | what must hold in every run |

pub mod invariants;
pub mod kit;
pub mod policy;
pub mod reading;
pub mod requests;
pub mod topology;
pub mod words;

pub use words::vocabulary;
