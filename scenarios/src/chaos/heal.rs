//! `chaos heal`: undoes what runs that died have left broken, and removes what they left behind.

use std::path::{Path, PathBuf};

use harness_core::journal::Journal;
use harness_core::world::WorldKind;
use harness_docker::{Engine, EngineError, cleanup};
use miette::{IntoDiagnostic as _, Report, WrapErr as _};

use super::args::Heal;
use super::exit::Exit;
use crate::folders::{self, JOURNAL};

pub(super) fn heal(args: &Heal) -> Result<Exit, Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    runtime.block_on(async {
        let root = folders::reports(args.report_dir.as_deref());
        let mut left = 0;
        for path in journals(&root) {
            left += replay(&path, args.dry_run).await?;
        }
        remove_stale(args.dry_run).await?;
        Ok(if left == 0 { Exit::Done } else { Exit::Internal })
    })
}

/// Replays what is open in a journal, newest first; how much could not be undone.
async fn replay(path: &Path, dry_run: bool) -> Result<usize, Report> {
    let mut journal = Journal::open(path).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
    let open: Vec<_> = journal.open_inverses().cloned().collect();
    let mut left = 0;
    for inverse in open {
        if inverse.owner.is_alive() {
            println!("{}: pid {} still runs and heals it itself", inverse.about, inverse.owner.pid());
            continue;
        }
        if dry_run {
            println!("{}: would be undone by {}", inverse.about, inverse.action);
            continue;
        }
        let undone = match inverse.world {
            WorldKind::Virtual => Ok("it ended with its process".to_owned()),
            WorldKind::Local => harness_local::undo::heal(&inverse.action),
            WorldKind::Docker => harness_docker::world::heal(&inverse.action).await,
        };
        match undone {
            Ok(done) => {
                println!("{}: {done}", inverse.about);
                journal.done(inverse.id).into_diagnostic()?;
            }
            Err(error) => {
                left += 1;
                eprintln!("{}: {error}", inverse.about);
            }
        }
    }
    if !dry_run {
        journal.close().into_diagnostic()?;
    }
    Ok(left)
}

fn journals(root: &Path) -> Vec<PathBuf> {
    let runs = std::fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> = runs.map(|run| run.path().join(JOURNAL)).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

/// Removes containers and networks of owners that are dead. No engine, nothing to remove.
async fn remove_stale(dry_run: bool) -> Result<(), Report> {
    let engine = match Engine::connect().await {
        Ok(engine) => engine,
        Err(EngineError::Absent { .. }) => return Ok(()),
        Err(error) => return Err(error).into_diagnostic(),
    };
    if dry_run {
        for (name, owner) in cleanup::list_owned(&engine).await.into_diagnostic()? {
            println!("{name}, of {owner}");
        }
        return Ok(());
    }
    let removed = cleanup::remove_stale(&engine).await.into_diagnostic()?;
    if removed.is_empty() {
        println!("no container or network is left behind");
    } else {
        println!("removed {removed:?}");
    }
    Ok(())
}
