//! What the store must have before it is used. Each step may be carried out again and by many at once, to the
//! same end; that it was carried out is noted afterwards.

use bson::{Document, doc};

use super::collections::{AUDIT, ISSUERS, MIGRATIONS};
use super::commands::{CommandFailure, Commands};
use crate::ports::StoreError;

/// One step.
struct Migration {
    version: i32,
    name: &'static str,
    commands: fn() -> Vec<Document>,
}

/// All steps, in order. A step that was ever released stays as it is.
const MIGRATIONS_IN_ORDER: &[Migration] = &[Migration {
    version: 1,
    name: "indexes of audit and issuers",
    commands: || {
        vec![
            doc! {"createIndexes": AUDIT, "indexes": [
                {"key": {"time": 1}, "name": "by_time"},
                {"key": {"correlationId": 1}, "name": "by_correlation"},
            ]},
            doc! {"createIndexes": ISSUERS, "indexes": [{"key": {"tenant": 1}, "name": "by_tenant"}]},
        ]
    },
}];

/// Carries out what is not noted yet. Nothing is done twice but by those who come at the same time.
///
/// # Errors
/// When the store does not answer or refuses a step; or when it was made by a later version, whose documents
/// this one might misread.
pub(super) async fn migrate(store: &dyn Commands) -> Result<(), StoreError> {
    let find = doc! {"find": MIGRATIONS, "sort": {"_id": -1}, "limit": 1, "singleBatch": true};
    let reply = store.run(find).await?;
    let last = super::store::first_batch(reply)?.pop();
    let done = last.map_or(Ok(0), |last| last.get_i32("_id"));
    let done = done.map_err(|error| StoreError::Invalid(format!("the migrations are damaged: {error}")))?;
    let newest = MIGRATIONS_IN_ORDER.last().map_or(0, |migration| migration.version);
    if done > newest {
        return Err(StoreError::Invalid(format!(
            "the store is of version {done}, this node knows versions up to {newest}"
        )));
    }
    for migration in MIGRATIONS_IN_ORDER.iter().filter(|migration| migration.version > done) {
        for command in (migration.commands)() {
            store.run(command).await?;
        }
        note(store, migration).await?;
    }
    Ok(())
}

async fn note(store: &dyn Commands, migration: &Migration) -> Result<(), CommandFailure> {
    let note = doc! {"_id": migration.version, "name": migration.name};
    let reply = store.run(doc! {"insert": MIGRATIONS, "documents": [note]}).await?;
    match CommandFailure::of_write(reply) {
        // Somebody else was quicker.
        Err(failure) if failure.is_duplicate_key() => Ok(()),
        noted => noted.map(drop),
    }
}
