//! Every key: its name, its default, its reading, and what must hold between keys.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use pricecast_core::Symbol;
use pricecast_wire::Cors;
use pricecast_wire::headers::{ClientMaxAge, SECRET_LEN_MIN};
use reqwest::Url;
use tracing_subscriber::EnvFilter;

use super::SECRET_PLACEHOLDER;
use super::reader::Reader;
use super::value::{Parsed, ParsedList, Value, all_or_mistakes};
use super::{
    AccessConfig, COINBASE_URL, CoinbaseConfig, Config, Delivery, HttpConfig, KRAKEN_URL,
    KrakenConfig, LogConfig, LogFormat, MetricsConfig, ProbeConfig, RecordConfig, RedisConfig,
    RedisUrl, Secret, StoreKind, TlsConfig, WebhookConfig, WebhookUrl,
};

const DEFAULT_SYMBOLS: [&str; 5] = ["BTC", "ETH", "SOL", "XRP", "DOGE"];
/// Where a Tunnel on the same machine comes from.
const LOOPBACKS: [&str; 2] = ["127.0.0.0/8", "::1/128"];
const DEFAULT_PREFIX: &str = "{pricecast}:";
/// What one Kraken connection and one publication are meant for.
const SYMBOLS_MAX: usize = 500;
/// One that is used and one to rotate to.
const SECRETS_MAX: usize = 2;
/// Coinbase caches for 1 s; beyond 3 s its prices would grow old between two polls.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));
/// More than a week of five symbols.
const RECORD_MIB_MAX: u64 = 65_536;
/// Of a public address.
const PUBLIC_EXAMPLE: &str = "https://prices.example.com";
const POLL_AFTER: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
const DRAIN: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(60));

/// Takes every key out of `reader`. This order is the order of the documentation.
pub(super) fn read(reader: &mut Reader) -> Config {
    Config {
        symbols: reader.take_list("symbols", default_symbols(), symbols),
        state_dir: reader.take("state_dir", PathBuf::from("state"), |v| Ok(v.text()?.into())),
        poll_after: reader.take("poll_after", Duration::from_millis(2_500), |value| {
            within(value.duration("2500ms")?, POLL_AFTER)
        }),
        store: reader.take("store", StoreKind::Memory, |value| {
            value.one_of(&[("memory", StoreKind::Memory), ("redis", StoreKind::Redis)])
        }),
        record: RecordConfig {
            max_mib: reader.take("record.max_mib", 64, |value| value.integer(0, RECORD_MIB_MAX)),
        },
        redis: RedisConfig {
            url: reader.take("redis.url", None, |value| match value.text()? {
                "" => Ok(None),
                text => RedisUrl::parse(text).map(Some),
            }),
            prefix: reader.take("redis.prefix", DEFAULT_PREFIX.to_owned(), prefix),
        },
        log: LogConfig {
            format: reader.take("log.format", LogFormat::Text, |value| {
                value.one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)])
            }),
            level: reader.take("log.level", "info".to_owned(), level),
        },
        http: HttpConfig {
            listen: reader.take("http.listen", loopback(8080), listen),
            public: reader.take("http.public", false, Value::boolean),
            delivery: reader.take("http.delivery", Delivery::Worker, |value| {
                value.one_of(&[
                    ("worker", Delivery::Worker),
                    ("cdn", Delivery::Cdn),
                    ("tiered-cdn", Delivery::TieredCdn),
                ])
            }),
            client_max_age: reader.take("http.client_max_age_s", ClientMaxAge::OneSecond, |v| {
                Ok(ClientMaxAge::from_seconds(v.integer(0, 2)?).unwrap_or(ClientMaxAge::OneSecond))
            }),
            cors: reader.take("http.cors_origins", Cors::Any, cors),
            hsts: reader.take("http.hsts", false, Value::boolean),
            connections_max: reader.take("http.connections_max", 1_024, |v| count(v, 1)),
            connections_per_address_max: reader
                .take("http.connections_per_address_max", 64, |v| count(v, 0)),
            requests_max: reader.take("http.requests_max", 512, |v| count(v, 1)),
            requests_per_address_per_s: reader.take(
                "http.requests_per_address_per_s",
                20,
                |value| u32::try_from(value.integer(0, 10_000)?).map_err(|e| e.to_string()),
            ),
            trusted_proxies: reader.take_list("http.trusted_proxies", loopbacks(), blocks),
            drain: reader.take("http.drain", Duration::from_secs(10), |value| {
                within(value.duration("10s")?, DRAIN)
            }),
        },
        metrics: MetricsConfig {
            listen: reader.take("metrics.listen", loopback(9090), loopback_only),
        },
        access: AccessConfig { secrets: reader.take_list("access.secrets", Vec::new(), secrets) },
        tls: TlsConfig {
            ca_file: reader.take("tls.ca_file", None, |value| {
                Ok(Some(value.text()?).filter(|text| !text.is_empty()).map(Into::into))
            }),
        },
        kraken: KrakenConfig {
            url: reader.take("kraken.url", real(KRAKEN_URL), |value| {
                url(value, &["wss", "ws"], KRAKEN_URL)
            }),
        },
        coinbase: CoinbaseConfig {
            url: reader.take("coinbase.url", real(COINBASE_URL), |value| {
                let url = url(value, &["https", "http"], COINBASE_URL)?;
                if url.path() == "/" { Ok(url) } else { Err(no_path(COINBASE_URL)) }
            }),
            interval: reader.take("coinbase.interval", Duration::from_secs(1), |value| {
                within(value.duration("1s")?, INTERVAL)
            }),
        },
        webhook: WebhookConfig {
            url: reader.take("webhook.url", None, |value| match value.text()? {
                "" => Ok(None),
                text => WebhookUrl::parse(text).map(Some),
            }),
        },
        probe: ProbeConfig {
            url: reader.take("probe.url", None, |value| match value.text()? {
                "" => Ok(None),
                _ => {
                    let url = url(value, &["https", "http"], PUBLIC_EXAMPLE)?;
                    if url.path() == "/" { Ok(Some(url)) } else { Err(no_path(PUBLIC_EXAMPLE)) }
                }
            }),
        },
    }
}

/// What must hold between keys.
pub(super) fn check_relations(config: &Config, reader: &mut Reader) {
    let http = &config.http;
    let is_open = config.access.secrets.is_empty() && !http.public;
    let is_spoken_for = ["http.listen", "http.public", "access.secrets"]
        .into_iter()
        .any(|key| reader.has_complained(key));
    if is_open && !http.listen.ip().is_loopback() && !is_spoken_for {
        let advice = "is reachable from outside without a secret; set access.secrets, or \
                      http.public = true if anyone may ask, or listen on 127.0.0.1";
        reader.complain("http.listen", advice.to_owned());
    }
    if http.listen == config.metrics.listen && http.listen.port() != 0 {
        let advice =
            "is the address of http.listen too; give it its own port, e.g. \"127.0.0.1:9090\"";
        reader.complain("metrics.listen", advice.to_owned());
    }
    if http.delivery != Delivery::Worker && http.cors != Cors::Any {
        let advice = "must be [\"*\"] unless http.delivery is \"worker\": a zone's cache keeps one answer for \
                      all pages, so only the page it was fetched for could read it";
        reader.complain("http.cors_origins", advice.to_owned());
    }
    check_redis(config, reader);
}

/// The address of a Redis is there exactly when one is used.
fn check_redis(config: &Config, reader: &mut Reader) {
    let is_spoken_for = ["store", "redis.url"].into_iter().any(|key| reader.has_complained(key));
    match (config.store, &config.redis.url) {
        _ if is_spoken_for => {}
        (StoreKind::Redis, None) => {
            let advice =
                "needs the address of a Redis in redis.url, e.g. \"redis://127.0.0.1:6379\"";
            reader.complain("store", advice.to_owned());
        }
        (StoreKind::Memory, Some(_)) => {
            let advice =
                "is not used while store is \"memory\"; set store = \"redis\", or leave it out";
            reader.complain("redis.url", advice.to_owned());
        }
        (StoreKind::Redis, Some(_)) | (StoreKind::Memory, None) => {}
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn loopbacks() -> Vec<IpNet> {
    LOOPBACKS.iter().filter_map(|text| text.parse().ok()).collect()
}

/// A number of connections or requests.
fn count(value: &Value, min: u64) -> Parsed<usize> {
    usize::try_from(value.integer(min, 65_536)?).map_err(|error| error.to_string())
}

/// Addresses and blocks of them.
fn blocks(value: &Value) -> ParsedList<IpNet> {
    let example = r#"["127.0.0.0/8", "10.1.2.3"]"#;
    let block = |text: String| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let block = text.parse::<IpNet>().or_else(|_| address()).map(|block| block.trunc());
        block.map_err(|_| format!("{text:?} is no address and no block of them, e.g. {example}"))
    };
    all_or_mistakes(value.list(example)?.into_iter().map(block).collect())
}

fn real(url: &str) -> Url {
    Url::parse(url).expect("the constants are URLs: every test reads them")
}

fn default_symbols() -> Vec<Symbol> {
    DEFAULT_SYMBOLS.iter().filter_map(|text| Symbol::parse(text).ok()).collect()
}

fn symbols(value: &Value) -> ParsedList<Symbol> {
    let example = r#"["BTC", "ETH"]"#;
    let texts = value.list(example)?;
    let (mut listed, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    let mut outcomes = Vec::new();
    match texts.len() {
        0 => outcomes.push(Err(format!("needs at least one symbol, e.g. {example}"))),
        1..=SYMBOLS_MAX => {}
        count => {
            let advice = format!("lists {count} symbols; at most {SYMBOLS_MAX} are served");
            outcomes.push(Err(advice));
        }
    }
    for text in texts {
        match Symbol::parse_alias(&text) {
            Err(error) => outcomes.push(Err(format!("{text:?} {error}"))),
            Ok(symbol) if listed.insert(symbol) => outcomes.push(Ok(symbol)),
            Ok(symbol) if repeated.insert(symbol) => {
                outcomes.push(Err(format!("{symbol} is listed more than once; list it once")));
            }
            Ok(_) => {}
        }
    }
    all_or_mistakes(outcomes)
}

fn level(value: &Value) -> Parsed<String> {
    let text = value.text()?;
    EnvFilter::builder().parse(text).map_err(|_| "is no log level, e.g. \"info\"".to_owned())?;
    Ok(text.to_owned())
}

fn loopback_only(value: &Value) -> Parsed<SocketAddr> {
    let address = listen(value)?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "is {address}, but metrics have no secret: keep them on loopback, e.g. \"127.0.0.1:9090\""
        ))
    }
}

fn listen(value: &Value) -> Parsed<SocketAddr> {
    let text = value.text()?;
    text.parse().map_err(|_| "is not ip:port, e.g. \"127.0.0.1:8080\"".to_owned())
}

fn cors(value: &Value) -> Parsed<Cors> {
    let list = value.list(r#"["*"]"#)?.join(",");
    Cors::parse(&list).map_err(|error| error.to_string())
}

fn secrets(value: &Value) -> ParsedList<Secret> {
    let list = value.list("one text, or two while rotating")?;
    let mut outcomes = Vec::new();
    if list.len() > SECRETS_MAX {
        outcomes.push(Err(format!("holds {} secrets; two are enough to rotate", list.len())));
    }
    outcomes.extend(list.into_iter().map(secret));
    all_or_mistakes(outcomes)
}

fn secret(text: String) -> Parsed<Secret> {
    if text == SECRET_PLACEHOLDER {
        Err(format!(
            "is {SECRET_PLACEHOLDER:?}, which --print-config shows in place of a secret; write the secret itself"
        ))
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("may hold only visible ASCII without spaces, e.g. 32 hex digits".to_owned())
    } else if text.len() < SECRET_LEN_MIN {
        Err(format!(
            "is shorter than {SECRET_LEN_MIN} characters, so it could be guessed; make one with: openssl rand -hex 32"
        ))
    } else {
        Ok(Secret(text))
    }
}

fn url(value: &Value, schemes: &[&str], example: &str) -> Parsed<Url> {
    let wanted = || format!("is no {}:// URL, e.g. {example:?}", schemes.join(":// or "));
    let url = Url::parse(value.text()?).map_err(|_| wanted())?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_bare = url.query().is_none() && url.fragment().is_none();
    if schemes.contains(&url.scheme()) && url.has_host() && is_plain && is_bare {
        Ok(url)
    } else {
        Err(wanted())
    }
}

fn prefix(value: &Value) -> Parsed<String> {
    let text = value.text()?;
    let tag = text.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let has_tag = tag.is_some_and(|(tag, _)| !tag.is_empty());
    if has_tag && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be visible ASCII with a hash tag in braces, e.g. {DEFAULT_PREFIX:?}"))
    }
}

fn no_path(example: &str) -> String {
    format!("must have no path, e.g. {example:?}")
}

fn within(value: Duration, (min, max): (Duration, Duration)) -> Parsed<Duration> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
    Err(format!("must lie between {min} and {max}, e.g. \"{max}\""))
}
