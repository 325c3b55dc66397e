//! One transaction on one connection.

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, ColumnIndex, Decode, Row, Type};
use tokio::sync::MutexGuard;

use super::SqlStore;
use super::dialect::Dialect;
use super::failure::{of, unreadable};
use super::link::Link;
use crate::Stamp;
use crate::store::{Answer, StoreError};

/// A statement and what it is given.
pub(super) type Statement<'q> = Query<'q, Any, AnyArguments<'q>>;

/// A transaction under way. It has taken the connection out of the store, and only [`end`](Self::end) puts it
/// back: one that is dropped on the way, as when its caller is cancelled, takes the connection with it, and the
/// database undoes what was not committed.
pub(super) struct Transaction<'s> {
    pub(super) store: &'s SqlStore,
    pub(super) link: Link,
    place: MutexGuard<'s, Option<Link>>,
}

impl<'s> Transaction<'s> {
    pub(super) fn new(store: &'s SqlStore, link: Link, place: MutexGuard<'s, Option<Link>>) -> Self {
        Self { store, link, place }
    }

    /// Commits after an answer and after a refusal, rolls back after a failure. The connection goes back when
    /// it still works.
    pub(super) async fn end<T>(mut self, answer: Answer<T>) -> Answer<T> {
        let failed = matches!(
            answer,
            Err(StoreError::Unavailable { .. } | StoreError::Denied { .. } | StoreError::Unreadable { .. })
        );
        let ended = self.execute(sqlx::query(if failed { "rollback" } else { "commit" })).await;
        match ended {
            Ok(()) => *self.place = Some(self.link),
            Err(error) if !failed => return Err(error),
            Err(_) => {}
        }
        answer
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.store.dialect()
    }

    fn connection(&mut self) -> &mut AnyConnection {
        &mut self.link.connection
    }

    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Answer<()> {
        statement.execute(self.connection()).await.map(drop).map_err(|error| of(&error))
    }

    pub(super) async fn rows(&mut self, statement: Statement<'_>) -> Answer<Vec<AnyRow>> {
        statement.fetch_all(self.connection()).await.map_err(|error| of(&error))
    }

    pub(super) async fn row(&mut self, statement: Statement<'_>) -> Answer<Option<AnyRow>> {
        statement.fetch_optional(self.connection()).await.map_err(|error| of(&error))
    }

    /// A statement whose answer is one number.
    pub(super) async fn number(&mut self, statement: Statement<'_>) -> Answer<u64> {
        let row = self.row(statement).await?.ok_or_else(|| unreadable("a number", "it is not there"))?;
        number(&row, "a number", 0)
    }

    /// The time now. It is asked for after the rows it is compared with are locked: waiting for them takes time.
    pub(super) async fn now(&mut self) -> Answer<Stamp> {
        match &self.store.clock {
            Some(clock) => Ok(clock()),
            None => self.number(sqlx::query(self.dialect().clock())).await.map(Stamp::from_millis),
        }
    }
}

/// A number as it is stored.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A composite value as it is stored.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("rows are plain data")
}

pub(super) fn value<'r, T, I>(row: &'r AnyRow, table: &'static str, column: I) -> Answer<T>
where
    T: Decode<'r, Any> + Type<Any>,
    I: ColumnIndex<AnyRow>,
{
    row.try_get(column).map_err(|error| unreadable(table, error))
}

pub(super) fn number(row: &AnyRow, table: &'static str, column: usize) -> Answer<u64> {
    let number: i64 = value(row, table, column)?;
    u64::try_from(number).map_err(|_| unreadable(table, format_args!("{number} is less than nothing")))
}

pub(super) fn stamp(row: &AnyRow, table: &'static str, column: usize) -> Answer<Stamp> {
    number(row, table, column).map(Stamp::from_millis)
}

pub(super) fn named<T: FromStr<Err: Display>>(row: &AnyRow, table: &'static str, column: usize) -> Answer<T> {
    value::<String, _>(row, table, column)?.parse().map_err(|error| unreadable(table, error))
}

pub(super) fn composite<T: DeserializeOwned>(row: &AnyRow, table: &'static str, column: usize) -> Answer<T> {
    let text: String = value(row, table, column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(table, error))
}

pub(super) fn optional<T: DeserializeOwned>(
    row: &AnyRow,
    table: &'static str,
    column: usize,
) -> Answer<Option<T>> {
    let text: Option<String> = value(row, table, column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(table, error))).transpose()
}
