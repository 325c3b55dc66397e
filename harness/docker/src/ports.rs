//! Host ports for published container ports.
//!
//! A published port must outlast the container's stops, yet while it is stopped the host port is free. Ports
//! that the kernel hands to outgoing connections and to `bind(0)` would be gone by the time it starts again;
//! so they are taken from below that range, and from above those by which services are known, such as 27017.
//!
//! Other processes that choose from there must see that a port is taken while it is free: who chose it holds the
//! UDP port of the same number, which nothing here serves, and which goes with the process however that ends.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The lowest of them.
pub const LOWEST: u16 = 28_000;
const EPHEMERAL_BY_DEFAULT: u16 = 32_768;
const ATTEMPTS: u32 = 2_000;
/// So many ports stay claimed; with more, those that were chosen first are free again.
const CLAIMS: usize = 256;

static CLAIMED: Mutex<VecDeque<UdpSocket>> = Mutex::new(VecDeque::new());

/// The `index`-th port from which to choose, modulo their number.
fn candidate(ephemeral_from: u16, index: u32) -> u16 {
    let highest = if ephemeral_from > LOWEST + 1_000 { ephemeral_from } else { EPHEMERAL_BY_DEFAULT };
    LOWEST + (index % u32::from(highest - LOWEST)) as u16
}

/// A port of 127.0.0.1 that nobody listens on now, and that neither this process nor another that runs was given
/// before: who had it may be stopped only. A stranger may take it the next moment: then the caller asks again.
pub(crate) fn free() -> Option<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let ephemeral_from =
        range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(EPHEMERAL_BY_DEFAULT);
    // Processes that start one after the other begin some way apart.
    let start = std::process::id().wrapping_mul(61);
    (0..ATTEMPTS).find_map(|_| {
        let port = candidate(ephemeral_from, start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)));
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.truncate(CLAIMS - 1);
        claimed.push_front(claim);
        Some(port)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_candidate_is_ephemeral(low in 30_000u16..60_000, index: u32) {
            prop_assert!((LOWEST..low).contains(&candidate(low, index)));
        }
    }

    #[test]
    fn candidates_come_round_only_after_all_others() {
        let mut all: Vec<_> = (7..4_775).map(|index| candidate(32_768, index)).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4_768);
    }

    #[test]
    fn a_port_is_given_once_though_nobody_listens_on_it() {
        let given: std::collections::BTreeSet<_> = (0..50).filter_map(|_| free()).collect();
        assert_eq!(given.len(), 50);
    }

    #[test]
    fn what_another_process_was_given_is_not_given_though_nobody_listens_on_it() {
        let mine = free().unwrap();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, mine)).is_ok(), "nobody listens");
        assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, mine)).is_err(), "it is claimed all the same");
    }

    #[test]
    fn a_machine_that_gives_away_every_port_leaves_the_usual_ones() {
        assert!((LOWEST..EPHEMERAL_BY_DEFAULT).contains(&candidate(1_024, 5)));
    }
}
