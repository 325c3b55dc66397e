//! Resource metadata from a JSON file, read once.
//!
//! ```json
//! [{"resourceId": "doc-1", "classification": "SECRET", "releasabilityTo": ["USA"], "COI": []}]
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dive_authz::Resource;

use super::FileError;
use crate::ports::{ResourceStore, StoreError};

/// Resource metadata in memory.
#[derive(Clone, Debug, Default)]
pub struct ResourcesFile {
    resources: BTreeMap<String, Arc<Resource>>,
}

impl ResourcesFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be read or is not of the documented shape.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
        let listed: Vec<Resource> = serde_json::from_slice(&text)
            .map_err(|source| FileError::Json { path: path.to_owned(), source })?;
        let mut resources = BTreeMap::new();
        for mut resource in listed {
            // Integrity is found out by the enforcement point; what a store says about it is worth nothing.
            resource.ztdf = None;
            let id = resource.resource_id.clone();
            if resources.insert(id.clone(), Arc::new(resource)).is_some() {
                return Err(FileError::Twice { path: path.to_owned(), id });
            }
        }
        Ok(Self { resources })
    }
}

#[async_trait]
impl ResourceStore for ResourcesFile {
    async fn metadata(&self, resource_id: &str) -> Result<Option<Arc<Resource>>, StoreError> {
        Ok(self.resources.get(resource_id).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_file_says_about_integrity_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resources.json");
        let ztdf = r#"{"integrityValidated":true,"policyHash":"a","payloadHash":"b"}"#;
        std::fs::write(&path, format!(r#"[{{"resourceId":"r","ztdf":{ztdf}}}]"#)).unwrap();
        let file = ResourcesFile::open(&path).unwrap();
        assert_eq!(file.metadata("r").await.unwrap().unwrap().ztdf, None);
        assert_eq!(file.metadata("s").await.unwrap(), None);
    }

    #[test]
    fn a_wrong_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resources.json");
        for wrong in [
            "{}",
            r#"[{"resourceId":"r"},{"resourceId":"r"}]"#,
            r#"[{"resourceId":"r","releasabilityTo":"USA"}]"#,
            r#"[{"resourceId":"r","clasification":"SECRET"}]"#,
        ] {
            std::fs::write(&path, wrong).unwrap();
            assert!(ResourcesFile::open(&path).is_err(), "{wrong}");
        }
    }
}
