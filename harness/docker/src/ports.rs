//! Host ports for published container ports.
//!
//! A published port must outlast the container's stops, yet while it is stopped the host port is free. Ports
//! that the kernel hands to outgoing connections and to `bind(0)` would be gone by the time it starts again;
//! so they are taken from below that range.

use std::net::{Ipv4Addr, TcpListener};

const LOWEST: u16 = 20_000;
const EPHEMERAL_BY_DEFAULT: u16 = 32_768;

/// The ports from which to choose, beginning at the `start`-th (modulo their number).
fn candidates(ephemeral_from: u16, start: u32) -> impl Iterator<Item = u16> {
    let highest = if ephemeral_from > LOWEST + 1_000 { ephemeral_from } else { EPHEMERAL_BY_DEFAULT };
    let span = u32::from(highest - LOWEST);
    (0..span).map(move |step| LOWEST + ((start % span + step) % span) as u16)
}

/// The start from which a search begins with the port after `port`.
pub(crate) fn after(port: u16) -> u32 {
    u32::from(port - LOWEST) + 1
}

/// A port of 127.0.0.1 that nobody listens on now. Somebody may the next moment: the caller tries again.
pub(crate) fn free(start: u32) -> Option<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let ephemeral_from =
        range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(EPHEMERAL_BY_DEFAULT);
    candidates(ephemeral_from, start).find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_candidate_comes_once_and_is_never_ephemeral(low in 22_000u16..60_000, start: u32) {
            let mut all: Vec<_> = candidates(low, start).collect();
            prop_assert!(all.iter().all(|port| (LOWEST..low).contains(port)));
            let drawn = all.len();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!((all.len(), drawn), (usize::from(low - LOWEST), usize::from(low - LOWEST)));
        }
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        let start = 7;
        let first = free(start).unwrap();
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert_ne!(free(start), Some(first));
    }
}
