//! What is written to Keycloak: clients and users of the instance's realm.

use bytes::Bytes;
use dive_node::adapters::HttpClient;
use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};
use http::{Request, Response, StatusCode};
use serde_json::Value;

use super::realm;

/// A Keycloak, and the realm that things are made in.
pub(super) struct Keycloak<'a> {
    pub(super) client: &'a HttpClient,
    /// Such as `https://localhost:8443`.
    pub(super) base: String,
    pub(super) realm: String,
}

/// A kind of object of a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Clients,
    Users,
}

impl Kind {
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Users => "users",
        }
    }

    fn query(self, name: &str) -> String {
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        match self {
            Self::Clients => format!("clients?clientId={name}"),
            Self::Users => format!("users?exact=true&username={name}"),
        }
    }
}

fn failed(detail: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::KeycloakConfiguration, detail)
}

impl Keycloak<'_> {
    async fn send(&self, request: Request<Bytes>) -> Done<Response<Bytes>> {
        self.client.send(request).await.map_err(|error| failed(format!("Keycloak: {error}")))
    }

    /// What it gives for a name and a password; `None` when it refuses them.
    pub(super) async fn token(&self, realm: &str, form: &[(&str, &str)]) -> Done<Option<String>> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(format!("{}/realms/{realm}/protocol/openid-connect/token", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(body))
            .expect("a realm's address is an address");
        let answer = self.send(request).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST => return Ok(None),
            status => return Err(failed(format!("Keycloak answers a login with {status}"))),
        }
        let token: Option<Value> = serde_json::from_slice(answer.body()).ok();
        let token = token.as_ref().and_then(|answer| answer["access_token"].as_str());
        token
            .map(|token| Some(token.to_owned()))
            .ok_or_else(|| failed("Keycloak answers a login without a token"))
    }

    /// Logs the administrator in.
    pub(super) async fn administrator(&self, password: &str) -> Done<Administrator<'_>> {
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", realm::ADMINISTRATOR),
            ("password", password),
        ];
        let token = self.token("master", &form).await?;
        let token = token.ok_or_else(|| failed("Keycloak refuses its administrator"))?;
        Ok(Administrator { keycloak: self, token })
    }
}

/// Keycloak's administrator, logged in.
pub(super) struct Administrator<'a> {
    keycloak: &'a Keycloak<'a>,
    token: String,
}

impl Administrator<'_> {
    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Done<Response<Bytes>> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/admin/realms/{}/{path}", self.keycloak.base, self.keycloak.realm))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Bytes::from(body))
            .expect("a realm's address is an address");
        self.keycloak.send(request).await
    }

    /// The id by which Keycloak knows an object; `None` when there is no such one.
    pub(super) async fn id(&self, kind: Kind, name: &str) -> Done<Option<String>> {
        let answer = self.ask("GET", &kind.query(name), None).await?;
        if answer.status() != StatusCode::OK {
            return Err(failed(format!("Keycloak answers {} when asked for {name}", answer.status())));
        }
        let found: Value = serde_json::from_slice(answer.body())
            .map_err(|error| failed(format!("Keycloak's answer: {error}")))?;
        Ok(found[0]["id"].as_str().map(str::to_owned))
    }

    /// Makes an object, if it isn't there.
    pub(super) async fn make(&self, kind: Kind, name: &str, document: &Value) -> Done {
        if self.id(kind, name).await?.is_some() {
            return Ok(());
        }
        let answer = self.ask("POST", kind.path(), Some(document)).await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::CONFLICT => Ok(()),
            status => Err(failed(format!("Keycloak answers {status} when {name} is made"))),
        }
    }

    /// Removes an object, if it is there.
    pub(super) async fn remove(&self, kind: Kind, name: &str) -> Done {
        let Some(id) = self.id(kind, name).await? else { return Ok(()) };
        let answer = self.ask("DELETE", &format!("{}/{id}", kind.path()), None).await?;
        match answer.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(()),
            status => Err(failed(format!("Keycloak answers {status} when {name} is removed"))),
        }
    }
}
