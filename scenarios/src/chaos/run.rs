//! `chaos run` and `chaos replay`.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use harness_core::record::{Record, Sink};
use harness_core::scenario::Scenario;
use harness_core::verdict::{Axis, Verdict};
use harness_core::world::WorldKind;
use miette::{IntoDiagnostic as _, Report};

use super::args::{How, Replay, Run};
use super::exit::Exit;
use super::interrupt;
use super::live::Live;
use crate::execute::{Executed, Plan, execute, usual_speed};
use crate::{binding, catalogue, folders, stamp};

/// What a newcomer is shown: one outage with traffic, one without, in the local world.
const TOUR: [&str; 2] = ["circuit/opa-outage", "circuit/hang"];

pub(super) fn run(args: &Run) -> Result<Exit, Report> {
    let vocabulary = binding::vocabulary();
    let words: Vec<&str> = if args.what.is_empty() { TOUR.to_vec() } else { args.what.iter().map(String::as_str).collect() };
    let mut scenarios: Vec<Scenario> = Vec::new();
    for word in &words {
        let selected = catalogue::select(word, &vocabulary)?;
        // A family is run where it can be; a scenario asked for by name that can't is an error.
        let several = selected.len() > 1;
        let runs_here = |scenario: &Scenario| !several || scenario.worlds.contains(&args.how.world);
        scenarios.extend(selected.into_iter().map(|entry| entry.scenario).filter(runs_here));
    }
    let mut session = Session::new(args.json);
    for number in 0..args.repeat {
        for scenario in &scenarios {
            let plan = plan(scenario.clone(), &args.how, number);
            if session.make(&plan)?.is_none() {
                return session.end(&plan.reports);
            }
        }
    }
    session.end(&folders::reports(args.how.report_dir.as_deref()))
}

pub(super) fn replay(args: &Replay) -> Result<Exit, Report> {
    let record = Record::read(&folders::record(&args.run)).into_diagnostic()?;
    let header = record.header;
    let how = How {
        world: header.world,
        speed: Some(header.speed),
        seed: header.seed,
        settings: header.settings.into_iter().collect(),
        report_dir: args.report_dir.clone(),
    };
    let plan = plan(header.scenario, &how, 0);
    let mut session = Session::new(false);
    session.make(&plan)?;
    session.end(&plan.reports)
}

fn plan(scenario: Scenario, how: &How, number: u32) -> Plan {
    let (stamp, started) = stamp::now(number);
    Plan {
        scenario,
        world: how.world,
        seed: how.seed.wrapping_add(u64::from(number)),
        speed: if how.world == WorldKind::Virtual { 1.0 } else { how.speed.unwrap_or_else(|| usual_speed(how.world)) },
        settings: how.settings.iter().cloned().collect::<BTreeMap<_, _>>(),
        reports: folders::reports(how.report_dir.as_deref()),
        stamp,
        started,
        program: std::env::current_exe().unwrap_or_else(|_| "chaos".into()),
    }
}

/// Runs made one after another.
struct Session {
    json: bool,
    colour: bool,
    verdicts: Vec<Verdict>,
    last: Option<std::path::PathBuf>,
}

impl Session {
    fn new(json: bool) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colour, verdicts: Vec::new(), last: None }
    }

    /// Makes one run and tells of it. `None` when it was interrupted: no further ones then.
    fn make(&mut self, plan: &Plan) -> Result<Option<()>, Report> {
        let watch: Vec<Box<dyn Sink>> =
            if self.json { Vec::new() } else { vec![Box::new(Live::new(&format!("{} · {}", plan.scenario.id, plan.world)))] };
        let executed = execute(plan, watch, interrupt::interrupted()).map_err(Report::from)?;
        self.tell(plan, &executed)?;
        self.verdicts.push(reports::verdict(&executed.record, &executed.judgement));
        let interrupted = interrupt::ended(&executed.record);
        self.last = Some(executed.written.html.clone());
        Ok((!interrupted).then_some(()))
    }

    fn tell(&self, plan: &Plan, executed: &Executed) -> Result<(), Report> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let judgement = &executed.judgement;
            let line = serde_json::json!({
                "scenario": plan.scenario.id, "world": plan.world, "seed": plan.seed, "speed": plan.speed,
                "verdict": reports::verdict(&executed.record, judgement),
                "experiment": judgement.of(Axis::Experiment),
                "recovery": judgement.of(Axis::Recovery),
                "clean-up": judgement.of(Axis::CleanUp),
                "folder": executed.folder, "findings": judgement.findings,
            });
            writeln!(out, "{line}").into_diagnostic()
        } else {
            let width = terminal_width();
            write!(out, "{}", reports::terminal(&executed.record, &executed.judgement, width, self.colour)).into_diagnostic()
        }
    }

    fn end(self, reports: &Path) -> Result<Exit, Report> {
        let worst = self.verdicts.iter().copied().max().unwrap_or(Verdict::Inconclusive);
        if !self.json
            && let Some(last) = &self.last
        {
            let count = |verdict| self.verdicts.iter().filter(|one| **one == verdict).count();
            println!(
                "\n{} held, {} violated, {} inconclusive\nreport: {}",
                count(Verdict::Held),
                count(Verdict::Violated),
                count(Verdict::Inconclusive),
                if self.verdicts.len() == 1 { last.display() } else { reports.display() },
            );
        }
        Ok(Exit::Verdict(worst))
    }
}

pub(super) fn terminal_width() -> usize {
    let console = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or(console).unwrap_or(100).clamp(40, 200)
}
