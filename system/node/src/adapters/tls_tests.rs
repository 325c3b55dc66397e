//! Which bundles make a trust; what a real handshake makes of it is in the identity provider's tests.

use coalition::certificates::{Authority, Validity};

use super::*;

const NOW: std::time::Duration = std::time::Duration::from_secs(1_750_000_000);

fn settings(bundle: &Path) -> TlsSettings {
    TlsSettings { ca_file: bundle.to_owned(), certificate: PathBuf::new(), key: PathBuf::new() }
}

#[test]
fn a_bundle_may_hold_several_authorities_and_no_rubbish() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let authority = || Authority::generate("Coalition", Validity::around(NOW)).unwrap().pem().to_owned();
    for (text, good) in [
        (authority(), true),
        (authority() + &authority(), true),
        (String::new(), false),
        ("no PEM".to_owned(), false),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(), false),
    ] {
        std::fs::write(&path, &text).unwrap();
        let trust = Trust::new(&settings(&path));
        assert_eq!(trust.is_ok(), good, "{text:.40}");
        assert!(trust.map_or_else(|error| error.to_string().contains("ca.pem"), |_| true));
    }
    assert!(Trust::new(&settings(&folder.path().join("absent.pem"))).is_err());
}

#[test]
fn without_a_bundle_there_are_the_systems_authorities_if_any() {
    assert!(Trust::new(&settings(Path::new(""))).is_ok());
}
