//! `chaos images`: the images of the docker world.

use harness_docker::{Engine, Images, Source};
use miette::{IntoDiagnostic as _, Report};

use super::args;
use super::exit::Exit;
use crate::worlds::docker;

pub(super) fn images(args: &args::Images) -> Result<Exit, Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    runtime.block_on(async {
        let engine = Engine::connect().await.into_diagnostic()?;
        let program = std::env::current_exe().into_diagnostic()?;
        let images = Images::new(&engine, Source::Auto, program);
        for recipe in docker::recipes()? {
            if args.remove {
                for tag in images.remove(&recipe).await.into_diagnostic()? {
                    println!("removed {tag}");
                }
            } else {
                let image = images.ensure(&recipe).await.into_diagnostic()?;
                println!("{} ({:?})", image.tag, image.origin);
            }
        }
        Ok(Exit::Done)
    })
}
