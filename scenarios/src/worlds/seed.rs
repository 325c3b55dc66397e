//! What stands in the store before the first request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dive_node::adapters::mongodb::{Driver, MongoStore};
use dive_node::settings::MongodbSettings;

use crate::binding::kit::Kit;

/// How long one command may take, in real time. Nothing is broken yet, but everything starts at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Puts the coalition's resources and issuers into the database at `store`. Nodes read the issuers' keys at the
/// identity provider with the base URL `identity_provider`.
///
/// # Errors
/// What the store, or the driver, says.
pub(super) async fn seed(
    store: SocketAddr,
    database: &str,
    kit: &Kit,
    identity_provider: &str,
) -> Result<(), String> {
    let settings = MongodbSettings {
        url: format!("mongodb://{store}"),
        database: database.to_owned(),
        timeout: PATIENCE,
        pool: 2,
    };
    let driver = Driver::new(&settings).await.map_err(|error| error.to_string())?;
    fill(&MongoStore::new(Arc::new(driver)), kit, identity_provider).await
}

/// The same for a store that is at hand.
pub(super) async fn fill(store: &MongoStore, kit: &Kit, identity_provider: &str) -> Result<(), String> {
    let told = |error: dive_node::ports::StoreError| error.to_string();
    store.migrate().await.map_err(told)?;
    for resource in kit.resources() {
        store.put_resource(resource.clone()).await.map_err(told)?;
    }
    for issuer in kit.registry(identity_provider) {
        store.put_issuer(&issuer).await.map_err(told)?;
    }
    Ok(())
}
