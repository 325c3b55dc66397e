//! Which ports of the host an instance uses.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Instance, InstanceCode};

/// How far the ports of an instance are from the hub's: 0 is the hub's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Slot(u16);

/// A number that is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no port slot: they are 0 to {last}", last = Slot::LAST.0)]
pub struct NoSlotOfThisNumber(pub u16);

/// Every slot that a code may have is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no port slot is left for {0}")]
pub struct NoSlotLeft(pub InstanceCode);

impl Slot {
    /// The hub's.
    pub const HUB: Self = Self(0);

    /// The last one.
    pub const LAST: Self = Self(214);

    /// The slots of codes without a fixed one.
    const HASHED: std::ops::RangeInclusive<u16> = 38..=199;

    /// How far, 0 to 214.
    pub const fn offset(self) -> u16 {
        self.0
    }

    /// The slot that `code` always has, if it is one of those that were given one for good. `usa` has the
    /// hub's, so no spoke can be deployed under it beside the hub.
    pub fn fixed(code: &InstanceCode) -> Option<Self> {
        FIXED.iter().find(|(known, _)| *known == code.as_str()).map(|(_, offset)| Self(*offset))
    }

    /// The slots that `code` may have, in the order they are tried: its fixed one alone, else all of the
    /// hashed range from the one its hash names on. The same for a code at any time and on any machine.
    pub fn candidates(code: &InstanceCode) -> Vec<Self> {
        if let Some(fixed) = Self::fixed(code) {
            return vec![fixed];
        }
        let digest = Sha256::digest(code.as_str());
        let hash = digest.iter().take(8).fold(0u64, |hash, byte| hash << 8 | u64::from(*byte));
        let (first, size) = (*Self::HASHED.start(), Self::HASHED.len() as u16);
        let start = (hash % u64::from(size)) as u16;
        (0..size).map(|step| Self(first + (start + step) % size)).collect()
    }

    /// The first slot that `code` may have and nobody has.
    ///
    /// # Errors
    /// [`NoSlotLeft`], when all of them are taken. No code is ever given another's slot, nor the hub's.
    pub fn claim(code: &InstanceCode, mut taken: impl FnMut(Self) -> bool) -> Result<Self, NoSlotLeft> {
        Self::candidates(code)
            .into_iter()
            .find(|slot| *slot != Self::HUB && !taken(*slot))
            .ok_or_else(|| NoSlotLeft(code.clone()))
    }

    /// The port of one endpoint in this slot.
    pub const fn port(self, endpoint: Endpoint) -> u16 {
        endpoint.base() + self.0
    }
}

impl TryFrom<u16> for Slot {
    type Error = NoSlotOfThisNumber;

    fn try_from(offset: u16) -> Result<Self, NoSlotOfThisNumber> {
        if offset <= Self::LAST.0 { Ok(Self(offset)) } else { Err(NoSlotOfThisNumber(offset)) }
    }
}

impl From<Slot> for u16 {
    fn from(slot: Slot) -> Self {
        slot.0
    }
}

/// What an instance offers on a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// The page.
    Frontend,
    /// The node.
    Backend,
    /// The identity provider.
    Keycloak,
    /// Its database.
    Postgres,
    /// The resource store.
    Mongodb,
    /// The cache.
    Redis,
    /// The policy engine.
    Opa,
    /// Key access.
    Kas,
    /// The mesh's listener.
    Mesh,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Frontend,
        Self::Backend,
        Self::Keycloak,
        Self::Postgres,
        Self::Mongodb,
        Self::Redis,
        Self::Opa,
        Self::Kas,
        Self::Mesh,
    ];

    /// Its port in slot 0.
    pub const fn base(self) -> u16 {
        match self {
            Self::Frontend => 3000,
            Self::Backend => 4000,
            Self::Keycloak => 8443,
            Self::Postgres => 5432,
            Self::Mongodb => 27017,
            Self::Redis => 6379,
            Self::Opa => 9100,
            Self::Kas => 10000,
            Self::Mesh => 8700,
        }
    }
}

/// Ports of the host that belong to the machine and not to an instance: Prometheus, Alertmanager, Grafana,
/// the exporters, OPAL, the revocations' Redis.
pub const OF_THE_HOST: [u16; 9] = [9090, 9093, 3333, 9321, 9322, 9323, 9324, 7002, 6700];

/// The slot of an instance, given those that were given out to codes.
pub fn slot_of(instance: &Instance, given: impl Fn(&InstanceCode) -> Option<Slot>) -> Option<Slot> {
    match instance {
        Instance::Hub => Some(Slot::HUB),
        Instance::Spoke(code) => given(code),
    }
}

#[rustfmt::skip]
const FIXED: [(&str, u16); 40] = [
    ("usa", 0), ("alb", 1), ("bel", 2), ("bgr", 3), ("can", 4), ("hrv", 5), ("cze", 6), ("dnk", 7),
    ("est", 8), ("fin", 9), ("fra", 10), ("deu", 11), ("grc", 12), ("hun", 13), ("isl", 14), ("ita", 15),
    ("lva", 16), ("ltu", 17), ("lux", 18), ("mne", 19), ("nld", 20), ("mkd", 21), ("nor", 22), ("pol", 23),
    ("prt", 24), ("rou", 25), ("svk", 26), ("svn", 27), ("esp", 28), ("swe", 29), ("tur", 30), ("gbr", 31),
    ("aus", 32), ("nzl", 33), ("jpn", 34), ("kor", 35), ("isr", 36), ("ukr", 37),
    ("tst", 200), ("dev", 201),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// All assigned ISO 3166-1 alpha-3 codes.
    const ISO: &str = "abw afg ago aia ala alb and are arg arm asm ata atf atg aus aut aze bdi bel ben bes bfa \
        bgd bgr bhr bhs bih blm blr blz bmu bol bra brb brn btn bvt bwa caf can cck che chl chn civ cmr cod cog \
        cok col com cpv cri cub cuw cxr cym cyp cze deu dji dma dnk dom dza ecu egy eri esh esp est eth fin fji \
        flk fra fro fsm gab gbr geo ggy gha gib gin glp gmb gnb gnq grc grd grl gtm guf gum guy hkg hmd hnd hrv \
        hti hun idn imn ind iot irl irn irq isl isr ita jam jey jor jpn kaz ken kgz khm kir kna kor kwt lao lbn \
        lbr lby lca lie lka lso ltu lux lva mac maf mar mco mda mdg mdv mex mhl mkd mli mlt mmr mne mng mnp moz \
        mrt msr mtq mus mwi mys myt nam ncl ner nfk nga nic niu nld nor npl nru nzl omn pak pan pcn per phl plw \
        png pol pri prk prt pry pse pyf qat reu rou rus rwa sau sdn sen sgp sgs shn sjm slb sle slv smr som spm \
        srb ssd stp sur svk svn swe swz sxm syc syr tca tcd tgo tha tjk tkl tkm tls ton tto tun tur tuv twn tza \
        uga ukr umi ury usa uzb vat vct ven vgb vir vnm vut wlf wsm yem zaf zmb zwe";

    fn code(text: &str) -> InstanceCode {
        text.parse().unwrap()
    }

    fn claim_all(codes: impl IntoIterator<Item = InstanceCode>) -> BTreeMap<InstanceCode, Slot> {
        let mut given = BTreeMap::new();
        for code in codes {
            if let Ok(slot) = Slot::claim(&code, |slot| given.values().any(|taken| *taken == slot)) {
                given.entry(code).or_insert(slot);
            }
        }
        given
    }

    #[test]
    fn no_two_ports_of_any_two_slots_and_none_of_the_hosts_collide() {
        let mut seen = BTreeSet::from(OF_THE_HOST);
        assert_eq!(seen.len(), OF_THE_HOST.len());
        for offset in 0..=Slot::LAST.offset() {
            for endpoint in Endpoint::ALL {
                let port = Slot::try_from(offset).unwrap().port(endpoint);
                assert!(seen.insert(port), "{port}, {endpoint:?} of slot {offset}");
                assert!((1024..32_768).contains(&port), "{port} may be taken by an outgoing connection");
            }
        }
        assert_eq!(Slot::try_from(215), Err(NoSlotOfThisNumber(215)));
    }

    #[test]
    fn fixed_slots_are_distinct_and_outside_the_hashed_range() {
        let slots: BTreeSet<_> = FIXED.iter().map(|(_, offset)| *offset).collect();
        assert_eq!(slots.len(), FIXED.len());
        assert!(slots.iter().all(|offset| !Slot::HASHED.contains(offset) && *offset <= Slot::LAST.0));
        assert_eq!((0..=37).find(|offset| !slots.contains(offset)), None, "0 to 37 without a gap");
    }

    #[test]
    fn the_table_is_as_published() {
        for (text, offset) in
            [("fra", 10), ("deu", 11), ("gbr", 31), ("aus", 32), ("ukr", 37), ("tst", 200), ("dev", 201)]
        {
            assert_eq!(Slot::claim(&code(text), |_| false), Ok(Slot(offset)), "{text}");
        }
        assert_eq!(Slot(10).port(Endpoint::Keycloak), 8453);
    }

    #[test]
    fn nobody_is_given_the_hubs_slot() {
        assert_eq!(Slot::claim(&code("usa"), |_| false), Err(NoSlotLeft(code("usa"))));
        assert_eq!(slot_of(&Instance::Hub, |_| None), Some(Slot::HUB));
        assert_eq!(slot_of(&Instance::Spoke(code("zzz")), |_| None), None, "unknown is not the hub");
    }

    #[test]
    fn every_country_has_a_slot_to_try_and_as_many_as_there_are_slots_have_one_at_once() {
        let all: Vec<_> = ISO.split_whitespace().map(code).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 249);
        assert!(all.iter().all(|code| !Slot::candidates(code).is_empty()));
        let given = claim_all(all);
        assert_eq!(given.len(), 37 + 162, "37 fixed ones without the hub's, and the whole hashed range");
        assert_eq!(given.values().collect::<BTreeSet<_>>().len(), given.len());
    }

    #[test]
    fn hashing_is_stable() {
        let first = |text| Slot::candidates(&code(text))[0].offset();
        assert_eq!([first("aut"), first("che"), first("irl"), first("x9")], [92, 196, 69, 142]);
    }

    proptest! {
        #[test]
        fn no_two_codes_have_one_slot_whatever_the_order_they_come_in(
            texts in prop::collection::vec("[a-z][a-z0-9]{1,7}", 1..80)
        ) {
            let given = claim_all(texts.iter().map(|text| code(text)));
            let slots: BTreeSet<_> = given.values().collect();
            prop_assert_eq!(slots.len(), given.len());
            prop_assert!(!slots.contains(&Slot::HUB));
            for (code, slot) in &given {
                match Slot::fixed(code) {
                    Some(fixed) => prop_assert_eq!(*slot, fixed),
                    None => prop_assert!(Slot::HASHED.contains(&slot.offset())),
                }
            }
        }

        #[test]
        fn probing_starts_at_the_hash_and_tries_every_slot_of_the_range_once(text in "[a-z][a-z0-9]{1,7}") {
            let candidates = Slot::candidates(&code(&text));
            prop_assert_eq!(&candidates, &Slot::candidates(&code(&text)));
            if Slot::fixed(&code(&text)).is_none() {
                prop_assert_eq!(candidates.iter().collect::<BTreeSet<_>>().len(), 162);
                for pair in candidates.windows(2) {
                    let next = if pair[0].offset() == 199 { 38 } else { pair[0].offset() + 1 };
                    prop_assert_eq!(pair[1].offset(), next);
                }
            }
        }
    }
}
