//! The address of a Redis. It may hold a password, so it never prints as it is.

use std::fmt;

use redis::{ConnectionInfo, IntoConnectionInfo as _, RedisResult};
use reqwest::Url;

use super::SECRET_PLACEHOLDER;
use super::value::Parsed;

const EXAMPLE: &str = "redis://127.0.0.1:6379";
const DEFAULT_PORT: u16 = 6379;
const SCHEMES: [&str; 4] = ["redis", "rediss", "redis+unix", "unix"];

/// `redis://[[user]:password@]host[:port][/db]`, the same with `rediss` for TLS, or
/// `redis+unix:///path[?db=0&user=…&pass=…]`. Prints with `***` for the password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(Url);

impl RedisUrl {
    pub(super) fn parse(text: &str) -> Parsed<Self> {
        let wanted = || {
            let schemes = "redis://, rediss:// or redis+unix:///";
            let is_unescaped = text.matches('@').count() > 1;
            let escape =
                if is_unescaped { "; in a password write @ as %40 and / as %2F" } else { "" };
            format!("is no {schemes} URL of a Redis, e.g. {EXAMPLE:?}{escape}")
        };
        let url = Url::parse(text).map_err(|_| wanted())?;
        if !SCHEMES.contains(&url.scheme()) || url.fragment().is_some() {
            return Err(wanted());
        }
        let address = Self(url);
        address.connection_info().map_err(|_| wanted())?;
        if address.to_string() == address.0.as_str() && address.has_password() {
            return Err(format!(
                "has the password {SECRET_PLACEHOLDER:?}, which --print-config shows in place of one; write the password itself"
            ));
        }
        Ok(address)
    }

    /// With the password, to connect. Of TLS it says nothing.
    ///
    /// # Errors
    /// When it is no address of a Redis; never after it has been read.
    pub fn connection_info(&self) -> RedisResult<ConnectionInfo> {
        let text = self.0.as_str();
        match text.strip_prefix("rediss:") {
            Some(rest) => format!("redis:{rest}").into_connection_info(),
            None => text.into_connection_info(),
        }
    }

    /// Where it is, and no more: host and port, or the path of a socket.
    #[must_use]
    pub fn place(&self) -> String {
        match self.0.host_str() {
            Some(host) if !host.is_empty() => {
                format!("{host}:{}", self.0.port().unwrap_or(DEFAULT_PORT))
            }
            _ => self.0.path().to_owned(),
        }
    }

    /// Whether the connection is to be encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.0.scheme() == "rediss"
    }

    fn has_password(&self) -> bool {
        self.0.password().is_some() || self.0.query_pairs().any(|(key, _)| key == PASS)
    }

    /// What may be shown of a text that was meant to be one. The password in it may hold an @ or a /,
    /// whatever a parser makes of that.
    pub(super) fn masked(text: &str) -> String {
        match (text.split_once("://"), text.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) if !rest.contains(PASS) => {
                format!("{scheme}://{SECRET_PLACEHOLDER}@{rest}")
            }
            _ => Url::parse(text).map_or(SECRET_PLACEHOLDER.to_owned(), |url| mask(&url)),
        }
    }
}

/// Where the address of a socket holds its password.
const PASS: &str = "pass";

fn mask(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Fails only for URLs that cannot have one.
        let _ = shown.set_password(Some(SECRET_PLACEHOLDER));
    }
    if url.query_pairs().any(|(key, _)| key == PASS) {
        let masked = url.query_pairs().map(|(key, value)| {
            let value = if key == PASS { SECRET_PLACEHOLDER.into() } else { value };
            format!("{key}={value}")
        });
        let query: Vec<_> = masked.collect();
        shown.set_query(Some(&query.join("&")));
    }
    shown.into()
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
