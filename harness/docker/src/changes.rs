//! What comes to be on the engine and what goes, whoever asks for it.

use std::collections::HashMap;
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

/// Something came to be, or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When, since 1970, by the engine's clock.
    pub at: Duration,
    /// What kind of thing.
    pub kind: Kind,
    /// Its name at that time.
    pub name: String,
    /// It came to be; otherwise it went.
    pub is_made: bool,
}

/// The changes since an instant after 1970, as they happen, until the engine ends telling.
///
/// # Errors
/// Each item is one when the engine can't be asked any longer.
pub fn changes(engine: &Engine, since: Duration) -> impl Stream<Item = Result<Change, EngineError>> + '_ {
    let filters =
        HashMap::from([("type", vec!["container", "volume"]), ("event", vec!["create", "destroy"])]);
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
    let is_made = match message.action?.as_str() {
        "create" => true,
        "destroy" => false,
        _ => return None,
    };
    let actor = message.actor?;
    let name = match kind {
        Kind::Container => actor.attributes?.remove("name")?,
        Kind::Volume => actor.id?,
    };
    let at = Duration::from_nanos(u64::try_from(message.time_nano?).ok()?);
    Some(Change { at, kind, name, is_made })
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn told(typ: EventMessageTypeEnum, action: &str) -> EventMessage {
        let attributes = HashMap::from([("name".to_owned(), "opa".to_owned())]);
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
        let at = Duration::from_millis(1_500);
        let made = change(told(EventMessageTypeEnum::CONTAINER, "create"));
        assert_eq!(made, Some(Change { at, kind: Kind::Container, name: "opa".into(), is_made: true }));
        let gone = change(told(EventMessageTypeEnum::VOLUME, "destroy"));
        assert_eq!(gone, Some(Change { at, kind: Kind::Volume, name: "data".into(), is_made: false }));
        assert_eq!(change(told(EventMessageTypeEnum::CONTAINER, "die")), None);
        assert_eq!(change(told(EventMessageTypeEnum::NETWORK, "create")), None);
    }
}
