//! What is made of a stored resource: its metadata, and what the node found out about its object.

use dive_authz::ztdf::{self, Object};
use dive_authz::{Resource, Ztdf};
use serde_json::value::RawValue;

use crate::ports::StoredResource;

/// The longest manifest that is looked at, bytes of JSON.
const MANIFEST_LIMIT: usize = 64 << 10;

/// A manifest as JSON.
pub(crate) type Manifest = Box<RawValue>;

/// The encrypted payload of an object.
pub(crate) struct Payload(pub(crate) Vec<u8>);

/// A resource, its object's payload left out.
pub(crate) struct KnownResource {
    /// The metadata, with the object's integrity as found out here.
    pub(crate) metadata: Resource,
    /// Of an object that could be read.
    pub(crate) object: Option<KnownObject>,
}

/// What a client needs to know of an object before it asks for its key.
pub(crate) struct KnownObject {
    pub(crate) manifest: Manifest,
    /// The payload's length, bytes.
    pub(crate) payload_bytes: usize,
}

impl KnownResource {
    /// Takes the metadata, checks the object and hands out its payload. An object that cannot be read, or is
    /// longer than `limit` bytes, is not intact.
    pub(super) fn of(stored: &StoredResource, limit: usize) -> (Self, Option<Payload>) {
        let metadata = &stored.metadata;
        let Some(text) = stored.object.as_deref() else {
            let metadata = Resource { ztdf: None, ..metadata.clone() };
            return (Self { metadata, object: None }, None);
        };
        let Some((object, manifest)) = read(text, limit) else {
            let metadata = Resource { ztdf: Some(Ztdf::default()), ..metadata.clone() };
            return (Self { metadata, object: None }, None);
        };
        let evidence = ztdf::evidence(&object, metadata);
        let metadata = Resource { ztdf: Some(evidence), ..metadata.clone() };
        let object_read = KnownObject { manifest, payload_bytes: object.payload.len() };
        (Self { metadata, object: Some(object_read) }, Some(Payload(object.payload)))
    }
}

fn read(text: &[u8], limit: usize) -> Option<(Object, Manifest)> {
    if text.len() > limit {
        return None;
    }
    let object: Object = serde_json::from_slice(text).ok()?;
    let manifest = serde_json::value::to_raw_value(&object.manifest).ok()?;
    (manifest.get().len() <= MANIFEST_LIMIT).then_some((object, manifest))
}
