//! A recipe: what an image is called upstream, and how to make one like it here.

use std::fmt::Write;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Changes when images are made differently from the same recipe.
const FORMAT: &str = "1";

/// How to come by an image. Read from TOML; see `fixtures/images`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// Lower-case name; a built image is `harness-<name>:<hash>`.
    pub name: String,
    /// The upstream image, pinned by tag. Absent when there is none.
    pub upstream: Option<String>,
    /// The program and its first arguments. The program is an absolute path, the same as upstream.
    pub entrypoint: Vec<String>,
    /// How to make it.
    pub build: Build,
}

/// How to make the program that an image holds. Nothing else is in it but the libraries the program needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Build {
    /// A Go program, fetched and compiled by the Go toolchain.
    Go(GoProgram),
    /// The executable that runs now.
    RunningExecutable,
}

/// A Go program at a fixed version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GoProgram {
    /// Its package, with the version: `github.com/owner/name@v1.2.3`.
    pub package: String,
    /// The file that `go install` makes of it.
    pub binary: String,
    /// Passed to the linker.
    #[serde(default)]
    pub ldflags: String,
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
    /// For unknown keys, a name that is no image name, an upstream or package without a version, an entrypoint that
    /// is no absolute path.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text)?;
        match recipe.flaw() {
            Some(what) => Err(RecipeError::Value { name: recipe.name, what }),
            None => Ok(recipe),
        }
    }

    fn flaw(&self) -> Option<&'static str> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) || self.name.starts_with('-') {
            return Some("`name` must be of lower-case letters, digits and `-`");
        }
        let tagged = |image: &String| image.rsplit('/').next().is_some_and(|last| last.contains(':'));
        if !self.upstream.as_ref().is_none_or(|image| tagged(image) && !image.ends_with(":latest")) {
            return Some("`upstream` must be pinned by a tag other than `latest`");
        }
        let path = self.entrypoint.first().map_or("", String::as_str);
        if !path.starts_with('/') || path.ends_with('/') || path.split('/').any(|part| part == "..") {
            return Some("`entrypoint` must begin with the absolute path of the program");
        }
        if let Build::Go(go) = &self.build {
            if !go.package.contains("@v") {
                return Some("`package` must end in its version: `@v1.2.3`");
            }
            if go.binary.is_empty() || go.binary.contains('/') {
                return Some("`binary` must be a file name");
            }
        }
        None
    }

    pub(super) fn go(&self) -> Option<&GoProgram> {
        match &self.build {
            Build::Go(go) => Some(go),
            Build::RunningExecutable => None,
        }
    }

    /// Where the program is in the image.
    pub(super) fn program_path(&self) -> &str {
        &self.entrypoint[0]
    }

    /// The tag of the image built from this recipe, and from content that only the build knows.
    pub(super) fn tag(&self, content: &[u8]) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(FORMAT.as_bytes());
        part(self.name.as_bytes());
        for word in &self.entrypoint {
            part(word.as_bytes());
        }
        if let Build::Go(go) = &self.build {
            for word in [&go.package, &go.binary, &go.ldflags] {
                part(word.as_bytes());
            }
        }
        part(content);
        let mut tag = format!("harness-{}:", self.name);
        for byte in &hash.finalize()[..8] {
            let _ = write!(tag, "{byte:02x}");
        }
        tag
    }

    pub(super) fn dockerfile(&self, label: &str) -> String {
        let words: Vec<_> = self.entrypoint.iter().map(|word| format!("{word:?}")).collect();
        format!(
            "FROM scratch\nCOPY rootfs/ /\nLABEL {label}={}\nENTRYPOINT [{}]\n",
            self.name,
            words.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPA: &str = include_str!("../../../../fixtures/images/opa.toml");
    const TOXIPROXY: &str = include_str!("../../../../fixtures/images/toxiproxy.toml");
    const NODE: &str = include_str!("../../../../fixtures/images/node.toml");

    #[test]
    fn the_recipes_at_hand_are_recipes() {
        for text in [OPA, TOXIPROXY, NODE] {
            Recipe::parse(text).unwrap();
        }
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
    }

    #[test]
    fn what_no_image_can_be_made_of_is_refused_with_how_it_should_be() {
        for (from, to, said) in [
            ("name = \"opa\"", "name = \"Opa\"", "lower-case"),
            (":1.22.0-static", "", "pinned by a tag"),
            (":1.22.0-static", ":latest", "pinned by a tag"),
            ("[\"/opa\"]", "[\"opa\"]", "absolute path"),
            ("[\"/opa\"]", "[]", "absolute path"),
            ("@v1.22.0", "", "must end in its version"),
            ("binary = \"opa\"", "binary = \"../opa\"", "file name"),
            ("binary =", "binaries =", "unknown field `binaries`"),
        ] {
            let text = OPA.replace(from, to);
            assert_ne!(text, OPA, "{from}");
            let error = Recipe::parse(&text).unwrap_err().to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }

    #[test]
    fn the_dockerfile_holds_the_program_and_nothing_of_a_distribution() {
        let file = Recipe::parse(OPA).unwrap().dockerfile("l");
        assert_eq!(file, "FROM scratch\nCOPY rootfs/ /\nLABEL l=opa\nENTRYPOINT [\"/opa\"]\n");
    }
}
