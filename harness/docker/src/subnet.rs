//! A private /24 that no other network of this machine has.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network: address and prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    base: u32,
    prefix: u8,
}

/// 10.231.0.0/16: private, and outside of what Docker, Podman and Kubernetes hand out by default.
const RANGE: u32 = u32::from_be_bytes([10, 231, 0, 0]);

impl Subnet {
    fn new(base: u32, prefix: u8) -> Self {
        Self { base: base & mask(prefix), prefix }
    }

    fn overlaps(self, other: Self) -> bool {
        let shared = mask(self.prefix.min(other.prefix));
        self.base & shared == other.base & shared
    }

    /// The first host address; the engine answers there.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// All host addresses but the gateway's, the highest first.
    pub(crate) fn hosts_from_the_top(self) -> impl Iterator<Item = Ipv4Addr> {
        let broadcast = self.base | !mask(self.prefix);
        (self.base + 2..broadcast).rev().map(Ipv4Addr::from)
    }
}

const fn mask(prefix: u8) -> u32 {
    if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) }
}

/// The free /24s of the range, each once, beginning at the `start`-th (taken modulo 256) so that topologies
/// made at the same time seldom meet.
pub(crate) fn free(taken: &[Subnet], start: u32) -> impl Iterator<Item = Subnet> {
    (0..256)
        .map(move |step| Subnet::new(RANGE | ((start.wrapping_add(step) & 0xff) << 8), 24))
        .filter(|candidate| !taken.iter().any(|other| candidate.overlaps(*other)))
}

/// The networks that the kernel's routing table (`/proc/net/route`) leads to; the default route is none.
pub(crate) fn routed(table: &str) -> Vec<Subnet> {
    let hex = |field: &str| u32::from_str_radix(field, 16).ok().map(u32::swap_bytes);
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (base, mask) = (hex(fields.get(1)?)?, hex(fields.get(7)?)?);
            (mask != 0).then(|| Subnet::new(base, mask.leading_ones() as u8))
        })
        .collect()
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (base, prefix) = text.split_once('/').ok_or(())?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or(())?;
        Ok(Self::new(base.parse::<Ipv4Addr>().map_err(|_| ())?.into(), prefix))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subnet() -> impl Strategy<Value = Subnet> {
        // Half of them inside the range, where clashes are.
        (any::<u32>(), any::<bool>(), 0u8..=32).prop_map(|(base, near, prefix)| {
            Subnet::new(if near { RANGE | (base & 0xffff) } else { base }, prefix)
        })
    }

    proptest! {
        #[test]
        fn what_is_free_overlaps_nothing_taken(taken in prop::collection::vec(subnet(), 0..20), start: u32) {
            for candidate in free(&taken, start) {
                for other in &taken {
                    let (low, high) = (candidate.base, candidate.base | 0xff);
                    let (other_low, other_high) = (other.base, other.base | !mask(other.prefix));
                    prop_assert!(high < other_low || other_high < low, "{candidate} and {other}");
                }
            }
        }

        #[test]
        fn nothing_free_is_passed_over(taken in prop::collection::vec(subnet(), 0..20), start: u32) {
            let found: Vec<_> = free(&taken, start).collect();
            let count = (0..256u32)
                .map(|third| Subnet::new(RANGE | (third << 8), 24))
                .filter(|candidate| taken.iter().all(|other| !other.overlaps(*candidate)))
                .count();
            prop_assert_eq!(found.len(), count);
        }

        #[test]
        fn a_subnet_reads_back_as_it_is_written(subnet in subnet()) {
            prop_assert_eq!(subnet.to_string().parse(), Ok(subnet));
        }
    }

    #[test]
    fn hosts_are_all_but_network_gateway_and_broadcast() {
        let hosts: Vec<_> = "10.231.7.0/24".parse::<Subnet>().unwrap().hosts_from_the_top().collect();
        assert_eq!((hosts.len(), hosts[0].octets()[3], hosts[252].octets()[3]), (253, 254, 2));
    }

    #[test]
    fn the_routing_table_gives_its_networks_and_not_the_default_route() {
        let table = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                     eth0 00000000 010011AC 0003 0 0 0 00000000 0 0 0\n\
                     docker0 000011AC 00000000 0001 0 0 0 0000FFFF 0 0 0\n";
        assert_eq!(routed(table), ["172.17.0.0/16".parse().unwrap()]);
    }
}
