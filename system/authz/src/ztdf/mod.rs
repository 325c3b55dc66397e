//! ZTDF objects: data that carries its own policy. Made ([`seal`]), checked without a key ([`check`],
//! [`evidence`]), opened with it ([`open`]).
//!
//! ```text
//!  Object ┬ manifest ┬ policy        what the markings of the resource say        ─┐
//!         │          ├ policyHash    SHA-256 of the policy                         │ no key is needed
//!         │          ├ payloadHash   SHA-256 of the binding and the payload        │ to see a change
//!         │          └ keyAccess[]   {kaoId, kasUrl, wrappedKey}                  ─┘
//!         └ payload                  nonce ‖ AES-256-GCM(data key, plaintext; the binding) ‖ tag
//! ```
//!
//! # Which bytes are hashed
//! The *policy* is hashed as canonical JSON (RFC 8785): members sorted by name, no white space, absent ones
//! left out, lists in the order in which they stand. The *binding* is the canonical JSON of
//! `{"keyAccess": […], "policyHash": "…"}`; it is the associated data of the payload's encryption, so that
//! no part of a manifest can be put before another payload. `payloadHash` covers the binding, preceded by its
//! length as eight bytes, most significant first, and the payload as it is stored: nonce, ciphertext, tag.
//!
//! # What stands against whom
//! A change by accident, or by someone who does not fix the hashes, is seen by [`check`]. Who fixes the
//! hashes, too, is stopped by the keys: a data key is wrapped for one policy and one key access object
//! ([`key_wrap`]), so the key access service cannot unwrap it for a policy that was changed, and the payload
//! does not open. Markings beside the object, in the metadata, must say what its policy says:
//! [`check_against`].
//!
//! Everything here is pure: chance is a generator passed in. Keys are wiped when dropped and never printed.

mod digest;
mod encoding;
mod key;
pub mod key_wrap;
mod manifest;
mod object;
mod policy;

pub use digest::Digest;
pub use key::Dek;
pub use manifest::{KeyAccess, Manifest};
pub use object::{Integrity, Object, OpenError, check, check_against, evidence, open, seal};
pub use policy::Policy;
