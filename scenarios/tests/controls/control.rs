//! A control: what every row of a table of them says.

/// A scenario, what is taken out of the system, and the finding that must see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control<Without> {
    pub(crate) scenario: &'static str,
    pub(crate) without: Without,
    /// What the violated finding's claim holds.
    pub(crate) seen_by: &'static str,
}

pub(crate) const fn control<Without>(
    scenario: &'static str,
    without: Without,
    seen_by: &'static str,
) -> Control<Without> {
    Control { scenario, without, seen_by }
}
