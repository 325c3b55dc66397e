//! How another process undoes a fault of this world, as it stands in the undo journal.
//!
//! Almost everything here ends with its owner: the proxies live in the owner's process, and its
//! services are reaped. A frozen process is continued, should the reaper have met its end too.

use harness_core::world::WorldError;
use nix::sys::signal::{Signal, killpg};
use serde::{Deserialize, Serialize};

use crate::process::resume_descendants;
use crate::procfs::ProcessId;

/// The inverse of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Undo {
    /// Continue the group that this process leads, and what descends from it.
    Continue {
        /// The frozen process.
        process: ProcessId,
    },
    /// What was broken ends with its owner.
    EndsWithOwner,
}

impl Undo {
    /// The form in which it stands in the journal.
    pub fn action(self) -> Result<serde_json::Value, WorldError> {
        serde_json::to_value(self).map_err(|error| WorldError::Failed(error.to_string()))
    }
}

/// Carries out an inverse that another process left open. Says what was done.
///
/// # Errors
/// When the action is none of this world's, or the kernel refuses it.
pub fn heal(action: &serde_json::Value) -> Result<String, WorldError> {
    let undo: Undo = serde_json::from_value(action.clone())
        .map_err(|error| WorldError::Failed(format!("{action} is no action of the local world: {error}")))?;
    match undo {
        Undo::EndsWithOwner => Ok("nothing to do: it ended with its owner".into()),
        Undo::Continue { process } if !process.holds_its_pid() => {
            Ok(format!("nothing to do: pid {} is no more", process.pid))
        }
        Undo::Continue { process } => {
            resume_descendants(process);
            match killpg(process.as_pid(), Signal::SIGCONT) {
                Ok(()) => Ok(format!("continued pid {}", process.pid)),
                Err(errno) => {
                    Err(WorldError::Failed(format!("pid {} can't be continued: {errno}", process.pid)))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_frozen_process_goes_on_and_a_later_one_of_its_pid_is_left_alone() {
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let process = ProcessId::of(child.id().try_into().unwrap()).unwrap();
        killpg(process.as_pid(), Signal::SIGSTOP).unwrap();
        while process.state() != Some('T') {
            std::thread::yield_now();
        }

        let reused = Undo::Continue { process: ProcessId { start: process.start + 1, ..process } };
        assert!(heal(&reused.action().unwrap()).unwrap().contains("no more"));
        assert_eq!(process.state(), Some('T'));

        heal(&Undo::Continue { process }.action().unwrap()).unwrap();
        while process.state() == Some('T') {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_is_no_action_of_this_world_is_refused() {
        for action in [serde_json::json!({}), serde_json::json!({"undo": "reboot"}), serde_json::json!(1)] {
            assert!(heal(&action).is_err(), "{action}");
        }
        assert!(heal(&Undo::EndsWithOwner.action().unwrap()).is_ok());
    }
}
