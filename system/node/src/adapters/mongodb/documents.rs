//! What stands in each collection. A field that is not known is refused: what cannot be understood must not
//! be believed.

use std::sync::Arc;

use bson::spec::BinarySubtype;
use bson::{Binary, Document};
use dive_authz::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::audit::AuditEntry;
use crate::ports::{StoreError, StoredResource, TrustedIssuer};
use crate::token::ClaimMap;

/// A resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceDocument {
    /// The resource's id.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its metadata.
    pub metadata: Resource,
    /// The bytes of its ZTDF object, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Binary>,
}

impl From<StoredResource> for ResourceDocument {
    fn from(resource: StoredResource) -> Self {
        let object = resource.object.map(|bytes| Binary { subtype: BinarySubtype::Generic, bytes });
        Self { id: resource.metadata.resource_id.clone(), metadata: resource.metadata, object }
    }
}

impl TryFrom<ResourceDocument> for StoredResource {
    type Error = StoreError;

    fn try_from(document: ResourceDocument) -> Result<Self, StoreError> {
        // Else one resource's metadata would decide about another.
        if document.metadata.resource_id != document.id {
            return Err(StoreError::Invalid(format!(
                "resource `{}` has the metadata of another one",
                document.id
            )));
        }
        Ok(Self { metadata: document.metadata, object: document.object.map(|object| object.bytes) })
    }
}

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IssuerDocument {
    /// The `iss` of its tokens.
    #[serde(rename = "_id")]
    pub issuer: String,
    /// The tenant it belongs to.
    pub tenant: String,
    /// Where its keys are read; without it, where its discovery document says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The highest classification agreed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_classification: Option<String>,
    /// Which of its claims is which attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_map: Option<ClaimMap>,
}

impl From<IssuerDocument> for TrustedIssuer {
    fn from(document: IssuerDocument) -> Self {
        Self {
            issuer: document.issuer,
            tenant: document.tenant,
            keys_url: document.jwks_uri,
            claim_map: document.claim_map.map(Arc::new),
        }
    }
}

/// An audit entry as it stands: its id is the document's.
pub(super) fn audit(entry: &AuditEntry<'_>) -> Result<Document, StoreError> {
    let mut fields =
        bson::serialize_to_document(entry).map_err(|error| StoreError::Invalid(error.to_string()))?;
    fields.remove("id");
    let mut document = bson::doc! {"_id": &*entry.id};
    document.extend(fields);
    Ok(document)
}

/// The other way.
pub(super) fn audit_entry(mut document: Document) -> Result<AuditEntry<'static>, StoreError> {
    if let Some(id) = document.remove("_id") {
        document.insert("id", id);
    }
    read(document)
}

/// Reads a document of ours.
pub(super) fn read<T: DeserializeOwned>(document: Document) -> Result<T, StoreError> {
    bson::deserialize_from_document(document)
        .map_err(|error| StoreError::Invalid(format!("a document is damaged: {error}")))
}
