//! Who may read the prices from a browser. The data is public: anyone by default, and never with
//! credentials.

/// Which origins browsers may read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    /// Any: `Access-Control-Allow-Origin: *`, the same for everyone.
    #[default]
    Any,
    /// These alone. The header's value comes from this list, never from the request.
    Listed(Vec<String>),
}

/// What an answer says about who may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowOrigin<'a> {
    /// The value of `Access-Control-Allow-Origin`; absent when the asking page may not read.
    pub value: Option<&'a str>,
    /// Whether `Vary: Origin` belongs to it.
    pub varies: bool,
}

/// Why a configured list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} is no origin; write \"*\" or e.g. \"https://app.example, https://www.example\"")]
pub struct CorsError {
    /// The entry at fault.
    pub entry: String,
}

impl Cors {
    /// Reads `*` or a list of origins (`scheme://host[:port]`) with commas between them.
    ///
    /// # Errors
    /// [`CorsError`] for the first entry that a browser would never send as `Origin`.
    pub fn parse(text: &str) -> Result<Self, CorsError> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        text.split(',')
            .map(|entry| {
                let entry = entry.trim();
                if is_origin(entry) {
                    Ok(entry.to_owned())
                } else {
                    Err(CorsError { entry: entry.to_owned() })
                }
            })
            .collect::<Result<_, _>>()
            .map(Self::Listed)
    }

    /// What to answer to a request with that `Origin` header.
    #[must_use]
    pub fn allow(&self, origin: Option<&str>) -> AllowOrigin<'_> {
        match self {
            Self::Any => AllowOrigin { value: Some("*"), varies: false },
            Self::Listed(list) => AllowOrigin {
                value: list.iter().map(String::as_str).find(|&listed| Some(listed) == origin),
                varies: true,
            },
        }
    }
}

/// Whether a browser could send the text as `Origin`: lower case, no path, no final slash.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let in_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b);
        !host.is_empty() && host.bytes().all(in_host)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_anyone_may_read_and_the_answer_does_not_vary() {
        let anyone = AllowOrigin { value: Some("*"), varies: false };
        assert_eq!(Cors::parse(" * "), Ok(Cors::default()));
        assert_eq!(Cors::Any.allow(None), anyone);
        assert_eq!(Cors::Any.allow(Some("https://evil.example")), anyone);
    }

    #[test]
    fn a_listed_origin_is_echoed_from_the_list_and_another_gets_nothing() {
        let cors = Cors::parse("https://app.example, http://localhost:5173").unwrap();
        for (origin, value) in [
            (Some("https://app.example"), Some("https://app.example")),
            (Some("http://localhost:5173"), Some("http://localhost:5173")),
            (Some("https://app.example.evil"), None),
            (Some("HTTPS://APP.EXAMPLE"), None),
            (Some("null"), None),
            (None, None),
        ] {
            assert_eq!(cors.allow(origin), AllowOrigin { value, varies: true }, "{origin:?}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused_by_name() {
        for entry in
            ["", "app.example", "https://", "https://app.example/", "https://App.example", "null"]
        {
            let error = Cors::parse(&format!("https://ok.example,{entry}")).unwrap_err();
            assert_eq!(error.entry, entry);
        }
    }
}
