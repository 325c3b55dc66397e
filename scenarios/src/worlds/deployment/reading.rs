//! From what was witnessed to the timeline.

use std::collections::BTreeMap;
use std::time::Duration;

use dive_orchestrator::deploy::Thing;
use dive_orchestrator::store::{ErrorRecord, SqlStore};
use dive_orchestrator::{FencingToken, Held, Instance, LEASE, Phase, Resource, Stamp, StateChange};
use harness_core::event::What;
use harness_core::recorder::Recorder;
use harness_core::time::{At, Span};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::process;
use super::stage::Stage;
use super::witness::{PROCESS, TOLD, Witnessed};
use crate::binding::deployment::deeds;
use crate::binding::deployment::topology::{
    FREE, NONE, UNKNOWN, bringing_up, error_signal, lock_signal, phase_signal, state_signal, watched,
};
use crate::worlds::watch::LogClock;

/// Who is at work on an instance, by what its lock's row says.
struct Holding {
    held: Held,
    /// It was told already that it is over, though the row still says otherwise.
    is_over: bool,
}

/// What is known from what was read so far.
pub(in crate::worlds) struct Reading {
    stage: Stage,
    clock: LogClock,
    holding: BTreeMap<String, Holding>,
    /// Whose each token is.
    tokens: BTreeMap<(String, u64), String>,
    /// Of which host each process is that does not say so itself.
    hosts: BTreeMap<u32, String>,
    /// Whether the database could not be asked the last time.
    is_blind: bool,
}

fn read<T: DeserializeOwned>(text: Option<&str>) -> Option<T> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

impl Reading {
    /// Nothing was read yet. `clock` is the run's.
    pub(in crate::worlds) fn new(stage: Stage, clock: LogClock) -> Self {
        let (holding, tokens, hosts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { stage, clock, holding, tokens, hosts, is_blind: false }
    }

    /// Puts something that was witnessed, and read at `received`, on the timeline.
    pub(in crate::worlds) fn record(&mut self, witnessed: &Witnessed, received: At, recorder: &Recorder) {
        let at = self.at(witnessed.at, received);
        for what in self.told(witnessed) {
            put(at, what, recorder);
        }
    }

    /// When that was, in real milliseconds since 1970, which was heard of at `received`.
    pub(in crate::worlds) fn at(&self, millis: i64, received: At) -> Span {
        self.clock.printed(Timestamp::from_millisecond(millis).ok(), received)
    }

    /// What it means.
    pub(in crate::worlds) fn told(&mut self, witnessed: &Witnessed) -> Vec<What> {
        let Witnessed { kind, instance, before, after, .. } = witnessed;
        let (before, after) = (before.as_deref(), after.as_deref());
        if kind == TOLD {
            return read(after).into_iter().collect();
        }
        if kind == PROCESS {
            let pid = after.and_then(|pid| pid.parse().ok());
            self.hosts.extend(pid.map(|pid| (pid, instance.clone())));
            return Vec::new();
        }
        let Ok(of) = instance.parse::<Instance>() else { return Vec::new() };
        let signal = |name: String, value: &str| {
            if watched().contains(&of) { vec![deeds::signal(name, value)] } else { Vec::new() }
        };
        match kind.as_str() {
            "lock" => self.lock(&of, read(before), read(after)),
            "state" => {
                let Some(change) = read::<StateChange>(after) else { return Vec::new() };
                let by = self.whose(instance, change.token);
                let seen = signal(state_signal(&of), change.to.as_str());
                [vec![deeds::state(&of, &by, &change)], seen].concat()
            }
            "phase-began" => {
                [signal(phase_signal(&of), after.unwrap_or(NONE)), signal(error_signal(&of), NONE)].concat()
            }
            "phase-failed" => {
                let code = read(after).map(|failure: ErrorRecord| failure.code.to_string());
                code.map(|code| signal(error_signal(&of), &code)).unwrap_or_default()
            }
            "phase-done" if before == Some(Phase::Deployment.as_str()) && watched().contains(&of) => {
                let took = after.and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
                let sample =
                    |took: Duration| What::Sample { measure: bringing_up(&of), value: took.as_secs_f64() };
                took.map(sample).into_iter().collect()
            }
            "written" => read(after)
                .map(|made: Resource| deeds::written(&of, &Thing::from(&made)))
                .into_iter()
                .collect(),
            "struck-out" => read(before)
                .map(|made: Resource| deeds::struck_out(&of, &Thing::from(&made)))
                .into_iter()
                .collect(),
            "error" => {
                let error = |error: ErrorRecord| deeds::error(&of, error.code, error.recovered);
                read(after).map(error).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn whose(&self, instance: &str, token: FencingToken) -> String {
        let whose = self.tokens.get(&(instance.to_owned(), token.number()));
        whose.cloned().unwrap_or_else(|| format!("nobody, with token {token}"))
    }

    /// The lock's row changed.
    fn lock(&mut self, of: &Instance, before: Option<Held>, after: Option<Held>) -> Vec<What> {
        let instance = of.to_string();
        let Some(held) = after.filter(|held| !held.is_cut) else {
            self.holding.remove(&instance);
            return free(of);
        };
        let host = self.host(&held).to_owned();
        let by = process(&host, held.by.pid);
        let is_renewed = before.is_some_and(|before| before.token == held.token);
        let told = if is_renewed {
            vec![deeds::renewal(of, &by)]
        } else {
            self.tokens.insert((instance.clone(), held.token.number()), by.clone());
            let mut told = vec![deeds::lock(of, &by, held.token)];
            if watched().contains(of) {
                told.push(deeds::signal(lock_signal(of), &host));
            }
            told
        };
        self.holding.insert(instance, Holding { held, is_over: false });
        told
    }

    /// Tells that the database can't be asked: who holds which lock is not known.
    pub(in crate::worlds) fn see_nothing(&mut self, at: Span, recorder: &Recorder) {
        self.is_blind = true;
        for instance in watched() {
            recorder.signal(at, &lock_signal(&instance), UNKNOWN);
        }
    }

    /// Tells of each lock that ended by itself: with its session, or with its lease. The database does not: it finds
    /// out when it is asked, here by `eye`.
    pub(in crate::worlds) async fn see_lapsed(&mut self, at: Span, eye: &SqlStore, recorder: &Recorder) {
        let now = self.stage.now();
        for (instance, holding) in &mut self.holding {
            if holding.is_over || !is_over(&holding.held, now, eye).await {
                continue;
            }
            holding.is_over = true;
            for what in instance.parse().iter().flat_map(free) {
                put(at, what, recorder);
            }
        }
        if std::mem::take(&mut self.is_blind) {
            for instance in watched() {
                let holding = self.holding.get(&instance.to_string()).filter(|holding| !holding.is_over);
                let host = holding.map_or(FREE, |holding| self.host(&holding.held));
                recorder.signal(at, &lock_signal(&instance), host);
            }
        }
    }

    /// From where somebody works.
    fn host<'a>(&'a self, held: &'a Held) -> &'a str {
        self.hosts.get(&held.by.pid).unwrap_or(&held.by.host)
    }
}

/// Puts something on the timeline.
pub(in crate::worlds) fn put(at: Span, what: What, recorder: &Recorder) {
    match what {
        What::Signal { signal, value, .. } => recorder.signal(at, &signal, &value),
        what => recorder.record(at, what),
    }
}

/// Nobody is at work on it.
fn free(of: &Instance) -> Vec<What> {
    if !watched().contains(of) {
        return Vec::new();
    }
    vec![deeds::signal(lock_signal(of), FREE), deeds::signal(phase_signal(of), NONE)]
}

/// Whether anybody else may take the lock, whatever its row says. A session of which that can't be told lasts: its
/// lease will tell.
async fn is_over(held: &Held, now: Stamp, eye: &SqlStore) -> bool {
    now.saturating_since(held.renewed) >= LEASE || !eye.session_lasts(held.session).await.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use dive_orchestrator::store::Store as _;
    use dive_orchestrator::{DeploymentState, Holder, ResourceKind};

    use super::super::stage::{Database, Means};
    use super::super::witness::Witness;
    use super::*;

    fn stage(database: &Path) -> Stage {
        let (program, database) = (PathBuf::new(), Database::Sqlite(database.to_owned()));
        let means = Means::Engine { ways: BTreeMap::new() };
        Stage { program, database, origin_ms: 0, speed: 1.0, seed: 1, means }
    }

    fn abouts(recorder: &Recorder) -> Vec<String> {
        let about = |what: &What| match what {
            What::Fact { about, .. } => Some(about.clone()),
            What::Signal { value, .. } => Some(value.clone()),
            _ => None,
        };
        recorder
            .with_history(|history| history.events().iter().filter_map(|event| about(&event.what)).collect())
    }

    /// What a store commits is told in its order, with whose it was; the end of a session, which no row tells of, too.
    #[tokio::test]
    async fn what_is_committed_is_told_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db");
        let store = SqlStore::sqlite(&database);
        store.migrate().await.unwrap();
        let mut witness = Witness::of(&stage(&database).database);
        witness.install().await.unwrap();
        witness.install().await.unwrap();
        witness.tell_process("operator", 7).await.unwrap();

        let hub = Instance::Hub;
        let lease = store.acquire(&hub, &Holder { host: "localhost".into(), pid: 7 }).await.unwrap();
        let (from, to) = (DeploymentState::Unknown, DeploymentState::Initializing);
        store.transition(&lease, from, to, "why").await.unwrap();
        store.begin_phase(&lease, Phase::Preflight).await.unwrap();
        let made = Thing::new(ResourceKind::Volume, "data").over(None);
        store.intend(&lease, Phase::Deployment, &made).await.unwrap();
        Witness::of(&stage(&database).database)
            .tell(&[deeds::made(&hub, &Thing::from(&made))])
            .await
            .unwrap();
        store.undone(&lease, Phase::Deployment, &made).await.unwrap();

        let recorder = Recorder::new(Vec::new());
        let mut reading = Reading::new(stage(&database), LogClock::pair(At::from_start(Duration::ZERO), 1.0));
        let received = At::from_start(Duration::from_mins(1));
        for witnessed in witness.read().await.unwrap() {
            reading.record(&witnessed, received, &recorder);
        }
        let told: Vec<&str> =
            "lock operator state INITIALIZING PREFLIGHT none written made struck-out".split(' ').collect();
        assert_eq!(abouts(&recorder), told);
        let by = recorder.with_history(|history| match &history.events()[2].what {
            What::Fact { detail, .. } => detail["by"].clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(by, "operator#7");
        assert!(witness.read().await.unwrap().is_empty(), "each is told once");

        // Its time is that of the store: it was renewed just now.
        let eye = SqlStore::sqlite(&database);
        let stage = Stage { origin_ms: super::super::stage::wall_ms(), ..stage(&database) };
        reading.stage = stage;
        reading.see_lapsed(Span::exactly(received), &eye, &recorder).await;
        assert_eq!(abouts(&recorder), told, "its session is open");
        drop(store);
        reading.see_lapsed(Span::exactly(received), &eye, &recorder).await;
        reading.see_lapsed(Span::exactly(received), &eye, &recorder).await;
        assert_eq!(abouts(&recorder)[told.len()..], ["free", "none"]);
    }

    #[tokio::test]
    async fn a_lock_is_over_with_its_lease_and_with_its_session() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db");
        let store = SqlStore::sqlite(&database);
        store.migrate().await.unwrap();
        store.acquire(&Instance::Hub, &Holder { host: "operator".into(), pid: 7 }).await.unwrap();
        let held = store.holder(&Instance::Hub).await.unwrap().unwrap();
        let (last, eye) = (held.renewed + LEASE, SqlStore::sqlite(&database));
        assert!(!is_over(&held, Stamp::from_millis(last.millis() - 1), &eye).await);
        assert!(is_over(&held, last, &eye).await);
        drop(store);
        assert!(is_over(&held, held.renewed, &eye).await, "nobody keeps it locked");
    }
}
