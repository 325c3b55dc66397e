//! Where images come from: an upstream registry, by tag, or a recipe, built on the spot.
//!
//! ```text
//! recipe (TOML, check) ──► Images::ensure ──► here already? ──► pull the upstream tag, and add what the recipe adds
//!                                                               else build:
//!      base (debootstrap, once a suite) ─────────────┐
//!      program (go) ──► closure (its libraries) ─────┼──► dockerfile + context ──► engine
//!      maven (an archive, unpacked) ─────────────────┘
//! ```
//!
//! The tag of an image made here holds a hash of all that went into it, so a changed recipe or binary is a new image
//! and an unchanged one is never built twice. `superseded` removes what that leaves behind; `turn` keeps two
//! processes from building the same image; `tool` runs what this machine has to build with.

mod base;
mod check;
mod closure;
mod context;
mod dockerfile;
mod maven;
mod program;
mod recipe;
mod superseded;
mod tool;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder};
use futures_util::TryStreamExt;
use tokio_util::io::ReaderStream;

use crate::engine::{BRIEF, Engine, EngineError};
pub use closure::ClosureError;
pub use recipe::{Build, Debian, GoProgram, MavenArchive, Recipe, RecipeError, TextFile};
pub use superseded::{remove_older, remove_superseded};
pub use tool::ToolError;

const PULL: Duration = Duration::from_secs(600);
const BUILD: Duration = Duration::from_secs(1200);
/// As many lines of a failed build are told.
const SHOWN_LINES: usize = 20;
/// What a site that reaches the world through a proxy has in its environment; the engine knows these by itself.
const PROXY: [&str; 3] = ["http_proxy", "https_proxy", "no_proxy"];

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
    /// Its size in bytes, all layers together.
    pub bytes: u64,
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
    /// What to put into it could not be had.
    #[error("could not make what goes into image `{image}`: {why}")]
    Tool {
        /// The recipe's name.
        image: String,
        /// The reason.
        why: ToolError,
    },
    /// The program's files could not be gathered.
    #[error("could not gather the files of image `{image}`: {why}")]
    Files {
        /// The recipe's name.
        image: String,
        /// The reason.
        why: ClosureError,
    },
    /// A step of its building failed.
    #[error("could not build image `{image}`: {why}; its last lines:\n{output}")]
    Step {
        /// The recipe's name.
        image: String,
        /// The engine's reason.
        why: Box<EngineError>,
        /// What the steps printed last.
        output: String,
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

type Listener = Arc<dyn Fn(&str) + Send + Sync>;

/// Provides images on one engine.
#[derive(Clone)]
pub struct Images {
    engine: Engine,
    source: Source,
    executable: PathBuf,
    listener: Option<Listener>,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images")
            .field("source", &self.source)
            .field("executable", &self.executable)
            .finish_non_exhaustive()
    }
}

impl Images {
    /// Provides images on `engine` from `source`. `executable` is what recipes for the running executable put
    /// in: usually [`std::env::current_exe`].
    pub fn new(engine: &Engine, source: Source, executable: impl Into<PathBuf>) -> Self {
        Self { engine: engine.clone(), source, executable: executable.into(), listener: None }
    }

    /// Tells `listener` what is being done, a line at a time, whenever something takes long.
    #[must_use]
    pub fn progress(mut self, listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    fn tell(&self, line: &str) {
        if let Some(listener) = &self.listener {
            listener(line);
        }
    }

    /// Sees to it that the engine has the recipe's image.
    ///
    /// # Errors
    /// When it can't be had from where it may come from.
    pub async fn ensure(&self, recipe: &Recipe) -> Result<Image, ImageError> {
        let (Some(upstream), Some(adapted), Source::Upstream | Source::Auto) =
            (&recipe.upstream, recipe.adapted(), self.source)
        else {
            return self.build(recipe).await;
        };
        if let Some(there) = self.there(&adapted).await? {
            return Ok(there);
        }
        if self.source == Source::Auto
            && let Some(built) = self.built_before(recipe).await?
        {
            return Ok(built);
        }
        match self.pull(upstream).await {
            Ok(()) if adapted == *upstream => self.made(adapted, Origin::Pulled).await,
            Ok(()) => self.adapt(recipe, upstream, adapted).await,
            Err(why @ EngineError::Absent { .. }) => Err(why.into()),
            Err(why) if self.source == Source::Upstream => {
                Err(ImageError::Pull { tag: upstream.clone(), why })
            }
            Err(pull) => {
                tracing::info!(image = recipe.name, %pull, "can't be pulled, building it");
                self.tell(&format!("{upstream} can't be pulled: building"));
                self.build(recipe).await.map_err(|build| ImageError::Neither {
                    tag: upstream.clone(),
                    pull,
                    build: Box::new(build),
                })
            }
        }
    }

    /// The size of an image; `None` when it is not there.
    async fn present(&self, tag: &str) -> Result<Option<u64>, EngineError> {
        let call = self.engine.docker().inspect_image(tag);
        match self.engine.ask(format!("inspect image {tag}"), BRIEF, call).await {
            Ok(found) => Ok(Some(found.size.unwrap_or_default().cast_unsigned())),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn there(&self, tag: &str) -> Result<Option<Image>, EngineError> {
        let bytes = self.present(tag).await?;
        Ok(bytes.map(|bytes| Image { tag: tag.to_owned(), origin: Origin::Present, bytes }))
    }

    async fn made(&self, tag: String, origin: Origin) -> Result<Image, ImageError> {
        let bytes = self.present(&tag).await?.unwrap_or_default();
        Ok(Image { tag, origin, bytes })
    }

    async fn pull(&self, tag: &str) -> Result<(), EngineError> {
        if self.present(tag).await?.is_some() {
            return Ok(());
        }
        self.tell(&format!("pull {tag}"));
        let options = CreateImageOptionsBuilder::new().from_image(tag).build();
        let progress = self.engine.docker().create_image(Some(options), None, None);
        self.engine.ask(format!("pull {tag}"), PULL, progress.try_for_each(|_| async { Ok(()) })).await
    }

    async fn built_before(&self, recipe: &Recipe) -> Result<Option<Image>, EngineError> {
        // What the running executable holds is known only when it has been read.
        if recipe.build.running_executable.is_some() {
            return Ok(None);
        }
        self.there(&recipe.tag(&[])).await
    }

    /// Adds to an upstream image what the recipe adds.
    async fn adapt(&self, recipe: &Recipe, upstream: &str, tag: String) -> Result<Image, ImageError> {
        let _turn = turn::take(&recipe.name).await?;
        if let Some(there) = self.there(&tag).await? {
            return Ok(there);
        }
        let nothing = closure::Root { files: Vec::new() };
        let context = packed(dockerfile::adapted(recipe, upstream), recipe, nothing, Vec::new()).await?;
        self.engine_builds(recipe, context, tag).await
    }

    async fn build(&self, recipe: &Recipe) -> Result<Image, ImageError> {
        let _turn = turn::take(&recipe.name).await?;
        if let Some(there) = self.built_before(recipe).await? {
            return Ok(there);
        }
        let files = |why| ImageError::Files { image: recipe.name.clone(), why };
        let tool = |why| ImageError::Tool { image: recipe.name.clone(), why };
        let mut root = closure::Root { files: Vec::new() };
        let mut tag = recipe.tag(&[]);
        if let Some(place) = &recipe.build.running_executable {
            root = closure::gather(&self.executable, place).await.map_err(files)?;
            tag = recipe.tag(&root.digest());
            if let Some(there) = self.there(&tag).await? {
                return Ok(there);
            }
        }
        let base = match &recipe.build.debian {
            Some(debian) => Some(self.base(&debian.suite).await?),
            None => None,
        };
        for go in &recipe.build.go {
            self.tell(&format!("go install {}", go.package));
            let made = program::install(go).await.map_err(tool)?;
            root.add(closure::gather(made.path(), &go.to).await.map_err(files)?);
        }
        let mut fetched = Vec::new();
        for archive in &recipe.build.maven {
            self.tell(&format!("fetch {}", archive.artifact));
            fetched.push(maven::fetch(archive).await.map_err(tool)?);
        }
        let archives = fetched.iter().map(maven::Fetched::path).collect();
        let lines = dockerfile::built(recipe, base.as_deref());
        let context = packed(lines, recipe, root, archives).await?;
        self.engine_builds(recipe, context, tag).await
    }

    async fn engine_builds(&self, recipe: &Recipe, context: File, tag: String) -> Result<Image, ImageError> {
        let proxies: HashMap<String, String> =
            PROXY.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        let options = BuildImageOptionsBuilder::new()
            .dockerfile("Dockerfile")
            .t(&tag)
            .rm(true)
            .forcerm(true)
            .buildargs(&proxies)
            .build();
        let body = bollard::body_try_stream(ReaderStream::new(tokio::fs::File::from_std(context)));
        let mut last: VecDeque<String> = VecDeque::new();
        let progress = self.engine.docker().build_image(options, None, Some(body));
        let steps = progress.try_for_each(|info| {
            for line in info.stream.iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty()) {
                if line.starts_with("Step ") {
                    self.tell(&line.chars().take(100).collect::<String>());
                }
                last.push_back(line.to_owned());
                if last.len() > SHOWN_LINES {
                    last.pop_front();
                }
            }
            async { Ok(()) }
        });
        if let Err(why) = self.engine.ask(format!("build {tag}"), BUILD, steps).await {
            let output = last.make_contiguous().join("\n");
            return Err(ImageError::Step { image: recipe.name.clone(), why: Box::new(why), output });
        }
        remove_superseded(&self.engine).await?;
        self.made(tag, Origin::Built).await
    }
}

async fn packed(
    lines: String,
    recipe: &Recipe,
    root: closure::Root,
    archives: Vec<PathBuf>,
) -> Result<File, ImageError> {
    let mine = recipe.clone();
    let packing = move || context::pack(&lines, &mine, &root, &archives);
    let packed = tokio::task::spawn_blocking(packing).await;
    packed.unwrap_or_else(|join| Err(std::io::Error::other(join))).map_err(|why| ImageError::Files {
        image: recipe.name.clone(),
        why: ClosureError::Read { path: Path::new("the build context").into(), why },
    })
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
}
