//! Newer versions of secrets: the servers are told, and see to it that earlier ones open nothing.
//!
//! | secret | who takes it | how it changes |
//! |---|---|---|
//! | `postgres` | PostgreSQL's administrator | by whoever is let in with the earlier one; Keycloak's connections live on until it is restarted with the newer |
//! | `redis`, `blacklist-redis` | its default user | the container is made with the newer; the earlier one is taken beside it, from its memory alone, until it is dropped |
//! | `keycloak`, `verifier`, `users` | Keycloak's administrator, the verifying client and its user, seeded users | over its administration interface |
//! | `cache-key` | nobody: node and key access are restarted with it, and what was sealed with the earlier one is not read |

use std::path::{Path, PathBuf};

use dive_orchestrator::deploy::{Done, Failure, Found, Site};
use dive_orchestrator::{ErrorCode, Service};
use sqlx::Connection as _;

use super::connect::{self, ROLE, let_in_by_postgres, let_in_by_redis};
use super::definition::tenant;
use super::keycloak::{Administrator, Keycloak};
use super::{DockerPlatform, realm};
use crate::material::Material;
use crate::secrets::{Secret, SecretId, SecretName};

fn failed(detail: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::VerifyConnectivity, detail)
}

/// The Redis that a secret is the password of.
const fn redis_of(name: SecretName) -> Option<Service> {
    match name {
        SecretName::Redis => Some(Service::Redis),
        SecretName::BlacklistRedis => Some(Service::BlacklistRedis),
        _ => None,
    }
}

/// A rule of the default user of a Redis.
async fn set_default_user(site: &Site, service: Service, password: &Secret, rules: &[String]) -> Done {
    let told = |error: redis::RedisError| failed(format!("{service}: {error}"));
    let mut connection = connect::redis(site, service, password).await.map_err(told)?;
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("default").arg(rules);
    command.exec_async(&mut connection).await.map_err(told)
}

impl DockerPlatform {
    /// The files of an instance. One that is made anew takes up the newest version that its store has.
    pub(super) async fn files(&self, site: &Site) -> Done<Vec<PathBuf>> {
        let material = self.material(&site.instance);
        let mut files = material.files()?;
        for file in &mut files {
            let Some(id) = material.secret_of(file) else { continue };
            // A store that is away is met when the secret is made.
            if !Material::is_there(file)?
                && let Ok(Some(newest)) = self.secrets.newest(&id).await
            {
                *file = material.secret_file(id.name, newest);
            }
        }
        Ok(files)
    }

    /// What is there under a file's name. A secret that is not here is asked for at its store.
    pub(super) async fn find_file(&self, site: &Site, path: &Path) -> Done<Found> {
        let material = self.material(&site.instance);
        let found = material.find(path)?;
        if let Some(id) = material.secret_of(path)
            && found != Found::Ours
        {
            self.secrets.has(&id).await?;
        }
        Ok(found)
    }

    /// Removes a file; an earlier version of a secret only when nothing takes it any more.
    pub(super) async fn unmake_file(&self, site: &Site, path: &Path) -> Done {
        let material = self.material(&site.instance);
        if let Some(id) = material.secret_of(path)
            && Material::is_there(path)?
            && material.version(id.name)? > id.version
        {
            self.refuse(site, &id, &Material::read_secret(path)?).await?;
            self.secrets.forget(&id).await?;
        }
        material.unmake(path)
    }

    /// Brings what a service keeps itself to the newest versions.
    pub(super) async fn renew_secrets(&self, site: &Site, service: Service) -> Done {
        match service {
            Service::Postgres => self.renew_postgres(site).await,
            Service::Redis => self.take_both(site, SecretName::Redis, service).await,
            Service::BlacklistRedis => self.take_both(site, SecretName::BlacklistRedis, service).await,
            Service::Keycloak => self.renew_keycloak(site).await,
            _ => Ok(()),
        }
    }

    async fn renew_postgres(&self, site: &Site) -> Done {
        let material = self.material(&site.instance);
        let earlier = material.earlier(SecretName::Postgres)?;
        if earlier.is_empty() {
            return Ok(());
        }
        let told = |error: sqlx::Error| failed(format!("PostgreSQL: {error}"));
        let newest = material.secret(SecretName::Postgres)?;
        if let Some(connection) = let_in_by_postgres(connect::postgres(site, &newest).await).map_err(told)? {
            return connection.close().await.map_err(told);
        }
        for password in earlier.iter().rev() {
            let let_in = let_in_by_postgres(connect::postgres(site, password).await).map_err(told)?;
            if let Some(mut connection) = let_in {
                // No parameter can be bound here; a secret is made of digits alone.
                let change = format!("alter role {ROLE} password '{}'", &*newest);
                sqlx::query(&change).persistent(false).execute(&mut connection).await.map_err(told)?;
                return connection.close().await.map_err(told);
            }
        }
        Err(Failure::new(ErrorCode::SecretLoad, "PostgreSQL takes none of the passwords that are here"))
    }

    /// The earlier passwords are taken beside the newer, by what runs: its definition knows the newer alone.
    async fn take_both(&self, site: &Site, name: SecretName, service: Service) -> Done {
        let material = self.material(&site.instance);
        let earlier = material.earlier(name)?;
        if earlier.is_empty() {
            return Ok(());
        }
        let rules: Vec<_> = earlier.iter().map(|password| format!(">{}", &**password)).collect();
        set_default_user(site, service, &material.secret(name)?, &rules).await
    }

    async fn renew_keycloak(&self, site: &Site) -> Done {
        let (material, tenant) = (self.material(&site.instance), tenant(&site.instance));
        let administrator = || Administrator::of(site, &material, &self.logins);
        let earlier = material.earlier(SecretName::Keycloak)?;
        if !earlier.is_empty() && !administrator()?.is_let_in().await? {
            self.renew_administrator(site, &earlier).await?;
        }
        if !material.earlier(SecretName::Verifier)?.is_empty() {
            let secret = material.secret(SecretName::Verifier)?;
            administrator()?.set_secret(realm::VERIFIER, &secret).await?;
            administrator()?.set_password(&realm::verifier(&tenant).name, &secret).await?;
        }
        if !material.earlier(SecretName::Users)?.is_empty() {
            let password = material.secret(SecretName::Users)?;
            for user in realm::seeded(&tenant) {
                administrator()?.set_password(&user.name, &password).await?;
            }
        }
        Ok(())
    }

    async fn renew_administrator(&self, site: &Site, earlier: &[Secret]) -> Done {
        let material = self.material(&site.instance);
        let newest = material.secret(SecretName::Keycloak)?;
        for password in earlier.iter().rev() {
            let administrator = Administrator::by(site, &material, password.clone(), &self.logins)?.of_all();
            if administrator.is_let_in().await? {
                return administrator.set_password(realm::ADMINISTRATOR, &newest).await;
            }
        }
        Err(Failure::new(
            ErrorCode::SecretLoad,
            "Keycloak takes none of its administrator's passwords that are here",
        ))
    }

    /// An earlier version opens nothing from now on.
    async fn refuse(&self, site: &Site, id: &SecretId, earlier: &Secret) -> Done {
        let newest = self.material(&site.instance).secret(id.name)?;
        if let Some(service) = redis_of(id.name) {
            let alone = ["resetpass".to_owned(), format!(">{}", &*newest)];
            set_default_user(site, service, &newest, &alone).await?;
        }
        if self.opens(site, id.name, earlier).await? {
            let detail =
                format!("an earlier version of {} of {} still opens it", id.name.as_str(), id.instance);
            return Err(Failure::new(ErrorCode::VerifyLogin, detail));
        }
        Ok(())
    }

    /// Whether a secret opens what it is for.
    async fn opens(&self, site: &Site, name: SecretName, secret: &Secret) -> Done<bool> {
        let (material, tenant) = (self.material(&site.instance), tenant(&site.instance));
        match name {
            SecretName::Postgres => {
                let told = |error: sqlx::Error| failed(format!("PostgreSQL: {error}"));
                Ok(let_in_by_postgres(connect::postgres(site, secret).await).map_err(told)?.is_some())
            }
            SecretName::Redis | SecretName::BlacklistRedis => {
                let service = redis_of(name).unwrap_or(Service::Redis);
                let told = |error: redis::RedisError| failed(format!("{service}: {error}"));
                Ok(let_in_by_redis(connect::redis(site, service, secret).await).map_err(told)?.is_some())
            }
            SecretName::Keycloak => {
                // A token that was given to the newer one says nothing.
                let logins = super::keycloak::Logins::default();
                Administrator::by(site, &material, secret.clone(), &logins)?.is_let_in().await
            }
            SecretName::Verifier | SecretName::Users => {
                let newest = material.secret(SecretName::Verifier)?;
                let keycloak = Keycloak::of(site, &material)?;
                let somebody = realm::seeded(&tenant).swap_remove(0).name;
                let tries = match name {
                    SecretName::Users => vec![(&newest, somebody)],
                    _ => vec![
                        (secret, realm::verifier(&tenant).name),
                        (&newest, realm::verifier(&tenant).name),
                    ],
                };
                for (client, user) in tries {
                    let password = if std::ptr::eq(client, secret) { &newest } else { secret };
                    if keycloak.log_in(client, &user, password).await?.is_some() {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            SecretName::CacheKey => Ok(false),
        }
    }
}
