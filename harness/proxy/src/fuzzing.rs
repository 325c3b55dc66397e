//! What fuzzers drive without a socket: the bodies that the API reads, and bytes on their way through what they ask.
//! Each function panics when what it is named for does not hold.

use crate::api;
use crate::chain::Chain;
use crate::json::{ToxicIn, ToxicOut};
use crate::limits::HELD;
use crate::plan::{Active, FaultId, Identity, Plan};
use crate::stage::Piece;
use crate::toxic::{Stream, Toxic};
use bytes::Bytes;

/// Wakes after which a connection's stages are left alone with what they still hold.
const WAKES: usize = 2_000;

/// The toxic that `body` creates; it is one that may be, and is shown in words that create the same one again.
pub fn created(body: &[u8]) -> Option<Toxic> {
    let toxic = serde_json::from_slice::<ToxicIn>(body).ok()?.create().ok()?;
    toxic.check().expect("what was created may be");
    assert_eq!(shown_and_read(&toxic), Some(toxic.clone()), "what is shown creates the same");
    Some(toxic)
}

/// What `body` makes of `toxic`; only effect and toxicity are other ones, and what is shown changes nothing.
pub fn updated(toxic: &Toxic, body: &[u8]) -> Option<Toxic> {
    let (effect, toxicity) = serde_json::from_slice::<ToxicIn>(body).ok()?.update(toxic).ok()?;
    assert_eq!(effect.type_name(), toxic.effect.type_name());
    let updated = Toxic { toxicity, effect, ..toxic.clone() };
    updated.check().ok()?;
    assert_eq!(shown_and_read(&updated), Some(updated.clone()));
    Some(updated)
}

fn shown_and_read(toxic: &Toxic) -> Option<Toxic> {
    let shown = serde_json::to_vec(&ToxicOut::from(toxic.clone())).ok()?;
    serde_json::from_slice::<ToxicIn>(&shown).ok()?.create().ok()
}

/// Whether `body` is understood by any call about proxies.
pub fn about_proxies(body: &[u8]) -> bool {
    api::understood(body)
}

/// Bytes that pass `toxics` come out in order, none of them made up, and each wake is later than the one before;
/// once the toxics are gone nothing is held.
pub fn passed(toxics: &[Toxic], bytes: &[u8], seed: u64) {
    let active = toxics.iter().zip(0..).map(|(toxic, id)| Active {
        id: FaultId(id),
        version: 0,
        toxic: toxic.clone(),
    });
    let plan = Plan { active: active.collect() };
    for direction in [Stream::Upstream, Stream::Downstream] {
        let mut chain = Chain::new(Identity { seed, number: 1 }, direction);
        let mut now = crate::clock::now();
        let mut got = Vec::new();
        chain.apply(now, &plan);
        for piece in bytes.chunks(64) {
            if chain.has_room() {
                chain.push(now, Piece::Data { bytes: Bytes::copy_from_slice(piece), at: now });
            }
        }
        chain.push(now, Piece::Fin);
        for _ in 0..WAKES {
            let wake = chain.pump(now);
            collect(&mut chain, &mut got);
            let Some(wake) = wake else { break };
            assert!(wake > now, "it would spin");
            now = wake;
        }
        chain.apply(now, &Plan::default());
        chain.pump(now);
        collect(&mut chain, &mut got);
        assert!(chain.is_clear(), "something is held by nothing");
        assert!(bytes.len() > HELD || bytes.starts_with(&got), "out of order or made up");
    }
}

fn collect(chain: &mut Chain, into: &mut Vec<u8>) {
    while let Some(piece) = chain.out.pop() {
        if let Piece::Data { bytes, .. } = piece {
            into.extend_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Effect;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("0".to_owned()),
            Just("1".to_owned()),
            (0_u64..100_000).prop_map(|n| n.to_string()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_map(|n| n.to_string()),
            Just("null".to_owned()),
            Just("\"x\"".to_owned()),
        ]
    }

    /// Bodies that are often almost toxics.
    fn body() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec![
            "latency",
            "jitter",
            "rate",
            "delay",
            "timeout",
            "average_size",
            "size_variation",
            "bytes",
        ]);
        let attributes = prop::collection::btree_map(name, number(), 0..4);
        let members = (
            prop::sample::select(Effect::TYPES.to_vec()),
            prop::sample::select(vec![
                "",
                r#","stream":"upstream""#,
                r#","stream":"both""#,
                r#","name":"a""#,
            ]),
            prop::option::of(number()),
            attributes,
        );
        members.prop_map(|(type_name, more, toxicity, attributes)| {
            let attributes: Vec<String> =
                attributes.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let toxicity = toxicity.map(|number| format!(",\"toxicity\":{number}")).unwrap_or_default();
            let attributes = attributes.join(",");
            format!(r#"{{"type":"{type_name}","attributes":{{{attributes}}}{more}{toxicity}}}"#)
        })
    }

    proptest! {
        #[test]
        fn whatever_body_is_posted_it_is_refused_or_bytes_pass_what_it_asks(
            bodies in prop::collection::vec(body(), 1..5), bytes in prop::collection::vec(any::<u8>(), 0..600), seed: u64,
        ) {
            let mut toxics: Vec<Toxic> = bodies.iter().filter_map(|body| created(body.as_bytes())).collect();
            passed(&toxics, &bytes, seed);
            for toxic in &mut toxics {
                for body in &bodies {
                    if let Some(updated) = updated(toxic, body.as_bytes()) {
                        *toxic = updated;
                    }
                }
            }
            passed(&toxics, &bytes, seed);
        }

        #[test]
        fn no_bytes_are_too_much_for_any_call(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(created(&bytes), None);
            prop_assert!(!about_proxies(&bytes) || serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        }
    }

    #[test]
    fn what_the_draws_are_about_is_understood() {
        let latency = created(br#"{"type":"latency","attributes":{"latency":5,"jitter":2}}"#).unwrap();
        assert!(updated(&latency, br#"{"attributes":{"latency":7}}"#).is_some());
        assert!(about_proxies(br#"{"name":"edge","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"}"#));
        assert!(about_proxies(br#"[{"name":"edge","upstream":"127.0.0.1:9","enabled":false}]"#));
        assert!(about_proxies(br#"{"cut":"rst"}"#) && !about_proxies(br#"{"cut":"off"}"#));
    }
}
