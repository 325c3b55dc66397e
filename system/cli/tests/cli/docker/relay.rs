//! A way to the container engine that can be cut, for one who takes it and nobody else.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const ENGINE: &str = "/var/run/docker.sock";

/// A socket of its own before the engine's.
pub(super) struct Relay {
    path: PathBuf,
    /// The connections, while the way is open.
    open: Arc<Mutex<Option<Vec<UnixStream>>>>,
}

impl Relay {
    pub(super) fn new(folder: &Path) -> Self {
        let path = folder.join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let ways = Arc::clone(&open);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // While the way is cut whoever calls is hung up on.
                if let Some(connections) = ways.lock().unwrap().as_mut() {
                    let engine = UnixStream::connect(ENGINE).unwrap();
                    for (from, to) in [(&client, &engine), (&engine, &client)] {
                        copy(from.try_clone().unwrap(), to.try_clone().unwrap());
                    }
                    connections.extend([client, engine]);
                }
            }
        });
        Self { path, open }
    }

    /// As `DOCKER_HOST` names it.
    pub(super) fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    pub(super) fn cut(&self) {
        for connection in self.open.lock().unwrap().take().into_iter().flatten() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn mend(&self) {
        *self.open.lock().unwrap() = Some(Vec::new());
    }
}

fn copy(mut from: UnixStream, mut to: UnixStream) {
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
