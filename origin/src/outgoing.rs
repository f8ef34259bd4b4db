//! The HTTP client for whatever this process asks of others.

use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::ClientConfig;

/// One that follows no redirect, gives up after `timeout` in all, and goes through no proxy of the environment:
/// as the socket to Kraken, for a proxy would decide what is a price.
///
/// # Errors
/// When it cannot be built, which would be a fault of the build.
pub fn client(tls: ClientConfig, timeout: Duration) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .timeout(timeout)
        .user_agent(crate::USER_AGENT)
        .build()
}
