//! What `dive` is given to deploy from, and that nothing is in its way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness_core::owner::Owner;
use harness_core::world::WorldError;
use harness_docker::{Engine, Images, Recipe, Source, cleanup, labels};

use super::super::super::deployment::stage::Means;
use super::super::ground;

/// The command.
const DIVE: &str = "dive";

/// What every deployment carries.
const INSTANCE: &str = "dev.dive.instance";

/// The services, as the variable that names an image of each does, with its recipe.
const IMAGES: [(&str, &str); 7] = [
    ("POSTGRES", include_str!("../../../../../fixtures/images/postgres.toml")),
    ("MONGODB", include_str!("../../../../../fixtures/images/mongodb.toml")),
    ("REDIS", include_str!("../../../../../fixtures/images/redis.toml")),
    ("BLACKLIST_REDIS", include_str!("../../../../../fixtures/images/redis.toml")),
    ("OPA", include_str!("../../../../../fixtures/images/opa.toml")),
    ("KEYCLOAK", include_str!("../../../../../fixtures/images/keycloak-postgres.toml")),
    ("NODE", include_str!("../../../../../fixtures/images/node.toml")),
];

/// What is said to these images beside the defaults, which are for upstream's.
const SAID: [(&str, &str); 3] = [
    ("DIVE_COMMAND_KEYCLOAK", "start --optimized --import-realm"),
    ("DIVE_DATA_POSTGRES", "/var/lib/postgresql"),
    ("DIVE_DATA_MONGODB", "/var/lib/postgresql"),
];

/// Removes what runs that died have left behind.
///
/// # Errors
/// When a deployment stands on this machine. Names and ports of deployments are fixed, and it is not ours to remove.
pub(super) async fn clear(engine: &Engine) -> Result<(), WorldError> {
    cleanup::remove_stale(engine).await.map_err(ground)?;
    let standing = cleanup::list_labelled(engine, INSTANCE).await.map_err(ground)?;
    let Some((name, _)) = standing.first() else { return Ok(()) };
    Err(WorldError::Ground {
        problem: format!("a deployment stands on this machine: {name}, {} things in all", standing.len()),
        next_step: "let the run end whose it is, or remove it: `dive nuke all --confirm`".into(),
    })
}

/// The command beside `program`, and what its environment tells it: images, and whose label all of it carries.
pub(super) async fn means(engine: &Engine, program: &Path, owner: &Owner) -> Result<Means, WorldError> {
    let images = Images::new(engine, Source::Auto, program);
    let said = SAID.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut environment: BTreeMap<_, _> = said.collect();
    environment.insert("DIVE_LABELS".into(), format!("{}={owner}", labels::OWNER));
    for (service, recipe) in IMAGES {
        let failed = |why: String| WorldError::Ground {
            problem: format!("no image of {service}: {why}"),
            next_step: "make the images that are missing: `cargo chaos images`".into(),
        };
        let recipe = Recipe::parse(recipe).map_err(|error| failed(error.to_string()))?;
        let image = images.ensure(&recipe).await.map_err(|error| failed(error.to_string()))?;
        environment.insert(format!("DIVE_IMAGE_{service}"), image.tag);
    }
    Ok(Means::Dive { program: command(program)?, environment })
}

/// The command, which is built into the folder of `program`.
fn command(program: &Path) -> Result<PathBuf, WorldError> {
    let beside = program.with_file_name(DIVE);
    if beside.is_file() {
        return Ok(beside);
    }
    Err(WorldError::Ground {
        problem: format!("there is no command `{DIVE}` at {}", beside.display()),
        next_step: "build it: `cargo build --package dive`".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_found_beside_the_program_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("chaos");
        let missing = command(&program).unwrap_err();
        assert_eq!(missing.next_step(), Some("build it: `cargo build --package dive`"));
        std::fs::write(folder.path().join(DIVE), "").unwrap();
        assert_eq!(command(&program).unwrap(), folder.path().join(DIVE));
    }

    #[test]
    fn each_recipe_is_one() {
        for (service, recipe) in IMAGES {
            assert!(Recipe::parse(recipe).is_ok(), "{service}");
        }
    }
}
