//! `chaos up`: a topology to try things on, until Ctrl-C.
//!
//! It is a run like any other, with nothing broken in it, so everything that holds for runs holds here: what
//! is told of it can be read again, and nothing is left behind.

use std::fmt::Write as _;
use std::time::Duration;

use harness_core::event::{Event, Phase, What};
use harness_core::record::Sink;
use harness_core::scenario::{Scenario, ScenarioBuilder};
use harness_core::world::WorldKind;
use miette::Report;

use super::args::{How, Up};
use super::complaint::Complaint;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::live::Live;
use super::out::{note, out};
use super::{heal, run};
use crate::binding::callers::COMMUTER;
use crate::binding::kit::Kit;
use crate::binding::topology::{HUB, KAS, KEYCLOAK, Shape};
use crate::execute::execute;
use crate::worlds::{LISTENS, TRUSTED};

/// How long it stands at most.
const A_DAY: Duration = Duration::from_hours(24);

pub(super) fn up(args: &Up) -> Result<Exit, Report> {
    let interrupt = Interrupt::listen().map_err(Complaint::internal)?;
    if args.world == WorldKind::Virtual {
        return Err(Complaint::usage("nobody can call into the virtual world")
            .help("choose --world local or --world docker")
            .into());
    }
    let how = How {
        world: args.world,
        speed: Some(1.0),
        seed: 1,
        settings: Vec::new(),
        report_dir: args.report_dir.clone(),
    };
    let plan = run::plan(scenario(), &how, 0);
    heal::before_a_run(&plan.reports)?;
    let name = format!("{} [{}]", plan.scenario.id, plan.world);
    let password = Kit::now(Shape::Hub)
        .and_then(|kit| Ok(kit.coalition().password(COMMUTER)?))
        .map_err(Complaint::internal)?;
    let watch: Vec<Box<dyn Sink>> =
        vec![Box::new(Live::new(&name)), Box::new(Invitation { password, listening: String::new() })];
    execute(&plan, watch, interrupt.reason())?;
    note(format_args!("down again"));
    Ok(Exit::Done)
}

/// The hub with everything it depends on, and one request to see that it works.
fn scenario() -> Scenario {
    ScenarioBuilder::new("up/hub", Shape::Hub.name())
        .title("A hub to try things on")
        .worlds([WorldKind::Local, WorldKind::Docker])
        .load("pulse", "read", Duration::from_mins(1))
        .steady("hub/status", "healthy")
        .steady_for(Duration::from_secs(1))
        .steady_within(Duration::from_mins(5))
        .wait(A_DAY)
        .build()
}

/// Says, once everything is healthy, where it is and how to log in.
struct Invitation {
    password: String,
    /// A line of shell that names the addresses.
    listening: String,
}

impl Sink for Invitation {
    fn write(&mut self, event: &Event) {
        match &event.what {
            What::Note { text } => {
                if let Some(authority) = text.strip_prefix(TRUSTED) {
                    let _ = write!(self.listening, " CA={authority:?}");
                    return;
                }
                let Some((service, address)) =
                    text.strip_prefix(LISTENS).and_then(|told| told.split_once(' '))
                else {
                    return;
                };
                if [HUB, KEYCLOAK, KAS].contains(&service) {
                    let _ = write!(self.listening, " {}={address}", service.to_uppercase());
                }
            }
            What::Phase { phase: Phase::Experiment } => {
                let Self { password, listening } = self;
                let _ = out!(
                    "\nIt stands. In another terminal (Ctrl-C here takes it down):\n\n\
                     export{listening} NAME={COMMUTER} PASSWORD={password}\n"
                );
            }
            _ => {}
        }
    }
}
