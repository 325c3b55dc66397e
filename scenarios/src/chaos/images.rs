//! `chaos images`: the images of the docker world.

use harness_docker::images::Origin;
use harness_docker::{Engine, Images, Source};
use miette::{IntoDiagnostic as _, Report};

use super::args::{self, From};
use super::exit::Exit;
use crate::worlds::docker;

pub(super) fn images(args: &args::Images) -> Result<Exit, Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    runtime.block_on(async {
        let engine = Engine::connect().await.into_diagnostic()?;
        let program = std::env::current_exe().into_diagnostic()?;
        let source = match args.from {
            From::Auto => Source::Auto,
            From::Upstream => Source::Upstream,
            From::Build => Source::Build,
        };
        let images = Images::new(&engine, source, program);
        for recipe in docker::recipes().into_diagnostic()? {
            let image = images.ensure(&recipe).await.into_diagnostic()?;
            let origin = match image.origin {
                Origin::Present => "was there",
                Origin::Pulled => "pulled",
                Origin::Built => "built",
            };
            println!("{} {origin}", image.tag);
        }
        Ok(Exit::Done)
    })
}
