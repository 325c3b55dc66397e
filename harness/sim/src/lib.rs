//! The virtual world: simulated time, tasks, links.
pub mod executor;
mod chance;
pub mod links;
mod node;
mod slot;
pub use executor::{ReadyOrder, Sim, SimError, SimSettings, Sleep, Task};
pub use links::{Link, LinkError, Links, Reply};
pub use node::{Node, SimHandle};
pub use slot::Slot;
