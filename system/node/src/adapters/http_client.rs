//! An HTTP client for what is not the policy engine: plain or TLS, bounded, going nowhere it was not told to.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::tls::{Distrust, Trust, distrust};

/// What becomes of a connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// It is kept for a request within this time. Let it be shorter than the server waits for one: a request that meets
    /// the server's good-bye on the way is lost, and nobody knows whether it was done.
    Kept(Duration),
    /// It ends. A kept one can go on working after the way is gone for everybody else.
    Fresh,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The server's certificate is not good.
    #[error("tls: {0}")]
    Untrusted(#[from] Distrust),
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// The answer is longer than anything that is asked for here.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// It answered, but not with what was asked for.
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    /// Nobody can be asked there.
    #[error("`{0}` is no address")]
    Address(String),
}

/// A client that trusts whom it is told to. It follows no redirects and uses no proxies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    answer_limit: usize,
}

impl HttpClient {
    /// Reads answers of at most `answer_limit` bytes.
    pub fn new(
        trust: &Trust,
        connections: Connections,
        connect_timeout: Duration,
        answer_limit: usize,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust.client_config())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let mut client = Client::builder(TokioExecutor::new());
        match connections {
            Connections::Kept(idle) => client.pool_timer(TokioTimer::new()).pool_idle_timeout(idle),
            Connections::Fresh => client.pool_max_idle_per_host(0),
        };
        let client = client.build(connector);
        Self { client, answer_limit }
    }

    /// Sends `request` to its absolute URI and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`HttpError`] when there is none.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.client.request(request.map(Full::new)).await.map_err(|error| why(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.answer_limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                HttpError::TooLong(self.answer_limit)
            } else {
                why(error.as_ref())
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// What is at `url`, if it answers that all is well.
    ///
    /// # Errors
    /// [`HttpError`] when it does not.
    pub async fn get(&self, url: &str) -> Result<Bytes, HttpError> {
        let address = || HttpError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| address())?;
        let request = Request::get(uri).body(Bytes::new()).map_err(|_| address())?;
        let answer = self.send(request).await?;
        if answer.status().is_success() {
            Ok(answer.into_body())
        } else {
            Err(HttpError::Status(answer.status()))
        }
    }
}

/// What went wrong, down to its cause.
fn why(error: &(dyn Error + 'static)) -> HttpError {
    if let Some(distrust) = distrust(error) {
        return distrust.clone().into();
    }
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    HttpError::Unreachable(cause.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::settings::Settings;

    /// A server that answers whatever it is asked, and how many connections it was offered.
    async fn server() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let offered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&offered);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut asked = [0; 1024];
                    while stream.read(&mut asked).await.is_ok_and(|length| length > 0) {
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                    }
                });
            }
        });
        (url, offered)
    }

    async fn connections_of_two(connections: Connections, between: Duration) -> usize {
        let trust = Trust::new(&Settings::default().tls).unwrap();
        let client = HttpClient::new(&trust, connections, Duration::from_secs(5), 100);
        let (url, offered) = server().await;
        client.get(&url).await.unwrap();
        tokio::time::sleep(between).await;
        client.get(&url).await.unwrap();
        offered.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn a_kept_connection_serves_the_next_request_and_none_after_its_time() {
        let minute = Connections::Kept(Duration::from_mins(1));
        assert_eq!(connections_of_two(minute, Duration::from_millis(20)).await, 1);
        let moment = Connections::Kept(Duration::from_millis(20));
        assert_eq!(connections_of_two(moment, Duration::from_millis(60)).await, 2);
        assert_eq!(connections_of_two(Connections::Fresh, Duration::ZERO).await, 2);
    }
}
