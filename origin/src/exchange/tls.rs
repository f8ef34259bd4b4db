//! TLS towards the exchanges: rustls with ring, and the web's root certificates built in, so
//! that the origin runs in an image without any.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// The configuration both adapters use.
///
/// # Errors
/// When ring does not offer the protocol versions, which would be a fault of the build.
pub fn client_config() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_build_offers_tls() {
        super::client_config().unwrap();
    }
}
