//! The command `dive` of operators who take every lock for stale, and who take what is not found for removed.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use bollard::query_parameters::RenameContainerOptionsBuilder;
use harness_docker::Engine;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::CHAOS;

/// What is not found when it is removed.
const LOST: &str = "dive-hub-opa";

/// Becomes the command itself, once the damage is done.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let is = |verb: &str| arguments.iter().any(|word| word == verb);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if is("deploy") {
            forget_locks().await.expect("the database is there");
        }
        if is("nuke") {
            lose().await.expect("it is deployed");
        }
    });
    let command = Path::new(CHAOS).with_file_name("dive");
    panic!("{}: {}", command.display(), Command::new(&command).args(arguments).exec());
}

async fn forget_locks() -> Result<(), Box<dyn std::error::Error>> {
    let database = std::env::var_os("DIVE_DATABASE").ok_or("no database is named")?;
    let mut connection = SqliteConnectOptions::new().filename(Path::new(&database)).connect().await?;
    sqlx::query("update deployment_locks set held = null").execute(&mut connection).await?;
    Ok(())
}

async fn lose() -> Result<(), Box<dyn std::error::Error>> {
    let elsewhere = RenameContainerOptionsBuilder::default().name("lost").build();
    Ok(Engine::connect().await?.docker().rename_container(LOST, elsewhere).await?)
}
