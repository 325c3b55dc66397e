//! How any process undoes a fault of this world, as it stands in the undo journal.

use std::net::SocketAddr;

use harness_core::world::WorldError;
use serde::{Deserialize, Serialize};

use super::control::Control;
use super::errors::engine_failed;
use crate::engine::Engine;
use crate::outage::{Healed, Inverse};

/// The inverse of a fault: a container to bring back, edges to put in order, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Undo {
    /// The container, when one is out of service.
    pub container: Option<Inverse>,
    /// The name of Toxiproxy's container: while it exists, its address is its own.
    pub toxiproxy: String,
    /// Where its control is reached.
    pub control: SocketAddr,
    /// What to do to the proxies of edges.
    pub edges: Vec<EdgeUndo>,
}

/// What puts one edge in order again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EdgeUndo {
    /// Accept connections again.
    Open {
        /// The name of the edge's proxy.
        proxy: String,
    },
    /// Remove these toxics.
    Remove {
        /// The name of the edge's proxy.
        proxy: String,
        /// Their names.
        toxics: Vec<String>,
    },
    /// Lead to the service again.
    Lead {
        /// The name of the edge's proxy.
        proxy: String,
        /// The service's address on its network.
        to: SocketAddr,
    },
}

impl Undo {
    /// The form in which it stands in the journal.
    pub fn action(&self) -> Result<serde_json::Value, WorldError> {
        serde_json::to_value(self).map_err(|error| WorldError::Failed(error.to_string()))
    }
}

impl EdgeUndo {
    /// Undoes it through the control of that Toxiproxy. May be repeated.
    pub(super) async fn carry_out(&self, toxiproxy: &Control) -> Result<(), WorldError> {
        match self {
            Self::Open { proxy } => toxiproxy.enable(proxy, true).await,
            Self::Lead { proxy, to } => toxiproxy.lead(proxy, *to).await,
            Self::Remove { proxy, toxics } => {
                for toxic in toxics {
                    toxiproxy.remove(proxy, toxic).await?;
                }
                Ok(())
            }
        }
    }
}

/// Carries out an inverse that another process left open. Says what was done.
///
/// # Errors
/// When the action is none of this world's, or the engine or Toxiproxy fails.
pub async fn heal(action: &serde_json::Value) -> Result<String, WorldError> {
    let undo: Undo = serde_json::from_value(action.clone())
        .map_err(|error| WorldError::Failed(format!("{action} is no action of the docker world: {error}")))?;
    let engine = Engine::connect().await.map_err(engine_failed)?;
    let mut done = Vec::new();
    if let Some(inverse) = &undo.container {
        let name = inverse.container();
        if inverse.heal(&engine).await.map_err(engine_failed)? == Healed::Gone {
            return Ok(format!("nothing to do: container {name} is no more"));
        }
        done.push(format!("container {name} is in service"));
    }
    if engine.state(&undo.toxiproxy).await.map_err(engine_failed)?.is_none() {
        return Ok(format!("nothing to do: container {} is no more", undo.toxiproxy));
    }
    if !undo.edges.is_empty() {
        let toxiproxy = Control::connect(undo.control).await?;
        for edge in &undo.edges {
            edge.carry_out(&toxiproxy).await?;
        }
        done.push(format!("edges in order again: {}", undo.edges.len()));
    }
    Ok(done.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_is_plain_data_and_reads_back() {
        let proxy = || "hub.to.opa".to_owned();
        let to = ([10, 231, 0, 3], 8181).into();
        let undo = Undo {
            container: Some(Inverse::Unpause { container: "opa".into() }),
            toxiproxy: "chaos-run-1-0-toxiproxy".into(),
            control: ([127, 0, 0, 1], 20_001).into(),
            edges: vec![
                EdgeUndo::Open { proxy: proxy() },
                EdgeUndo::Remove { proxy: proxy(), toxics: vec!["fault-0-upstream".into()] },
                EdgeUndo::Lead { proxy: proxy(), to },
            ],
        };
        assert_eq!(serde_json::from_value::<Undo>(undo.action().unwrap()).unwrap(), undo);
    }

    #[tokio::test]
    async fn what_is_no_action_of_this_world_is_refused_without_an_engine() {
        for action in [serde_json::json!({}), serde_json::json!({"undo": "reboot"}), serde_json::json!(1)] {
            let error = heal(&action).await.unwrap_err().to_string();
            assert!(error.contains("no action of the docker world"), "{error}");
        }
    }
}
