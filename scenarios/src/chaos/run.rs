//! `chaos run` and `chaos replay`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness_core::record::{Record, Sink};
use harness_core::scenario::Scenario;
use harness_core::verdict::{Axis, Verdict};
use harness_core::world::WorldKind;
use miette::Report;

use super::args::{How, Replay, Run};
use super::complaint::Complaint;
use super::exit::Exit;
use super::heal;
use super::interrupt::Interrupt;
use super::live::Live;
use super::out::{self, note, out};
use crate::execute::{Executed, Plan, execute, usual_speed};
use crate::worlds::deployment::{SQLITE, STORE_SETTING, stores};
use crate::{binding, catalogue, folders, stamp};

/// What a newcomer is shown: one outage with traffic, one without, in the local world.
const TOUR: [&str; 2] = ["circuit/opa-outage", "circuit/hang"];

pub(super) fn run(args: &Run) -> Result<Exit, Report> {
    let interrupt = Interrupt::listen().map_err(Complaint::internal)?;
    let vocabulary = binding::vocabulary();
    let words: Vec<&str> =
        if args.what.is_empty() { TOUR.to_vec() } else { args.what.iter().map(String::as_str).collect() };
    let mut scenarios: Vec<Scenario> = Vec::new();
    for word in &words {
        let selected = catalogue::select(word, &vocabulary)?;
        // A family is run where it can be; a scenario asked for by name that can't is an error.
        let several = selected.len() > 1;
        let runs_here = |scenario: &Scenario| !several || scenario.worlds.contains(&args.how.world);
        let mut here: Vec<_> = selected.into_iter().map(|entry| entry.scenario).filter(runs_here).collect();
        if several {
            here.retain(|scenario| has_its_store(scenario, &args.how));
        }
        if here.is_empty() {
            let none = format!("no scenario of `{word}` runs in the {} world", args.how.world);
            return Err(Complaint::usage(none)
                .help(format!("`chaos list {word}` shows where they run"))
                .into());
        }
        scenarios.extend(here);
    }
    let mut plans = Vec::new();
    for number in 0..args.repeat {
        plans.extend(scenarios.iter().map(|scenario| plan(scenario.clone(), &args.how, number)));
    }
    Session::new(args.json, interrupt).make_all(plans)
}

/// Whether what a scenario breaks is there, with the store that is set; it is told when not.
fn has_its_store(scenario: &Scenario, how: &How) -> bool {
    let set = how.settings.iter().rfind(|(key, _)| key == STORE_SETTING);
    let store = set.map_or(SQLITE, |(_, value)| value.as_str());
    let stores = if how.world == WorldKind::Virtual { &[] } else { stores(scenario) };
    let left_out = store == SQLITE && !stores.is_empty() && !stores.contains(&SQLITE);
    if left_out {
        note(format_args!("{} is left out: it needs --set {STORE_SETTING}={}", scenario.id, stores[0]));
    }
    !left_out
}

pub(super) fn replay(args: &Replay) -> Result<Exit, Report> {
    let interrupt = Interrupt::listen().map_err(Complaint::internal)?;
    let record = Record::read(&folders::record(&args.run)).map_err(Complaint::from)?;
    let header = record.header;
    let how = How {
        world: header.world,
        speed: Some(header.speed),
        seed: header.seed,
        settings: header.settings.into_iter().collect(),
        report_dir: args.report_dir.clone(),
    };
    Session::new(false, interrupt).make_all(vec![plan(header.scenario, &how, 0)])
}

pub(super) fn plan(scenario: Scenario, how: &How, number: u32) -> Plan {
    let (stamp, started) = stamp::now(number);
    let speed = match how.world {
        WorldKind::Virtual => 1.0,
        world => how.speed.unwrap_or_else(|| usual_speed(world, &scenario)),
    };
    Plan {
        scenario,
        world: how.world,
        seed: how.seed.wrapping_add(u64::from(number)),
        speed,
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
    interrupt: Interrupt,
    made: Vec<Made>,
}

/// What is told of a run in the end.
struct Made {
    what: String,
    verdict: Verdict,
    page: PathBuf,
}

impl Session {
    fn new(json: bool, interrupt: Interrupt) -> Self {
        Self { json, interrupt, made: Vec::new() }
    }

    /// Makes the runs, up to the one that is interrupted, and tells how they came out.
    fn make_all(mut self, plans: Vec<Plan>) -> Result<Exit, Report> {
        let Some(root) = plans.first().map(|plan| plan.reports.clone()) else {
            return Ok(Exit::Done);
        };
        heal::before_a_run(&root)?;
        let many = plans.len();
        for mut plan in plans {
            if self.interrupt.asked() {
                break;
            }
            // Each starts when it starts.
            (_, plan.started) = stamp::now(0);
            if let Err(error) = self.make(&plan) {
                self.list()?;
                if plan.folder().exists() {
                    note(format_args!("what was recorded: {}", shown(&plan.folder())));
                }
                return Err(error);
            }
        }
        self.end(many)
    }

    /// Makes one run and tells of it.
    fn make(&mut self, plan: &Plan) -> Result<(), Report> {
        let what = format!("{} [{}]", plan.scenario.id, plan.world);
        let watch: Vec<Box<dyn Sink>> = if self.json { Vec::new() } else { vec![Box::new(Live::new(&what))] };
        let executed = execute(plan, watch, self.interrupt.clone().reason())?;
        let verdict = reports::verdict(&executed.record, &executed.judgement);
        self.tell(plan, verdict, &executed)?;
        self.made.push(Made { what, verdict, page: executed.written.html });
        Ok(())
    }

    fn tell(&self, plan: &Plan, verdict: Verdict, executed: &Executed) -> Result<(), Complaint> {
        let judgement = &executed.judgement;
        if self.json {
            let line = serde_json::json!({
                "scenario": plan.scenario.id, "world": plan.world, "seed": plan.seed, "speed": plan.speed,
                "verdict": verdict,
                "experiment": judgement.of(Axis::Experiment),
                "recovery": judgement.of(Axis::Recovery),
                "clean-up": judgement.of(Axis::CleanUp),
                "folder": executed.folder, "findings": judgement.findings,
            });
            return out!("{line}");
        }
        out::text(format_args!(
            "{}",
            reports::terminal(&executed.record, judgement, out::terminal_width(), out::colour())
        ))
    }

    /// Tells how all came out. Runs that were left out are no success.
    fn end(self, planned: usize) -> Result<Exit, Report> {
        let left_out = planned - self.made.len();
        let worst = self.made.iter().map(|made| made.verdict).max().unwrap_or(Verdict::Inconclusive);
        let worst = if left_out == 0 { worst } else { worst.max(Verdict::Inconclusive) };
        if left_out > 0 {
            let runs = if left_out == 1 { "1 run was".to_owned() } else { format!("{left_out} runs were") };
            note(format_args!("{runs} left out"));
        }
        if !self.json {
            self.list()?;
        }
        Ok(Exit::Verdict(worst))
    }

    /// Each path stands alone on its line, so that it can be copied.
    fn list(&self) -> Result<(), Complaint> {
        match self.made.as_slice() {
            [] => Ok(()),
            [one] => out!("report: {}", shown(&one.page)),
            many => {
                let count = |verdict| many.iter().filter(|made| made.verdict == verdict).count();
                out!(
                    "\n{} held, {} violated, {} inconclusive; `chaos report` puts all on one page",
                    count(Verdict::Held),
                    count(Verdict::Violated),
                    count(Verdict::Inconclusive),
                )?;
                for made in many {
                    out!(
                        "{}  {}\n  {}",
                        made.verdict.to_string().to_uppercase(),
                        made.what,
                        shown(&made.page)
                    )?;
                }
                Ok(())
            }
        }
    }
}

/// A path as one would type it from here.
fn shown(path: &Path) -> std::path::Display<'_> {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).display()
}
