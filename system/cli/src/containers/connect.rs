//! Connections to the databases of an instance, as its deployment makes them.

use dive_orchestrator::Service;
use dive_orchestrator::deploy::Site;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::definition::host_port;
use crate::secrets::Secret;

/// The role that PostgreSQL's password is of.
pub(super) const ROLE: &str = "postgres";

/// How PostgreSQL says that a password is wrong.
const INVALID_PASSWORD: &str = "28P01";

/// To PostgreSQL, as its administrator.
pub(super) async fn postgres(site: &Site, password: &Secret) -> Result<PgConnection, sqlx::Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(host_port(site, Service::Postgres))
        .username(ROLE)
        .password(password)
        .database("postgres")
        // One of them holds a password.
        .disable_statement_logging();
    PgConnection::connect_with(&options).await
}

/// To one of the Redis.
pub(super) async fn redis(
    site: &Site,
    service: Service,
    password: &Secret,
) -> Result<MultiplexedConnection, RedisError> {
    let url = format!("redis://:{}@127.0.0.1:{}", &**password, host_port(site, service));
    // Neither of the errors repeats the address.
    redis::Client::open(url)?.get_multiplexed_async_connection().await
}

/// Whether PostgreSQL let somebody in; an error that tells of something else stays one.
pub(super) fn let_in_by_postgres<T>(answer: Result<T, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    match answer {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(INVALID_PASSWORD) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Whether a Redis let somebody in.
pub(super) fn let_in_by_redis<T>(answer: Result<T, RedisError>) -> Result<Option<T>, RedisError> {
    match answer {
        Err(error) if error.kind() == ErrorKind::AuthenticationFailed => Ok(None),
        answer => answer.map(Some),
    }
}
