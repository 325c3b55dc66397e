//! Trusted issuers and their keys from a JSON file, read anew on every question.
//!
//! ```json
//! [{"issuer": "https://idp/realms/usa", "tenant": "USA", "jwks": {"keys": []}}]
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;

use super::FileError;
use crate::ports::{IdentityProvider, IssuerRegistry, StoreError, TrustedIssuer};
use crate::token::ClaimMap;

/// A file of trusted issuers. A change of the file is seen when the node next reads an issuer's entry.
#[derive(Clone, Debug)]
pub struct IssuersFile {
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    issuer: String,
    tenant: String,
    jwks: JwkSet,
    #[serde(default, rename = "claimMap")]
    claim_map: Option<ClaimMap>,
}

impl Entry {
    fn trusted(self) -> TrustedIssuer {
        let Self { issuer, tenant, jwks: _, claim_map } = self;
        TrustedIssuer { issuer, tenant, keys_url: None, claim_map: claim_map.map(Arc::new) }
    }
}

impl IssuersFile {
    /// The file at `path`, which must be readable now.
    ///
    /// # Errors
    /// [`FileError`] when it is not, or is not of the documented shape.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        let text = std::fs::read(&path).map_err(|source| FileError::Io { path: path.clone(), source })?;
        parse(&path, &text)?;
        Ok(Self { path })
    }

    async fn read(&self, issuer: &str) -> Result<Option<Entry>, StoreError> {
        Ok(self.read_all().await?.remove(issuer))
    }

    async fn read_all(&self) -> Result<BTreeMap<String, Entry>, StoreError> {
        let text = tokio::fs::read(&self.path).await;
        let text = text.map_err(|source| FileError::Io { path: self.path.clone(), source });
        let entries = text.and_then(|text| parse(&self.path, &text));
        entries.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<BTreeMap<String, Entry>, FileError> {
    let listed: Vec<Entry> =
        serde_json::from_slice(text).map_err(|source| FileError::Json { path: path.to_owned(), source })?;
    let mut entries = BTreeMap::new();
    for entry in listed {
        if let Some(twice) = entries.insert(entry.issuer.clone(), entry) {
            return Err(FileError::Twice { path: path.to_owned(), id: twice.issuer });
        }
    }
    Ok(entries)
}

#[async_trait]
impl IssuerRegistry for IssuersFile {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        let entry = self.read(issuer).await?;
        Ok(entry.map(Entry::trusted))
    }

    async fn all(&self) -> Result<Vec<TrustedIssuer>, StoreError> {
        Ok(self.read_all().await?.into_values().map(Entry::trusted).collect())
    }
}

#[async_trait]
impl IdentityProvider for IssuersFile {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        let entry = self.read(&issuer.issuer).await?;
        Ok(entry.map_or_else(|| JwkSet { keys: Vec::new() }, |entry| entry.jwks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_of_the_file_is_seen_and_its_loss_is_an_error_not_an_empty_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuers.json");
        let entry = r#"{"issuer":"https://a","tenant":"USA","jwks":{"keys":[]}}"#;
        std::fs::write(&path, format!("[{entry}]")).unwrap();
        let file = IssuersFile::open(&path).unwrap();
        let trusted = file.trusted("https://a").await.unwrap().unwrap();
        assert_eq!(trusted.tenant, "USA");
        assert_eq!(file.trusted("https://b").await.unwrap(), None);
        assert_eq!(file.all().await.unwrap(), [trusted]);

        std::fs::write(&path, "[]").unwrap();
        assert_eq!(file.trusted("https://a").await.unwrap(), None);
        std::fs::remove_file(&path).unwrap();
        assert!(file.trusted("https://a").await.is_err());
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuers.json");
        let entry = r#"{"issuer":"https://a","tenant":"USA","jwks":{"keys":[]}}"#;
        let wrong = ["", "{}", r#"[{"issuer":"x"}]"#, r#"{"issuers":[]}"#];
        for text in wrong.map(str::to_owned).into_iter().chain([format!("[{entry},{entry}]")]) {
            std::fs::write(&path, &text).unwrap();
            let error = IssuersFile::open(&path).unwrap_err().to_string();
            assert!(error.contains("issuers.json"), "{text}: {error}");
        }
        assert!(IssuersFile::open(folder.path().join("absent.json")).is_err());
    }
}
