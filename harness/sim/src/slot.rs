//! Where a service listens, found at the time of each call: nobody can talk to a life that has ended.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::node::Node;

/// The place at which callers find a service of type `S`; empty while nothing listens there.
///
/// `S` is whatever a call needs of the callee and is cloned for each call: a router, an `Arc` of a stand-in.
/// Clones are the same slot. It empties itself when the life that occupies it ends.
pub struct Slot<S> {
    occupant: Arc<Mutex<Option<(Node, S)>>>,
}

impl<S> Clone for Slot<S> {
    fn clone(&self) -> Self {
        Self { occupant: Arc::clone(&self.occupant) }
    }
}

impl<S> Default for Slot<S> {
    fn default() -> Self {
        Self { occupant: Arc::default() }
    }
}

impl<S: Clone + Send + 'static> Slot<S> {
    /// An empty slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has `service` answer here, with its handlers running as tasks of `node`. Takes the place of whoever
    /// listened before.
    pub fn occupy(&self, node: &Node, service: S) {
        let before = self.occupant.lock().replace((node.clone(), service));
        drop(before);
        let (slot, life) = (self.clone(), node.clone());
        node.at_end(move || slot.vacate_if(|occupant| occupant.is_same_life(&life)));
    }

    /// Stops listening: new calls are refused, those under way go on. What a graceful stop does first.
    pub fn vacate(&self) {
        self.vacate_if(|_| true);
    }

    /// Who listens now.
    pub fn occupant(&self) -> Option<(Node, S)> {
        self.occupant.lock().clone()
    }

    fn vacate_if(&self, leaves: impl FnOnce(&Node) -> bool) {
        let left = self.occupant.lock().take_if(|(node, _)| leaves(node));
        drop(left);
    }
}

/// A slot, whatever listens there.
pub(crate) trait Listening: Send + Sync {
    /// The life that listens.
    fn life(&self) -> Option<Node>;
}

impl<S: Send> Listening for Slot<S> {
    fn life(&self) -> Option<Node> {
        self.occupant.lock().as_ref().map(|(node, _)| node.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sim, SimSettings};

    #[test]
    fn a_slot_is_empty_from_the_end_of_its_life_until_the_next_one_moves_in() {
        let sim = Sim::new(SimSettings::seeded(1));
        let first = sim.handle().node("opa");
        let slot = Slot::new();
        assert!(slot.occupant().is_none());
        slot.occupy(&first, 1);
        assert_eq!(slot.occupant().map(|(_, service)| service), Some(1));
        first.crash();
        assert!(slot.occupant().is_none());
        slot.occupy(&first, 2);
        assert!(slot.occupant().is_none(), "a life that has ended cannot listen");
        slot.occupy(&first.next_life(), 3);
        assert_eq!(slot.occupant().map(|(_, service)| service), Some(3));
    }

    #[test]
    fn the_end_of_an_old_life_does_not_empty_the_slot_of_a_new_one() {
        let sim = Sim::new(SimSettings::seeded(1));
        let (old, new) = (sim.handle().node("opa"), sim.handle().node("opa"));
        let slot = Slot::new();
        slot.occupy(&old, 1);
        slot.occupy(&new, 2);
        old.crash();
        assert_eq!(slot.occupant().map(|(_, service)| service), Some(2));
        slot.vacate();
        assert!(slot.occupant().is_none() && new.is_alive());
    }
}
