//! What is listened with: plain connections, or TLS when there is a certificate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::ServeError;
use crate::settings::TlsSettings;

/// The certificate or its key is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct CertificateError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it. Never holds any of the key.
    pub why: String,
}

/// What every accepted connection begins with, where there is a certificate. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tls(TlsAcceptor);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// With the certificate and the key of the settings; `None` when there are none, an error when only one of
    /// them is named or they are of no use.
    pub(super) fn new(settings: &TlsSettings) -> Result<Option<Self>, ServeError> {
        Ok(acceptor(settings)?.map(Self))
    }

    pub(super) fn accept(&self, stream: TcpStream) -> tokio_rustls::Accept<TcpStream> {
        self.0.accept(stream)
    }
}

fn acceptor(settings: &TlsSettings) -> Result<Option<TlsAcceptor>, ServeError> {
    let (certificate, key) = (&settings.certificate, &settings.key);
    match (certificate.as_os_str().is_empty(), key.as_os_str().is_empty()) {
        (true, true) => return Ok(None),
        (true, false) => {
            return Err(ServeError::Missing { key: "tls.certificate", about: "the chain of tls.key" });
        }
        (false, true) => {
            return Err(ServeError::Missing { key: "tls.key", about: "the key of tls.certificate" });
        }
        (false, false) => {}
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(certificate)?).collect();
    let chain = chain.map_err(|_| unusable(certificate, "it is not PEM"))?;
    if chain.is_empty() {
        return Err(unusable(certificate, "it holds no certificate"));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| unusable(key, "it holds no key"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| unusable(certificate, &error.to_string()))?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    std::fs::read(path).map_err(|error| unusable(path, &error.to_string()))
}

fn unusable(path: &Path, why: &str) -> ServeError {
    CertificateError { path: path.to_owned(), why: why.to_owned() }.into()
}
