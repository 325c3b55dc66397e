//! `chaos heal`: undoes what runs that died have left broken, and removes what they left behind.

use std::io;
use std::path::{Path, PathBuf};

use harness_core::journal::{Inverse, Journal};
use harness_core::owner::Owner;
use harness_core::world::{WorldError, WorldKind};
use harness_docker::cleanup::Removed;
use harness_docker::{Engine, EngineError, cleanup};
use harness_local::leftovers::leftovers;
use miette::Report;

use super::args::Heal;
use super::complaint::Complaint;
use super::exit::Exit;
use super::out::{note, out};
use crate::folders::{self, JOURNAL};
use crate::runtime;

/// What came of healing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Healed {
    /// For people: what was done, or would be.
    done: Vec<String>,
    /// What could not be done, and why.
    left: Vec<String>,
}

pub(super) fn heal(args: &Heal) -> Result<Exit, Report> {
    let root = folders::reports(args.report_dir.as_deref());
    let mut healed = Healed::default();
    block_on(async {
        // What is of a dead run need not be mended before it goes.
        end_leftovers(args.dry_run, &mut healed);
        remove_stale(args.dry_run, &mut healed).await;
        replay_all(&root, args.dry_run, &mut healed).await;
    })?;
    for line in &healed.done {
        out!("{line}")?;
    }
    for line in &healed.left {
        note(format_args!("{line}"));
    }
    if healed == Healed::default() {
        out!("nothing to heal: no run in {} left anything broken or behind", root.display())?;
    }
    if healed.left.is_empty() {
        return Ok(Exit::Done);
    }
    let many = if healed.left.len() == 1 { "one thing is" } else { "some things are" };
    let next = "mend what stands above, then run `chaos heal` again; its journal is kept until then";
    Err(Complaint::internal(format!("{many} not healed")).help(next).into())
}

/// Undoes what runs that died have left open in the journals under `root`, before a new one starts. What can't be
/// undone is told and stays for `chaos heal`.
pub(super) fn before_a_run(root: &Path) -> Result<(), Report> {
    if journals(root).is_empty() {
        return Ok(());
    }
    let mut healed = Healed::default();
    block_on(replay_all(root, false, &mut healed))?;
    for line in healed.done.iter().chain(&healed.left) {
        note(format_args!("from a run that died: {line}"));
    }
    Ok(())
}

fn block_on(work: impl Future<Output = ()>) -> Result<(), Complaint> {
    runtime::on_this_thread().map_err(Complaint::internal)?.block_on(work);
    Ok(())
}

/// Replays every journal. One that can't be read keeps nobody from the others.
async fn replay_all(root: &Path, dry_run: bool, healed: &mut Healed) {
    for path in journals(root) {
        let replayed = if dry_run { foresee(&path, healed) } else { replay(&path, healed).await };
        match replayed {
            Ok(()) => {}
            // Its run goes on and heals itself.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => healed.left.push(error.to_string()),
            Err(error) => healed.left.push(format!("{}: {error}", path.display())),
        }
    }
}

/// Says what [`replay`] would do.
fn foresee(path: &Path, healed: &mut Healed) -> io::Result<()> {
    let dead = |inverse: &Inverse| !inverse.owner.is_alive();
    for inverse in Journal::look(path)?.into_iter().filter(dead) {
        let Inverse { about, world, action, .. } = inverse;
        healed.done.push(format!("{about}: would be undone in the {world} world by {action}"));
    }
    Ok(())
}

/// Replays what is open in a journal, newest first, and removes it when nothing is left open.
async fn replay(path: &Path, healed: &mut Healed) -> io::Result<()> {
    let mut journal = Journal::open(path)?;
    let open: Vec<Inverse> = journal.open_inverses().cloned().collect();
    for inverse in open {
        let about = &inverse.about;
        if inverse.owner.is_alive() {
            healed
                .done
                .push(format!("{about}: left to pid {}, which broke it and still runs", inverse.owner.pid()));
            continue;
        }
        match undo(&inverse).await {
            Ok(done) => {
                healed.done.push(format!("{about}: {done}"));
                journal.done(inverse.id)?;
            }
            Err(error) => healed.left.push(format!("{about}: {error}")),
        }
    }
    journal.close()
}

async fn undo(inverse: &Inverse) -> Result<String, WorldError> {
    match inverse.world {
        WorldKind::Virtual => Ok("it ended with its process".into()),
        WorldKind::Local => harness_local::undo::heal(&inverse.action),
        WorldKind::Docker => harness_docker::world::heal(&inverse.action).await,
    }
}

fn journals(root: &Path) -> Vec<PathBuf> {
    let runs = std::fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> =
        runs.map(|run| run.path().join(JOURNAL)).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

/// Removes containers and networks of owners that are dead. No engine, nothing to remove.
async fn remove_stale(dry_run: bool, healed: &mut Healed) {
    let removed = async {
        let engine = Engine::connect().await?;
        if !dry_run {
            return cleanup::remove_stale(&engine).await.map(|removed| told(&removed));
        }
        let dead = |owner: &str| owner.parse::<Owner>().is_ok_and(|owner| !owner.is_alive());
        let owned = cleanup::list_owned(&engine).await?.into_iter();
        Ok(owned
            .filter(|(_, owner)| dead(owner))
            .map(|(name, _)| format!("{name}: would be removed"))
            .collect())
    };
    match removed.await {
        Ok(lines) => healed.done.extend(lines),
        Err(EngineError::Absent { .. }) => {}
        Err(error) => healed.left.push(error.to_string()),
    }
}

/// Ends processes and removes scratch folders of owners that are dead, as are their reapers.
fn end_leftovers(dry_run: bool, healed: &mut Healed) {
    let left = match leftovers() {
        Ok(left) => left,
        Err(error) => {
            return healed.left.push(format!("processes and folders can't be looked through: {error}"));
        }
    };
    for leftover in left {
        // Its command line is gone with it.
        let told = leftover.to_string();
        match if dry_run { Ok(()) } else { leftover.remove() } {
            Ok(()) if dry_run => healed.done.push(format!("{told}: would be removed")),
            Ok(()) => healed.done.push(format!("{told}: removed")),
            Err(error) => healed.left.push(format!("{told}: {error}")),
        }
    }
}

fn told(removed: &Removed) -> Vec<String> {
    let containers = removed.containers.iter().map(|name| format!("container {name}: removed"));
    let networks = removed.networks.iter().map(|name| format!("network {name}: removed"));
    let volumes = removed.volumes.iter().map(|name| format!("volume {name}: removed"));
    containers.chain(networks).chain(volumes).collect()
}
