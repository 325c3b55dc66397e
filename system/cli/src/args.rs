//! The command line of `dive`.

use std::path::PathBuf;

use clap::{ArgMatches, Args, Parser, Subcommand};
use dive_orchestrator::{Instance, InstanceCode, NoCode, NoOperation, Operation};

use crate::exit::CODES;
use crate::graph::{Language, Subject};
use crate::place::Place;
use crate::secrets::SecretName;

/// Deploys hub and spokes, and tells how they stand.
#[derive(Debug, Parser)]
#[command(
    name = "dive",
    version,
    about = "Deploys hub and spokes, and tells how they stand",
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = CODES
)]
pub(crate) struct Cli {
    /// Where things are.
    #[command(flatten)]
    pub(crate) place: Place,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how all instances stand
    #[command(visible_alias = "ps")]
    Status(Output),
    /// The hub
    #[command(subcommand, arg_required_else_help = true)]
    Hub(Hub),
    /// A spoke
    #[command(subcommand, arg_required_else_help = true)]
    Spoke(Spoke),
    /// Show where things are, and what a deployment is made of
    Info(Output),
    /// See whether this machine is ready for a deployment; changes nothing
    Validate(Output),
    /// The orchestration database
    #[command(subcommand, arg_required_else_help = true)]
    OrchDb(OrchDb),
    /// The secrets of deployments; none is ever shown
    #[command(subcommand, arg_required_else_help = true)]
    Secrets(Secrets),
    /// Remove deployments with all their data
    #[command(subcommand, arg_required_else_help = true)]
    Nuke(Nuke),
}

/// Whether results are asked for as JSON, by whichever verb.
pub(crate) fn is_json(given: &ArgMatches) -> bool {
    match given.subcommand() {
        Some((_, below)) => is_json(below),
        None => given.try_get_one::<bool>("json").ok().flatten().is_some_and(|json| *json),
    }
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// As one line of JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Shown {
    /// As JSON lines on standard output, one an event, the last its result
    #[arg(long)]
    pub(crate) json: bool,
}

/// The options of `deploy`.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are the switches of the command line")]
pub(crate) struct DeployOptions {
    /// Go on from the first unfinished phase
    #[arg(long, conflicts_with_all = ["from_phase", "only_phase"])]
    pub(crate) resume: bool,
    /// Run this phase and all after it
    #[arg(long, value_name = "PHASE", conflicts_with = "only_phase")]
    pub(crate) from_phase: Option<String>,
    /// Run this phase alone
    #[arg(long, value_name = "PHASE")]
    pub(crate) only_phase: Option<String>,
    /// Leave this phase out; only SEEDING can be
    #[arg(long, value_name = "PHASE")]
    pub(crate) skip_phase: Vec<String>,
    /// Keep what was made when a phase fails, whichever
    #[arg(long, conflicts_with = "rollback")]
    pub(crate) keep: bool,
    /// Remove what was made when a phase fails, whichever
    #[arg(long)]
    pub(crate) rollback: bool,
    /// How many resources are seeded
    #[arg(long, value_name = "N", default_value_t = crate::deployment::RESOURCES, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) resources: u32,
    /// Start services one after the other, to see what starting them at once saves
    #[arg(long)]
    pub(crate) serial: bool,
    /// How it is shown.
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// `dive hub …`
#[derive(Debug, Subcommand)]
pub(crate) enum Hub {
    /// Deploy it: containers, realm, users, until it was seen to work
    Deploy(DeployOptions),
    /// Bring up what was taken down or has stopped
    Up(Shown),
    /// Stop its containers; they keep their data
    Down(Shown),
    /// Stop its containers and bring them up again
    Restart(Shown),
    /// Show how it stands
    Status(Output),
    /// Try it: every service, a login, decisions; changes nothing
    Verify(Output),
    /// Show the last lines of a service's log
    Logs {
        /// Such as `keycloak`
        service: String,
    },
    /// Run a command in a service's container, and end as it does; it is given no input
    Exec(Order),
}

/// A command in a service's container. That it is run is written to the audit, without what may be secret in it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Order {
    /// Such as `keycloak`
    pub(crate) service: String,
    /// The command, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `dive nuke …`
#[derive(Debug, Subcommand)]
pub(crate) enum Nuke {
    /// The spokes, then the hub
    All(Confirmed),
    /// The hub, when no spoke stands on it
    Hub(Confirmed),
    /// One spoke
    Spoke {
        /// Its code, such as `fra`
        code: String,
        /// Whether it is meant.
        #[command(flatten)]
        confirmed: Confirmed,
    },
}

/// Whether destruction is meant.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Confirmed {
    /// Yes, with all data
    #[arg(long)]
    pub(crate) confirm: bool,
    /// How it is shown.
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// Which spoke.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// The spoke's code, such as `fra`
    #[arg(long, value_name = "CODE")]
    pub(crate) instance: String,
}

impl Which {
    /// The spoke.
    pub(crate) fn instance(&self) -> Result<Instance, NoCode> {
        InstanceCode::from_operator(&self.instance).map(Instance::Spoke)
    }
}

/// `dive spoke …`
#[derive(Debug, Subcommand)]
pub(crate) enum Spoke {
    /// Deploy one beside the hub of this machine. It stands by itself: identity providers and policy of partners
    /// come with the federation
    Deploy {
        /// Its code, such as `fra`
        code: String,
        /// What people call it; given when it is first deployed
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        name: Option<String>,
        /// How.
        #[command(flatten)]
        options: DeployOptions,
    },
    /// Bring up what was taken down or has stopped
    Up {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// How it is shown.
        #[command(flatten)]
        shown: Shown,
    },
    /// Stop its containers; they keep their data
    Down {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// How it is shown.
        #[command(flatten)]
        shown: Shown,
    },
    /// Stop its containers and bring them up again
    Restart {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// How it is shown.
        #[command(flatten)]
        shown: Shown,
    },
    /// Run a command in a service's container, and end as it does; it is given no input
    Exec {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// What.
        #[command(flatten)]
        order: Order,
    },
    /// Try it: every service, a login, decisions; changes nothing
    Verify {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// How.
        #[command(flatten)]
        output: Output,
    },
    /// Show the last lines of a service's log
    Logs {
        /// Such as `keycloak`
        service: String,
        /// Which.
        #[command(flatten)]
        which: Which,
    },
    /// Show how it stands
    Status {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// How.
        #[command(flatten)]
        output: Output,
    },
}

/// `dive orch-db …`
#[derive(Debug, Subcommand)]
pub(crate) enum OrchDb {
    /// Bring the schema to this program's version; safe beside others that do the same
    Migrate,
    /// Show the state of every deployment, as the database has it
    Status(Output),
    /// Show what happened to a deployment: states, phases, errors, what operators did to it
    History {
        /// `hub` or a spoke's code
        instance: String,
        /// How.
        #[command(flatten)]
        output: Output,
    },
    /// Show where the time of the last deployment went, and of those beside it: phases and services, to scale
    Waterfall {
        /// `hub` or a spoke's code [default: all that were deployed together with the last]
        instance: Option<String>,
        /// Also write it to this file, as a page
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// How.
        #[command(flatten)]
        output: Output,
    },
    /// Show what operators did: commands run, deployments taken down, back, or away
    Audit(Output),
    /// See whether the database agrees with itself and with what is there: 1 on a difference; repairs nothing
    Check(Output),
    /// Draw which state may follow which, and which service needs which
    Graph {
        /// One of them [default: both]
        subject: Option<Subject>,
        /// In which language
        #[arg(long, value_enum, default_value_t = Language::Dot)]
        language: Language,
    },
    /// Take a deployment back to the end of a phase, or to nothing
    Rollback {
        /// `hub` or a spoke's code
        instance: String,
        /// The last phase to keep
        #[arg(long, value_name = "PHASE")]
        to: Option<String>,
        /// How it is shown.
        #[command(flatten)]
        shown: Shown,
    },
    /// Show the breakers that all processes share
    Breakers {
        /// Close this one
        #[arg(long, value_name = "OPERATION", value_parser = operation)]
        reset: Option<Operation>,
        /// How.
        #[command(flatten)]
        output: Output,
    },
}

/// `dive secrets …`
#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Show which secrets there are, in their store and here
    List {
        /// `hub` or a spoke's code [default: all that are deployed]
        #[arg(long, value_name = "CODE")]
        instance: Option<String>,
        /// How.
        #[command(flatten)]
        output: Output,
    },
    /// Fetch the secrets of a deployment that are not here any more from their store
    Load {
        /// `hub` or a spoke's code
        #[arg(long, value_name = "CODE")]
        instance: String,
    },
    /// Give a deployment new secrets: services are restarted with them one level after the other, and once it was
    /// seen to work the earlier ones open nothing. Doing it again goes on where it stopped
    Rotate {
        /// Such as `postgres` [default: all that can be]
        #[arg(value_name = "NAME", value_parser = secret)]
        secret: Option<SecretName>,
        /// `hub` or a spoke's code
        #[arg(long, value_name = "CODE")]
        instance: String,
        /// How it is shown.
        #[command(flatten)]
        shown: Shown,
    },
}

fn secret(text: &str) -> Result<SecretName, String> {
    let names = || SecretName::ALL.map(SecretName::as_str).join(", ");
    let named = SecretName::ALL.into_iter().find(|name| name.as_str() == text);
    named.ok_or_else(|| format!("{text:?} is no secret: they are {}", names()))
}

fn operation(text: &str) -> Result<Operation, String> {
    text.parse().map_err(|error: NoOperation| {
        format!("{error}: they are {}", Operation::ALL.map(Operation::as_str).join(", "))
    })
}

/// An instance as operators name it: `hub`, a spoke's code, or `spoke-` and its code.
pub(crate) fn instance(text: &str) -> Result<Instance, NoCode> {
    match text.to_ascii_lowercase().as_str() {
        "hub" => Ok(Instance::Hub),
        lower => {
            let code = lower.strip_prefix("spoke-").unwrap_or(lower);
            code.parse().map(Instance::Spoke).map_err(|_| NoCode(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    proptest! {
        #[test]
        fn an_instance_reads_back_as_it_is_shown_in_either_case(code in "[a-z][a-z0-9]{1,7}") {
            prop_assume!(code != "hub");
            let spoke = Instance::Spoke(code.parse().unwrap());
            for text in [code.clone(), code.to_uppercase(), spoke.to_string()] {
                prop_assert_eq!(instance(&text).unwrap(), spoke.clone());
            }
        }
    }

    #[test]
    fn the_hub_is_no_spoke_and_what_is_no_code_is_refused() {
        assert_eq!(instance("hub"), Ok(Instance::Hub));
        for text in ["", "f", "f_r", "../x", "spoke-"] {
            assert_eq!(instance(text), Err(NoCode(text.to_owned())));
        }
    }
}
