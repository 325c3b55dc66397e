//! Secrets in Google's Secret Manager, over its HTTP interface.
//!
//! A secret is made in two calls: the resource, then its first version. Whoever finds the resource without a version
//! goes on with the second; of two that add a version at the same time one's is the first, and that is the secret.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use dive_node::adapters::{Connections, HttpClient, Trust};
use dive_node::settings::TlsSettings;
use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};
use http::{Method, Request, Response, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::token::Tokens;
use super::{Secret, SecretId, SecretStore};

const SERVICE: &str = "https://secretmanager.googleapis.com";
const METADATA: &str = "http://metadata.google.internal";

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);

/// How long one request may take. The longest call, of three requests with a token refused before each, is twelve.
pub(super) const CALL: Duration = Duration::from_secs(8);

/// The longest answer that is read, bytes.
const ANSWER: usize = 256 << 10;

/// A project's secrets.
pub(super) struct SecretManager {
    base: String,
    project: String,
    client: Client,
    tokens: Tokens,
}

/// The store could not be asked, or did not answer.
pub(super) fn away(detail: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::SecretLoad, detail)
}

/// A client whose every call ends.
pub(super) struct Client {
    http: HttpClient,
    limit: Duration,
}

impl Client {
    /// Sends a request; why there is no answer in time otherwise.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        match tokio::time::timeout(self.limit, self.http.send(request)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {:?}", self.limit)),
        }
    }
}

fn setting(detail: String) -> Failure {
    Failure::new(ErrorCode::Configuration, detail)
}

/// An endpoint by the setting `name`. Without TLS only this machine is spoken to, and its metadata server.
fn endpoint(settings: &BTreeMap<String, String>, name: &str, default: &str) -> Done<String> {
    let text = settings.get(name).map_or(default, String::as_str).trim_end_matches('/');
    let address: Uri = text.parse().map_err(|_| setting(format!("{name} is no address")))?;
    let host = address.host().unwrap_or_default();
    let near = ["localhost", "127.0.0.1", "[::1]", "metadata.google.internal", "169.254.169.254"];
    match address.scheme_str() {
        Some("https") if !host.is_empty() => Ok(text.to_owned()),
        Some("http") if near.contains(&host) => Ok(text.to_owned()),
        Some("http") => Err(setting(format!("{name}: secrets go over https://, or stay on this machine"))),
        _ => Err(setting(format!("{name} is no https:// address"))),
    }
}

#[derive(Deserialize)]
struct Accessed {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    data: String,
}

#[derive(Deserialize)]
struct Version {
    name: String,
    state: String,
}

/// The path of a version, and of what is done with it.
fn version(id: &SecretId, verb: &str) -> String {
    format!("/dive-{id}/versions/{}{verb}", id.version)
}

impl SecretManager {
    /// The one that `settings` name; a call of it takes at most `limit`.
    pub(super) fn new(settings: &BTreeMap<String, String>, limit: Duration) -> Done<Self> {
        let project = settings.get("DIVE_SECRETS_PROJECT").cloned().unwrap_or_default();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.".contains(&byte);
        if project.is_empty() || !project.bytes().all(is_name) {
            return Err(setting("DIVE_SECRETS_PROJECT names no project".to_owned()));
        }
        let system = TlsSettings { ca_file: "".into(), certificate: "".into(), key: "".into() };
        let trust = Trust::new(&system).map_err(|error| setting(error.to_string()))?;
        let tokens = match settings.get("DIVE_SECRETS_TOKEN") {
            Some(token) => Tokens::Given(token.clone().into()),
            None => Tokens::Metadata {
                url: endpoint(settings, "DIVE_SECRETS_METADATA", METADATA)?,
                last: tokio::sync::Mutex::default(),
            },
        };
        let base = endpoint(settings, "DIVE_SECRETS_URL", SERVICE)?;
        let http = HttpClient::new(&trust, Connections::Fresh, CONNECT, ANSWER);
        Ok(Self { base, project, client: Client { http, limit }, tokens })
    }

    /// A call about `id`; its answer whatever the status, but for those that tell of the caller or of the service.
    async fn call(
        &self,
        id: &SecretId,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Done<Response<Bytes>> {
        let url = format!("{}/v1/projects/{}/secrets{path}", self.base, self.project);
        let failed = |why: String| away(format!("{}: {why}", self.place(id)));
        let mut refused: Option<Secret> = None;
        loop {
            let token = self.tokens.token(&self.client, refused.as_ref()).await?;
            let Some(token) = token else { return Err(failed("the access token is refused".to_owned())) };
            let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
            let request = Request::builder()
                .method(method.clone())
                .uri(&url)
                .header("content-type", "application/json")
                .header("authorization", format!("Bearer {}", &*token))
                .body(body)
                // A token that is no header's value is in the error.
                .map_err(|_| failed("the request can't be made: is the token one?".to_owned()))?;
            let answer = self.client.send(request).await.map_err(failed)?;
            match answer.status() {
                StatusCode::UNAUTHORIZED => refused = Some(token),
                StatusCode::FORBIDDEN => return Err(failed("the token may not do this".to_owned())),
                StatusCode::TOO_MANY_REQUESTS => return Err(failed("too many requests".to_owned())),
                status if status.is_server_error() => {
                    return Err(failed(format!("status {}", status.as_u16())));
                }
                _ => return Ok(answer),
            }
        }
    }

    /// An answer that is none of those expected.
    fn unexpected(&self, id: &SecretId, answer: &Response<Bytes>) -> Failure {
        away(format!("{}: status {}", self.place(id), answer.status().as_u16()))
    }

    fn unfit(&self, id: &SecretId, why: &str) -> Failure {
        Failure::new(ErrorCode::SecretInvalid, format!("{}: {why}", self.place(id)))
    }
}

#[async_trait]
impl SecretStore for SecretManager {
    fn place(&self, id: &SecretId) -> String {
        format!("projects/{}/secrets/dive-{id}/versions/{}", self.project, id.version)
    }

    async fn has(&self, id: &SecretId) -> Done<bool> {
        let answer = self.call(id, Method::GET, &version(id, ""), None).await?;
        match answer.status() {
            StatusCode::OK => {
                let version: Version = serde_json::from_slice(answer.body())
                    .map_err(|_| away(format!("{}: the answer tells of no version", self.place(id))))?;
                Ok(version.state == "ENABLED")
            }
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.unexpected(id, &answer)),
        }
    }

    async fn newest(&self, id: &SecretId) -> Done<Option<u32>> {
        let answer = self.call(id, Method::GET, &format!("/dive-{id}/versions/latest"), None).await?;
        match answer.status() {
            StatusCode::OK => {
                let newest: Option<Version> = serde_json::from_slice(answer.body()).ok();
                let number = newest.and_then(|newest| newest.name.rsplit('/').next()?.parse().ok());
                number.map(Some).ok_or_else(|| away(format!("dive-{id}: the answer tells of no version")))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.unexpected(id, &answer)),
        }
    }

    async fn forget(&self, id: &SecretId) -> Done {
        let answer = self.call(id, Method::POST, &version(id, ":destroy"), Some(&json!({}))).await?;
        match answer.status() {
            // It is destroyed, or was.
            StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(()),
            _ => Err(self.unexpected(id, &answer)),
        }
    }

    async fn read(&self, id: &SecretId) -> Done<Option<Secret>> {
        let answer = self.call(id, Method::GET, &version(id, ":access"), None).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::BAD_REQUEST => return Err(self.unfit(id, "it is disabled or destroyed")),
            _ => return Err(self.unexpected(id, &answer)),
        }
        let accessed: Accessed = serde_json::from_slice(answer.body())
            .map_err(|_| away(format!("{}: the answer holds no secret", self.place(id))))?;
        let data = Zeroizing::new(accessed.payload.data);
        let bytes = Base64::decode_vec(&data).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| self.unfit(id, "its payload is not base64"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| self.unfit(id, "it is no text"))?;
        Secret::from(text.to_owned()).checked(self.place(id)).map(Some)
    }

    async fn keep(&self, id: &SecretId, secret: &Secret) -> Done {
        if self.has(id).await? {
            return Ok(());
        }
        let resource = json!({"replication": {"automatic": {}}, "labels": {"dive": "secret"}});
        let made = self.call(id, Method::POST, &format!("?secretId=dive-{id}"), Some(&resource)).await?;
        // Somebody else's was quicker, or it was made and nothing put into it.
        if !made.status().is_success() && made.status() != StatusCode::CONFLICT {
            return Err(self.unexpected(id, &made));
        }
        let version = json!({"payload": {"data": Base64::encode_string(secret.as_bytes())}});
        let added = self.call(id, Method::POST, &format!("/dive-{id}:addVersion"), Some(&version)).await?;
        if added.status().is_success() { Ok(()) } else { Err(self.unexpected(id, &added)) }
    }
}
