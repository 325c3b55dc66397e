//! A node that is content with an open port where its identity provider should be.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use dive_node::ports::{Probe, ProbeError};
use dive_node::serve::{Server, install_logging, ports, told_to_stop};
use dive_node::{Dependency, Settings};
use dive_runtime::{Runtime, TokioRuntime};
use tokio::net::TcpStream;

/// Serves until it is told to stop, with the settings of the environment.
pub(crate) fn serve() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let served: Result<(), Box<dyn std::error::Error>> = runtime.block_on(async {
        let environment = std::env::vars().filter(|(name, _)| name.starts_with("DIVE_"));
        let settings = Settings::load(None, environment)?;
        install_logging(&settings);
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        let mut ports = ports(&settings, &runtime).await?;
        let open = settings.keycloak.url.trim_start_matches("https://").to_owned();
        ports.probes.insert(Dependency::Keycloak, Arc::new(OpenPort(open)));
        let stop = told_to_stop()?;
        Server::bind_with(settings, ports).await?.run(stop).await;
        Ok(())
    });
    if let Err(error) = &served {
        eprintln!("{error}");
    }
    ExitCode::from(u8::from(served.is_err()))
}

struct OpenPort(String);

#[async_trait]
impl Probe for OpenPort {
    async fn check(&self) -> Result<(), ProbeError> {
        TcpStream::connect(&self.0).await.map(drop).map_err(|error| ProbeError(error.to_string()))
    }
}
