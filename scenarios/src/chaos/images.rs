//! `chaos images`: every image that a recipe describes.

use std::time::Instant;

use harness_docker::images::Origin;
use harness_docker::{Engine, Images, Recipe, Source};
use include_dir::{Dir, include_dir};
use miette::Report;

use super::args::{self, From};
use super::complaint::Complaint;
use super::exit::Exit;
use super::out::{note, out};
use crate::runtime;

static RECIPES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/images");

/// The small ones first: what most runs need is there soonest.
fn recipes() -> Result<Vec<Recipe>, Complaint> {
    let files = RECIPES.files().filter(|file| file.path().extension().is_some_and(|ending| ending == "toml"));
    let texts = files.filter_map(|file| file.contents_utf8());
    let mut recipes = texts.map(Recipe::parse).collect::<Result<Vec<_>, _>>().map_err(Complaint::internal)?;
    recipes.sort_by_key(|recipe| (recipe.build.debian.is_some(), recipe.name.clone()));
    Ok(recipes)
}

/// Takes out what was named. A name that is nobody's is refused: what it was meant for would be made.
fn without(recipes: &mut Vec<Recipe>, except: &[String]) -> Result<(), Complaint> {
    for name in except {
        let Some(at) = recipes.iter().position(|recipe| recipe.name == *name) else {
            let known = recipes.iter().map(|recipe| recipe.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(
                Complaint::usage(format!("no image is called {name}")).help(format!("there are {known}"))
            );
        };
        recipes.remove(at);
    }
    Ok(())
}

pub(super) fn images(args: &args::Images) -> Result<Exit, Report> {
    let runtime = runtime::on_this_thread().map_err(Complaint::internal)?;
    let mut recipes = recipes()?;
    without(&mut recipes, &args.except)?;
    runtime.block_on(async {
        let engine = Engine::connect().await.map_err(Complaint::from)?;
        let program = std::env::current_exe().map_err(Complaint::internal)?;
        let source = match args.from {
            From::Auto => Source::Auto,
            From::Upstream => Source::Upstream,
            From::Build => Source::Build,
        };
        let images = Images::new(&engine, source, program).progress(|line| note(format_args!("  {line}")));
        for (at, recipe) in recipes.iter().enumerate() {
            note(format_args!("[{}/{}] {}", at + 1, recipes.len(), recipe.name));
            #[expect(clippy::disallowed_methods, reason = "how long a person waited is real time")]
            let began = Instant::now();
            let image = images.ensure(recipe).await.map_err(|error| {
                Complaint::internal(error).help("make the image's source reachable, or choose another with --from; `chaos doctor` looks what is there")
            })?;
            let origin = match image.origin {
                Origin::Present => "was there",
                Origin::Pulled => "pulled",
                Origin::Built => "built",
            };
            let (megabytes, took) = (image.bytes / 1_000_000, began.elapsed().as_secs_f64());
            out!("{:<36} {origin} in {took:.1} s, {megabytes} MB", image.tag)?;
        }
        Ok(Exit::Done)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_is_known_and_the_small_ones_come_first() {
        let names: Vec<_> = recipes().unwrap().into_iter().map(|recipe| recipe.name).collect();
        let at =
            |name: &str| names.iter().position(|known| known == name).unwrap_or_else(|| panic!("{names:?}"));
        assert!(at("node") < at("redis") && at("toxiproxy") < at("keycloak"), "{names:?}");
    }

    #[test]
    fn all_but_those_named_are_made_and_a_name_that_is_nobodys_is_refused() {
        let mut some = recipes().unwrap();
        let all = some.len();
        without(&mut some, &["redis".to_owned(), "opa".to_owned()]).unwrap();
        assert!(some.len() == all - 2 && !some.iter().any(|recipe| recipe.name == "redis"));
        let told = without(&mut some, &["redsi".to_owned()]).unwrap_err().to_string();
        assert!(told.contains("no image is called redsi"), "{told}");
    }
}
