//! The Rego policies and their data, embedded.
//!
//! They are laid out by who rules over them, and a layer reads only those before it:
//!
//! - `reference`: tables: levels, country codes, equivalent national markings, members of communities;
//! - `base`: what holds for any resource: vocabulary, attributes, releasability, communities, embargo, ZTDF;
//! - `org`: what the alliance agreed: equivalent markings, clearance, assurance, industry, coherence;
//! - `tenant`: what one tenant decides: whom it trusts and federates with;
//! - `entrypoints`: the checks in order, and the decision document `data.dive.authz`.
//!
//! A module's package is its path, and a `data.json` is the document at its directory's path, so that the
//! folder loads as it is (`opa test policies`), and a scope is cut by its folder. Tables stand apart from
//! packages: bytecode looks up a document beside rules by evaluating the rules. For the same reason modules
//! name rules in full instead of importing packages.
//!
//! Three documents come from the node and are not here: `data.trusted_issuers`, `data.federation_matrix` and
//! `data.policy`. Without them nothing is trusted and everything is denied.

use std::sync::LazyLock;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::cache::PolicyRevision;

/// The path that decides, as in the engine's data API: `POST /v1/data/dive/authz`.
pub const ENTRYPOINT: &str = "dive/authz";

/// One Rego module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module {
    /// Where it lives, relative to the policies' root; its first segment is its layer.
    pub path: &'static str,
    /// Rego v1.
    pub source: &'static str,
}

/// One data document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file, relative to the policies' root. The document's place in `data` is its directory.
    pub path: &'static str,
    /// JSON.
    pub json: &'static str,
}

macro_rules! embedded {
    ($kind:ident { $content:ident } $($path:literal)*) => {
        &[$($kind { path: $path, $content: include_str!(concat!("../policies/", $path)) }),*]
    };
}

const MODULES: &[Module] = embedded! { Module { source }
    "base/attributes.rego"
    "base/authentication.rego"
    "base/coi.rego"
    "base/embargo.rego"
    "base/releasability.rego"
    "base/types.rego"
    "base/ztdf.rego"
    "entrypoints/authz.rego"
    "entrypoints/checks.rego"
    "org/assurance.rego"
    "org/clearance.rego"
    "org/coherence.rego"
    "org/equivalence.rego"
    "org/industry.rego"
    "tenant/federation.rego"
};

const DOCUMENTS: &[Document] = embedded! { Document { json }
    "reference/classification_equivalence/data.json"
    "reference/coi_members/data.json"
    "reference/countries/data.json"
    "reference/levels/data.json"
};

/// The modules, tests left out, in the order of their paths.
pub const fn modules() -> &'static [Module] {
    MODULES
}

/// The data documents, in the order of their paths.
pub const fn documents() -> &'static [Document] {
    DOCUMENTS
}

/// The data documents as one, each at its directory's path.
pub fn data() -> &'static Value {
    static DATA: LazyLock<Value> = LazyLock::new(|| {
        let mut root = Value::Object(Map::new());
        for document in DOCUMENTS {
            let content: Value = serde_json::from_str(document.json).expect("embedded documents are JSON");
            let (directory, _) = document.path.rsplit_once('/').expect("a document lives in a directory");
            let place = directory.split('/').fold(&mut root, |parent, segment| {
                parent
                    .as_object_mut()
                    .expect("directories are objects")
                    .entry(segment)
                    .or_insert_with(|| Value::Object(Map::new()))
            });
            *place = content;
        }
        root
    });
    &DATA
}

/// Names the embedded policies and data by their content: the same content has the same revision on every
/// machine, any other content another one.
pub fn revision() -> &'static PolicyRevision {
    static REVISION: LazyLock<PolicyRevision> = LazyLock::new(|| {
        let modules = MODULES.iter().map(|module| (module.path, module.source));
        let documents = DOCUMENTS.iter().map(|document| (document.path, document.json));
        revision_of(modules.chain(documents))
    });
    &REVISION
}

/// The revision of any set of named files. The order matters: give them sorted.
pub fn revision_of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> PolicyRevision {
    let mut hasher = Sha256::new();
    for (path, content) in files {
        // Lengths keep a name and its content from running into each other.
        for part in [path, content] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let (half, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    PolicyRevision(format!("{:032x}", u128::from_be_bytes(*half)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn files_below(directory: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn every_file_but_the_tests_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let on_disk: BTreeSet<String> = files_below(&root)
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned())
            .filter(|path| !path.ends_with("_test.rego"))
            .collect();
        let embedded: BTreeSet<String> = MODULES
            .iter()
            .map(|module| module.path)
            .chain(DOCUMENTS.iter().map(|document| document.path))
            .map(str::to_owned)
            .collect();
        assert_eq!(on_disk, embedded);
    }

    #[test]
    fn documents_stand_at_their_directories_paths() {
        assert_eq!(data()["reference"]["countries"]["alpha2"]["FRA"], "FR");
        assert_eq!(data()["reference"]["classification_equivalence"]["DEU"]["SECRET"][0], "GEHEIM");
        assert_eq!(data()["reference"]["coi_members"]["US-ONLY"], serde_json::json!(["USA"]));
    }

    #[test]
    fn a_layer_reads_only_those_before_it() {
        let layers = ["base", "org", "tenant", "dive"];
        for module in MODULES {
            let layer = module.path.split('/').next().unwrap().replace("entrypoints", "dive");
            let own = layers.iter().position(|name| *name == layer).unwrap();
            for later in &layers[own + 1..] {
                assert!(!module.source.contains(&format!("data.{later}.")), "{} reads {later}", module.path);
            }
        }
    }

    #[test]
    fn any_change_is_another_revision() {
        let revision = revision_of([("a", "bc"), ("d", "e")]);
        for other in [[("a", "bd"), ("d", "e")], [("ab", "c"), ("d", "e")], [("d", "e"), ("a", "bc")]] {
            assert_ne!(revision_of(other), revision);
        }
        assert_eq!(revision_of([("a", "bc"), ("d", "e")]), revision);
        assert_eq!(crate::policies::revision().0.len(), 32);
    }
}
