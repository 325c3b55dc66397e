//! A program with all the files it needs to run on an otherwise empty file system.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::process::Command;

/// Why a program's files can't be gathered.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// A file can't be read.
    #[error("could not read {path}: {why}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        why: std::io::Error,
    },
    /// A library is missing on this machine.
    #[error("{program} needs {library}, which this machine does not have")]
    Missing {
        /// The program.
        program: PathBuf,
        /// The library.
        library: String,
    },
}

/// Files by their absolute path in the image, in the order of the paths.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) files: Vec<(PathBuf, Vec<u8>)>,
}

impl Root {
    /// Takes in the files of another; those that both hold are the same.
    pub(super) fn add(&mut self, other: Self) {
        self.files.extend(other.files);
        self.files.sort();
        self.files.dedup();
    }

    /// A hash of all paths and contents.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (path, content) in &self.files {
            let path = path.as_os_str().as_encoded_bytes();
            for part in [path, content] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        hash.finalize().into()
    }
}

/// Gathers `program`, to be at `place`, and the libraries that the dynamic linker would load with it.
pub(super) async fn gather(program: impl AsRef<Path>, place: &str) -> Result<Root, ClosureError> {
    let program = program.as_ref().to_owned();
    let listed = Command::new("ldd").arg(&program).stdin(Stdio::null()).output().await;
    let listed = listed.map_err(|why| ClosureError::Read { path: "ldd".into(), why })?;
    let libraries = libraries(&String::from_utf8_lossy(&listed.stdout))
        .map_err(|library| ClosureError::Missing { program: program.clone(), library })?;
    let mut sources: Vec<_> = libraries.into_iter().map(|path| (path.clone(), path)).collect();
    sources.push((PathBuf::from(place), program));
    sources.sort();
    let read = |(place, source): (PathBuf, PathBuf)| match std::fs::read(&source) {
        Ok(content) => Ok((place, content)),
        Err(why) => Err(ClosureError::Read { path: source, why }),
    };
    let reading = move || sources.into_iter().map(read).collect::<Result<Vec<_>, _>>();
    let files = tokio::task::spawn_blocking(reading).await.unwrap_or_else(|join| {
        Err(ClosureError::Read { path: place.into(), why: std::io::Error::other(join) })
    })?;
    Ok(Root { files })
}

/// The files named by `ldd`; `Err` names one that was not found. A static program has none.
fn libraries(listing: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for line in listing.lines().map(str::trim) {
        let (name, place) = line.split_once(" => ").unwrap_or((line, line));
        if place.starts_with("not found") {
            return Err(name.to_owned());
        }
        // The virtual library of the kernel has no file, hence no path.
        if let Some(path) = place.split(" (").next().filter(|path| path.starts_with('/')) {
            found.push(PathBuf::from(path));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldds_listing_is_read() {
        let listing = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                       \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f65)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f7f)\n";
        let expected: [PathBuf; 2] =
            ["/lib/x86_64-linux-gnu/libc.so.6".into(), "/lib64/ld-linux-x86-64.so.2".into()];
        assert_eq!(libraries(listing).unwrap(), expected);
        assert_eq!(libraries("\tstatically linked\n"), Ok(vec![]));
        assert_eq!(libraries("\tlibssl.so.3 => not found\n"), Err("libssl.so.3".into()));
    }

    #[tokio::test]
    async fn this_test_can_be_gathered_and_any_change_shows_in_the_digest() {
        let me = std::env::current_exe().unwrap();
        let mut root = gather(&me, "/me").await.unwrap();
        assert!(root.files.iter().any(|(path, _)| path == Path::new("/me")));
        assert!(root.files.iter().any(|(path, _)| path.to_string_lossy().contains("libc.so")));
        let before = root.digest();
        assert_eq!(root.digest(), before);
        root.files[0].1.push(0);
        assert_ne!(root.digest(), before);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = gather("/nonexistent/program", "/p").await.unwrap_err().to_string();
        assert!(error.contains("/nonexistent/program"), "{error}");
    }
}
