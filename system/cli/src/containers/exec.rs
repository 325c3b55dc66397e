//! Running an operator's command in a service's container.

use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use dive_orchestrator::deploy::{Done, Failure, Found, Site, Thing};
use dive_orchestrator::{ErrorCode, ResourceKind, Service};
use futures_util::StreamExt as _;

use super::DockerPlatform;
use super::engine::Refusal;

/// What a command writes, as it comes.
pub(crate) enum Output<'a> {
    /// To standard output.
    Out(&'a [u8]),
    /// To standard error.
    Err(&'a [u8]),
}

impl DockerPlatform {
    /// Runs a command in a service's container to its end, however long that takes; `None` is an end without an exit
    /// code. It is given no input.
    pub(crate) async fn exec(
        &self,
        site: &Site,
        service: Service,
        command: &[String],
        mut written: impl FnMut(Output<'_>) + Send,
    ) -> Done<Option<i64>> {
        let thing = Thing::new(ResourceKind::Container, service.container(&site.instance));
        match self.things(site).find(&thing).await? {
            Found::Ours | Found::Replaceable(_) => {}
            Found::Nothing => {
                return Err(Failure::new(ErrorCode::Dependency, format!("{thing} is not there")));
            }
            Found::Strangers(whose) => return Err(Failure::new(ErrorCode::InstanceConflict, whose)),
        }
        let docker = self.engine.docker();
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..ExecConfig::default()
        };
        let (name, what) = (&thing.name, format!("run a command in {}", thing.name));
        let refused = |refusal: Refusal| refusal.with(ErrorCode::Dependency);
        let made = self.engine.ask(&what, docker.create_exec(name, config)).await.map_err(refused)?;
        let begun = self.engine.ask(&what, docker.start_exec(&made.id, None)).await.map_err(refused)?;
        if let StartExecResults::Attached { mut output, .. } = begun {
            while let Some(piece) = output.next().await {
                match piece {
                    Ok(LogOutput::StdErr { message }) => written(Output::Err(&message)),
                    Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => {
                        written(Output::Out(&message));
                    }
                    Ok(LogOutput::StdIn { .. }) => {}
                    Err(error) => {
                        let detail = format!("the engine went away from the command in {name}: {error}");
                        return Err(Failure::new(ErrorCode::Dependency, detail));
                    }
                }
            }
        }
        let ended = self.engine.ask(&what, docker.inspect_exec(&made.id)).await.map_err(refused)?;
        Ok(ended.exit_code)
    }
}
