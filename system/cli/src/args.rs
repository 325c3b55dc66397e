//! The command line of `dive`.

use clap::{Args, Parser, Subcommand};
use dive_orchestrator::{Instance, InstanceCode, NoCode, NoOperation, Operation};

use crate::exit::CODES;
use crate::place::Place;

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
    /// The orchestration database
    #[command(subcommand, arg_required_else_help = true)]
    OrchDb(OrchDb),
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// As one line of JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dive hub …`
#[derive(Debug, Subcommand)]
pub(crate) enum Hub {
    /// Show how it stands
    Status(Output),
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
    /// Show what happened to a deployment: states, phases, errors
    History {
        /// `hub` or a spoke's code
        instance: String,
        /// How.
        #[command(flatten)]
        output: Output,
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
