//! Secrets in files of this machine: the copies that deployments work from are all there is.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use dive_orchestrator::deploy::Done;

use super::{Secret, SecretId, SecretStore};
use crate::material::Material;

/// The folders of all instances.
pub(super) struct Files {
    home: PathBuf,
}

impl Files {
    pub(super) fn new(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    fn file(&self, id: &SecretId) -> PathBuf {
        Material::new(&self.home, &id.instance).secret_file(id.name, id.version)
    }
}

#[async_trait]
impl SecretStore for Files {
    fn place(&self, id: &SecretId) -> String {
        self.file(id).display().to_string()
    }

    async fn has(&self, id: &SecretId) -> Done<bool> {
        Material::is_there(&self.file(id))
    }

    async fn read(&self, id: &SecretId) -> Done<Option<Secret>> {
        Ok(if self.has(id).await? { Some(Material::read_secret(&self.file(id))?) } else { None })
    }

    async fn keep(&self, id: &SecretId, secret: &Secret) -> Done {
        // The deployment's lock keeps another one away between the two.
        if self.has(id).await? {
            return Ok(());
        }
        Material::new(&self.home, &id.instance).put_secret(id, secret)
    }
}
