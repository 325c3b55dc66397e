//! Whose a container or network is, written on it.

use std::collections::HashMap;

use harness_core::owner::Owner;

/// Whom it belongs to: an [`Owner`] as text. What lacks this label is never touched.
pub const OWNER: &str = "dev.chaos.owner";
/// The topology it is part of.
pub const TOPOLOGY: &str = "dev.chaos.topology";
/// The service of the topology that a container runs.
pub const SERVICE: &str = "dev.chaos.service";
/// The recipe an image was built from.
pub const RECIPE: &str = "dev.chaos.recipe";

pub(crate) fn of(owner: &Owner, topology: &str) -> HashMap<String, String> {
    HashMap::from([(OWNER.into(), owner.to_string()), (TOPOLOGY.into(), topology.into())])
}

/// The owner named by a set of labels. `None` when there is none or it can't be read: then it is not ours.
pub(crate) fn owner(labels: Option<&HashMap<String, String>>) -> Option<Owner> {
    labels?.get(OWNER)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_back_and_a_stranger_is_nobody() {
        let me = Owner::current().unwrap();
        assert_eq!(owner(Some(&of(&me, "t"))), Some(me));
        assert_eq!(owner(Some(&HashMap::from([(OWNER.into(), "somebody".into())]))), None);
        assert_eq!(owner(None), None);
    }
}
