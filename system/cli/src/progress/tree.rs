//! What a run looks like while it is at work: a line per phase, under the one at work a line per service, and how
//! long is left. Pure: from events and the time to lines.

use std::time::Duration;

use dive_orchestrator::deploy::{Event, Subject};
use dive_orchestrator::{DeploymentState, ResourceKind, Service};

/// How a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Above all others, what it is about.
    Head,
    /// At work.
    Runs,
    /// Done.
    Done,
    /// Failed, or given up.
    Failed,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) is_inner: bool,
    pub(super) mark: Mark,
    pub(super) text: String,
}

/// Something that began and may have ended.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    mark: Mark,
    began: Duration,
    took: Option<Duration>,
    /// How long it took the other times, or may take.
    about: Option<String>,
    count: u32,
    note: String,
}

impl Row {
    fn begun(name: impl Into<String>, now: Duration, about: Option<String>) -> Self {
        Self {
            name: name.into(),
            mark: Mark::Runs,
            began: now,
            took: None,
            about,
            count: 0,
            note: String::new(),
        }
    }

    fn end(&mut self, took: Duration, mark: Mark, note: String) {
        (self.took, self.mark, self.note, self.about) = (Some(took), mark, note, None);
    }

    fn line(&self, now: Duration, is_inner: bool) -> Line {
        let time = self.took.map_or_else(|| rough(now.saturating_sub(self.began)), exact);
        let about = self.about.as_deref().filter(|_| self.note.is_empty() || !is_inner);
        let notes = [about.unwrap_or_default(), &self.note];
        let notes: Vec<_> = notes.into_iter().filter(|note| !note.is_empty()).collect();
        let width = if is_inner { 15 } else { 17 };
        let text = format!("{:width$}{time:>8}  {}", self.name, notes.join(" · "));
        Line { is_inner, mark: self.mark, text: text.trim_end().to_owned() }
    }
}

/// A span that has ended.
fn exact(span: Duration) -> String {
    if span < Duration::from_secs(60) { crate::moment::span(span) } else { rough(span) }
}

/// A span that is going on, or an estimate.
fn rough(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 60 { format!("{seconds} s") } else { format!("{}:{:02} min", seconds / 60, seconds % 60) }
}

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    /// Of what.
    of: String,
    began: Duration,
    state: Option<DeploymentState>,
    /// When it was last told how long the rest takes, and how long.
    left: Option<(Duration, Duration)>,
    rows: Vec<Row>,
    services: Vec<(Service, Row)>,
    /// How many rows stand above the services.
    above: usize,
    is_over: bool,
}

impl Tree {
    pub(super) fn new(of: impl Into<String>, now: Duration) -> Self {
        let (rows, services) = (Vec::new(), Vec::new());
        Self { of: of.into(), began: now, state: None, left: None, rows, services, above: 0, is_over: false }
    }

    /// Takes in what happened; the line that is worth keeping, if it is.
    pub(super) fn see(&mut self, now: Duration, event: &Event) -> Option<String> {
        match event {
            Event::Entered(state) => self.state = Some(*state),
            Event::PhaseBegan { phase, expected, remaining } => {
                self.settle(now);
                self.left = remaining.map(|remaining| (now, remaining));
                let about = expected.map(|expected| format!("of about {}", rough(expected)));
                self.rows.push(Row::begun(phase.as_str(), now, about));
            }
            Event::PhaseEnded { took, failure, .. } => {
                let healthy = self.services.len();
                let mark = if failure.is_some() { Mark::Failed } else { Mark::Done };
                let note = match failure {
                    Some(failure) => format!("error {failure}"),
                    None if healthy > 0 => format!("{healthy} services healthy"),
                    None => String::new(),
                };
                if let Some(row) = self.rows.last_mut() {
                    row.end(*took, mark, note);
                }
                if failure.is_none() {
                    self.services.clear();
                }
                for (_, row) in self.services.iter_mut().filter(|(_, row)| row.took.is_none()) {
                    let note = row.note.clone();
                    row.end(now.saturating_sub(row.began), Mark::Failed, note);
                }
            }
            Event::Started { service, timeout } => {
                let about = Some(format!("has {}", rough(timeout.limit)));
                let row = Row::begun(service.as_str(), now, about);
                self.services.retain(|(known, _)| known != service);
                self.above = self.rows.len();
                self.services.push((*service, row));
            }
            Event::Waits { service, rung, why } => self.of_service(*service, format!("{rung}: {why}")),
            Event::Healthy { service, took } => {
                if let Some((_, row)) = self.services.iter_mut().find(|(known, _)| known == service) {
                    row.end(*took, Mark::Done, String::new());
                }
            }
            Event::Made(thing) => {
                let name = match thing.kind {
                    ResourceKind::File => thing.name.rsplit('/').next().unwrap_or_default().to_owned(),
                    _ => thing.to_string(),
                };
                self.count(now, None, "made", &name);
            }
            Event::Checked(what) => self.count(now, None, "seen", what),
            Event::Unmade(thing) => self.count(now, Some("REMOVAL"), "removed", &thing.to_string()),
            Event::Stopped(service) => self.count(now, Some("STOP"), "stopped", service.as_str()),
            Event::WaitingForHub { left } => {
                let note = format!("the hub is being deployed; at most {} more", rough(*left));
                if let Some(row) = self.rows.last_mut() {
                    row.note = note;
                }
            }
            Event::Failed { subject: Subject::Service(service), failure } => {
                self.of_service(*service, format!("error {failure}"));
                return Some(event.to_string());
            }
            Event::Ended(_) => {
                self.settle(now);
                self.is_over = true;
            }
            Event::Locked(_) | Event::Level { .. } => {}
            _ => return Some(event.to_string()),
        }
        None
    }

    fn of_service(&mut self, of: Service, note: String) {
        if let Some((_, row)) = self.services.iter_mut().find(|(known, _)| *known == of) {
            row.note = note;
        }
    }

    /// Counts one thing more in the row at work, or in that of `name`, which begins with it.
    fn count(&mut self, now: Duration, name: Option<&str>, verb: &str, what: &str) {
        let is_at_work = |row: &Row| row.took.is_none() && name.is_none_or(|name| row.name == name);
        if let (Some(name), false) = (name, self.rows.last().is_some_and(is_at_work)) {
            self.settle(now);
            self.rows.push(Row::begun(name, now, None));
        }
        if let Some(row) = self.rows.last_mut() {
            row.count += 1;
            row.note = format!("{} {verb}: {what}", row.count);
        }
    }

    /// What counts things is told of its end by what comes after it.
    fn settle(&mut self, now: Duration) {
        if let Some(row) = self.rows.last_mut().filter(|row| row.took.is_none()) {
            let note = row.note.split(':').next().unwrap_or_default().to_owned();
            row.end(now.saturating_sub(row.began), Mark::Done, note);
        }
    }

    /// Nothing more will be told. What did not come to its end is shown so.
    pub(super) fn end(&mut self, now: Duration) {
        self.is_over = true;
        let services = self.services.iter_mut().map(|(_, row)| row);
        for row in self.rows.iter_mut().chain(services).filter(|row| row.took.is_none()) {
            let note = row.note.clone();
            row.end(now.saturating_sub(row.began), Mark::Failed, note);
        }
    }

    /// How it looks now.
    pub(super) fn lines(&self, now: Duration) -> Vec<Line> {
        let head = Line { is_inner: false, mark: Mark::Head, text: self.head(now) };
        let (above, below) = self.rows.split_at(self.above.min(self.rows.len()));
        let rows = |rows: &[Row]| rows.iter().map(|row| row.line(now, false)).collect::<Vec<_>>();
        let services = self.services.iter().map(|(_, row)| row.line(now, true)).collect();
        let head = if self.is_over { Vec::new() } else { vec![head] };
        [head, rows(above), services, rows(below)].concat()
    }

    fn head(&self, now: Duration) -> String {
        let state = self.state.map(|state| format!(" · {state}")).unwrap_or_default();
        let left = self.left.map(|(at, left)| match left.checked_sub(now.saturating_sub(at)) {
            Some(left) if !left.is_zero() => format!(" · about {} to go", rough(left)),
            _ => " · longer than the other times".to_owned(),
        });
        let since = rough(now.saturating_sub(self.began));
        format!("{}{state} · {since}{}", self.of, left.unwrap_or_default())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use dive_orchestrator::deploy::{Failure, Thing};
    use dive_orchestrator::ladder::Rung;
    use dive_orchestrator::pipeline::Ending;
    use dive_orchestrator::timeouts::{Source, StartTimeout};
    use dive_orchestrator::{ErrorCode, FencingToken, Phase};

    use super::*;

    /// The events of a hub's deployment up to where its Keycloak is waited for, and when they happen.
    pub(in crate::progress) fn under_way() -> Vec<(u64, Event)> {
        let secs = Duration::from_secs;
        let started = |service, limit| Event::Started {
            service,
            timeout: StartTimeout { limit: secs(limit), from: Source::Table { samples: 0 } },
        };
        let waits = |service, rung, why: &str| Event::Waits { service, rung, why: why.to_owned() };
        let ended =
            |phase, millis| Event::PhaseEnded { phase, took: Duration::from_millis(millis), failure: None };
        let file =
            |name: &str| Event::Made(Thing::new(ResourceKind::File, format!("/home/ops/.dive/{name}")));
        let (first, second) = (Phase::Preflight, Phase::Initialization);
        vec![
            (0, Event::Locked(FencingToken::FIRST)),
            (0, Event::Entered(DeploymentState::Initializing)),
            (0, Event::PhaseBegan { phase: first, expected: Some(secs(1)), remaining: Some(secs(75)) }),
            (300, Event::Checked("an image of postgres is named".to_owned())),
            (400, ended(first, 400)),
            (400, Event::PhaseBegan { phase: second, expected: None, remaining: None }),
            (500, file("secrets/postgres.1")),
            (700, ended(second, 300)),
            (700, Event::Entered(DeploymentState::Deploying)),
            (
                700,
                Event::PhaseBegan {
                    phase: Phase::Deployment,
                    expected: Some(secs(45)),
                    remaining: Some(secs(70)),
                },
            ),
            (900, Event::Made(Thing::new(ResourceKind::Network, "dive-shared"))),
            (1_000, started(Service::Postgres, 60)),
            (1_000, started(Service::Opa, 30)),
            (1_900, Event::Healthy { service: Service::Opa, took: Duration::from_millis(900) }),
            (4_100, Event::Healthy { service: Service::Postgres, took: Duration::from_millis(3_100) }),
            (4_200, started(Service::Keycloak, 240)),
            (
                21_000,
                waits(
                    Service::Keycloak,
                    Rung::Http,
                    "tcp connect error: Connection refused (os error 111), as it starts",
                ),
            ),
        ]
    }

    pub(in crate::progress) fn failure() -> Failure {
        Failure::new(ErrorCode::ContainerTimeout, "keycloak was not healthy within 240 s")
    }

    fn seen(events: &[(u64, Event)]) -> Tree {
        let mut tree = Tree::new("hub", Duration::ZERO);
        for (at, event) in events {
            tree.see(Duration::from_millis(*at), event);
        }
        tree
    }

    fn told(tree: &Tree, secs: u64) -> String {
        let line = |line: Line| {
            let mark = match line.mark {
                Mark::Head => "",
                Mark::Runs => "* ",
                Mark::Done => "+ ",
                Mark::Failed => "! ",
            };
            format!("{}{mark}{}\n", if line.is_inner { "  " } else { "" }, line.text)
        };
        tree.lines(Duration::from_secs(secs)).into_iter().map(line).collect()
    }

    #[test]
    fn phases_services_and_what_is_left_are_shown_as_they_move() {
        let mut tree = seen(&under_way());
        insta::assert_snapshot!("under way", told(&tree, 21));
        insta::assert_snapshot!("longer than usual", told(&tree, 90));
        let took = Duration::from_secs(95);
        tree.see(took, &Event::Healthy { service: Service::Keycloak, took: Duration::from_secs(91) });
        tree.see(took, &Event::PhaseEnded { phase: Phase::Deployment, took, failure: None });
        tree.see(took, &Event::Ended(Ending::Complete));
        insta::assert_snapshot!("over", told(&tree, 96));
    }

    #[test]
    fn a_run_that_was_cut_short_shows_where() {
        let mut tree = seen(&under_way());
        tree.end(Duration::from_secs(30));
        insta::assert_snapshot!("cut short", told(&tree, 31));
    }

    #[test]
    fn what_failed_stays_to_be_seen_and_what_is_removed_is_counted() {
        let mut tree = seen(&under_way());
        let (failure, at) = (failure(), Duration::from_secs(245));
        let subject = Subject::Service(Service::Keycloak);
        let kept = tree.see(at, &Event::Failed { subject, failure: failure.clone() });
        assert_eq!(kept.unwrap(), "keycloak failed: 1204: keycloak was not healthy within 240 s");
        tree.see(at, &Event::PhaseEnded { phase: Phase::Deployment, took: at, failure: Some(failure) });
        tree.see(at, &Event::Entered(DeploymentState::RollingBack));
        for name in ["dive-hub-opa", "dive-hub-postgres"] {
            tree.see(at, &Event::Unmade(Thing::new(ResourceKind::Container, name)));
        }
        insta::assert_snapshot!("failed", told(&tree, 247));
        tree.see(Duration::from_secs(250), &Event::Ended(Ending::Undone { failed: Phase::Deployment }));
        insta::assert_snapshot!("undone", told(&tree, 251));
    }
}
