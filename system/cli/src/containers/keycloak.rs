//! What is written to Keycloak: clients and users of the instance's realm.

use std::collections::BTreeMap;

use bytes::Bytes;
use dive_node::adapters::HttpClient;
use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure, Site};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::definition::{keycloak_url, tenant};
use super::{realm, rungs};
use crate::material::{Material, Secret, SecretName};

/// A Keycloak, and the realm that things are made in.
pub(super) struct Keycloak {
    client: HttpClient,
    /// Such as `https://localhost:8443`.
    base: String,
    realm: String,
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

/// The realm of administrators.
const MASTER: &str = "master";

fn failed(detail: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::KeycloakConfiguration, detail)
}

impl Keycloak {
    /// That of a site.
    pub(super) fn of(site: &Site, material: &Material) -> Done<Self> {
        let (base, realm) = (keycloak_url(site), realm::name(&tenant(&site.instance)));
        Ok(Self { client: rungs::client(material)?, base, realm })
    }

    async fn send(&self, request: Request<Bytes>) -> Done<Response<Bytes>> {
        let unasked = |error| rungs::unasked("Keycloak", &error, ErrorCode::KeycloakConfiguration);
        let answer = self.client.send(request).await.map_err(unasked)?;
        match answer.status() {
            // It, or what it stands on, is on its way.
            status @ (StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => {
                Err(Failure::new(ErrorCode::Timeout, format!("Keycloak answers {status}")))
            }
            _ => Ok(answer),
        }
    }

    /// What it gives to a user of its realm, through the client that verification logs in by; `None` when it refuses.
    pub(super) async fn log_in(&self, client: &str, user: &str, password: &str) -> Done<Option<Secret>> {
        let form = [
            ("grant_type", "password"),
            ("client_id", realm::VERIFIER),
            ("client_secret", client),
            ("username", user),
            ("password", password),
        ];
        self.token_of(&self.realm, &form).await
    }

    async fn token_of(&self, realm: &str, form: &[(&str, &str)]) -> Done<Option<Secret>> {
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
            .map(|token| Some(token.to_owned().into()))
            .ok_or_else(|| failed("Keycloak answers a login without a token"))
    }
}

/// The administrators' tokens, by the base URL of who gave them. A login costs Keycloak more than all else that it
/// is asked here, so a token is used until it is refused.
pub(super) type Logins = Mutex<BTreeMap<String, Secret>>;

/// Keycloak's administrator.
pub(super) struct Administrator<'a> {
    keycloak: Keycloak,
    password: Secret,
    logins: &'a Logins,
}

impl<'a> Administrator<'a> {
    /// That of a site. Nobody is logged in yet.
    pub(super) fn of(site: &Site, material: &Material, logins: &'a Logins) -> Done<Self> {
        Self::by(site, material, material.secret(SecretName::Keycloak)?, logins)
    }

    /// The same, by this password.
    pub(super) fn by(site: &Site, material: &Material, password: Secret, logins: &'a Logins) -> Done<Self> {
        Ok(Self { keycloak: Keycloak::of(site, material)?, password, logins })
    }

    /// The same, in the realm of administrators.
    pub(super) fn of_all(mut self) -> Self {
        MASTER.clone_into(&mut self.keycloak.realm);
        self
    }

    /// Whether Keycloak takes the password.
    pub(super) async fn is_let_in(&self) -> Done<bool> {
        Ok(self.ask_for_token().await?.is_some())
    }

    async fn ask_for_token(&self) -> Done<Option<Secret>> {
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", realm::ADMINISTRATOR),
            ("password", &self.password),
        ];
        self.keycloak.token_of(MASTER, &form).await
    }

    async fn log_in(&self) -> Done<Secret> {
        let token = self.ask_for_token().await?;
        token.ok_or_else(|| failed("Keycloak refuses its administrator"))
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Done<Response<Bytes>> {
        let mut logins = self.logins.lock().await;
        if let Some(token) = logins.get(&self.keycloak.base) {
            let answer = self.ask_with(token, method, path, body).await?;
            if answer.status() != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
        }
        let token = self.log_in().await?;
        let answer = self.ask_with(&token, method, path, body).await?;
        logins.insert(self.keycloak.base.clone(), token);
        Ok(answer)
    }

    async fn ask_with(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Done<Response<Bytes>> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/admin/realms/{}/{path}", self.keycloak.base, self.keycloak.realm))
            .header("authorization", format!("Bearer {token}"))
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

    /// Gives a user another password, if there is such a one.
    pub(super) async fn set_password(&self, user: &str, password: &str) -> Done {
        let Some(id) = self.id(Kind::Users, user).await? else { return Ok(()) };
        let given = json!({"type": "password", "value": password, "temporary": false});
        let answer = self.ask("PUT", &format!("users/{id}/reset-password"), Some(&given)).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(()),
            status => Err(failed(format!("Keycloak answers {status} when {user} is given a password"))),
        }
    }

    /// Gives a client another secret, if there is such a one.
    pub(super) async fn set_secret(&self, client: &str, secret: &str) -> Done {
        let Some(id) = self.id(Kind::Clients, client).await? else { return Ok(()) };
        let refused = |status| failed(format!("Keycloak answers {status} when {client} is given a secret"));
        let path = format!("clients/{id}");
        let answer = self.ask("GET", &path, None).await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(answer.status()));
        }
        let mut document: Value = serde_json::from_slice(answer.body())
            .map_err(|_| failed(format!("Keycloak's answer when asked for {client} is none")))?;
        document["secret"] = json!(secret);
        let answer = self.ask("PUT", &path, Some(&document)).await?;
        if answer.status() == StatusCode::NO_CONTENT { Ok(()) } else { Err(refused(answer.status())) }
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

#[cfg(test)]
mod tests {
    use dive_node::adapters::{Connections, Trust};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn at(base: String) -> Keycloak {
        let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
        let trust = Trust::from_pem(authority.as_bytes()).unwrap();
        let second = std::time::Duration::from_secs(1);
        Keycloak {
            client: HttpClient::new(&trust, Connections::Fresh, second, 1 << 20),
            base,
            realm: "r".to_owned(),
        }
    }

    /// One that answers everybody like that.
    async fn answering(status: &'static str) -> Keycloak {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _asked = stream.read(&mut [0; 1024]).await;
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _told = stream.write_all(answer.as_bytes()).await;
            }
        });
        at(base)
    }

    /// What is on its way is tried again (1502 is transient); what says no is for a person.
    #[tokio::test]
    async fn one_that_is_away_passes_and_one_that_says_no_does_not() {
        let nobody = at("http://127.0.0.1:1".to_owned());
        assert_eq!(nobody.log_in("c", "u", "p").await.unwrap_err().code, ErrorCode::Timeout);
        for (status, code) in [
            ("503 Service Unavailable", ErrorCode::Timeout),
            ("500 Internal Server Error", ErrorCode::KeycloakConfiguration),
            ("403 Forbidden", ErrorCode::KeycloakConfiguration),
        ] {
            let failure = answering(status).await.log_in("c", "u", "p").await.unwrap_err();
            assert_eq!(failure.code, code, "{status}: {failure:?}");
        }
        assert!(answering("401 Unauthorized").await.log_in("c", "u", "p").await.unwrap().is_none());
    }
}
