//! Whom to trust when a server shows its certificate.
//!
//! With a bundle set, the authorities in it and no others; without, the system's. A server that is not trusted
//! is told apart from one that is away: the error is a [`Distrust`], which names the certificate's issuer.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::settings::TlsSettings;

/// The longest name that is repeated, characters.
const LONGEST_NAME: usize = 100;

/// The authorities could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct TrustError {
    /// The bundle.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// A server's certificate is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}; it was issued by `{issuer}`")]
pub struct Distrust {
    /// Who issued it, as it says itself.
    pub issuer: String,
    /// What is wrong with it.
    pub why: String,
}

/// The authorities that are trusted. Cheap to clone.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// The authorities of the settings' bundle, or the system's when there is none.
    ///
    /// # Errors
    /// [`TrustError`] when the bundle cannot be read or holds no certificate.
    pub fn new(settings: &TlsSettings) -> Result<Self, TrustError> {
        if settings.ca_file.as_os_str().is_empty() {
            let mut roots = RootCertStore::empty();
            // What cannot be read of them is not trusted.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok(Self::of(roots));
        }
        let path = &settings.ca_file;
        let text = std::fs::read(path).map_err(|error| unusable(path, error))?;
        Self::from_pem(&text).map_err(|why| unusable(path, why))
    }

    /// The authorities of a bundle in PEM.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_pem(bundle: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        if roots.is_empty() {
            return Err("it holds no certificate".to_owned());
        }
        Ok(Self::of(roots))
    }

    fn of(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Without any authority there is no verifier, and nobody is trusted.
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = Verifier { inner: builder.build().ok(), provider: Arc::clone(&provider) };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Self { config: Arc::new(config) }
    }

    /// What a TLS client is made with.
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

fn unusable(path: &Path, why: impl fmt::Display) -> TrustError {
    TrustError { path: path.to_owned(), why: why.to_string() }
}

/// The library's verifier, with errors that say whose certificate it was.
#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = match &self.inner {
            Some(inner) => {
                inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        verified.map_err(|error| distrusted(end_entity, &error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn distrusted(certificate: &CertificateDer<'_>, error: &rustls::Error) -> rustls::Error {
    let why = match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => "the certificate is of no trusted authority".to_owned(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is another server's".to_owned()
            }
            other => format!("the certificate is not good: {other}"),
        },
        other => other.to_string(),
    };
    let distrust = Distrust { issuer: issuer_of(certificate), why };
    CertificateError::Other(OtherError(Arc::new(distrust))).into()
}

/// The issuer's common name, or all of its name when it has none.
fn issuer_of(certificate: &CertificateDer<'_>) -> String {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return "nobody".to_owned() };
    let issuer = certificate.issuer();
    let common = issuer.iter_common_name().next().and_then(|name| name.as_str().ok());
    let name = common.map_or_else(|| issuer.to_string(), str::to_owned);
    // A stranger wrote it, and it goes into logs.
    name.chars().filter(|character| !character.is_control()).take(LONGEST_NAME).collect()
}

/// The distrust that is at the bottom of `error`, if that is what it is.
pub fn distrust<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Distrust> {
    let mut next: Option<&'a (dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) =
            error.downcast_ref()
        {
            return why.downcast_ref();
        }
        // An I/O error's source is the source of what it holds, not what it holds.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
