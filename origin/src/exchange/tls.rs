//! TLS towards the exchanges and Redis: rustls with ring, and the web's root certificates built in, so
//! that the origin runs in an image without any.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// The configuration all use. `ca_file` (PEM) holds roots to trust beside the web's.
///
/// # Errors
/// When `ca_file` cannot be read or holds no certificate; when ring does not offer the protocol
/// versions, which would be a fault of the build.
pub fn client_config(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(ca_file)?)
        .with_no_client_auth();
    Ok(config)
}

/// Who is trusted: the web's roots, and those in `ca_file`.
///
/// # Errors
/// When `ca_file` cannot be read or holds no certificate.
pub fn roots(ca_file: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        add(&mut roots, path).with_context(|| format!("trust tls.ca_file {}", path.display()))?;
    }
    Ok(roots)
}

fn add(roots: &mut RootCertStore, path: &Path) -> anyhow::Result<()> {
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    anyhow::ensure!(roots.len() > before, "it holds no certificate in PEM");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_offers_tls() {
        client_config(None).unwrap();
    }

    #[test]
    fn a_file_without_a_certificate_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let error = |path: &Path| format!("{:#}", client_config(Some(path)).unwrap_err());
        assert!(error(&file).contains("ca.pem: "), "{}", error(&file));
        for (text, part) in [
            ("", "holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ca.pem: "),
        ] {
            std::fs::write(&file, text).unwrap();
            assert!(error(&file).contains(part), "{}", error(&file));
        }
    }
}
