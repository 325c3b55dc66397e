//! Method: seal an object, change it in one place, and ask for it. Changes by accident must be found without
//! the key; changes by a forger, who fixes the hashes, must leave it shut.

use std::sync::LazyLock;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::testing::input;
use crate::ztdf::key_wrap::PrivateKey;

struct Sealed {
    plaintext: Vec<u8>,
    metadata: Resource,
    kas: PrivateKey,
    dek: Dek,
    object: Object,
}

fn sealed(seed: u64, plaintext: Vec<u8>) -> Sealed {
    let mut rng = StdRng::seed_from_u64(seed);
    let metadata = input().resource;
    let policy = Policy::of(&metadata);
    let kas = PrivateKey::generate(&mut rng);
    let dek = Dek::generate(&mut rng);
    let key_access = ["kao-doc-1", "kao-doc-1-fra"].map(|id| {
        KeyAccess::wrap(id, "https://kas.example", &dek, &policy, &kas.public_key(), &mut rng).unwrap()
    });
    let object = seal(&plaintext, policy, &dek, key_access.into(), &mut rng);
    Sealed { plaintext, metadata, kas, dek, object }
}

/// A forger's last step: both hashes are made to fit.
fn with_fitting_hashes(mut object: Object) -> Object {
    object.manifest.policy_hash = object.manifest.policy.digest();
    object.manifest.payload_hash = payload_digest(&object.manifest.binding(), &object.payload);
    assert_eq!(check(&object), Integrity::Intact, "the forgery has its effect");
    object
}

#[test]
fn every_bit_of_the_stored_text_counts() {
    let sealed = sealed(1, b"short".to_vec());
    let text = serde_json::to_vec(&sealed.object).unwrap();
    let (mut refused, mut found) = (0, 0);
    for bit in 0..text.len() * 8 {
        let mut changed = text.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        match serde_json::from_slice::<Object>(&changed) {
            Err(_) => refused += 1,
            Ok(object) => {
                assert_ne!(check(&object), Integrity::Intact, "bit {bit} of {:?}", text[bit / 8] as char);
                assert_eq!(open(&object, &sealed.dek), Err(OpenError));
                found += 1;
            }
        }
    }
    assert!(refused > 1000 && found > 1000, "{refused} refused, {found} found");
}

#[test]
fn a_forger_who_fixes_the_hashes_gets_nothing() {
    let sealed = sealed(2, b"secret".to_vec());
    let forge = |change: fn(&mut Object)| {
        let mut object = sealed.object.clone();
        change(&mut object);
        with_fitting_hashes(object)
    };
    let weaker = forge(|object| object.manifest.policy.classification = Some("UNCLASSIFIED".to_owned()));
    let access = weaker.manifest.key_access("kao-doc-1").unwrap();
    assert!(access.unwrap(&weaker.manifest.policy, &sealed.kas).is_err(), "wrapped for another policy");
    assert_eq!(open(&weaker, &sealed.dek), Err(OpenError));

    let renamed = forge(|object| object.manifest.key_access[0].kao_id = "kao-mine".to_owned());
    let access = renamed.manifest.key_access("kao-mine").unwrap();
    assert!(access.unwrap(&renamed.manifest.policy, &sealed.kas).is_err(), "wrapped for another object");
    assert_eq!(open(&renamed, &sealed.dek), Err(OpenError));

    for change in [
        |object: &mut Object| object.manifest.key_access[0].kas_url = "https://elsewhere".to_owned(),
        |object| object.manifest.key_access.clear(),
        |object| object.manifest.key_access.swap(0, 1),
        |object| object.payload[0] ^= 1,
        |object| object.payload.truncate(27),
        |object| object.payload.clear(),
    ] as [fn(&mut Object); 6]
    {
        assert_eq!(open(&forge(change), &sealed.dek), Err(OpenError));
    }
}

#[test]
fn another_payload_does_not_fit_under_a_manifest() {
    let (one, other) = (sealed(3, b"one".to_vec()), sealed(4, b"two".to_vec()));
    let object = with_fitting_hashes(Object { manifest: one.object.manifest, payload: other.object.payload });
    assert_eq!(open(&object, &one.dek), Err(OpenError));
    assert_eq!(open(&object, &other.dek), Err(OpenError));
}

#[test]
fn the_metadata_must_say_what_the_object_says() {
    let Sealed { object, metadata, .. } = sealed(5, b"x".to_vec());
    let validated = |metadata: &Resource| evidence(&object, metadata).integrity_validated;
    assert!(validated(&metadata));
    assert!(!validated(&Resource { classification: Some("RESTRICTED".into()), ..metadata.clone() }));
    assert!(!validated(&Resource { resource_id: "doc-2".into(), ..metadata.clone() }));
    assert!(
        validated(&Resource { ztdf: None, encrypted: None, ..metadata.clone() }),
        "these are no markings"
    );
    assert_eq!(evidence(&object, &metadata).policy_hash, Some(Policy::of(&metadata).digest().to_string()));
}

#[test]
fn which_part_was_changed_is_told() {
    let Sealed { object, metadata, .. } = sealed(6, b"x".to_vec());
    let checked = |change: fn(&mut Object)| {
        let mut object = object.clone();
        change(&mut object);
        check_against(&object, &metadata)
    };
    assert_eq!(checked(|_| ()), Integrity::Intact);
    assert_eq!(checked(|object| object.manifest.policy.coi.clear()), Integrity::PolicyChanged);
    assert_eq!(checked(|object| object.manifest.policy_hash = Digest::of(&[])), Integrity::PolicyChanged);
    assert_eq!(checked(|object| object.manifest.payload_hash = Digest::of(&[])), Integrity::PayloadChanged);
    assert_eq!(checked(|object| object.payload[20] ^= 1), Integrity::PayloadChanged);
    assert_eq!(checked(|object| object.manifest.key_access.truncate(1)), Integrity::PayloadChanged);
}

#[test]
fn nothing_of_the_plaintext_or_the_key_is_printed_or_stored() {
    let sealed = sealed(7, vec![b'Q'; 64]);
    let stored = serde_json::to_string(&sealed.object).unwrap();
    let key = base16ct::lower::encode_string(sealed.dek.expose());
    for text in [stored, format!("{:?}", sealed.object)] {
        assert!(!text.contains("QQQQ") && !text.contains("UVFR") && !text.contains(&key));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn opening_undoes_sealing(seed: u64, plaintext in prop::collection::vec(any::<u8>(), 0..300)) {
        let sealed = sealed(seed, plaintext);
        prop_assert_eq!(check_against(&sealed.object, &sealed.metadata), Integrity::Intact);
        let stored: Object = serde_json::from_str(&serde_json::to_string(&sealed.object).unwrap()).unwrap();
        prop_assert_eq!(&stored, &sealed.object);
        for access in &stored.manifest.key_access {
            let dek = access.unwrap(&stored.manifest.policy, &sealed.kas).unwrap();
            prop_assert_eq!(&dek, &sealed.dek);
            prop_assert_eq!(open(&stored, &dek).unwrap(), sealed.plaintext.clone());
        }
    }

    #[test]
    fn no_other_key_opens(seed: u64, other: [u8; 32]) {
        let sealed = sealed(seed, b"plain".to_vec());
        let other = Dek::from_bytes(other);
        prop_assume!(other != sealed.dek);
        prop_assert_eq!(open(&sealed.object, &other), Err(OpenError));
    }

    #[test]
    fn a_flipped_bit_of_the_payload_is_found(seed: u64, length in 0..100usize, at: prop::sample::Index, bit in 0..8u8) {
        let Sealed { mut object, dek, .. } = sealed(seed, vec![0; length]);
        let byte = at.get_mut(object.payload.as_mut_slice());
        *byte ^= 1u8 << bit;
        prop_assert_eq!(check(&object), Integrity::PayloadChanged);
        prop_assert_eq!(open(&with_fitting_hashes(object), &dek), Err(OpenError));
    }

    /// Whatever is typed over in the stored text: it is refused, or read as what it is written as; and unless it
    /// says the same as before, it stays shut.
    #[test]
    fn a_stored_object_that_was_typed_over_is_refused_or_stays_shut(
        at: prop::sample::Index, length in 0..30usize, typed in r#"[a-zA-Z0-9{}\[\]":,=+/ -]{0,12}"#,
    ) {
        static SEALED: LazyLock<Sealed> = LazyLock::new(|| sealed(8, b"short".to_vec()));
        let mut text = serde_json::to_string(&SEALED.object).unwrap();
        let from = at.index(text.len());
        let until = (from + length).min(text.len());
        text.replace_range(from..until, &typed);
        if let Ok(object) = serde_json::from_str::<Object>(&text) {
            let written = serde_json::to_string(&object).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Object>(&written).unwrap(), &object);
            let same = object == SEALED.object;
            prop_assert_eq!(check(&object) == Integrity::Intact, same);
            prop_assert_eq!(open(&object, &SEALED.dek).is_ok(), same);
        }
    }
}
