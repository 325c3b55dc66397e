//! Where runs are stored.

use std::path::{Path, PathBuf};

/// The folder given, or `reports/out` of the workspace that the current folder lies in.
pub fn reports(given: Option<&Path>) -> PathBuf {
    match given {
        Some(given) => given.to_owned(),
        None => workspace().join("reports").join("out"),
    }
}

fn workspace() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let is_root = |folder: &&Path| folder.join("Cargo.lock").exists() && folder.join("scenarios").is_dir();
    here.ancestors().find(is_root).map_or_else(|| here.clone(), Path::to_owned)
}

/// The record of a run that is named by its folder or by the record itself.
pub fn record(run: &Path) -> PathBuf {
    if run.is_dir() { run.join(RECORD) } else { run.to_owned() }
}

/// The name of the record within a run's folder.
pub const RECORD: &str = "run.jsonl";

/// The name of the undo journal within a run's folder.
pub const JOURNAL: &str = "undo.jsonl";
