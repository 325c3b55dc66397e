//! The process: its key in a file, over real connections.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use dive_kas::client::{HttpTransport, KasClient, RequestError, Transport as _};
use dive_kas::serve::{ServeError, Server, system_chance};
use dive_node::Settings;
use dive_node::adapters::{Connections, HttpClient, Trust};
use dive_runtime::TokioRuntime;

use crate::world::{KAO, SECRET, World, token};

fn settings(key_file: &str) -> Settings {
    let settings = Settings::default().with("kas.listen", "127.0.0.1:0").unwrap();
    settings.with("kas.key_file", key_file).unwrap()
}

#[tokio::test]
async fn the_process_answers_with_the_key_of_its_file_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kas.key");
    let world = World::new();
    std::fs::write(&path, world.key.expose()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let server = Server::bind_with(settings(path.to_str().unwrap()), world.ports()).await.unwrap();
    assert_eq!(server.kas().public_key(), world.key.public_key());
    let base = format!("http://{}", server.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move { drop(stopped.await) }));

    let trust = Trust::new(&Settings::default().tls).unwrap();
    let http =
        HttpClient::new(&trust, Connections::Kept(Duration::from_secs(5)), Duration::from_secs(10), 64 << 10);
    let service = Arc::new(HttpTransport::new(&base, http));
    // The machine's clock and the token's are years apart: the token is refused over a real connection.
    let clock = Arc::new(TokioRuntime::new());
    let client = KasClient::new(service.clone(), clock, Duration::from_secs(10), system_chance().unwrap());
    let refused = client.request_key(&token(), SECRET, KAO).await.unwrap_err();
    assert!(matches!(refused, RequestError::Refused { status: 401, .. }), "{refused}");
    let live = http::Request::get("/health/live").body(bytes::Bytes::new()).unwrap();
    assert_eq!(service.send(live).await.unwrap().status(), 200);

    stop.send(()).unwrap();
    running.await.unwrap();
    let gone = client.request_key(&token(), SECRET, KAO).await.unwrap_err();
    assert!(matches!(gone, RequestError::Transport(_)), "{gone}");
}

#[tokio::test]
async fn it_does_not_begin_without_a_key_of_its_own() {
    let world = World::new();
    let refused = Server::bind_with(settings(""), world.ports()).await;
    assert!(matches!(refused, Err(ServeError::NoKeyFile)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kas.key");
    std::fs::write(&path, [0; 32]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Server::bind_with(settings(path.to_str().unwrap()), world.ports()).await;
    assert!(matches!(refused, Err(ServeError::Key(_))));
}
