//! An instance's own certificate authority, and what it vouches for.

use std::time::Duration;

use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use time::OffsetDateTime;
use x509_parser::pem::Pem;

use super::Secret;

const HOUR: Duration = Duration::from_secs(3_600);
const AUTHORITY_LASTS: Duration = Duration::from_secs(3_650 * 24 * 3_600);
const CERTIFICATE_LASTS: Duration = Duration::from_secs(365 * 24 * 3_600);
/// A certificate that has less left than this is not good any more: a third of its life.
const TOO_LITTLE: Duration = Duration::from_secs(122 * 24 * 3_600);

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorCode::Certificate, error.to_string())
}

/// A new private key, PEM.
pub(super) fn new_key() -> Done<Secret> {
    Ok(KeyPair::generate().map_err(refused)?.serialize_pem().into())
}

/// Reads a private key back.
pub(super) fn key(pem: &str) -> Done<KeyPair> {
    // The library's own words could hold a piece of it.
    KeyPair::from_pem(pem)
        .map_err(|_| Failure::new(ErrorCode::SecretInvalid, "a key's file holds no private key"))
}

fn lasting(params: &mut CertificateParams, now: Duration, long: Duration) -> Done {
    let date = |since_1970: Duration| {
        let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).map_err(refused)
    };
    // Other machines' clocks may be behind.
    params.not_before = date(now.saturating_sub(HOUR))?;
    params.not_after = date(now + long)?;
    Ok(())
}

/// The certificate of an authority with this key, PEM.
pub(super) fn own(name: &str, key_pem: &str, now: Duration) -> Done<String> {
    let mut params = CertificateParams::new(Vec::new()).map_err(refused)?;
    params.distinguished_name.push(DnType::CommonName, format!("DIVE {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasting(&mut params, now, AUTHORITY_LASTS)?;
    Ok(params.self_signed(&key(key_pem)?).map_err(refused)?.pem())
}

/// A certificate for servers of these names with this key, vouched for by an authority (its certificate, its key).
pub(super) fn issue(names: &[String], key_pem: &str, by: (&str, &str), now: Duration) -> Done<String> {
    let issuer = Issuer::from_ca_cert_pem(by.0, key(by.1)?).map_err(refused)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(refused)?;
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("nobody", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    lasting(&mut params, now, CERTIFICATE_LASTS)?;
    Ok(params.signed_by(&key(key_pem)?, &issuer).map_err(refused)?.pem())
}

/// Whether a certificate can be used from now on: it is of this key, vouched for by this authority (by itself
/// without one), and has some time left.
pub(super) fn is_good(pem: &str, authority: Option<&str>, key_pem: &str, now: Duration) -> bool {
    let read = |text: &str| Pem::iter_from_buffer(text.as_bytes()).next().and_then(Result::ok);
    let (Some(found), Some(by), Ok(key)) = (read(pem), read(authority.unwrap_or(pem)), key(key_pem)) else {
        return false;
    };
    let (Ok(found), Ok(by)) = (found.parse_x509(), by.parse_x509()) else { return false };
    let seconds = |since_1970: Duration| i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    let validity = found.validity();
    found.public_key().raw == key.subject_public_key_info()
        && found.verify_signature(Some(by.public_key())).is_ok()
        && validity.not_before.timestamp() <= seconds(now)
        && validity.not_after.timestamp() >= seconds(now + TOO_LITTLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_750_000_000);

    #[test]
    fn a_certificate_is_good_for_two_thirds_of_its_life_and_with_its_own_key_and_authority() {
        let (ca_key, tls_key) = (new_key().unwrap(), new_key().unwrap());
        let ca = own("hub", &ca_key, NOW).unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let tls = issue(&names, &tls_key, (&ca, &ca_key), NOW).unwrap();
        let is_good = |now| is_good(&tls, Some(&ca), &tls_key, now);
        let (second, until) = (Duration::from_secs(1), (NOW + CERTIFICATE_LASTS).saturating_sub(TOO_LITTLE));
        assert!(is_good(NOW) && is_good(until) && !is_good(until + second));
        let from = NOW.saturating_sub(HOUR);
        assert!(is_good(from) && !is_good(from.saturating_sub(second)));

        let other = own("hub", &new_key().unwrap(), NOW).unwrap();
        assert!(!super::is_good(&tls, Some(&other), &tls_key, NOW), "an authority of the same name");
        assert!(!super::is_good(&tls, Some(&ca), &ca_key, NOW), "another key");
        assert!(super::is_good(&ca, None, &ca_key, NOW) && !super::is_good(&tls, None, &tls_key, NOW));
        assert!(!super::is_good("", None, &ca_key, NOW));
    }

    #[test]
    fn what_is_no_key_is_refused_without_a_word_of_it() {
        let failure = key("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n").unwrap_err();
        assert_eq!(failure.code, ErrorCode::SecretInvalid);
        assert!(!failure.detail.contains("hunter2"));
    }
}
