//! The base image of a Debian suite: made once by `debootstrap`, stood upon by every recipe of that suite.
//!
//! `debootstrap` needs root, as it makes a system's own files: it runs as root, or through a `sudo` that asks nothing.

use std::ffi::OsString;
use std::fs::File;
use std::time::Duration;

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use nix::unistd::Uid;
use tokio::process::Command;
use tokio_util::io::ReaderStream;

use super::tool::{Errand, Tool, ToolError};
use super::{ImageError, Images, recipe, turn};
use crate::labels;

const SCRIPT: &str = include_str!("base.sh");
const BOOTSTRAP: Duration = Duration::from_secs(900);
const IMPORT: Duration = Duration::from_secs(300);
/// Names the archive to take packages from, where the usual one can't be reached.
const MIRROR: &str = "CHAOS_DEBIAN_MIRROR";
const DEBOOTSTRAP: Tool = Tool {
    name: "debootstrap",
    elsewhere: "/usr/sbin/debootstrap",
    next: "`apt-get install debootstrap debian-archive-keyring`",
};

impl Images {
    /// Sees to it that the engine has the suite's base; gives its tag.
    pub(super) async fn base(&self, suite: &str) -> Result<String, ImageError> {
        let name = format!("base-{suite}");
        let mirror = std::env::var(MIRROR).unwrap_or_default();
        let tag = recipe::tag(&name, &[SCRIPT.as_bytes(), mirror.as_bytes()]);
        let _turn = turn::take(&name).await?;
        if self.present(&tag).await?.is_some() {
            return Ok(tag);
        }
        self.tell(&format!("debootstrap {suite}"));
        let archive =
            bootstrap(suite, &mirror).await.map_err(|why| ImageError::Tool { image: name.clone(), why })?;
        let archive = ReaderStream::new(tokio::fs::File::from_std(archive));
        let (repository, hash) = tag.split_once(':').unwrap_or((&tag, "latest"));
        let changes = vec![format!("LABEL {}={name}", labels::RECIPE), "ENV LANG=C.UTF-8".into()];
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(repository)
            .tag(hash)
            .changes(changes)
            .build();
        let body = bollard::body_try_stream(archive);
        let progress = self.engine.docker().create_image(Some(options), Some(body), None);
        let imported = progress.try_for_each(|_| async { Ok(()) });
        self.engine.ask(format!("import {tag}"), IMPORT, imported).await?;
        Ok(tag)
    }
}

/// The archive of a suite's smallest root file system, to be read from its beginning.
async fn bootstrap(suite: &str, mirror: &str) -> Result<File, ToolError> {
    DEBOOTSTRAP.find()?;
    let scratch = || {
        let file = tempfile::tempfile()?;
        Ok((file.try_clone()?, file))
    };
    let (archive, output) = scratch().map_err(|why| ToolError::Run { tool: "mktemp".into(), why })?;
    let mut command = if Uid::effective().is_root() {
        Command::new("/bin/sh")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "--preserve-env=TMPDIR,http_proxy,https_proxy,no_proxy", "/bin/sh"]);
        sudo
    };
    command.args(["-c", SCRIPT, "base.sh", suite, mirror]).env("PATH", with_sbin()).stdout(output);
    let errand = Errand {
        what: format!("debootstrap of Debian {suite} (as root, or by a `sudo` that needs no password)"),
        within: BOOTSTRAP,
        next: "is the Debian archive reachable? CHAOS_DEBIAN_MIRROR names another",
    };
    errand.run(&mut command).await?;
    let rewind = |mut file: File| std::io::Seek::rewind(&mut file).map(|()| file);
    rewind(archive).map_err(|why| ToolError::Run { tool: "base.sh".into(), why })
}

fn with_sbin() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}
