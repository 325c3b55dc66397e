//! What the benches share. The benches themselves are in `benches/`, one file for each thing measured; what
//! they showed is in `README.md`.
//!
//! | where | what |
//! |---|---|
//! | [`race`] | contestants measured turn by turn in one run: percentiles, ratios, what one adds to another |
//! | [`exchange`] | a blocking HTTP/1 client that costs next to nothing itself |
//! | [`program`] | real OPA and Toxiproxy, when this machine has them |
//! | [`hub`] | the ports of a node on the test coalition, all in memory |
//! | [`serve`] | servers on loopback, on threads of their own |
//!
//! A bench is a criterion bench, so `cargo bench` compares it with its last run; a race is one, too, whose
//! figure is that of its first contestant, and prints the others beside it.

pub mod exchange;
pub mod hub;
pub mod program;
pub mod race;
pub mod serve;

/// The allocator of every bench, as of the programs that ship.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whether figures are wanted: under `cargo bench`. Otherwise each bench runs once, to show that it runs.
pub fn measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
