//! The command line of `chaos`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use harness_core::world::WorldKind;

/// Breaks a system on purpose and judges what it does.
#[derive(Debug, Parser)]
#[command(
    name = "chaos",
    version,
    about = "Breaks a system on purpose and judges what it does",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
#[command(after_help = "Exit codes: 0 held · 1 violated · 2 inconclusive · 64 usage · 70 internal")]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the scenarios of the catalogue
    List(List),
    /// Check scenario files without running them
    Check(Check),
    /// Run scenarios and judge them; without a name, a short tour
    Run(Run),
    /// Keep a hub with everything it depends on standing, to try things on, until Ctrl-C
    Up(Up),
    /// Judge and render stored runs again
    Report(Report),
    /// Run a stored run's scenario again, as it was run
    Replay(Replay),
    /// Set two stored runs of a scenario side by side
    Compare(Compare),
    /// Undo what a run that died has left broken, and remove what it left behind
    Heal(Heal),
    /// Build or pull the images of the docker world
    Images(Images),
    /// Look whether everything a run needs is there
    Doctor(Doctor),
    /// Run all tests (installs cargo-nextest when it is missing)
    Test(Test),
    /// Run one of the roles of a topology; for the harness itself
    #[command(hide = true)]
    Serve(Serve),
}

/// `chaos list`
#[derive(Debug, Args)]
pub(super) struct List {
    /// An id, a family or a tag; everything when left out
    pub(super) word: Option<String>,
    /// Only scenarios that run in this world
    #[arg(long)]
    pub(super) world: Option<WorldKind>,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `chaos check`
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Scenario files; the catalogue when left out
    pub(super) files: Vec<PathBuf>,
    /// Print the JSON schema of scenario files, for editors, and do nothing else
    #[arg(long)]
    pub(super) schema: bool,
}

/// How runs are made.
#[derive(Clone, Debug, Args)]
pub(super) struct How {
    /// The world: virtual, local or docker
    #[arg(long, default_value_t = WorldKind::Local)]
    pub(super) world: WorldKind,
    /// System seconds in a real second, 0.1 to 100 [default: 10 in the local world, 3 for deployments there, 1 in the docker world, 0.4 for deployments there]
    #[arg(long, value_parser = speed)]
    pub(super) speed: Option<f64>,
    /// The seed of everything drawn by chance
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// A setting of the system, over the scenario's own; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) settings: Vec<(String, String)>,
    /// Where runs are stored
    #[arg(long, value_name = "DIR", env = "CHAOS_REPORT_DIR")]
    pub(super) report_dir: Option<PathBuf>,
}

/// `chaos run`
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Ids, families, tags or scenario files
    pub(super) what: Vec<String>,
    /// How.
    #[command(flatten)]
    pub(super) how: How,
    /// How many times each
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) repeat: u32,
    /// The verdicts as JSON lines on standard output, nothing else
    #[arg(long)]
    pub(super) json: bool,
}

/// `chaos up`
#[derive(Debug, Args)]
pub(super) struct Up {
    /// The world: local or docker
    #[arg(long, default_value_t = WorldKind::Local)]
    pub(super) world: WorldKind,
    /// Where what it tells is stored
    #[arg(long, value_name = "DIR", env = "CHAOS_REPORT_DIR")]
    pub(super) report_dir: Option<PathBuf>,
}

/// `chaos report`
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Run folders or records; all stored runs when left out
    pub(super) runs: Vec<PathBuf>,
    /// Where runs are stored
    #[arg(long, value_name = "DIR", env = "CHAOS_REPORT_DIR")]
    pub(super) report_dir: Option<PathBuf>,
}

/// `chaos replay`
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The run's folder or record
    pub(super) run: PathBuf,
    /// Where runs are stored
    #[arg(long, value_name = "DIR", env = "CHAOS_REPORT_DIR")]
    pub(super) report_dir: Option<PathBuf>,
}

/// `chaos compare`
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The earlier run's folder or record
    pub(super) before: PathBuf,
    /// The later one's
    pub(super) after: PathBuf,
    /// Write the comparison as a page, too
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

/// `chaos heal`
#[derive(Debug, Args)]
pub(super) struct Heal {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Where runs are stored
    #[arg(long, value_name = "DIR", env = "CHAOS_REPORT_DIR")]
    pub(super) report_dir: Option<PathBuf>,
}

/// `chaos images`
#[derive(Debug, Args)]
pub(super) struct Images {
    /// Where to take them from
    #[arg(long, value_enum, default_value_t = From::Auto)]
    pub(super) from: From,
    /// All but this one; can be given more than once
    #[arg(long, value_name = "NAME")]
    pub(super) except: Vec<String>,
}

/// Where images come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum From {
    /// Pulled, or built where they can't be
    Auto,
    /// Pulled
    Upstream,
    /// Built on the spot
    Build,
}

/// `chaos doctor`
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Where runs are to be stored
    #[arg(long, value_name = "DIR", env = "CHAOS_REPORT_DIR")]
    pub(super) report_dir: Option<PathBuf>,
}

/// `chaos test`
#[derive(Debug, Args)]
pub(super) struct Test {
    /// Passed on to `cargo nextest run`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) rest: Vec<String>,
}

/// `chaos serve`
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The role.
    #[command(subcommand)]
    pub(super) role: Role,
}

/// The roles this binary can play in a topology.
#[derive(Debug, Subcommand)]
pub(super) enum Role {
    /// The node: the policy enforcement point
    Node {
        /// Its settings; the environment goes over them
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// The key access service
    Kas,
    /// The stand-in of the policy engine
    StandinOpa {
        /// Where it listens
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// A file of data documents to begin with
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// The stand-in of the identity provider, with the realms of a coalition
    StandinKeycloak {
        /// Where users and services find it
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// Where health is asked for and it is told to misbehave
        #[arg(long)]
        management: std::net::SocketAddr,
        /// The coalition's seed
        #[arg(long)]
        seed: u64,
        /// The base URL that tokens name
        #[arg(long)]
        hostname: String,
        /// The tenants it hosts
        #[arg(long = "tenant", required = true)]
        tenants: Vec<String>,
        /// The certificate chain to speak TLS with, PEM
        #[arg(long, requires = "key")]
        certificate: Option<PathBuf>,
        /// Its key, PEM
        #[arg(long, requires = "certificate")]
        key: Option<PathBuf>,
    },
    /// Comes between where TLS is spoken, under a certificate that nobody trusts, and passes on what it hears
    Interceptor {
        /// Where it listens
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// Whom it passes on to
        #[arg(long)]
        to: std::net::SocketAddr,
        /// The names and addresses in its certificate
        #[arg(long = "name", required = true)]
        names: Vec<String>,
    },
    /// The stand-in of the document store
    StandinMongodb {
        /// Where it listens
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// The file in which it keeps everything
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// The stand-in of the key-value store
    StandinRedis {
        /// Where it listens
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// The file in which it keeps everything
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// What is deployed onto: starts processes in place of containers
    Machine {
        /// Where it listens
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// What the processes of a run know of each other
        #[arg(long)]
        stage: PathBuf,
    },
    /// The door of one part of what is deployed onto
    Door {
        /// Where it listens
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// What it is the door of
        #[arg(long)]
        to: std::net::SocketAddr,
    },
    /// A process in place of a container; prints where it listens
    Container {
        /// After how many milliseconds it is healthy
        #[arg(long)]
        takes_ms: u64,
    },
    /// A PostgreSQL server, from the installed package, in the folder where it is started
    Postgres {
        /// Where it listens
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// The folder of the package's programs
        #[arg(long)]
        binaries: PathBuf,
    },
    /// A host from which somebody deploys
    OperatorsHost {
        /// Where it takes orders
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// What the processes of a run know of each other
        #[arg(long)]
        stage: PathBuf,
        /// Its name
        #[arg(long)]
        name: String,
    },
    /// Carries out what an operator is told, and prints what came of it
    Order {
        /// What the processes of a run know of each other
        stage: PathBuf,
        /// On which host
        host: String,
        /// The order's name
        order: String,
        /// Which of its kind
        number: u64,
    },
    /// The same by the command `dive`
    DiveOrder {
        /// What the processes of a run know of each other
        stage: PathBuf,
        /// On which host
        host: String,
        /// The order's name
        order: String,
        /// Which of its kind
        number: u64,
    },
    /// Ends what a run started when the run dies
    Reaper {
        /// What it is told.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// The same for containers
    DockerReaper {
        /// What it is told.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write key=value, for example breaker.opa.failures=8".into()),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=100.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.1 to 100".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_setting_needs_a_key_and_a_speed_a_sane_number() {
        assert_eq!(setting("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert!(setting("=x").is_err() && setting("x").is_err());
        assert!(speed("0").is_err() && speed("-3").is_err() && speed("nan").is_err() && speed("10").is_ok());
    }
}
