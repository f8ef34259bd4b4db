//! What a request asks, in plain terms: nothing else of it is ever looked at.

/// The parts of a request that may change the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The absolute URL, as the runtime gives it.
    pub(crate) url: String,
    /// The header `Origin`.
    pub(crate) origin: Option<String>,
    /// The header `If-None-Match`.
    pub(crate) if_none_match: Option<String>,
}

impl Asked {
    /// `scheme://host[:port]`, the path, and what follows the first `?`.
    pub(crate) fn url_parts(&self) -> (&str, &str, Option<&str>) {
        let url = self.url.split('#').next().unwrap_or_default();
        let host_at = url.find("://").map_or(0, |at| at + "://".len());
        let (_, rest) = url.split_at(host_at);
        let host_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (base, tail) = url.split_at(host_at + host_len);
        match tail.split_once('?') {
            Some((path, query)) => (base, path, Some(query)),
            None => (base, tail, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_base_path_and_query() {
        for (url, parts) in [
            ("https://a.example/v1/prices", ("https://a.example", "/v1/prices", None)),
            ("http://127.0.0.1:8787/", ("http://127.0.0.1:8787", "/", None)),
            ("http://a", ("http://a", "", None)),
            ("http://a?x", ("http://a", "", Some("x"))),
            ("http://a/b?c?d#e", ("http://a", "/b", Some("c?d"))),
            ("http://a/b?#e", ("http://a", "/b", Some(""))),
            ("http://a/b://c?d", ("http://a", "/b://c", Some("d"))),
            ("", ("", "", None)),
            ("no url at all", ("no url at all", "", None)),
        ] {
            let asked = Asked { url: url.to_owned(), ..Asked::default() };
            assert_eq!(asked.url_parts(), parts, "{url:?}");
        }
    }
}
