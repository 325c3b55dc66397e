//! Runs with processes: each is real, so the scenarios are short and the clock is fast.

mod death;
mod interrupts;
mod side_by_side;
mod tour;
