//! Files within containers, running or not.

use std::io::Read;
use std::time::Duration;

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::TryStreamExt as _;

use crate::engine::{Engine, EngineError};

const WITHIN: Duration = Duration::from_secs(10);

/// The content of one file of a container, named or by id. Empty when the archive holds no file.
///
/// # Errors
/// When the engine is gone, has no such container or file, or takes longer than ten seconds.
pub async fn read(engine: &Engine, container: &str, path: &str) -> Result<Vec<u8>, EngineError> {
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    let download = engine.docker().download_from_container(container, Some(options));
    let archive =
        engine.ask(format!("read {path} of {container}"), WITHIN, download.try_collect::<Vec<_>>()).await?;
    let archive = archive.concat();
    let mut archive = tar::Archive::new(archive.as_slice());
    let mut content = Vec::new();
    for mut entry in archive.entries().into_iter().flatten().flatten() {
        if entry.header().entry_type().is_file() && entry.read_to_end(&mut content).is_ok() {
            break;
        }
    }
    Ok(content)
}
