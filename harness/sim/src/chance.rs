//! Streams of chance: each purpose draws from its own, so that one more draw here moves nothing there.
//!
//! A simulated system draws from these, too: the host `colleague` from `stream(seed, "host colleague")`, say. The
//! seed of a run is then all that its chance comes from, and two parts of it never draw the same by accident.

use rand::SeedableRng;
use rand::rngs::SmallRng;

/// The stream of `purpose` in the run of `seed`: the same for the same two, today and tomorrow, and another for any
/// other purpose. This crate's own purposes are `ready`, `timers` and `link `, followed by an edge.
pub fn stream(seed: u64, purpose: &str) -> SmallRng {
    // FNV-1a: `std`'s hashers promise no stable value, and a seed must mean the same run tomorrow.
    let label = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    SmallRng::seed_from_u64(seed ^ label)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn a_stream_depends_on_its_seed_and_its_purpose_and_on_nothing_else() {
        let draw = |seed, purpose| stream(seed, purpose).random::<u64>();
        assert_eq!(draw(1, "timers"), draw(1, "timers"));
        assert_ne!(draw(1, "timers"), draw(2, "timers"));
        assert_ne!(draw(1, "timers"), draw(1, "links"));
    }
}
