//! What a container is made of.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use harness_local::Canary;

/// What a container is to run, and when it counts as ready.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    pub(crate) service: String,
    pub(crate) image: String,
    pub(super) command: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) files: BTreeMap<String, File>,
    pub(super) hosts: BTreeMap<String, Ipv4Addr>,
    pub(super) ports: Vec<u16>,
    pub(super) ready: Ready,
    pub(super) ready_within: Duration,
}

/// A file that is root's.
#[derive(Clone)]
pub(super) struct File {
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

/// Without the content: it may be secret.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, mode {:03o}", self.content.len(), self.mode)
    }
}

/// The sign that a container is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A GET of `path` on the container port answers 200.
    Http {
        /// One of the published container ports.
        port: u16,
        /// Path and query, beginning with `/`.
        path: String,
    },
    /// The same over TLS, whoever answers says it is.
    Https {
        /// One of the published container ports.
        port: u16,
        /// Path and query, beginning with `/`.
        path: String,
    },
    /// This text appears in the log, on either stream.
    Log(String),
    /// It runs; nothing more is asked.
    Running,
}

impl Ready {
    /// The port that is asked, and what it is asked.
    pub(crate) fn canary(&self) -> Option<(u16, Canary)> {
        match self {
            Self::Http { port, path } => Some((*port, Canary::Http(path.clone()))),
            Self::Https { port, path } => Some((*port, Canary::Https(path.clone()))),
            Self::Log(_) | Self::Running => None,
        }
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { port, path } => write!(f, "GET {path} on port {port} answered by 200"),
            Self::Https { port, path } => write!(f, "GET {path} over TLS on port {port} answered by 200"),
            Self::Log(text) => write!(f, "\"{text}\" in its log"),
            Self::Running => f.write_str("it running"),
        }
    }
}

impl ContainerSpec {
    /// A container for `service` from an image tag, ready as soon as it runs.
    pub fn new(service: impl Into<String>, image: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            image: image.into(),
            command: Vec::new(),
            env: BTreeMap::new(),
            files: BTreeMap::new(),
            hosts: BTreeMap::new(),
            ports: Vec::new(),
            ready: Ready::Running,
            ready_within: Duration::from_secs(60),
        }
    }

    /// Names another service, to start a second container alike.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = service.into();
        self
    }

    /// The arguments that follow the image's entrypoint.
    #[must_use]
    pub fn command(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.command = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Puts a file into the container before it starts; `path` is absolute. World-readable.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), File { mode: 0o644, content: content.into() });
        self
    }

    /// Puts a file into the container that only root can read there.
    #[must_use]
    pub fn secret(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), File { mode: 0o600, content: content.into() });
        self
    }

    /// Puts a file into the container that only root and root's group can read there.
    #[must_use]
    pub fn group_secret(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), File { mode: 0o640, content: content.into() });
        self
    }

    /// Lets the container know another by `name`, at an address that is fixed already.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>, address: Ipv4Addr) -> Self {
        self.hosts.insert(name.into(), address);
        self
    }

    /// Publishes a TCP port of the container on 127.0.0.1; see [`Container::published`].
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// Waits for this sign, for at most `within`.
    #[must_use]
    pub fn ready(mut self, sign: Ready, within: Duration) -> Self {
        (self.ready, self.ready_within) = (sign, within);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_root_alone_and_in_no_debug_output() {
        let spec = ContainerSpec::new("kas", "image:1").file("/a", "read me").secret("/key", *b"hush");
        assert_eq!(spec.files["/a"].mode, 0o644);
        assert_eq!(spec.files["/key"].mode, 0o600);
        let told = format!("{spec:?}");
        assert!(told.contains("4 bytes, mode 600") && !told.contains("104, 117"), "{told}");
    }
}
