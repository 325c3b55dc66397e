//! The binding of DIVE to the harness: what can be said about it, and how to read what it says.
//!
//! | module | its one idea |
//! |---|---|
//! | [`words`] | the vocabulary: topologies, requests, invariants, settings |
//! | [`topology`] | the services, who calls whom, what can be seen |
//! | [`kit`] | what every run stands on: the coalition, its callers, a policy engine |
//! | [`policy`] | the policies in the stand-in of the policy engine |
//! | [`requests`] | the kinds of requests and what can come of them |
//! | [`callers`] | who asks, and what they may have |
//! | [`session`], [`asked`] | the callers of one run: the next request, and its end |
//! | [`sealed`] | the encrypted resources, and the key that opens them |
//! | [`wire`] | a harmless question in each protocol that is not HTTP |
//! | [`opening`] | an encrypted resource, from the question to the plaintext |
//! | [`reading`] | from what a node and an engine tell to the timeline |
//! | [`invariants`] | what must hold in every run |
//! | [`deployment`] | all of this for operators at work: a topology of its own |

pub mod asked;
pub mod callers;
pub mod deployment;
pub mod invariants;
pub mod kit;
pub mod opening;
pub mod policy;
pub mod reading;
pub mod requests;
pub mod sealed;
pub mod session;
pub mod topology;
pub mod wire;
pub mod words;

pub use words::vocabulary;
