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
use crate::ports::{ResourceStore, StoreError, StoredResource};

/// Resources in memory, without objects.
#[derive(Clone, Debug, Default)]
pub struct ResourcesFile {
    resources: BTreeMap<String, Arc<StoredResource>>,
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
        for metadata in listed {
            let id = metadata.resource_id.clone();
            if resources.insert(id.clone(), Arc::new(StoredResource { metadata, object: None })).is_some() {
                return Err(FileError::Twice { path: path.to_owned(), id });
            }
        }
        Ok(Self { resources })
    }
}

#[async_trait]
impl ResourceStore for ResourcesFile {
    async fn resource(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, StoreError> {
        Ok(self.resources.get(resource_id).cloned())
    }

    async fn search(&self, text: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let ids = self.resources.keys().filter(|id| after.is_none_or(|after| id.as_str() > after));
        Ok(ids.filter(|id| id.contains(text)).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_file_holds_is_there_and_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resources.json");
        let names = ["doc-1", "doc-2", "doc-3", "plan"].map(|id| format!(r#"{{"resourceId":"{id}"}}"#));
        std::fs::write(&path, format!("[{}]", names.join(","))).unwrap();
        let file = ResourcesFile::open(&path).unwrap();
        assert_eq!(file.resource("plan").await.unwrap().unwrap().metadata.resource_id, "plan");
        assert_eq!(file.resource("s").await.unwrap(), None);
        assert_eq!(file.search("doc", None, 2).await.unwrap(), ["doc-1", "doc-2"]);
        assert_eq!(file.search("doc", Some("doc-2"), 2).await.unwrap(), ["doc-3"]);
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
