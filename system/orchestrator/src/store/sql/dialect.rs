//! Where PostgreSQL and SQLite differ.

/// Names this program's advisory locks among those of others in the same database: "DIVE".
pub(super) const NAMESPACE: i64 = 0x4449_5645;

/// The language of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// Begins a transaction that writes. SQLite's takes the one write lock at once, so that it is never refused
    /// half way; PostgreSQL's locks the rows it reads.
    pub(super) const fn begin_writing(self) -> &'static str {
        match self {
            Self::Postgres => "begin",
            Self::Sqlite => "begin immediate",
        }
    }

    /// Begins a transaction that sees one state of everything.
    pub(super) const fn begin_reading(self) -> &'static str {
        match self {
            Self::Postgres => "begin isolation level repeatable read read only",
            Self::Sqlite => "begin",
        }
    }

    /// Keeps others from a row that was read, until the transaction ends.
    pub(super) const fn for_update(self) -> &'static str {
        match self {
            Self::Postgres => " for update",
            Self::Sqlite => "",
        }
    }

    /// Keeps others from giving out slots.
    pub(super) const fn lock_slots(self) -> Option<&'static str> {
        match self {
            Self::Postgres => Some("lock table port_slots in exclusive mode"),
            Self::Sqlite => None,
        }
    }

    /// Keeps others from migrating, and waits for those who do.
    pub(super) fn lock_schema(self) -> Vec<String> {
        match self {
            Self::Postgres => vec![
                "set local lock_timeout = '60s'".to_owned(),
                "set local statement_timeout = '60s'".to_owned(),
                format!("select pg_advisory_xact_lock({NAMESPACE}, 0)"),
            ],
            Self::Sqlite => Vec::new(),
        }
    }

    /// Milliseconds since 1970, by the database's clock.
    pub(super) const fn clock(self) -> &'static str {
        match self {
            Self::Postgres => "select (extract(epoch from clock_timestamp()) * 1000)::bigint",
            Self::Sqlite => "select cast(unixepoch('subsec') * 1000 as integer)",
        }
    }

    /// How many tables of this name there are.
    pub(super) const fn tables_named(self) -> &'static str {
        match self {
            Self::Postgres => {
                "select count(*) from pg_tables where tablename::text = $1 and schemaname = current_schema()"
            }
            Self::Sqlite => "select count(*) from sqlite_master where type = 'table' and name = $1",
        }
    }

    /// The type of a key that the database numbers.
    pub(super) const fn numbered(self) -> &'static str {
        match self {
            Self::Postgres => "bigint generated always as identity primary key",
            Self::Sqlite => "integer primary key autoincrement",
        }
    }

    /// What each new connection is told first.
    ///
    /// PostgreSQL: nobody waits long for a row; who falls silent within a transaction is thrown out, and a dead
    /// peer noticed, before a lease is over. SQLite: readers don't wait for the writer, and what was committed
    /// survives a power cut.
    pub(super) const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &[
                "set lock_timeout = '5s'",
                "set statement_timeout = '10s'",
                "set idle_in_transaction_session_timeout = '10s'",
                "set synchronous_commit = on",
                "set tcp_keepalives_idle = 5",
                "set tcp_keepalives_interval = 3",
                "set tcp_keepalives_count = 3",
            ],
            Self::Sqlite => {
                &["pragma busy_timeout = 5000", "pragma journal_mode = wal", "pragma synchronous = full"]
            }
        }
    }
}
