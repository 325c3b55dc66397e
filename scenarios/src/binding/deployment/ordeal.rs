//! Many commands in a row, each cut at an instant drawn by chance.

use std::time::Duration;

use dive_orchestrator::Phase;
use rand::Rng;

use super::orders::Command;

/// A command is killed before this is over; a deployment takes about as long when nothing disturbs it.
const KILLED_WITHIN: Duration = Duration::from_secs(40);

/// How many commands, and which.
#[derive(Clone, Copy, Debug)]
pub struct Ordeal {
    /// How many.
    pub commands: u32,
    on_checkpoints: bool,
}

impl Ordeal {
    /// The one that is meant by a command, if it is many.
    pub fn of(command: Command) -> Option<Self> {
        match command {
            Command::Ordeal => Some(Self { commands: 100, on_checkpoints: false }),
            Command::Checkpoints => Some(Self { commands: 50, on_checkpoints: true }),
            _ => None,
        }
    }

    /// The next command, and after how long it is killed if it has not ended.
    pub fn draw(self, chance: &mut impl Rng) -> (Command, Duration) {
        let command = if self.on_checkpoints { on_checkpoints(chance) } else { any(chance) };
        (command, KILLED_WITHIN.mul_f64(chance.random()))
    }
}

fn any(chance: &mut impl Rng) -> Command {
    match chance.random_range(0..10) {
        0..3 => Command::Deploy,
        3..6 => Command::Resume,
        6 => back_to_some_phase(chance),
        7 => Command::Rollback(None),
        8 => Command::Nuke,
        _ => Command::Down,
    }
}

/// One that saves checkpoints, or goes back to one.
fn on_checkpoints(chance: &mut impl Rng) -> Command {
    if chance.random() { Command::Resume } else { back_to_some_phase(chance) }
}

fn back_to_some_phase(chance: &mut impl Rng) -> Command {
    Command::Rollback(Some(Phase::ALL[chance.random_range(0..Phase::ALL.len())]))
}
