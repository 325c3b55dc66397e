//! The ports on top of commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bson::{Bson, Document, doc};

use super::collections::{AUDIT, ISSUERS, RESOURCES};
use super::commands::{CommandFailure, Commands};
use super::documents::{self, IssuerDocument, ResourceDocument};
use super::migrations;
use crate::audit::AuditEntry;
use crate::ports::{
    Audit, IssuerRegistry, Probe, ProbeError, ResourceStore, StoreError, StoredResource, TrustedIssuer,
};

/// How many issuers are read at once.
const PAGE: i32 = 500;

/// Resources, trusted issuers and audit in a database.
pub struct MongoStore {
    commands: Arc<dyn Commands>,
    migrated: AtomicBool,
}

impl std::fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MongoStore").field("migrated", &self.migrated).finish_non_exhaustive()
    }
}

impl MongoStore {
    /// A store in the database that carries out `commands`. Nothing is asked of it yet: it may be away.
    pub fn new(commands: Arc<dyn Commands>) -> Self {
        Self { commands, migrated: AtomicBool::new(false) }
    }

    /// Brings the database to the state that this version needs; at once when that was done already. The check
    /// of the store does this, too, so a database that is away at the start is brought there when it comes.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer, refuses, or was made by a later version.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        // Two at once do the same thing twice, which does no harm.
        if !self.migrated.load(Ordering::Acquire) {
            migrations::migrate(&*self.commands).await?;
            self.migrated.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Keeps a resource, in the place of one with its id.
    ///
    /// # Errors
    /// [`StoreError`] when it was not kept, or that is not known.
    pub async fn put_resource(&self, resource: StoredResource) -> Result<(), StoreError> {
        let document = ResourceDocument::from(resource);
        self.replace(RESOURCES, &document.id, &document).await
    }

    /// Trusts an issuer, or trusts it otherwise than before.
    ///
    /// # Errors
    /// [`StoreError`] when that was not kept, or is not known.
    pub async fn put_issuer(&self, issuer: &IssuerDocument) -> Result<(), StoreError> {
        self.replace(ISSUERS, &issuer.issuer, issuer).await
    }

    /// Trusts an issuer no longer. Whether it was trusted before.
    ///
    /// # Errors
    /// [`StoreError`] when that was not kept, or is not known.
    pub async fn remove_issuer(&self, issuer: &str) -> Result<bool, StoreError> {
        let delete = doc! {"delete": ISSUERS, "deletes": [{"q": {"_id": issuer}, "limit": 1}]};
        Ok(self.write(delete).await?.get_i32("n").is_ok_and(|n| n > 0))
    }

    /// The audit entry with this id.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn audit_entry(&self, id: &str) -> Result<Option<AuditEntry<'static>>, StoreError> {
        self.one(AUDIT, id).await?.map(documents::audit_entry).transpose()
    }

    async fn one(&self, collection: &str, id: &str) -> Result<Option<Document>, StoreError> {
        let find = doc! {"find": collection, "filter": {"_id": id}, "limit": 1, "singleBatch": true};
        Ok(first_batch(self.commands.run(find).await?)?.pop())
    }

    async fn replace<T: serde::Serialize>(
        &self,
        collection: &str,
        id: &str,
        document: &T,
    ) -> Result<(), StoreError> {
        let document =
            bson::serialize_to_document(document).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let update = doc! {"q": {"_id": id}, "u": document, "upsert": true};
        self.write(doc! {"update": collection, "updates": [update]}).await?;
        Ok(())
    }

    /// A write that is on disk when it is acknowledged.
    async fn write(&self, mut command: Document) -> Result<Document, CommandFailure> {
        command.insert("writeConcern", doc! {"w": 1, "j": true});
        CommandFailure::of_write(self.commands.run(command).await?)
    }
}

/// The documents of a reply that is all in one batch.
pub(super) fn first_batch(mut reply: Document) -> Result<Vec<Document>, CommandFailure> {
    let malformed = || CommandFailure::Malformed("a reply without documents".to_owned());
    let cursor = match reply.remove("cursor") {
        Some(Bson::Document(mut cursor)) => cursor.remove("firstBatch"),
        _ => None,
    };
    let Some(Bson::Array(batch)) = cursor else { return Err(malformed()) };
    let document = |value| match value {
        Bson::Document(document) => Ok(document),
        _ => Err(malformed()),
    };
    batch.into_iter().map(document).collect()
}

/// A regular expression that matches `text` and nothing else.
fn literal(text: &str) -> String {
    let escaped = |c: char| ("\\.+*?()|[]{}^$".contains(c).then_some('\\')).into_iter().chain([c]);
    text.chars().flat_map(escaped).collect()
}

#[async_trait]
impl ResourceStore for MongoStore {
    async fn resource(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, StoreError> {
        let Some(document) = self.one(RESOURCES, resource_id).await? else { return Ok(None) };
        let document: ResourceDocument = documents::read(document)?;
        Ok(Some(Arc::new(document.try_into()?)))
    }

    async fn search(&self, text: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        // No limit is what 0 means to the store.
        let Some(limit) = i32::try_from(limit).ok().filter(|limit| *limit > 0) else {
            return if limit == 0 {
                Ok(Vec::new())
            } else {
                Err(StoreError::Refused("too many to search for".to_owned()))
            };
        };
        let mut ids = doc! {"$regex": literal(text)};
        if let Some(after) = after {
            ids.insert("$gt", after);
        }
        let find = doc! {
            "find": RESOURCES, "filter": {"_id": ids}, "projection": {"_id": 1}, "sort": {"_id": 1},
            "limit": limit, "batchSize": limit, "singleBatch": true,
        };
        let found = first_batch(self.commands.run(find).await?)?;
        let id = |document: Document| match document.get("_id") {
            Some(Bson::String(id)) => Ok(id.clone()),
            _ => Err(StoreError::Invalid("a resource whose id is no text".to_owned())),
        };
        found.into_iter().map(id).collect()
    }
}

#[async_trait]
impl IssuerRegistry for MongoStore {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        let document = self.one(ISSUERS, issuer).await?.map(documents::read::<IssuerDocument>);
        Ok(document.transpose()?.map(TrustedIssuer::from))
    }

    async fn all(&self) -> Result<Vec<TrustedIssuer>, StoreError> {
        let mut all: Vec<TrustedIssuer> = Vec::new();
        loop {
            let filter = all.last().map_or_else(Document::new, |last| doc! {"_id": {"$gt": &last.issuer}});
            let find = doc! {
                "find": ISSUERS, "filter": filter, "sort": {"_id": 1}, "limit": PAGE, "batchSize": PAGE,
                "singleBatch": true,
            };
            let page = first_batch(self.commands.run(find).await?)?;
            if page.is_empty() {
                return Ok(all);
            }
            for document in page {
                all.push(documents::read::<IssuerDocument>(document)?.into());
            }
        }
    }
}

#[async_trait]
impl Audit for MongoStore {
    async fn record(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        let insert = doc! {"insert": AUDIT, "documents": [documents::audit(entry)?]};
        match self.write(insert).await {
            // Kept already, whether by another call or by this one before its reply was lost.
            Err(failure) if failure.is_duplicate_key() => Ok(()),
            kept => Ok(kept.map(drop)?),
        }
    }

    /// In one command, or in one more for each entry that is kept already.
    async fn record_all(&self, entries: &[AuditEntry<'_>]) -> Result<(), StoreError> {
        let mut left = entries;
        while !left.is_empty() {
            let documents = left.iter().map(documents::audit).collect::<Result<Vec<_>, _>>()?;
            // In order: what comes after one that was refused waits for the next command.
            let mut insert = doc! {"insert": AUDIT, "documents": documents, "ordered": true};
            insert.insert("writeConcern", doc! {"w": 1, "j": true});
            let reply = self.commands.run(insert).await?;
            let refused = write_error_at(&reply);
            match CommandFailure::of_write(reply) {
                Err(failure) if failure.is_duplicate_key() => {
                    let at = refused.filter(|at| *at < left.len()).ok_or(failure)?;
                    left = &left[at + 1..];
                }
                kept => return Ok(kept.map(drop)?),
            }
        }
        Ok(())
    }
}

/// Which statement of an ordered write was refused.
fn write_error_at(reply: &Document) -> Option<usize> {
    let error = reply.get_array("writeErrors").ok()?.first()?.as_document()?;
    usize::try_from(error.get_i32("index").ok()?).ok()
}

#[async_trait]
impl Probe for MongoStore {
    /// There, of a version this node knows, and able to say whom to trust.
    async fn check(&self) -> Result<(), ProbeError> {
        self.commands.ping().await?;
        self.migrate().await?;
        let read = doc! {"find": ISSUERS, "projection": {"_id": 1}, "limit": 1, "singleBatch": true};
        first_batch(self.commands.run(read).await?)?;
        Ok(())
    }
}
