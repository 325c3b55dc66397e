//! The rungs of each service's ladder.

use std::time::Duration;

use bollard::models::{ContainerStateStatusEnum as Status, HealthStatusEnum as Health};
use bytes::Bytes;
use dive_authz::{Acr, Action, Context, Decision, Input, Resource, Subject};
use dive_node::adapters::{Connections, HttpClient, HttpError, Trust};
use dive_orchestrator::deploy::{Done, Failure, Holding, Site};
use dive_orchestrator::ladder::Rung;
use dive_orchestrator::{ErrorCode, Service};
use http::{Request, StatusCode};
use sqlx::Connection as _;

use super::connect;
use super::definition::{host_port, keycloak_url, tenant};
use super::documents::{self, Documents};
use super::realm;
use super::things::Things;
use crate::material::{Material, SecretName};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);

/// The longest answer that is read, bytes.
const ANSWER: usize = 1 << 20;

/// A client that trusts the instance's own authority and nobody else.
pub(super) fn client(material: &Material) -> Done<HttpClient> {
    let trust = Trust::from_pem(material.ca()?.as_bytes())
        .map_err(|why| Failure::new(ErrorCode::Certificate, format!("the instance's authority: {why}")))?;
    Ok(HttpClient::new(&trust, Connections::Fresh, CONNECT, ANSWER))
}

/// What it means that a service could not be asked: that it does not answer passes, as often as not, and is tried again;
/// anything else is a failure by `code`.
pub(super) fn unasked(service: &str, error: &HttpError, code: ErrorCode) -> Failure {
    let code = if matches!(error, HttpError::Unreachable(_)) { ErrorCode::Timeout } else { code };
    Failure::new(code, format!("{service}: {error}"))
}

/// Where this machine reaches a service that speaks HTTP.
pub(super) fn base(site: &Site, service: Service) -> String {
    match service {
        Service::Opa => format!("http://127.0.0.1:{}", host_port(site, service)),
        Service::Keycloak => keycloak_url(site),
        _ => format!("https://localhost:{}", host_port(site, service)),
    }
}

/// Asks rungs.
pub(super) struct Rungs<'a> {
    pub(super) things: Things<'a>,
    pub(super) material: &'a Material,
}

fn not_yet<T>(why: impl std::fmt::Display) -> Result<T, String> {
    Err(why.to_string())
}

impl Rungs<'_> {
    /// Asks one.
    pub(super) async fn ask(&self, service: Service, rung: Rung) -> Done<Holding> {
        let held = match rung {
            Rung::Exists | Rung::ContainerHealthy => return self.container(service, rung).await,
            Rung::Http => self.http(service).await?,
            Rung::Functional => self.functional(service).await?,
        };
        Ok(held.map_or_else(Holding::NotYet, |()| Holding::Yes))
    }

    async fn container(&self, service: Service, rung: Rung) -> Done<Holding> {
        let name = service.container(&self.things.site.instance);
        let Some(found) = self.things.inspect(&name).await? else {
            return Ok(Holding::NotYet("there is no container".to_owned()));
        };
        let state = found.state.unwrap_or_default();
        let ended = |what: &str| {
            let detail = format!("{name} {what} with exit code {}", state.exit_code.unwrap_or_default());
            Err(Failure::new(ErrorCode::ContainerStart, detail))
        };
        match state.status {
            Some(Status::RUNNING) => {}
            Some(Status::EXITED | Status::DEAD) => return ended("ended"),
            Some(Status::RESTARTING) => return ended("ends again and again, last"),
            other => return Ok(Holding::NotYet(format!("it is {}", other.unwrap_or(Status::EMPTY)))),
        }
        if rung == Rung::Exists {
            return Ok(Holding::Yes);
        }
        match state.health.and_then(|health| health.status) {
            // Where the image has nothing to check itself with, running is all that the engine can tell.
            None | Some(Health::EMPTY | Health::NONE | Health::HEALTHY) => Ok(Holding::Yes),
            Some(Health::STARTING) => Ok(Holding::NotYet("its own check does not pass yet".to_owned())),
            Some(Health::UNHEALTHY) => {
                Err(Failure::new(ErrorCode::ContainerUnhealthy, format!("{name} finds itself unhealthy")))
            }
        }
    }

    async fn status(&self, url: String) -> Done<Result<StatusCode, String>> {
        let request = Request::get(url).body(Bytes::new()).expect("a service's address is an address");
        Ok(client(self.material)?.send(request).await.map(|answer| answer.status()).or_else(not_yet))
    }

    async fn http(&self, service: Service) -> Done<Result<(), String>> {
        let path = match service {
            Service::Opa => "/health",
            Service::Keycloak => "/realms/master",
            _ => "/health/live",
        };
        self.status(format!("{}{path}", base(self.things.site, service))).await.map(|answer| answer.map(drop))
    }

    async fn is(&self, expected: StatusCode, url: String) -> Done<Result<(), String>> {
        let answer = self.status(url.clone()).await?;
        Ok(answer.and_then(
            |status| if status == expected { Ok(()) } else { not_yet(format!("{url} says {status}")) },
        ))
    }

    async fn functional(&self, service: Service) -> Done<Result<(), String>> {
        let site = self.things.site;
        let base = base(site, service);
        match service {
            Service::Postgres => self.select().await,
            Service::Mongodb => {
                let documents = Documents::at(host_port(site, service)).await?;
                Ok(documents.readable().await.or_else(|failure| not_yet(failure.detail)))
            }
            Service::Redis => self.ping(service, SecretName::Redis).await,
            Service::BlacklistRedis => self.ping(service, SecretName::BlacklistRedis).await,
            Service::Opa => self.decides(&base).await,
            Service::Keycloak => {
                let realm = realm::name(&tenant(&site.instance));
                self.is(StatusCode::OK, format!("{base}/realms/{realm}/.well-known/openid-configuration"))
                    .await
            }
            Service::Backend => self.is(StatusCode::OK, format!("{base}/health/ready")).await,
            Service::Kas => {
                // Well-formed, so that it is the missing token that is refused.
                let asked = serde_json::json!({
                    "resourceId": "ladder",
                    "kaoId": "ladder",
                    "clientPublicKey": format!("{}=", "A".repeat(43)),
                    "nonce": "A".repeat(32),
                    "timestamp": "2026-01-01T00:00:00Z",
                });
                let request = Request::post(format!("{base}/request-key"))
                    .header("content-type", "application/json")
                    .body(Bytes::from(asked.to_string()))
                    .expect("a service's address is an address");
                let answer = client(self.material)?.send(request).await;
                Ok(answer.or_else(not_yet).and_then(|answer| match answer.status() {
                    StatusCode::UNAUTHORIZED => Ok(()),
                    status => not_yet(format!("it answers somebody without a token with {status}")),
                }))
            }
            Service::Frontend | Service::OpalServer | Service::OpalClient => {
                Ok(not_yet(format!("{service} is not deployed yet")))
            }
        }
    }

    async fn select(&self) -> Done<Result<(), String>> {
        let password = self.material.secret(SecretName::Postgres)?;
        let select = async {
            let mut connection = connect::postgres(self.things.site, &password).await?;
            sqlx::query("select 1").execute(&mut connection).await?;
            connection.close().await
        };
        Ok(select.await.or_else(not_yet))
    }

    async fn ping(&self, service: Service, secret: SecretName) -> Done<Result<(), String>> {
        let password = self.material.secret(secret)?;
        let ping = async {
            let mut connection = connect::redis(self.things.site, service, &password).await?;
            redis::cmd("PING").exec_async(&mut connection).await
        };
        Ok(ping.await.or_else(not_yet))
    }

    /// It allows what must be allowed, and denies what must be denied.
    async fn decides(&self, base: &str) -> Done<Result<(), String>> {
        let tenant = tenant(&self.things.site.instance);
        let issuer = realm::issuer(&keycloak_url(self.things.site), &tenant);
        for (resource, allowed) in documents::verified(&tenant).into_iter().zip([true, false]) {
            let asked = serde_json::json!({"input": known(&tenant, &issuer, resource)});
            let request = Request::post(format!("{base}/v1/data/dive/authz"))
                .header("content-type", "application/json")
                .body(Bytes::from(asked.to_string()))
                .expect("a service's address is an address");
            let answer = client(self.material)?.send(request).await;
            let decision = answer
                .map_err(|error| error.to_string())
                .and_then(|answer| Decision::from_engine(answer.body()).map_err(|error| error.to_string()));
            match decision {
                Ok(decision) if decision.allow() == allowed => {}
                Ok(decision) => {
                    return Ok(not_yet(format!("it decides {} where it must not", decision.reason().name())));
                }
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(()))
    }
}

/// What the verifier would ask.
fn known(tenant: &str, issuer: &str, resource: Resource) -> Input {
    let verifier = realm::verifier(tenant);
    Input {
        subject: Subject {
            authenticated: true,
            unique_id: Some(verifier.name),
            clearance: Some(verifier.clearance.to_owned()),
            country_of_affiliation: Some(tenant.to_owned()),
            issuer: Some(issuer.to_owned()),
            ..Subject::default()
        },
        action: Action { operation: "read".to_owned() },
        resource,
        context: Context {
            // No embargo is asked about: any instant does.
            current_time: "2026-01-01T00:00:00Z".to_owned(),
            acr: Some(Acr::Text("2".to_owned())),
            amr: Some(vec!["pwd".to_owned(), "otp".to_owned()]),
            tenant: Some(tenant.to_owned()),
            request_id: "ladder".to_owned(),
            ..Context::default()
        },
    }
}
