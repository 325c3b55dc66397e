//! What a server shows when TLS begins, and a client that looks without judging.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};

/// The name by which the authority of [`Identity::foreign`] goes.
pub const STRANGER: &str = "An authority of strangers";

/// A certificate chain and its key, both PEM: what a service proves itself with.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain.
    pub chain: String,
    /// The private key.
    pub key: String,
}

/// Why there is no identity, or it can't be used.
#[derive(Debug, thiserror::Error)]
#[error("a certificate: {0}")]
pub struct IdentityError(String);

impl Identity {
    /// An identity for these names and addresses, by an authority made on the spot, which nobody trusts.
    ///
    /// # Errors
    /// When a name can't stand in a certificate or the machine gives no key.
    pub fn foreign(names: &[String]) -> Result<Self, IdentityError> {
        let told = |error: rcgen::Error| IdentityError(error.to_string());
        let mut authority = CertificateParams::new(Vec::new()).map_err(told)?;
        authority.distinguished_name.push(DnType::CommonName, STRANGER);
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = Issuer::new(authority, KeyPair::generate().map_err(told)?);
        let mut server = CertificateParams::new(names.to_vec()).map_err(told)?;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(told)?;
        let chain = server.signed_by(&key, &authority).map_err(told)?.pem();
        Ok(Self { chain, key: key.serialize_pem() })
    }

    /// What a TLS server is made with.
    pub(crate) fn server_config(&self) -> Result<ServerConfig, IdentityError> {
        let told = |error: &dyn std::fmt::Display| IdentityError(error.to_string());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.chain.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|error| told(&error))?;
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| told(&error))?
            .with_no_client_auth()
            .with_single_cert(chain.map_err(|error| told(&error))?, key)
            .map_err(|error| told(&error))
    }
}

/// Without the key.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What a TLS client is made with that takes every server for what it says it is: it looks, and has no secrets.
pub(crate) fn credulous() -> Arc<ClientConfig> {
    let provider = provider();
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

/// The name under which a server at an address is asked for its certificate.
pub(crate) fn name_of(address: IpAddr) -> ServerName<'static> {
    ServerName::from(address)
}

#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_foreign_identity_is_by_an_authority_of_its_own_and_says_nothing_of_its_key() {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let (one, two) = (Identity::foreign(&names).unwrap(), Identity::foreign(&names).unwrap());
        assert_ne!(one.chain, two.chain);
        one.server_config().unwrap();
        assert!(!format!("{one:?}").contains("PRIVATE"));
        assert!(Identity { key: two.key, ..one }.server_config().is_err(), "another's key");
    }
}
