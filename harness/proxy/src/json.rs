//! Toxics as Toxiproxy's JSON, read and written by the API and by the client.
//!
//! `null` is as good as absent; what is unknown is refused.

use crate::effect::{Effect, InvalidToxic};
use crate::toxic::{Stream, Toxic};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// What creates or changes a toxic.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToxicIn {
    name: Option<String>,
    #[serde(rename = "type")]
    type_name: Option<String>,
    stream: Option<String>,
    toxicity: Option<f32>,
    attributes: Option<Map<String, Value>>,
}

fn present(attributes: Option<Map<String, Value>>) -> impl Iterator<Item = (String, Value)> {
    attributes.unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null())
}

impl ToxicIn {
    pub(crate) fn create(self) -> Result<Toxic, InvalidToxic> {
        let stream = match self.stream.as_deref() {
            None | Some("downstream") => Stream::Downstream,
            Some("upstream") => Stream::Upstream,
            Some("both") => Stream::Both,
            Some(_) => return Err(InvalidToxic::Stream),
        };
        let type_name = self.type_name.unwrap_or_default();
        let name = match self.name {
            Some(name) if !name.is_empty() => name,
            _ => Toxic::default_name(&type_name, stream),
        };
        let effect = Effect::parse(&type_name, present(self.attributes).collect())?;
        let toxic = Toxic { name, stream, toxicity: self.toxicity.unwrap_or(1.0), effect };
        toxic.check()?;
        Ok(toxic)
    }

    /// What `current` becomes. Name, type and stream may be repeated but not changed.
    pub(crate) fn update(self, current: &Toxic) -> Result<(Effect, f32), InvalidToxic> {
        let type_name = current.effect.type_name();
        for (member, given, is) in [
            ("name", self.name, current.name.clone()),
            ("type", self.type_name, type_name.to_owned()),
            ("stream", self.stream, current.stream.to_string()),
        ] {
            if given.is_some_and(|given| given != is) {
                return Err(InvalidToxic::Attributes(format!(
                    "{member} is {is:?} and cannot be changed: remove the toxic and add another"
                )));
            }
        }
        let mut attributes = current.effect.attributes();
        attributes.extend(present(self.attributes));
        Ok((Effect::parse(type_name, attributes)?, self.toxicity.unwrap_or(current.toxicity)))
    }
}

/// A toxic as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct ToxicOut {
    attributes: Map<String, Value>,
    name: String,
    #[serde(rename = "type")]
    type_name: &'static str,
    stream: Stream,
    #[serde(serialize_with = "as_go_does")]
    toxicity: f32,
}

/// Without a fraction where there is none.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_go_does<S: Serializer>(toxicity: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    if toxicity.fract() == 0.0 {
        serializer.serialize_u8(*toxicity as u8)
    } else {
        serializer.serialize_f32(*toxicity)
    }
}

impl From<Toxic> for ToxicOut {
    fn from(toxic: Toxic) -> Self {
        Self {
            attributes: toxic.effect.attributes(),
            type_name: toxic.effect.type_name(),
            name: toxic.name,
            stream: toxic.stream,
            toxicity: toxic.toxicity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn read(json: &str) -> Result<Toxic, String> {
        serde_json::from_str::<ToxicIn>(json).map_err(|e| e.to_string())?.create().map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_and_numbers_are_toxiproxys() {
        let toxic =
            read(r#"{"type":"latency","name":null,"attributes":{"latency":10,"jitter":null}}"#).unwrap();
        let shown = serde_json::to_string(&ToxicOut::from(toxic)).unwrap();
        assert!(shown.ends_with(
            r#","name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1}"#
        ));
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["attributes"], serde_json::json!({"latency": 10, "jitter": 0}));
    }

    #[test]
    fn an_update_is_partial_and_all_or_nothing() {
        let toxic = Toxic::latency(Duration::from_millis(10), Duration::from_millis(5));
        let update = |json: &str| serde_json::from_str::<ToxicIn>(json).unwrap().update(&toxic);
        let (effect, toxicity) = update(r#"{"attributes":{"latency":7}}"#).unwrap();
        assert_eq!(Value::Object(effect.attributes()), serde_json::json!({"latency": 7, "jitter": 5}));
        assert!((toxicity - 1.0).abs() < f32::EPSILON);
        for refused in [
            r#"{"attributes":{"latency":7,"jitter":-1}}"#,
            r#"{"attributes":{"rate":7}}"#,
            r#"{"name":"other"}"#,
            r#"{"type":"bandwidth"}"#,
            r#"{"stream":"upstream"}"#,
        ] {
            assert!(update(refused).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_the_same(
            latency in 0_u64..1000, toxicity in 0.0_f32..=1.0, name in "[a-z][a-z0-9_ .-]{0,20}", stream in 0_usize..3,
        ) {
            let toxic = Toxic::latency(Duration::from_millis(latency), Duration::ZERO)
                .on([Stream::Upstream, Stream::Downstream, Stream::Both][stream])
                .toxicity(toxicity)
                .named(name);
            let shown = serde_json::to_string(&ToxicOut::from(toxic.clone())).unwrap();
            prop_assert_eq!(read(&shown).unwrap(), toxic);
        }
    }
}
