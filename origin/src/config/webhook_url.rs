//! The address of a webhook. Whoever knows it can write there, so it never prints.

use std::fmt;

use reqwest::Url;

use super::SECRET_PLACEHOLDER;
use super::value::Parsed;

const EXAMPLE: &str = "https://hooks.slack.com/services/…";

/// `https://…`; prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    pub(super) fn parse(text: &str) -> Parsed<Self> {
        if text == SECRET_PLACEHOLDER {
            return Err(format!(
                "is {SECRET_PLACEHOLDER:?}, which --print-config shows in place of the address; write the address itself"
            ));
        }
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "https" | "http") && url.has_host() && url.fragment().is_none()
        });
        url.map(Self).ok_or_else(|| format!("is no https:// or http:// URL, e.g. {EXAMPLE:?}"))
    }

    /// To connect to, and for nothing else.
    #[must_use]
    pub const fn reveal(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SECRET_PLACEHOLDER)
    }
}
