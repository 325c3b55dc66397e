//! The encrypted resources of a run, and the key of the service that opens them.

use std::collections::BTreeMap;

use dive_authz::Resource;
use dive_authz::ztdf::key_wrap::{PrivateKey, UnusableKey};
use dive_authz::ztdf::{self, Dek, KeyAccess, Object, Policy};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

/// What every encrypted resource says once it is opened, with its id in the place of `{}`.
pub const PLAINTEXT: &str = "the content of {}";

/// Where key access objects say that the key can be had. Callers of a run know where that is.
pub const KAS_URL: &str = "https://kas.usa.example";

/// An encrypted resource whose payload was changed after it was sealed.
pub const TAMPERED_PAYLOAD: &str = "doc-tampered-payload";
/// An encrypted resource whose policy was changed after it was sealed.
pub const TAMPERED_POLICY: &str = "doc-tampered-policy";

/// The encrypted resources as their ZTDF objects, by id.
pub struct Sealed {
    /// The key access service's private key, as its file holds it.
    pub kas_key: Vec<u8>,
    /// The objects, as JSON.
    pub objects: BTreeMap<String, Value>,
}

impl Sealed {
    /// Seals the resources that are marked as encrypted; keys come from the seed.
    pub(super) fn new(resources: &[Resource], seed: u64) -> Result<Self, UnusableKey> {
        let mut chance = StdRng::seed_from_u64(seed);
        let kas = PrivateKey::generate(&mut chance);
        let mut objects = BTreeMap::new();
        for resource in resources.iter().filter(|resource| resource.encrypted == Some(true)) {
            let id = &resource.resource_id;
            let (policy, dek) = (Policy::of(resource), Dek::generate(&mut chance));
            let access =
                KeyAccess::wrap(format!("kao-{id}"), KAS_URL, &dek, &policy, &kas.public_key(), &mut chance)?;
            let plaintext = PLAINTEXT.replace("{}", id);
            let mut object = ztdf::seal(plaintext.as_bytes(), policy, &dek, vec![access], &mut chance);
            tamper(id, &mut object);
            objects.insert(id.clone(), serde_json::to_value(object).unwrap_or_default());
        }
        Ok(Self { kas_key: kas.expose().to_vec(), objects })
    }
}

/// Changes what is to be found changed, and no more than a bit or a word of it.
fn tamper(id: &str, object: &mut Object) {
    match id {
        TAMPERED_PAYLOAD => {
            if let Some(byte) = object.payload.last_mut() {
                *byte ^= 1;
            }
        }
        TAMPERED_POLICY => object.manifest.policy.classification = Some("UNCLASSIFIED".to_owned()),
        _ => {}
    }
}
