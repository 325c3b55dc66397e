//! A recipe: what an image is called upstream, and how to make one like it here.
//!
//! `fixtures/images/README.md` is the guide for those who write one.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::check;

/// Changes when images are made differently from the same recipe.
const FORMAT: &[u8] = b"2";

/// How to come by an image. Read from TOML.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// Lower-case name; an image made here is `harness-<name>:<hash>`.
    pub name: String,
    /// The upstream image, pinned by tag. Absent when there is none.
    pub upstream: Option<String>,
    /// Environment of every container, whether the image was pulled or built.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Shell steps done once in the image, whether it was pulled or built, as the image's user.
    #[serde(default)]
    pub run: Vec<String>,
    /// How to make it.
    pub build: Box<Build>,
}

/// How to make an image. Without `debian` it holds nothing but what is named here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Build {
    /// The program and its first arguments. The program is an absolute path.
    pub entrypoint: Vec<String>,
    /// Arguments that a container's own replace.
    #[serde(default)]
    pub command: Vec<String>,
    /// The base it stands on.
    pub debian: Option<Debian>,
    /// Where to put the executable that runs now.
    pub running_executable: Option<String>,
    /// Go programs.
    #[serde(default)]
    pub go: Vec<GoProgram>,
    /// Archives from a Maven repository, unpacked; they belong to `user`.
    #[serde(default)]
    pub maven: Vec<MavenArchive>,
    /// Small files, root's and readable by all.
    #[serde(default)]
    pub file: Vec<TextFile>,
    /// Folders to make; they belong to `user`.
    #[serde(default)]
    pub folders: Vec<String>,
    /// Whom containers, and the shell steps below, run as: `user`, `uid` or `uid:gid`. Root when absent.
    pub user: Option<String>,
    /// Shell steps that only the built image needs, before those of the recipe.
    #[serde(default)]
    pub run: Vec<String>,
    /// What stops it, such as `SIGINT`. `SIGTERM` when absent.
    pub stop_signal: Option<String>,
}

/// A Debian suite and the packages to install on its smallest base.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Debian {
    /// `bookworm`, `sid` …
    pub suite: String,
    /// Names, each with `=version` when it matters; `*` ends a version of which only the beginning counts.
    pub packages: Vec<String>,
}

/// A Go program at a fixed version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GoProgram {
    /// Its package, with the version: `github.com/owner/name@v1.2.3`.
    pub package: String,
    /// The file that `go install` makes of it.
    pub binary: String,
    /// Where it is put.
    pub to: String,
    /// Passed to the linker.
    #[serde(default)]
    pub ldflags: String,
}

/// A `tar.gz` in a Maven repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MavenArchive {
    /// Its coordinates: `group:artifact:version:tar.gz`.
    pub artifact: String,
    /// The archive's SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The folder that the content of the archive's one top folder is put into.
    pub to: String,
}

/// A small file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TextFile {
    /// Where it is put.
    pub to: String,
    /// What it says.
    pub content: String,
    /// Whether it is a program.
    #[serde(default)]
    pub executable: bool,
}

/// Why a recipe is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Not TOML, or not a recipe's keys.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// A value that no image can be made of.
    #[error("recipe `{name}`: {what}")]
    Value {
        /// The recipe.
        name: String,
        /// What is wrong, and how it should be.
        what: &'static str,
    },
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// For unknown keys and for values that no image can be made of.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text)?;
        match check::flaw(&recipe) {
            Some(what) => Err(RecipeError::Value { name: recipe.name, what }),
            None => Ok(recipe),
        }
    }

    /// The image to use where the upstream one can be had: that one, or one made from it when the recipe adds to it.
    pub(super) fn adapted(&self) -> Option<String> {
        let upstream = self.upstream.as_ref()?;
        if self.env.is_empty() && self.run.is_empty() {
            return Some(upstream.clone());
        }
        Some(self.tagged(&[upstream.as_bytes(), &json(&self.env), &json(&self.run)]))
    }

    /// The tag of the image built from this recipe, and from content that only the build knows.
    pub(super) fn tag(&self, content: &[u8]) -> String {
        let pulled_or_not = Self { upstream: None, ..self.clone() };
        self.tagged(&[&json(&pulled_or_not), content])
    }

    fn tagged(&self, parts: &[&[u8]]) -> String {
        tag(&self.name, parts)
    }
}

/// `harness-<name>:<hash of the parts>`.
pub(super) fn tag(name: &str, parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in [FORMAT, name.as_bytes()].iter().chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("harness-{name}:{}", hex(&hash.finalize()[..8]))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn json(part: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(part).expect("a recipe is maps with text keys")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::images) const OPA: &str = include_str!("../../../../fixtures/images/opa.toml");
    pub(in crate::images) const KEYCLOAK: &str = include_str!("../../../../fixtures/images/keycloak.toml");
    const KEYCLOAK_POSTGRES: &str = include_str!("../../../../fixtures/images/keycloak-postgres.toml");

    #[test]
    fn the_recipes_at_hand_are_recipes_and_each_has_its_files_name() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/images");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                let recipe = Recipe::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
                assert_eq!(Some(recipe.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
                names.push(recipe.name);
            }
        }
        assert!(names.len() > 8, "{names:?}");
    }

    #[test]
    fn keycloak_for_postgresql_is_the_same_keycloak() {
        let [file, postgres] = [KEYCLOAK, KEYCLOAK_POSTGRES].map(|text| Recipe::parse(text).unwrap());
        assert_eq!(file.upstream, postgres.upstream);
        let [there, here] = [&file.build, &postgres.build];
        assert_eq!((&there.maven, &there.user), (&here.maven, &here.user));
        assert_eq!(there.run[0], here.run[0]);
        let packages = |build: &Build| build.debian.clone().map(|debian| (debian.suite, debian.packages));
        let ((suite, needed), (other, installed)) = (packages(there).unwrap(), packages(here).unwrap());
        assert!(suite == other && needed.iter().all(|package| installed.contains(package)), "{installed:?}");
        assert!(there.command.starts_with(&here.command), "{:?}", here.command);
        let built = |recipe: &Recipe, database: &str| recipe.run.concat().replace(database, "");
        assert_eq!(built(&file, "dev-file"), built(&postgres, "postgres"));
    }

    #[test]
    fn the_tag_changes_with_what_the_image_is_made_of_and_with_nothing_else() {
        let opa = Recipe::parse(OPA).unwrap();
        let tag = opa.tag(&[]);
        assert_eq!(tag.len(), "harness-opa:".len() + 16, "{tag}");
        assert_eq!(Recipe { upstream: None, ..opa.clone() }.tag(&[]), tag);
        assert_ne!(opa.tag(b"content"), tag);
        let newer = OPA.replace("@v1.", "@v2.");
        assert_ne!(Recipe::parse(&newer).unwrap().tag(&[]), tag);
        let keycloak = Recipe::parse(KEYCLOAK).unwrap();
        let mut other = keycloak.clone();
        other.run.push("true".into());
        assert_ne!(other.tag(&[]), keycloak.tag(&[]));
    }

    #[test]
    fn an_upstream_image_is_used_as_it_is_unless_the_recipe_adds_to_it() {
        let opa = Recipe::parse(OPA).unwrap();
        assert_eq!(opa.adapted(), opa.upstream);
        let keycloak = Recipe::parse(KEYCLOAK).unwrap();
        let adapted = keycloak.adapted().unwrap();
        assert!(adapted.starts_with("harness-keycloak:") && adapted != keycloak.tag(&[]), "{adapted}");
        let newer = Recipe { upstream: Some("registry.example/keycloak:27".into()), ..keycloak.clone() };
        assert_ne!(newer.adapted(), keycloak.adapted());
        assert_eq!(Recipe { upstream: None, ..keycloak }.adapted(), None);
    }
}
