//! Ways to take a container out of service, and the way back as data.
//!
//! ```text
//! let inverse = outage.inverse(&container);   // plain data: write it to the journal first
//! outage.inject(&engine, &container).await?;
//! effect::observe(...)                        // it counts when its effect was seen
//! inverse.heal(&engine).await?;               // here, or in any later process
//! ```

use std::time::Duration;

use bollard::models::{ContainerState, ContainerStateStatusEnum};
use bollard::query_parameters::{KillContainerOptionsBuilder, StopContainerOptionsBuilder};
use serde::{Deserialize, Serialize};

pub use crate::attachment::Attachment;
use crate::container::Container;
use crate::engine::{BRIEF, Engine, EngineError};

/// A container out of service until it is healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// SIGTERM, then SIGKILL after `grace` (whole seconds). Connections are refused.
    Stop {
        /// How long it may take to end by itself.
        grace: Duration,
    },
    /// SIGKILL. Established connections are reset, new ones refused.
    Kill,
    /// Frozen. The kernel still accepts connections, nobody answers.
    Pause,
    /// Off the network: a black hole for its peers. Established connections resume when healed in time.
    Disconnect,
}

/// The way back from an [`Outage`]. Complete in itself: needs nothing of the process that caused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Inverse {
    /// Start it again, at its old address.
    Start {
        /// The container's name.
        container: String,
        /// Where it was on its network.
        attachment: Attachment,
    },
    /// Let it go on.
    Unpause {
        /// The container's name.
        container: String,
    },
    /// Put it back on its network, at its old address.
    Connect {
        /// The container's name.
        container: String,
        /// Where it was on its network.
        attachment: Attachment,
    },
}

/// What healing found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Healed {
    /// The container is in service, as far as the engine can tell. It may need time to be ready.
    InService,
    /// The container exists no more: there is nothing to heal.
    Gone,
}

impl Outage {
    /// The way back, to be written down before the fault is injected.
    pub fn inverse(&self, container: &Container) -> Inverse {
        let (attachment, container) = (container.attachment().clone(), container.name().to_owned());
        match self {
            Self::Stop { .. } | Self::Kill => Inverse::Start { container, attachment },
            Self::Pause => Inverse::Unpause { container },
            Self::Disconnect => Inverse::Connect { container, attachment },
        }
    }

    /// Causes the outage. That the engine agreed is no proof: see [`crate::effect`].
    pub async fn inject(&self, engine: &Engine, container: &Container) -> Result<(), EngineError> {
        let name = container.name();
        let docker = engine.docker();
        match self {
            Self::Stop { grace } => {
                let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
                let options = StopContainerOptionsBuilder::new().t(seconds).build();
                let call = docker.stop_container(name, Some(options));
                engine.ask(format!("stop {name}"), *grace + BRIEF, call).await
            }
            Self::Kill => kill(engine, name).await,
            Self::Pause => pause(engine, name).await,
            Self::Disconnect => container.attachment().detach(engine, name).await,
        }
    }
}

/// Kills a container by its name, whoever made it.
pub async fn kill(engine: &Engine, name: &str) -> Result<(), EngineError> {
    let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
    engine.ask(format!("kill {name}"), BRIEF, engine.docker().kill_container(name, Some(options))).await
}

/// Freezes one by its name; [`Inverse::Unpause`] lets it go on.
pub async fn pause(engine: &Engine, name: &str) -> Result<(), EngineError> {
    engine.ask(format!("pause {name}"), BRIEF, engine.docker().pause_container(name)).await
}

impl Inverse {
    /// The name of the container that it brings back.
    pub fn container(&self) -> &str {
        let (Self::Start { container, .. } | Self::Unpause { container } | Self::Connect { container, .. }) =
            self;
        container
    }

    /// Undoes the outage. May be repeated: what is in service already stays as it is, and what somebody else is
    /// just removing counts as gone.
    pub async fn heal(&self, engine: &Engine) -> Result<Healed, EngineError> {
        let container = self.container();
        let Some(state) = engine.state(container).await? else { return Ok(Healed::Gone) };
        match self.bring_back(engine, &state).await {
            Ok(()) => Ok(Healed::InService),
            Err(error) => match engine.state(container).await? {
                Some(state) if !goes(&state) => Err(error),
                _ => Ok(Healed::Gone),
            },
        }
    }

    async fn bring_back(&self, engine: &Engine, state: &ContainerState) -> Result<(), EngineError> {
        let container = self.container();
        match self {
            Self::Start { attachment, .. } if !runs(state) => {
                attachment.restore(engine, container).await?;
                let call = engine.docker().start_container(container, None);
                engine.ask(format!("start {container}"), BRIEF, call).await
            }
            Self::Unpause { .. } if state.paused == Some(true) => {
                let call = engine.docker().unpause_container(container);
                engine.ask(format!("unpause {container}"), BRIEF, call).await
            }
            Self::Connect { attachment, .. } => attachment.restore(engine, container).await,
            Self::Start { .. } | Self::Unpause { .. } => Ok(()),
        }
    }
}

/// Whether it is being removed.
fn goes(state: &ContainerState) -> bool {
    matches!(state.status, Some(ContainerStateStatusEnum::REMOVING | ContainerStateStatusEnum::DEAD))
}

fn runs(state: &ContainerState) -> bool {
    state.running == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_is_plain_data_and_reads_back() {
        let attachment = Attachment { network: "chaos-t-1-0".into(), address: [10, 231, 7, 2].into() };
        for inverse in [
            Inverse::Start { container: "opa".into(), attachment: attachment.clone() },
            Inverse::Unpause { container: "opa".into() },
            Inverse::Connect { container: "opa".into(), attachment },
        ] {
            let line = serde_json::to_string(&inverse).unwrap();
            assert_eq!(serde_json::from_str::<Inverse>(&line).unwrap(), inverse, "{line}");
        }
    }

    #[test]
    fn an_inverse_with_a_key_too_many_is_refused() {
        let line = r#"{"undo":"unpause","container":"opa","force":true}"#;
        assert!(serde_json::from_str::<Inverse>(line).is_err());
    }
}
