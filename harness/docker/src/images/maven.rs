//! Fetches an archive from a Maven repository: with `mvn` and its settings where it is installed, else with `curl`
//! from the central one.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::process::Command;

use super::recipe::{MavenArchive, hex};
use super::tool::{Errand, Tool, ToolError};

const FETCH: Duration = Duration::from_secs(600);
const CENTRAL: &str = "https://repo.maven.apache.org/maven2";
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";
const MVN: Tool = Tool { name: "mvn", elsewhere: "/usr/bin/mvn", next: "`apt-get install maven`" };
const CURL: Tool = Tool { name: "curl", elsewhere: "/usr/bin/curl", next: "`apt-get install curl`" };

/// A fetched archive; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Fetched {
    folder: TempDir,
    file: String,
}

impl Fetched {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join(&self.file)
    }
}

/// Fetches an archive and sees to it that it is the one the recipe means.
pub(super) async fn fetch(archive: &MavenArchive) -> Result<Fetched, ToolError> {
    let (path, file) = location(&archive.artifact);
    let what = format!("fetching {}", archive.artifact);
    let folder = TempDir::new().map_err(|why| ToolError::Run { tool: "mktemp".into(), why })?;
    let fetched = Fetched { folder, file };
    let mut command = if let Ok(mvn) = MVN.find() {
        let mut command = Command::new(mvn);
        command
            .args(["--batch-mode", "--quiet", COPY])
            .arg(format!("-Dartifact={}", archive.artifact))
            .arg(format!("-DoutputDirectory={}", fetched.folder.path().display()))
            // Here Maven also says what went wrong.
            .stdout(Stdio::piped());
        command
    } else {
        let mut command = Command::new(CURL.find()?);
        command.args(["-fsSL", "--retry", "3", "-o"]).arg(fetched.path()).arg(format!("{CENTRAL}/{path}"));
        command
    };
    // Where no project's settings apply.
    command.current_dir(fetched.folder.path());
    let next = "is the repository reachable? A mirror is named in ~/.m2/settings.xml and used by `mvn`";
    Errand { what: what.clone(), within: FETCH, next }.run(&mut command).await?;
    let found = digest(fetched.path()).await.map_err(|why| ToolError::Run { tool: fetched.path(), why })?;
    if found != archive.sha256 {
        let output = format!("its SHA-256 is {found}, the recipe's {}", archive.sha256);
        return Err(ToolError::Failed { what, output });
    }
    Ok(fetched)
}

/// Path in a repository, and file name.
fn location(artifact: &str) -> (String, String) {
    let mut parts = artifact.splitn(4, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (group, name, version, kind) = (part().replace('.', "/"), part(), part(), part());
    let file = format!("{name}-{version}.{kind}");
    (format!("{group}/{name}/{version}/{file}"), file)
}

async fn digest(path: PathBuf) -> io::Result<String> {
    let reading = move || {
        let mut hash = Sha256::new();
        io::copy(&mut std::fs::File::open(path)?, &mut hash)?;
        Ok(hex(&hash.finalize()))
    };
    tokio::task::spawn_blocking(reading).await.unwrap_or_else(|join| Err(io::Error::other(join)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_name_a_file_of_the_repository() {
        let (path, file) = location("org.keycloak:keycloak-quarkus-dist:26.4.7:tar.gz");
        assert_eq!(file, "keycloak-quarkus-dist-26.4.7.tar.gz");
        assert_eq!(path, format!("org/keycloak/keycloak-quarkus-dist/26.4.7/{file}"));
    }

    #[tokio::test]
    async fn a_digest_is_of_the_whole_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let digest = digest(file.path().to_owned()).await.unwrap();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
