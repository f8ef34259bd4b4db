//! What the operator sets, by wrangler vars and secrets. Read once per isolate; every mistake is
//! told at once, by the variable's name.

use std::fmt;

use pricecast_core::cache_policy::EdgePolicy;
use pricecast_core::poll::UNSEEN_TWO_TIERS_MS;
use pricecast_wire::headers::{ClientMaxAge, SECRET_LEN_MIN};
use pricecast_wire::{Cors, Problem, ProblemCode};

/// Most origins an edge may be given.
const ORIGINS_MAX: usize = 3;
/// Longest `ENVIRONMENT`.
const ENVIRONMENT_LEN_MAX: usize = 32;
/// Two years, the most that makes sense for HSTS.
const HSTS_MAX_AGE_S_MAX: u32 = 63_072_000;

const ORIGIN_URLS: &str = "ORIGIN_URLS";
const ENVIRONMENT: &str = "ENVIRONMENT";
const ORIGIN_SECRET: &str = "ORIGIN_SECRET";
const CLIENT_MAX_AGE_S: &str = "CLIENT_MAX_AGE_S";
const CORS_ORIGINS: &str = "CORS_ORIGINS";
const CACHE_IN_FRONT: &str = "CACHE_IN_FRONT";
const HSTS_MAX_AGE_S: &str = "HSTS_MAX_AGE_S";

/// Every variable there is.
pub(crate) const VARIABLES: [&str; 7] = [
    ORIGIN_URLS,
    ENVIRONMENT,
    ORIGIN_SECRET,
    CLIENT_MAX_AGE_S,
    CORS_ORIGINS,
    CACHE_IN_FRONT,
    HSTS_MAX_AGE_S,
];

/// A text that no log, error or debug output repeats.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// For the header that carries it, and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The Worker's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EdgeConfig {
    /// `ORIGIN_URLS`: one to three, without a final slash.
    pub(crate) origins: Vec<String>,
    /// `ENVIRONMENT`: keeps the shared caches of several deployments on one host apart.
    pub(crate) environment: String,
    /// `ORIGIN_SECRET`: sent with each origin fetch.
    pub(crate) secret: Option<Secret>,
    /// `CLIENT_MAX_AGE_S`: how long a client's HTTP cache may keep an answer.
    pub(crate) client_max_age: ClientMaxAge,
    /// `CORS_ORIGINS`.
    pub(crate) cors: Cors,
    /// `CACHE_IN_FRONT`: whether Workers Cache lies in front of the Worker.
    pub(crate) cache_in_front: bool,
    /// `HSTS_MAX_AGE_S`: the header's value, where it is to be sent.
    pub(crate) hsts: Option<String>,
    /// Variables that are set and unknown here, most likely misspelt. Told by `/health`.
    pub(crate) unknown: Vec<String>,
}

impl EdgeConfig {
    /// Reads the configuration through `lookup`; `names` are the variables that are set.
    ///
    /// # Errors
    /// A `misconfigured` problem whose detail names every variable at fault. A secret's value is
    /// never repeated.
    pub(crate) fn load(
        lookup: impl Fn(&str) -> Option<String>,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Self, Problem> {
        let mut mistakes = Vec::new();
        let mut read = Reader { lookup, mistakes: &mut mistakes };
        let config = Self {
            origins: read.value(ORIGIN_URLS, None, parse_origins),
            environment: read.value(ENVIRONMENT, Some("production"), parse_environment),
            secret: read.secret(),
            client_max_age: read.value(CLIENT_MAX_AGE_S, Some("1"), parse_client_max_age),
            cors: read.value(CORS_ORIGINS, Some("*"), |text| {
                Cors::parse(text).map_err(|error| error.to_string())
            }),
            cache_in_front: read.value(CACHE_IN_FRONT, Some("off"), parse_switch),
            hsts: read.value(HSTS_MAX_AGE_S, Some("0"), parse_hsts),
            unknown: names.into_iter().filter(|name| !VARIABLES.contains(&name.as_str())).collect(),
        };
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(Problem::with_detail(ProblemCode::Misconfigured, mistakes.join("; ")))
        }
    }

    /// The cache policy that follows from it. With a cache in front, ages add up, so this one
    /// holds copies for less.
    #[must_use]
    pub(crate) fn policy(&self) -> EdgePolicy {
        let hold_ms = self.client_max_age.hold_ms();
        if self.cache_in_front {
            EdgePolicy::behind_a_cache(hold_ms)
        } else {
            EdgePolicy { hold_ms, ..EdgePolicy::default() }
        }
    }
}

impl EdgeConfig {
    /// How much younger than it is an answer may look to a client; the clock is told ahead by that.
    /// Workers Cache has two tiers.
    #[must_use]
    pub(crate) const fn unseen_ms(&self) -> u64 {
        if self.cache_in_front { UNSEEN_TWO_TIERS_MS } else { 0 }
    }
}

struct Reader<'a, L> {
    lookup: L,
    mistakes: &'a mut Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Reader<'_, L> {
    /// The variable's value or its default; a mistake is noted, and what is
    /// returned then is thrown away with the rest.
    fn value<T: Default>(
        &mut self,
        name: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let set = (self.lookup)(name);
        let Some(text) = set.as_deref().or(default) else {
            self.mistakes.push(format!("{name} is not set"));
            return T::default();
        };
        parse(text.trim()).unwrap_or_else(|wrong| {
            self.mistakes.push(format!("{name} = {text:?}: {wrong}"));
            T::default()
        })
    }

    fn secret(&mut self) -> Option<Secret> {
        let secret = (self.lookup)(ORIGIN_SECRET)?;
        // What a header value can carry unchanged; surrounding blanks would be cut off on the way.
        if !secret.bytes().all(|b| b.is_ascii_graphic()) {
            self.mistakes.push(format!(
                "{ORIGIN_SECRET} = ***: must be visible ASCII characters without blanks"
            ));
        } else if secret.len() < SECRET_LEN_MIN {
            self.mistakes.push(format!(
                "{ORIGIN_SECRET} = ***: is shorter than {SECRET_LEN_MIN} characters, and no origin \
                 takes such a secret; make one with: openssl rand -hex 32"
            ));
        }
        Some(Secret(secret))
    }
}

fn parse_origins(text: &str) -> Result<Vec<String>, String> {
    let origins: Vec<_> = text.split(',').map(|url| url.trim().trim_end_matches('/')).collect();
    if origins.len() > ORIGINS_MAX {
        return Err(format!("at most {ORIGINS_MAX} origins, with commas between them"));
    }
    match origins.iter().find(|url| !is_base_url(url)) {
        Some(url) => {
            Err(format!("{url:?} is no base URL; write e.g. \"https://origin.example.com\""))
        }
        None => Ok(origins.into_iter().map(str::to_owned).collect()),
    }
}

/// `http[s]://host[:port]`, nothing more: no user, path, query or fragment.
fn is_base_url(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| {
        let in_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        host.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'[')
            && host.bytes().all(in_host)
    })
}

fn parse_environment(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if is_plain && !text.is_empty() && text.len() <= ENVIRONMENT_LEN_MAX {
        Ok(text.to_owned())
    } else {
        Err(format!("1 to {ENVIRONMENT_LEN_MAX} of a-z, 0-9 and \"-\", e.g. \"staging\""))
    }
}

fn parse_client_max_age(text: &str) -> Result<ClientMaxAge, String> {
    text.parse()
        .ok()
        .and_then(ClientMaxAge::from_seconds)
        .ok_or_else(|| "must be 0, 1 or 2 (seconds)".to_owned())
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be \"on\" or \"off\"".to_owned()),
    }
}

fn parse_hsts(text: &str) -> Result<Option<String>, String> {
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(seconds @ 1..=HSTS_MAX_AGE_S_MAX) => {
            Ok(Some(format!("max-age={seconds}; includeSubDomains")))
        }
        _ => Err(format!("must be 0 (off) to {HSTS_MAX_AGE_S_MAX} (seconds)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(vars: &[(&str, &str)]) -> Result<EdgeConfig, Problem> {
        let lookup = |name: &str| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        EdgeConfig::load(lookup, vars.iter().map(|(name, _)| (*name).to_owned()))
    }

    fn detail(vars: &[(&str, &str)]) -> String {
        load(vars).err().unwrap().detail.into_owned()
    }

    const ORIGIN: (&str, &str) = (ORIGIN_URLS, "https://origin.example.com");

    #[test]
    fn an_origin_is_all_that_must_be_set() {
        let config = load(&[ORIGIN]).unwrap();
        assert_eq!(config.origins, ["https://origin.example.com"]);
        assert_eq!(config.environment, "production");
        assert_eq!(config.secret, None);
        assert_eq!(config.cors, Cors::Any);
        assert_eq!(config.hsts, None);
        let policy = EdgePolicy { soft_ms: 1_000, hard_ms: 2_000, hold_ms: 1_000 };
        assert_eq!(config.policy(), policy);
    }

    #[test]
    fn a_cache_in_front_shortens_what_this_one_holds() {
        let config = load(&[ORIGIN, (CACHE_IN_FRONT, "on"), (CLIENT_MAX_AGE_S, "0")]).unwrap();
        let policy = EdgePolicy { soft_ms: 300, hard_ms: 500, hold_ms: 2_000 };
        assert_eq!(config.policy(), policy);
    }

    #[test]
    fn one_to_three_origins_are_taken() {
        for (text, origins) in [
            ("http://127.0.0.1:8080/", vec!["http://127.0.0.1:8080"]),
            (
                "https://a.example, https://b.example",
                vec!["https://a.example", "https://b.example"],
            ),
            (
                "http://[::1]:1,http://b:2,http://c:3",
                vec!["http://[::1]:1", "http://b:2", "http://c:3"],
            ),
        ] {
            assert_eq!(load(&[(ORIGIN_URLS, text)]).unwrap().origins, origins, "{text}");
        }
    }

    #[test]
    fn each_bad_value_is_told_by_its_name() {
        for (name, value, told) in [
            (ORIGIN_URLS, "", "is no base URL"),
            (ORIGIN_URLS, "origin.example.com", "is no base URL"),
            (ORIGIN_URLS, "ftp://origin.example.com", "is no base URL"),
            (ORIGIN_URLS, "https://origin.example.com/api", "is no base URL"),
            (ORIGIN_URLS, "https://user@origin.example.com", "is no base URL"),
            (ORIGIN_URLS, "https://", "is no base URL"),
            (ORIGIN_URLS, "http://a,http://b,,", "at most 3 origins"),
            (ORIGIN_URLS, "http://a,,http://b", "is no base URL"),
            (ORIGIN_URLS, "http://a,http://b,http://c,http://d", "at most 3 origins"),
            (ENVIRONMENT, "", "1 to 32 of a-z"),
            (ENVIRONMENT, "a/b", "1 to 32 of a-z"),
            (CLIENT_MAX_AGE_S, "3", "must be 0, 1 or 2"),
            (CLIENT_MAX_AGE_S, "-1", "must be 0, 1 or 2"),
            (CLIENT_MAX_AGE_S, "1s", "must be 0, 1 or 2"),
            (CORS_ORIGINS, "app.example", "is no origin"),
            (CACHE_IN_FRONT, "true", "must be \"on\" or \"off\""),
            (HSTS_MAX_AGE_S, "forever", "must be 0 (off) to 63072000"),
        ] {
            let vars =
                if name == ORIGIN_URLS { vec![(name, value)] } else { vec![ORIGIN, (name, value)] };
            let told_detail = detail(&vars);
            assert!(told_detail.starts_with(&format!("{name} = {value:?}: ")), "{told_detail}");
            assert!(told_detail.contains(told), "{told_detail}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_no_secret_is() {
        let told = detail(&[(CLIENT_MAX_AGE_S, "9"), (ORIGIN_SECRET, "two words")]);
        assert_eq!(
            told,
            "ORIGIN_URLS is not set; ORIGIN_SECRET = ***: must be visible ASCII characters without \
             blanks; CLIENT_MAX_AGE_S = \"9\": must be 0, 1 or 2 (seconds)"
        );
    }

    #[test]
    fn a_secret_that_no_origin_takes_is_a_mistake() {
        for (secret, told) in [
            ("", Some("is shorter than 16 characters")),
            ("abcdefghijklmno", Some("is shorter than 16 characters")),
            ("abcdefghijklmnop", None),
            ("abcdefghijklmno ", Some("must be visible ASCII")),
        ] {
            let problem = load(&[ORIGIN, (ORIGIN_SECRET, secret)]).err();
            match (problem, told) {
                (None, None) => {}
                (Some(problem), Some(told)) => {
                    let detail = problem.detail;
                    assert!(detail.starts_with("ORIGIN_SECRET = ***: "), "{detail}");
                    assert!(detail.contains(told), "{detail}");
                }
                (problem, told) => panic!("{secret:?}: {problem:?} where {told:?} was expected"),
            }
        }
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let config = load(&[ORIGIN, (ORIGIN_SECRET, "canary-of-the-secret")]).unwrap();
        assert_eq!(config.secret.as_ref().map(Secret::reveal), Some("canary-of-the-secret"));
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn an_unknown_variable_is_kept_in_mind_and_harms_nothing() {
        let config = load(&[ORIGIN, ("CLIENT_MAXAGE_S", "2")]).unwrap();
        assert_eq!(config.unknown, ["CLIENT_MAXAGE_S"]);
    }
}
