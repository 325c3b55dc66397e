//! The way to a Redis over the network.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_runtime::Runtime;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSubStream};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, TlsCertificates,
    Value,
};

use super::link::{Answer, Command, RedisLink, Subscription};
use crate::ports::StoreError;
use crate::settings::RedisSettings;

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no client for Redis: {0}")]
pub struct RedisClientError(String);

/// A Redis at a URL, connected to when it is first needed and again after each loss.
///
/// Commands share one connection. One that does not answer in time is given up, not only the command: a connection
/// whose packets were lost for long comes back much later than a new one. So is one that broke: whether Redis is back
/// is found out by the next command, not by an attempt made before.
pub struct RedisClient {
    client: Client,
    shared: Mutex<Shared>,
    timeout: Duration,
    runtime: Arc<dyn Runtime>,
}

/// The connection in use, and how many there were before it.
#[derive(Clone)]
struct Shared {
    manager: ConnectionManager,
    generation: u64,
}

impl std::fmt::Debug for RedisClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("RedisClient").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl RedisClient {
    /// A client of the Redis at `settings.url`. With `rediss`, `authorities` are the only ones trusted, as PEM; the
    /// machine's own when there are none. Connects to nothing yet.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`RedisClientError`] when the URL or the authorities are of no use.
    pub fn new(
        settings: &RedisSettings,
        authorities: Option<Vec<u8>>,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Self, RedisClientError> {
        // Nothing of the URL is repeated: it may hold a password.
        let refused = |error: RedisError| RedisClientError(error.category().to_owned());
        let url = settings.url.as_str();
        let client = if url.starts_with("rediss:") {
            Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert: authorities })
        } else {
            Client::open(url)
        };
        let client = client.map_err(refused)?;
        let manager = manager(&client, settings.timeout).map_err(refused)?;
        let shared = Mutex::new(Shared { manager, generation: 0 });
        Ok(Self { client, shared, timeout: settings.timeout, runtime })
    }

    /// Answers that begin behind the first `offset`, on the shared connection.
    async fn send(&self, pipeline: Pipeline, offset: usize, count: usize) -> Result<Vec<Value>, StoreError> {
        let Shared { mut manager, generation } = self.shared.lock().clone();
        let work = manager.send_packed_commands(&pipeline, offset, count);
        match self.runtime.timeout(self.timeout, Box::pin(work)).await {
            Ok(Ok(values)) => Ok(values),
            Ok(Err(error)) => {
                // Otherwise it would connect by itself at once and keep what came of that for the next
                // command, however much later that is sent.
                if error.is_io_error() || error.is_unrecoverable_error() {
                    self.give_up(generation);
                }
                Err(failed(&error))
            }
            Err(elapsed) => {
                self.give_up(generation);
                Err(elapsed.into())
            }
        }
    }

    /// The next command gets a new connection, unless somebody else has already seen to that.
    fn give_up(&self, generation: u64) {
        let mut shared = self.shared.lock();
        if shared.generation == generation
            && let Ok(manager) = manager(&self.client, self.timeout)
        {
            *shared = Shared { manager, generation: generation + 1 };
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, RedisError>>) -> Result<T, StoreError> {
        match self.runtime.timeout(self.timeout, Box::pin(work)).await {
            Ok(done) => done.map_err(|error| failed(&error)),
            Err(elapsed) => Err(elapsed.into()),
        }
    }
}

fn manager(client: &Client, timeout: Duration) -> Result<ConnectionManager, RedisError> {
    // Who needs Redis asks again in his own time: a retry here would only make him wait.
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

fn failed(error: &RedisError) -> StoreError {
    let why = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.category()),
        None => error.to_string(),
    };
    match error.kind() {
        // A server that is still loading, or busy with a script, is as good as none.
        ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::TryAgain) => {
            StoreError::Unavailable(why)
        }
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed => {
            StoreError::Refused(why)
        }
        _ => StoreError::Unavailable(why),
    }
}

fn pipeline(commands: &[Command]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for words in commands {
        let mut command = Cmd::new();
        for word in words {
            command.arg(word);
        }
        pipeline.add_command(command);
    }
    pipeline
}

fn answer(value: Value) -> Answer {
    match value {
        Value::Nil => Answer::Nil,
        Value::Int(number) => Answer::Integer(number),
        Value::BulkString(bytes) => Answer::Bytes(bytes),
        Value::SimpleString(text) => Answer::Bytes(text.into_bytes()),
        Value::Okay => Answer::Bytes(b"OK".to_vec()),
        Value::Double(number) => Answer::Bytes(number.to_string().into_bytes()),
        Value::Array(values) => Answer::Array(values.into_iter().map(answer).collect()),
        Value::ServerError(error) => Answer::Refused(error.to_string()),
        other => Answer::Refused(format!("an answer of no use here: {other:?}")),
    }
}

#[async_trait]
impl RedisLink for RedisClient {
    async fn pipeline(&self, commands: &[Command]) -> Result<Vec<Answer>, StoreError> {
        let values = self.send(pipeline(commands), 0, commands.len()).await?;
        Ok(values.into_iter().map(answer).collect())
    }

    async fn transaction(&self, commands: &[Command]) -> Result<Vec<Answer>, StoreError> {
        let mut pipeline = pipeline(commands);
        pipeline.atomic();
        // Before the one answer that counts: to MULTI, and `QUEUED` to each command.
        let values = self.send(pipeline, commands.len() + 1, 1).await?;
        match values.into_iter().next().map(answer) {
            Some(Answer::Array(answers)) if answers.len() == commands.len() => Ok(answers),
            other => Err(StoreError::Unavailable(format!("the transaction was not done: {other:?}"))),
        }
    }

    async fn subscribe(&self, channel: &str) -> Result<Box<dyn Subscription>, StoreError> {
        let listening = self.in_time(async {
            let mut connection = self.client.get_async_pubsub().await?;
            connection.subscribe(channel).await?;
            Ok(connection.into_on_message())
        });
        Ok(Box::new(Listening(listening.await?)))
    }

    async fn ping_afresh(&self) -> Result<(), StoreError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        self.in_time(async {
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            redis::cmd("PING").exec_async(&mut connection).await
        })
        .await
    }
}

struct Listening(PubSubStream);

#[async_trait]
impl Subscription for Listening {
    async fn next(&mut self) -> Result<Vec<u8>, StoreError> {
        let message = self
            .0
            .next()
            .await
            .ok_or_else(|| StoreError::Unavailable("the subscription ended".to_owned()))?;
        Ok(message.get_payload_bytes().to_vec())
    }
}
