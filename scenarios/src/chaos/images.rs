//! `chaos images`: the images of the docker world.

use harness_docker::images::Origin;
use harness_docker::{Engine, Images, Source};
use miette::Report;

use super::args::{self, From};
use super::complaint::Complaint;
use super::exit::Exit;
use super::out::{note, out};
use crate::worlds::docker;

pub(super) fn images(args: &args::Images) -> Result<Exit, Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Complaint::internal)?;
    runtime.block_on(async {
        let engine = Engine::connect().await.map_err(Complaint::from)?;
        let program = std::env::current_exe().map_err(Complaint::internal)?;
        let source = match args.from {
            From::Auto => Source::Auto,
            From::Upstream => Source::Upstream,
            From::Build => Source::Build,
        };
        let images = Images::new(&engine, source, program);
        for recipe in docker::recipes().map_err(Complaint::from)? {
            note(format_args!("{} …", recipe.name));
            let image = images.ensure(&recipe).await.map_err(|error| {
                Complaint::internal(error).help("make the image's source reachable, or choose another with --from; `chaos doctor` looks what is there")
            })?;
            let origin = match image.origin {
                Origin::Present => "was there",
                Origin::Pulled => "pulled",
                Origin::Built => "built",
            };
            out!("{} {origin}", image.tag)?;
        }
        Ok(Exit::Done)
    })
}
