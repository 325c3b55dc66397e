//! What is written to the document store: whom the node trusts, and resources.

use std::sync::Arc;
use std::time::Duration;

use bson::{Document, doc};
use dive_authz::Resource;
use dive_node::adapters::mongodb::{
    Commands, Driver, IssuerDocument, MongoStore, ResourceDocument, collections,
};
use dive_node::ports::{IssuerRegistry as _, Probe as _, ResourceStore as _, StoreError, StoredResource};
use dive_node::settings::MongodbSettings;
use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The database that the settings of the node name by default.
const DATABASE: &str = "dive";

/// How many resources are one document of a deployment.
pub(super) const BATCH: u32 = 500;

/// The document store of an instance.
pub(super) struct Documents {
    driver: Arc<Driver>,
    store: MongoStore,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorCode::Database, format!("the document store: {error}"))
}

/// What it means that the store did not do as asked: that it is away passes, as often as not, and is tried again.
fn undone(error: impl Into<StoreError>) -> Failure {
    let error = error.into();
    let code = if error.is_the_stores_fault() { ErrorCode::Timeout } else { ErrorCode::Database };
    Failure { code, ..failed(error) }
}

/// The resources by which verification sees decisions: one that is released to the tenant, one that isn't.
pub(super) fn verified(tenant: &str) -> [Resource; 2] {
    let lower = tenant.to_ascii_lowercase();
    let other = if tenant == "FRA" { "DEU" } else { "FRA" };
    [("released", tenant), ("withheld", other)].map(|(what, to)| Resource {
        resource_id: format!("verify-{lower}-{what}"),
        classification: Some("UNCLASSIFIED".to_owned()),
        releasability_to: Some(vec![to.to_owned()]),
        ..Resource::default()
    })
}

/// The resource to try an instance with that has this number: of each level in turn, each third for partners, too.
fn seeded(tenant: &str, number: u32) -> Resource {
    let levels = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP_SECRET"];
    let partners = if number.is_multiple_of(3) { &["FRA", "GBR", "USA"][..] } else { &[] };
    let to = [tenant].into_iter().chain(partners.iter().copied().filter(|partner| *partner != tenant));
    Resource {
        resource_id: format!("seed-{}-{number:05}", tenant.to_ascii_lowercase()),
        classification: Some(levels[number as usize % levels.len()].to_owned()),
        releasability_to: Some(to.map(str::to_owned).collect()),
        ..Resource::default()
    }
}

/// The resources of a batch, of `total` in all.
fn batch(tenant: &str, batch: u32, total: u32) -> impl Iterator<Item = Resource> {
    let first = batch.saturating_mul(BATCH);
    (first..first.saturating_add(BATCH).min(total)).map(|number| seeded(tenant, number))
}

/// The statement that puts a resource in the place of one with its id.
fn replacement(metadata: Resource) -> bson::error::Result<Document> {
    let document = ResourceDocument::from(StoredResource { metadata, object: None });
    Ok(doc! {"q": {"_id": &document.id}, "u": bson::serialize_to_document(&document)?, "upsert": true})
}

impl Documents {
    /// The store at a port of this machine. Nothing is asked of it yet.
    pub(super) async fn at(port: u16) -> Done<Self> {
        let settings = MongodbSettings {
            url: format!("mongodb://127.0.0.1:{port}"),
            database: DATABASE.to_owned(),
            timeout: PATIENCE,
            pool: 8,
        };
        let driver = Arc::new(Driver::new(&settings).await.map_err(failed)?);
        Ok(Self { store: MongoStore::new(driver.clone()), driver })
    }

    /// It answers, and its registry can be read.
    pub(super) async fn readable(&self) -> Done {
        self.store.check().await.map_err(failed)?;
        self.store.all().await.map(drop).map_err(undone)
    }

    pub(super) async fn trusts(&self, issuer: &str) -> Done<bool> {
        Ok(self.store.trusted(issuer).await.map_err(undone)?.is_some())
    }

    pub(super) async fn trust(&self, issuer: IssuerDocument) -> Done {
        self.store.migrate().await.map_err(undone)?;
        self.store.put_issuer(&issuer).await.map_err(undone)
    }

    pub(super) async fn distrust(&self, issuer: &str) -> Done {
        self.store.remove_issuer(issuer).await.map(drop).map_err(undone)
    }

    pub(super) async fn has(&self, resource: &str) -> Done<bool> {
        Ok(self.store.resource(resource).await.map_err(undone)?.is_some())
    }

    /// Keeps resources, all in one command, each in the place of one with its id.
    pub(super) async fn put(&self, resources: impl IntoIterator<Item = Resource>) -> Done {
        self.store.migrate().await.map_err(undone)?;
        let updates =
            resources.into_iter().map(replacement).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let write =
            doc! {"update": collections::RESOURCES, "updates": updates, "writeConcern": {"w": 1, "j": true}};
        let reply = self.driver.run(write).await.map_err(undone)?;
        let refused = reply.get_array("writeErrors").ok().and_then(|errors| errors.first());
        refused.map_or(Ok(()), |error| Err(failed(error)))
    }

    pub(super) async fn put_batch(&self, tenant: &str, number: u32, total: u32) -> Done {
        self.put(batch(tenant, number, total)).await
    }

    pub(super) async fn has_batch(&self, tenant: &str, number: u32) -> Done<bool> {
        self.has(&seeded(tenant, number * BATCH).resource_id).await
    }

    pub(super) async fn remove_batch(&self, tenant: &str, number: u32) -> Done {
        let ids = batch(tenant, number, u32::MAX).map(|resource| resource.resource_id);
        self.remove(ids.collect()).await
    }

    pub(super) async fn remove(&self, ids: Vec<String>) -> Done {
        let delete =
            doc! {"delete": collections::RESOURCES, "deletes": [{"q": {"_id": {"$in": ids}}, "limit": 0}]};
        self.driver.run(delete).await.map(drop).map_err(undone)
    }
}

#[cfg(test)]
mod tests {
    use dive_node::adapters::mongodb::CommandFailure;

    use super::*;

    #[test]
    fn a_store_that_is_away_is_tried_again_and_one_that_says_no_is_not() {
        let refused = |code| CommandFailure::Refused { code, message: "no".to_owned() };
        let (not_primary, unauthorized) = (10107, 13);
        for (failure, code) in [
            (CommandFailure::Unreachable("gone".to_owned()), ErrorCode::Timeout),
            (CommandFailure::Timeout(PATIENCE), ErrorCode::Timeout),
            (refused(not_primary), ErrorCode::Timeout),
            (refused(unauthorized), ErrorCode::Database),
        ] {
            assert_eq!(undone(failure.clone()).code, code, "{failure}");
        }
    }

    #[test]
    fn batches_are_all_resources_each_once() {
        for total in [0, 1, 100, BATCH, BATCH + 1, 5_000] {
            let batches = (0..total.div_ceil(BATCH)).flat_map(|number| batch("USA", number, total));
            let ids: Vec<_> = batches.map(|resource| resource.resource_id).collect();
            let all: Vec<_> = (0..total).map(|number| seeded("USA", number).resource_id).collect();
            assert_eq!(ids, all);
        }
    }

    #[test]
    fn what_verification_is_denied_is_released_to_somebody_else() {
        for tenant in ["USA", "FRA", "XYZ"] {
            let [released, withheld] = verified(tenant);
            assert_eq!(released.releasability_to, Some(vec![tenant.to_owned()]));
            assert_ne!(withheld.releasability_to, released.releasability_to);
        }
    }
}
