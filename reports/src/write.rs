//! Reports on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use harness_core::record::Record;
use harness_core::verdict::Judgement;
use thiserror::Error;

use crate::story::Story;
use crate::{html, junit, markdown};

/// The files that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page to look at.
    pub html: PathBuf,
    /// The summary for a CI step.
    pub markdown: PathBuf,
    /// The document for a CI's test view.
    pub junit: PathBuf,
}

/// Why a report is not on disk. The run itself and its record are not touched by this.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The folder can't be made or written to.
    #[error("can't write reports into {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is full.
    #[error("the disk is full: {} could not be written", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file can't be written for another reason.
    #[error("can't write {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl WriteError {
    /// What the person in front of it can do, when it is known.
    pub fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Folder { .. } => Some("choose another folder with --report-dir"),
            Self::Full { .. } => Some(
                "make room, or choose another folder with --report-dir; a record that is whole can be rendered with `chaos report`",
            ),
            Self::File { .. } => None,
        }
    }
}

/// Writes the run's page, summary and JUnit document into `folder`, which is made when missing.
/// They are named by the run's id. A file is there whole or not at all.
///
/// # Errors
/// [`WriteError`] when the folder is read-only, the disk is full, or writing fails otherwise.
pub fn write_all(folder: &Path, record: &Record, judgement: &Judgement) -> Result<Written, WriteError> {
    let story = Story::of(record, judgement);
    let name = file_name(&record.header.run);
    let path = |extension: &str| folder.join(format!("{name}.{extension}"));
    let written = Written { html: path("html"), markdown: path("md"), junit: path("junit.xml") };
    write(&written.html, &html::page(&story))?;
    write(&written.markdown, &markdown::summary(&story))?;
    write(&written.junit, &junit::document(&story))?;
    Ok(written)
}

/// Writes a page, of the catalogue or of a comparison, to `path`. Its folder is made when missing.
///
/// # Errors
/// As [`write_all`].
pub fn write_page(path: &Path, page: &str) -> Result<(), WriteError> {
    write(path, page)
}

/// Writes a file beside its place and moves it there, so that nobody ever reads half of it.
fn write(path: &Path, content: &str) -> Result<(), WriteError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|source| WriteError::Folder { folder: folder.into(), source })?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    fs::write(&part, content).and_then(|()| fs::rename(&part, path)).map_err(|source| {
        // Half a file is of no use to anyone; what was to be told is told by the error.
        let _ = fs::remove_file(&part);
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                WriteError::Folder { folder: folder.into(), source }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                WriteError::Full { path: path.into(), source }
            }
            _ => WriteError::File { path: path.into(), source },
        }
    })
}

/// A run's id as a file name: a record from elsewhere must not choose where its report goes.
fn file_name(run: &str) -> String {
    let safe: String = run
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .collect();
    let safe = safe.trim_start_matches('.');
    if safe.is_empty() { "run".into() } else { safe.chars().take(120).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn three_files_named_by_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let (record, judgement) = fixtures::held();
        let written = write_all(&folder.path().join("new/folder"), &record, &judgement).unwrap();
        for path in [&written.html, &written.markdown, &written.junit] {
            assert!(fs::metadata(path).unwrap().len() > 500, "{}", path.display());
        }
        assert_eq!(fs::read_dir(folder.path().join("new/folder")).unwrap().count(), 3, "no parts are left");
    }

    #[test]
    fn a_folder_that_is_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("reports");
        fs::write(&taken, "").unwrap();
        let (record, judgement) = fixtures::held();
        let error = write_all(&taken, &record, &judgement).unwrap_err();
        assert!(matches!(error, WriteError::Folder { .. }), "{error:?}");
        assert!(error.next_step().is_some_and(|next| next.contains("--report-dir")), "{error}");
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        // The kernel's own full device: every write to it fails with ENOSPC.
        let error = fs::write("/dev/full", "x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "what `write` matches on");
        let error = WriteError::Full { path: "r.html".into(), source: error };
        assert!(error.next_step().is_some_and(|next| next.contains("chaos report")), "{error}");
    }

    #[test]
    fn a_run_id_can_not_leave_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "-..-etc-passwd");
        assert_eq!(file_name(""), "run");
        assert_eq!(file_name("2025-11-21T08.12.03-opa"), "2025-11-21T08.12.03-opa");
    }
}
