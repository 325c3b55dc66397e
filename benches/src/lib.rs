//! What the benches share. The benches themselves are in `benches/`, one file for each thing measured; what
//! they showed is in `README.md`.
//!
//! | where | what |
//! |---|---|
//! | [`race`] | contestants measured turn by turn in one run: percentiles, ratios, what one adds to another |
//! | [`step`] | what takes nanoseconds |
//! | [`load`] | the highest rate of requests that a server bears |
//! | [`memory`] | how much this process holds, and whether that grew |
//! | [`summary`] | the rows printed at a bench's end: what, seen, goal, met |
//! | [`exchange`] | a blocking HTTP/1 client that costs next to nothing itself |
//! | [`program`], [`opa`] | real OPA and Toxiproxy, when this machine has them |
//! | [`hub`] | the ports of a node on the test coalition, all in memory |
//! | [`asking`], [`borders`] | what the coalition's callers send it |
//! | [`serve`] | servers on loopback, on threads of their own |
//!
//! A bench is a criterion bench, so `cargo bench` compares it with its last run; a race is one, too, whose
//! figure is that of its first contestant, and prints the others beside it. Load and memory are no such thing:
//! they run once.

pub mod asking;
pub mod borders;
pub mod exchange;
pub mod hub;
pub mod load;
pub mod memory;
pub mod opa;
pub mod program;
pub mod race;
pub mod serve;
pub mod step;
pub mod summary;

/// The allocator of every bench, as of the programs that ship.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whether figures are wanted: under `cargo bench`. Otherwise each bench runs once, to show that it runs.
pub fn measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Whether a bench without criterion was asked for: nothing was named, or a part of its name.
pub fn wanted(name: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|part| name.contains(&part))
}
