//! A ZTDF object as it is stored: read, it is written as what it was read from; checked twice it is the same; and
//! no key that it was not sealed with opens it.

#![no_main]

use std::sync::LazyLock;

use dive_authz::Resource;
use dive_authz::ztdf::key_wrap::PrivateKey;
use dive_authz::ztdf::{self, Dek, Integrity, Object};
use libfuzzer_sys::fuzz_target;
use rand::SeedableRng;
use rand::rngs::StdRng;

static KEYS: LazyLock<(PrivateKey, Dek)> = LazyLock::new(|| {
    let mut rng = StdRng::seed_from_u64(1);
    (PrivateKey::generate(&mut rng), Dek::generate(&mut rng))
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(object) = serde_json::from_slice::<Object>(bytes) else { return };
    let written = serde_json::to_vec(&object).expect("an object can be written");
    let read: Object = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(read, object);

    let integrity = ztdf::check(&object);
    assert_eq!(ztdf::check(&read), integrity);
    let metadata = Resource::default();
    let validated = ztdf::evidence(&object, &metadata).integrity_validated;
    assert!(!validated || integrity == Integrity::Intact);

    let (private, dek) = &*KEYS;
    assert!(ztdf::open(&object, dek).is_err(), "opened by a key it was not sealed with");
    for access in &object.manifest.key_access {
        assert!(
            access.unwrap(&object.manifest.policy, private).is_err(),
            "unwrapped by another service's key"
        );
    }
});
