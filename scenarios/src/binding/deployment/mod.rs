//! The topology `deployment`: operators at work on one machine, what they keep their state in, and what they deploy
//! onto.
//!
//! | module | its one idea |
//! |---|---|
//! | [`topology`] | the services, who calls whom, what can be seen |
//! | [`orders`] | what an operator can be told to do, and what can come of it |
//! | [`ordeal`] | many commands in a row, each cut at an instant drawn by chance |
//! | [`deeds`] | what is written on the timeline: the words that invariants weigh |
//!
//! What must hold in each of its runs is beside the other invariants: `single_holder`, `state_path`, `clean`,
//! `in_order`, `whole`.

pub mod deeds;
pub mod ordeal;
pub mod orders;
pub mod topology;
