//! What the engine tells while a run goes on: lines that were logged, containers that ended.
//!
//! Both carry the engine's own stamps, by the wall clock of this machine.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use harness_core::event::LOG_LINE_LIMIT;
use harness_core::fault::ServiceName;
use harness_core::time::At;
use harness_local::LogLine;
use harness_local::clock::Clock;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::engine::Engine;
use crate::labels;
use crate::logs::Line;

const LISTEN_AGAIN: Duration = Duration::from_millis(200);

/// The end of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) service: ServiceName,
    pub(super) status: String,
    pub(super) at: Timestamp,
}

impl Death {
    fn read(event: EventMessage) -> Option<Self> {
        let attributes = event.actor?.attributes?;
        let service = attributes.get(labels::SERVICE)?.as_str().into();
        let status = attributes.get("exitCode").cloned().unwrap_or_else(|| "unknown".into());
        let at = Timestamp::from_nanosecond(event.time_nano?.into()).ok()?;
        Some(Self { service, status, at })
    }

    pub(super) fn how(&self) -> String {
        format!("exited with status {}", self.status)
    }
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends every end of a container of the topology from now on, until the receiver is dropped or this is.
pub(super) fn deaths(engine: &Engine, topology: &str, deaths: mpsc::Sender<Death>) -> Listener {
    let filters = HashMap::from([
        ("type".to_owned(), vec!["container".to_owned()]),
        ("event".to_owned(), vec!["die".to_owned()]),
        ("label".to_owned(), vec![format!("{}={topology}", labels::TOPOLOGY)]),
    ]);
    let (engine, mut since) = (engine.clone(), Timestamp::now());
    Listener(tokio::spawn(async move {
        loop {
            let stamp = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond());
            let options = EventsOptionsBuilder::new().since(&stamp).filters(&filters).build();
            let events = engine.docker().events(Some(options));
            tokio::pin!(events);
            while let Some(Ok(event)) = events.next().await {
                let Some(death) = Death::read(event).filter(|death| death.at > since) else { continue };
                since = death.at;
                if deaths.send(death).await.is_err() {
                    return;
                }
            }
            sleep(LISTEN_AGAIN).await;
        }
    }))
}

/// The instant of the run that a stamp of the wall clock is; the present one, for a stamp that lies ahead.
pub(super) fn instant(stamp: Timestamp, clock: &Clock) -> At {
    let age = Duration::try_from(Timestamp::now().duration_since(stamp)).unwrap_or_default();
    clock.now().saturating_sub(clock.system(age))
}

/// A line as the other worlds tell it.
pub(super) fn told(line: Line, clock: &Clock) -> LogLine {
    let mut text = line.text;
    text.truncate(text.floor_char_boundary(LOG_LINE_LIMIT));
    LogLine { service: line.service.as_str().into(), text, received: instant(line.at, clock) }
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;
    use jiff::ToSpan;

    use super::*;
    use crate::logs::Stream;

    #[test]
    fn a_stamp_of_so_long_ago_lies_so_far_back_in_system_time_and_none_lies_ahead() {
        let clock = Clock::start(10.0).unwrap();
        while clock.now() < At::from_start(Duration::from_secs(2)) {
            std::thread::yield_now();
        }
        let stamp = Timestamp::now() - 100.milliseconds();
        let at = instant(stamp, &clock);
        let back = clock.now() - at;
        assert!(back >= Duration::from_secs(1) && back < Duration::from_secs(3), "{back:?}");
        assert!(instant(Timestamp::now() + 1.hour(), &clock) <= clock.now());
    }

    #[test]
    fn a_line_is_cut_to_what_a_record_keeps_between_two_characters() {
        let text = "é".repeat(LOG_LINE_LIMIT);
        let line = Line { service: "opa".into(), at: Timestamp::now(), stream: Stream::Stdout, text };
        let told = told(line, &Clock::start(1.0).unwrap());
        assert!(told.text.len() <= LOG_LINE_LIMIT && told.text.len() >= LOG_LINE_LIMIT - 1);
    }

    #[test]
    fn a_death_names_its_service_and_status_and_another_containers_is_none() {
        let event = |attributes: &[(&str, &str)]| EventMessage {
            actor: Some(EventActor {
                attributes: Some(attributes.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()),
                ..EventActor::default()
            }),
            time_nano: Some(1_000_000_001),
            ..EventMessage::default()
        };
        let death = Death::read(event(&[(labels::SERVICE, "opa"), ("exitCode", "137")])).unwrap();
        assert_eq!((death.service.0.as_str(), death.how().as_str()), ("opa", "exited with status 137"));
        assert_eq!(death.at.subsec_nanosecond(), 1);
        assert_eq!(Death::read(event(&[("exitCode", "0")])), None);
    }
}
