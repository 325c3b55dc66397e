//! What comes to be on the engine, what becomes of it and what goes, whoever asks for it.

use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::time::Duration;

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt as _};

use crate::engine::{Engine, EngineError};

/// What kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A container.
    Container,
    /// A volume.
    Volume,
}

/// What became of it. Volumes come and go, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It came to be.
    Made,
    /// Its process was started.
    Started,
    /// Its own check passes.
    Healthy,
    /// Its process ended.
    Ended,
    /// Nothing of it is left.
    Gone,
}

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When, since 1970, by the engine's clock.
    pub at: Duration,
    /// What kind of thing.
    pub kind: Kind,
    /// Its name at that time.
    pub name: String,
    /// A container's labels, and its image.
    pub attributes: BTreeMap<String, String>,
    /// What became of it.
    pub became: Became,
}

/// The changes since an instant after 1970, as they happen, until the engine ends telling.
///
/// # Errors
/// Each item is one when the engine can't be asked any longer.
pub fn changes(engine: &Engine, since: Duration) -> impl Stream<Item = Result<Change, EngineError>> + '_ {
    let told = vec!["create", "start", "health_status", "die", "destroy"];
    let filters = HashMap::from([("type", vec!["container", "volume"]), ("event", told)]);
    let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
    let options = EventsOptionsBuilder::default().since(&since).filters(&filters).build();
    engine.docker().events(Some(options)).filter_map(|told| {
        ready(match told {
            Ok(message) => change(message).map(Ok),
            Err(refusal) => Some(Err(EngineError::Refused { what: "tell what changes".into(), refusal })),
        })
    })
}

fn change(message: EventMessage) -> Option<Change> {
    let kind = match message.typ? {
        EventMessageTypeEnum::CONTAINER => Kind::Container,
        EventMessageTypeEnum::VOLUME => Kind::Volume,
        _ => return None,
    };
    let became = match message.action?.as_str() {
        "create" => Became::Made,
        "start" => Became::Started,
        "health_status: healthy" => Became::Healthy,
        "die" => Became::Ended,
        "destroy" => Became::Gone,
        _ => return None,
    };
    let actor = message.actor?;
    let mut attributes: BTreeMap<_, _> = actor.attributes.unwrap_or_default().into_iter().collect();
    let name = match kind {
        Kind::Container => attributes.remove("name")?,
        Kind::Volume => actor.id?,
    };
    let at = Duration::from_nanos(u64::try_from(message.time_nano?).ok()?);
    Some(Change { at, kind, name, attributes, became })
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn told(typ: EventMessageTypeEnum, action: &str) -> EventMessage {
        let attributes = [("name", "opa"), ("dev.of", "hub")].map(|(key, value)| (key.into(), value.into()));
        let attributes = HashMap::from(attributes);
        EventMessage {
            typ: Some(typ),
            action: Some(action.to_owned()),
            actor: Some(EventActor { id: Some("data".to_owned()), attributes: Some(attributes) }),
            time_nano: Some(1_500_000_000),
            ..Default::default()
        }
    }

    #[test]
    fn a_container_is_known_by_its_name_and_a_volume_is_its_name() {
        let made = change(told(EventMessageTypeEnum::CONTAINER, "create")).unwrap();
        assert_eq!((made.at, made.name.as_str()), (Duration::from_millis(1_500), "opa"));
        assert_eq!((made.kind, made.became), (Kind::Container, Became::Made));
        assert_eq!(made.attributes, BTreeMap::from([("dev.of".to_owned(), "hub".to_owned())]));
        let gone = change(told(EventMessageTypeEnum::VOLUME, "destroy")).unwrap();
        assert_eq!((gone.kind, gone.name.as_str(), gone.became), (Kind::Volume, "data", Became::Gone));
    }

    #[test]
    fn what_becomes_of_a_container_is_told_apart() {
        let became =
            |action| change(told(EventMessageTypeEnum::CONTAINER, action)).map(|change| change.became);
        assert_eq!(became("start"), Some(Became::Started));
        assert_eq!(became("health_status: healthy"), Some(Became::Healthy));
        assert_eq!(became("die"), Some(Became::Ended));
        assert_eq!(became("health_status: unhealthy"), None);
        assert_eq!(became("rename"), None);
        assert_eq!(change(told(EventMessageTypeEnum::NETWORK, "create")), None);
    }
}
