//! What verification looks at: somebody logs in, and the node decides about them.

use bytes::Bytes;
use dive_orchestrator::deploy::{Done, Failure, Site};
use dive_orchestrator::{ErrorCode, Service};
use http::{Request, StatusCode};

use super::definition::tenant;
use super::documents;
use super::keycloak::Keycloak;
use super::realm;
use super::rungs::{base, client, unasked};
use crate::material::{Material, Secret, SecretName};

/// A check by its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// A login with the right password gives a token, with a wrong one it doesn't.
    Login,
    /// The node allows what is released and denies what is not, to the same person.
    Decision,
    /// Nobody gets an answer with somebody else's token, or none.
    Anonymous,
}

impl Check {
    pub(super) const ALL: [Self; 3] = [Self::Login, Self::Decision, Self::Anonymous];

    pub(super) fn words(self, tenant: &str) -> String {
        let tenant = tenant.to_ascii_lowercase();
        match self {
            Self::Login => format!("a user of {tenant} logs in, and not with a wrong password"),
            Self::Decision => {
                format!("a user of {tenant} may read what is released to them, and nothing else")
            }
            Self::Anonymous => "the node answers nobody without a token".to_owned(),
        }
    }
}

/// Looks.
pub(super) struct Verification<'a> {
    pub(super) site: &'a Site,
    pub(super) material: &'a Material,
}

impl Verification<'_> {
    pub(super) async fn check(&self, what: &str) -> Done {
        let tenant = tenant(&self.site.instance);
        match Check::ALL.into_iter().find(|check| check.words(&tenant) == what) {
            Some(Check::Login) => self.login(&tenant).await,
            Some(Check::Decision) => self.decision(&tenant).await,
            Some(Check::Anonymous) => self.anonymous(&tenant).await,
            None => Err(Failure::new(ErrorCode::Unknown, format!("nothing is known of the check `{what}`"))),
        }
    }

    async fn token(&self, tenant: &str, password: &str) -> Done<Option<Secret>> {
        let (user, secret) = (realm::verifier(tenant), self.material.secret(SecretName::Verifier)?);
        let given = Keycloak::of(self.site, self.material)?.log_in(&secret, &user.name, password).await;
        given.map_err(|failure| match failure.code {
            ErrorCode::KeycloakConfiguration => Failure { code: ErrorCode::VerifyLogin, ..failure },
            _ => failure,
        })
    }

    async fn logged_in(&self, tenant: &str) -> Done<Secret> {
        let token = self.token(tenant, &self.material.secret(SecretName::Verifier)?).await?;
        let name = realm::verifier(tenant).name;
        token.ok_or_else(|| {
            Failure::new(ErrorCode::VerifyLogin, format!("Keycloak refuses the login of {name}"))
        })
    }

    async fn login(&self, tenant: &str) -> Done {
        self.logged_in(tenant).await?;
        match self.token(tenant, "not the password").await? {
            None => Ok(()),
            Some(_) => {
                Err(Failure::new(ErrorCode::VerifyLogin, "Keycloak gives a token for a wrong password"))
            }
        }
    }

    async fn authorize(&self, resource: &str, token: Option<&str>) -> Done<StatusCode> {
        let failed = |detail: String| Failure::new(ErrorCode::VerifyApi, detail);
        let asked = serde_json::json!({"resourceId": resource, "operation": "read"}).to_string();
        let mut request = Request::post(format!("{}/api/authorize", base(self.site, Service::Backend)))
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Bytes::from(asked)).map_err(|error| failed(error.to_string()))?;
        let answer = client(self.material)?.send(request).await;
        answer
            .map(|answer| answer.status())
            .map_err(|error| unasked("the node", &error, ErrorCode::VerifyApi))
    }

    async fn decision(&self, tenant: &str) -> Done {
        let token = self.logged_in(tenant).await?;
        let expected = [StatusCode::OK, StatusCode::FORBIDDEN];
        for (resource, expected) in documents::verified(tenant).into_iter().zip(expected) {
            let status = self.authorize(&resource.resource_id, Some(&token)).await?;
            if status != expected {
                let detail =
                    format!("the node answers {} with {status} instead of {expected}", resource.resource_id);
                return Err(Failure::new(ErrorCode::VerifyApi, detail));
            }
        }
        Ok(())
    }

    async fn anonymous(&self, tenant: &str) -> Done {
        let [released, _] = documents::verified(tenant);
        match self.authorize(&released.resource_id, None).await? {
            StatusCode::UNAUTHORIZED => Ok(()),
            status => {
                let detail = format!("the node answers somebody without a token with {status}");
                Err(Failure::new(ErrorCode::VerifyApi, detail))
            }
        }
    }
}
