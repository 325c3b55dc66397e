//! Where images come from: an upstream registry, by tag, or a recipe, built on the spot.
//!
//! ```text
//! Recipe (TOML) ──► Images::ensure ──► here already? ──► pull the upstream tag ──► else build:
//!                                      recipe's program ──► rootfs (closure) ──► tar (context) ──► engine
//! ```
//!
//! A built image's tag holds a hash of all that went into it, so a changed recipe or binary is a new image and an
//! unchanged one is never built twice.

mod closure;
mod context;
mod program;
mod recipe;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions,
};
use futures_util::TryStreamExt;

use crate::engine::{BRIEF, Engine, EngineError};
use crate::labels;
pub use closure::ClosureError;
pub use program::ProgramError;
pub use recipe::{Build, GoProgram, Recipe, RecipeError};

const PULL: Duration = Duration::from_secs(300);
const BUILD: Duration = Duration::from_secs(300);
/// Somebody else may be about to use what was built less than this ago.
const KEPT: Duration = Duration::from_secs(3600);

/// Where to take images from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Pull; build what has no upstream or can't be pulled.
    #[default]
    Auto,
    /// Pull what has an upstream, or fail.
    Upstream,
    /// Build everything.
    Build,
}

/// An image that the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Name and tag, for [`crate::ContainerSpec`].
    pub tag: String,
    /// How it came to be there.
    pub origin: Origin,
}

/// How an image came to be on the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    Present,
    /// It was pulled now.
    Pulled,
    /// It was built now.
    Built,
}

/// Why an image can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its upstream could not be pulled, and building it is not what was asked for.
    #[error(
        "could not pull {tag}: {why}. Make the registry reachable, or have images built on the spot (source `build`)"
    )]
    Pull {
        /// The upstream tag.
        tag: String,
        /// The engine's reason.
        why: EngineError,
    },
    /// It can't be pulled nor built.
    #[error("could not pull {tag}: {pull}; nor build it: {build}")]
    Neither {
        /// The upstream tag.
        tag: String,
        /// Why it was not pulled.
        pull: EngineError,
        /// Why it was not built.
        build: Box<ImageError>,
    },
    /// The program to put into it could not be had.
    #[error("could not make the program for image `{image}`: {why}")]
    Program {
        /// The recipe's name.
        image: String,
        /// The reason.
        why: ProgramError,
    },
    /// The program's files could not be gathered.
    #[error("could not gather the files of image `{image}`: {why}")]
    Files {
        /// The recipe's name.
        image: String,
        /// The reason.
        why: ClosureError,
    },
    /// The lock that keeps two processes from building the same image could not be taken.
    #[error("could not lock {path}: {why}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        why: std::io::Error,
    },
}

/// Provides images on one engine.
#[derive(Clone, Debug)]
pub struct Images {
    engine: Engine,
    source: Source,
    executable: PathBuf,
}

impl Images {
    /// Provides images on `engine` from `source`. `executable` is what recipes for the running executable put
    /// in: usually [`std::env::current_exe`].
    pub fn new(engine: &Engine, source: Source, executable: impl Into<PathBuf>) -> Self {
        Self { engine: engine.clone(), source, executable: executable.into() }
    }

    /// Sees to it that the engine has the recipe's image.
    ///
    /// # Errors
    /// When it can't be had from where it may come from.
    pub async fn ensure(&self, recipe: &Recipe) -> Result<Image, ImageError> {
        match (&recipe.upstream, self.source) {
            (Some(tag), Source::Upstream | Source::Auto) => {
                if self.present(tag).await? {
                    return Ok(Image { tag: tag.clone(), origin: Origin::Present });
                }
                if self.source == Source::Auto
                    && let Some(built) = self.built_before(recipe).await?
                {
                    return Ok(built);
                }
                match self.pull(tag).await {
                    Ok(()) => Ok(Image { tag: tag.clone(), origin: Origin::Pulled }),
                    Err(why @ EngineError::Absent { .. }) => Err(why.into()),
                    Err(why) if self.source == Source::Upstream => {
                        Err(ImageError::Pull { tag: tag.clone(), why })
                    }
                    Err(pull) => {
                        tracing::info!(image = recipe.name, %pull, "can't be pulled, building it");
                        self.build(recipe).await.map_err(|build| ImageError::Neither {
                            tag: tag.clone(),
                            pull,
                            build: Box::new(build),
                        })
                    }
                }
            }
            _ => self.build(recipe).await,
        }
    }

    async fn present(&self, tag: &str) -> Result<bool, EngineError> {
        let call = self.engine.docker().inspect_image(tag);
        match self.engine.ask(format!("inspect image {tag}"), BRIEF, call).await {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn pull(&self, tag: &str) -> Result<(), EngineError> {
        let options = CreateImageOptionsBuilder::new().from_image(tag).build();
        let progress = self.engine.docker().create_image(Some(options), None, None);
        self.engine.ask(format!("pull {tag}"), PULL, progress.try_for_each(|_| async { Ok(()) })).await
    }

    async fn built_before(&self, recipe: &Recipe) -> Result<Option<Image>, ImageError> {
        // Only what a recipe says by itself is known without making the program.
        let Some(tag) = recipe.go().map(|_| recipe.tag(&[])) else { return Ok(None) };
        Ok(self.present(&tag).await?.then_some(Image { tag, origin: Origin::Present }))
    }

    async fn build(&self, recipe: &Recipe) -> Result<Image, ImageError> {
        let _turn = turn(&recipe.name).await?;
        if let Some(present) = self.built_before(recipe).await? {
            return Ok(present);
        }
        let files = |why| ImageError::Files { image: recipe.name.clone(), why };
        let (tag, root) = match &recipe.build {
            Build::Go(go) => {
                let made = program::install(go)
                    .await
                    .map_err(|why| ImageError::Program { image: recipe.name.clone(), why })?;
                let root = closure::gather(made.path(), recipe.program_path()).await.map_err(files)?;
                (recipe.tag(&[]), root)
            }
            Build::RunningExecutable => {
                let root = closure::gather(&self.executable, recipe.program_path()).await.map_err(files)?;
                let tag = recipe.tag(&root.digest());
                if self.present(&tag).await? {
                    return Ok(Image { tag, origin: Origin::Present });
                }
                (tag, root)
            }
        };
        let context = context::tar(&recipe.dockerfile(labels::RECIPE), &root)
            .map_err(|why| files(ClosureError::Read { path: recipe.program_path().into(), why }))?;
        let options = BuildImageOptionsBuilder::new().dockerfile("Dockerfile").t(&tag).rm(true).build();
        let progress =
            self.engine.docker().build_image(options, None, Some(bollard::body_full(context.into())));
        let lines = progress.try_for_each(|_| async { Ok(()) });
        self.engine.ask(format!("build {tag}"), BUILD, lines).await?;
        self.forget_old(recipe).await?;
        Ok(Image { tag, origin: Origin::Built })
    }

    /// Removes images that were built from this recipe a while ago: each build of the running executable is one.
    /// One in use is kept by the engine.
    async fn forget_old(&self, recipe: &Recipe) -> Result<(), EngineError> {
        let filters = HashMap::from([("label", vec![format!("{}={}", labels::RECIPE, recipe.name)])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let images = self.engine.ask("list images", BRIEF, self.engine.docker().list_images(Some(options)));
        let kept_since = jiff::Timestamp::now().as_second() - KEPT.as_secs().cast_signed();
        for old in images.await?.into_iter().filter(|image| image.created < kept_since) {
            let call = self.engine.docker().remove_image(&old.id, None::<RemoveImageOptions>, None);
            if let Err(kept) = self.engine.ask("remove an old image", BRIEF, call).await {
                tracing::debug!(image = old.id, %kept, "still in use");
            }
        }
        Ok(())
    }
}

/// One process at a time builds an image of this name; the next finds it there.
async fn turn(name: &str) -> Result<File, ImageError> {
    let path = lock_path(&std::env::temp_dir(), name);
    let lock = |path: PathBuf| -> Result<File, ImageError> {
        let take = || {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        take().map_err(|why| ImageError::Lock { path: path.clone(), why })
    };
    let place = path.clone();
    tokio::task::spawn_blocking(move || lock(place))
        .await
        .unwrap_or_else(|join| Err(ImageError::Lock { path, why: std::io::Error::other(join) }))
}

/// One file for each user: another's could not be opened.
fn lock_path(folder: &Path, name: &str) -> PathBuf {
    let user = std::fs::metadata("/proc/self").map_or(0, |me| me.uid());
    folder.join(format!("chaos-image-{name}-{user}.lock"))
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "upstream" => Ok(Self::Upstream),
            "build" => Ok(Self::Build),
            _ => Err(format!("`{text}` is no source of images: `auto`, `upstream` or `build`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_one_of_three_words() {
        assert_eq!("build".parse(), Ok(Source::Build));
        assert!("registry".parse::<Source>().unwrap_err().contains("`auto`, `upstream` or `build`"));
    }

    #[tokio::test]
    async fn only_one_at_a_time_has_the_turn() {
        let first = turn("test-of-the-turn").await.unwrap();
        let path = lock_path(&std::env::temp_dir(), "test-of-the-turn");
        assert!(File::open(&path).unwrap().try_lock().is_err());
        drop(first);
        drop(turn("test-of-the-turn").await.unwrap());
        std::fs::remove_file(path).unwrap();
    }
}
