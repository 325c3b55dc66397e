//! The key access service: data keys, released one request at a time.
//!
//! A ZTDF object carries its data key wrapped for this service. Whoever may have the object asks here for the
//! key; the service decides anew, believing nothing that it is told:
//!
//! ```text
//!  POST /request-key ──► http ──► release ──► dive_node::pep: token, resource, question, decision
//!                                   │  ├────► replay       is it the first time?
//!                                   │  ├────► data_keys    unwrapped lately? else unwrap
//!                                   │  └────► audit        before the answer; not kept: no key
//!                                   └─ the key, wrapped for the client of this one request
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`Kas`] | the parts put together: `new`, `router`, `start` |
//! | [`protocol`] | what goes over the wire |
//! | [`replay`] | each nonce once: a state machine |
//! | [`data_keys`] | data keys unwrapped lately: a state machine |
//! | [`key_file`] | the service's own key |
//! | [`client`] | the other side: authorize, get the key, decrypt |
//! | [`serve`] | the process: listener, logs, signals |
//!
//! It stands around a node of its own ([`dive_node::pep`]), so tokens, revocations, the question put to the
//! policy engine, checks, health and logs are the node's, not a second reading of the same rules. Its breaker to
//! the policy engine has settings of its own. Start reading at `release`.
//!
//! Keys are never logged, printed or put into an error, and are wiped when they go.

pub mod client;
pub mod data_keys;
mod http;
mod kas;
pub mod key_file;
mod metrics;
pub mod protocol;
mod release;
pub mod replay;
pub mod serve;

pub use kas::Kas;
pub use serve::serve;
