//! The configuration: a TOML file, then the environment, every mistake told at once. Nothing
//! here touches the process: file text and variables are handed in.

mod document;
mod keys;
mod print;
mod reader;
mod redis_url;
mod value;
mod webhook_url;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use pricecast_core::Symbol;
use pricecast_core::cache_policy::CDN_HOLD_MS;
use pricecast_core::poll::{UNSEEN_ONE_TIER_MS, UNSEEN_TWO_TIERS_MS};
use pricecast_wire::Cors;
use pricecast_wire::headers::ClientMaxAge;
use reqwest::Url;

pub use reader::{ConfigError, Problem};
pub use redis_url::RedisUrl;
pub use webhook_url::WebhookUrl;

/// Prefix of the variables that are read; sections are parted by two underscores:
/// `PRICECAST_HTTP__LISTEN` is `http.listen`.
pub const ENV_PREFIX: &str = "PRICECAST_";
/// Kraken's own address.
pub const KRAKEN_URL: &str = "wss://ws.kraken.com/v2";
/// Coinbase's own address.
pub const COINBASE_URL: &str = "https://api.coinbase.com/";

/// What `--print-config` shows in place of a secret.
const SECRET_PLACEHOLDER: &str = "***";

/// Everything the origin can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What to publish, in that order.
    pub symbols: Vec<Symbol>,
    /// Where the last known prices are kept over a restart.
    pub state_dir: PathBuf,
    /// Published hint for clients that do not follow the poll rule.
    pub poll_after: Duration,
    /// Where the snapshot lives.
    pub store: StoreKind,
    /// `record.*`
    pub record: RecordConfig,
    /// `redis.*`
    pub redis: RedisConfig,
    /// `log.*`
    pub log: LogConfig,
    /// `http.*`
    pub http: HttpConfig,
    /// `metrics.*`
    pub metrics: MetricsConfig,
    /// `access.*`
    pub access: AccessConfig,
    /// `tls.*`
    pub tls: TlsConfig,
    /// `kraken.*`
    pub kraken: KrakenConfig,
    /// `coinbase.*`
    pub coinbase: CoinbaseConfig,
    /// `webhook.*`
    pub webhook: WebhookConfig,
    /// `probe.*`
    pub probe: ProbeConfig,
}

/// Where the snapshot lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// In this process.
    Memory,
    /// In this process, and shared by two or three of them through a Redis.
    Redis,
}

/// The record of what the exchanges said, for `pricecast replay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordConfig {
    /// So much of it is kept in `state_dir`; 0: there is none.
    pub max_mib: u64,
}

/// The Redis through which several instances agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisConfig {
    /// Its address; set exactly when the store is [`StoreKind::Redis`].
    pub url: Option<RedisUrl>,
    /// What our keys begin with; a hash tag keeps them on one node of a cluster.
    pub prefix: String,
}

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: LogFormat,
    /// `info`, or directives such as `info,pricecast_origin=debug`.
    pub level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line.
    Text,
    /// One JSON object.
    Json,
}

/// The HTTP face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether anyone may ask without a secret on an address that is not loopback.
    pub public: bool,
    /// Who fetches the prices for the clients.
    pub delivery: Delivery,
    /// How long a client's own cache may keep a body.
    pub client_max_age: ClientMaxAge,
    /// Which pages may read the answers.
    pub cors: Cors,
    /// Whether `Strict-Transport-Security` is sent.
    pub hsts: bool,
    /// Connections served at a time; further ones are told to come again.
    pub connections_max: usize,
    /// Of one address, among those that have not shown the secret; 0: no limit.
    pub connections_per_address_max: usize,
    /// Requests being answered at a time; further ones are told to come again.
    pub requests_max: usize,
    /// What one address may ask without the secret, in the long run; 0: no limit.
    pub requests_per_address_per_s: u32,
    /// Proxies of ours: their address says nothing about who asks, so it is not limited.
    pub trusted_proxies: Vec<IpNet>,
    /// How long requests under way may take after the order to stop.
    pub drain: Duration,
}

impl HttpConfig {
    /// H: how long caches between here and a client may hold a body together. It is rendered for
    /// that much later.
    #[must_use]
    pub const fn hold_ms(&self) -> u64 {
        let client_ms = self.client_max_age.hold_ms();
        match self.delivery {
            Delivery::Worker => client_ms,
            Delivery::Cdn | Delivery::TieredCdn => client_ms + CDN_HOLD_MS,
        }
    }
}

/// Who fetches the prices for the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The Worker, which renders each body anew.
    Worker,
    /// The cache of a Cloudflare zone, straight from here, each data centre for itself.
    Cdn,
    /// The same with Tiered Cache: one data centre for many.
    TieredCdn,
}

impl Delivery {
    /// How much younger than it is an answer may look to a client; our clock is told ahead by that.
    #[must_use]
    pub const fn unseen_ms(self) -> u64 {
        match self {
            Self::Worker => 0,
            Self::Cdn => UNSEEN_ONE_TIER_MS,
            Self::TieredCdn => UNSEEN_TWO_TIERS_MS,
        }
    }
}

/// The metrics' own listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// Who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessConfig {
    /// None: anyone. One or two (for rotation): whoever sends one of them.
    pub secrets: Vec<Secret>,
}

/// TLS towards the exchanges, and a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Root certificates (PEM) to trust beside the web's, towards the exchanges and Redis.
    pub ca_file: Option<PathBuf>,
}

/// The Kraken adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KrakenConfig {
    /// `wss://ws.kraken.com/v2`, or a simulator's.
    pub url: Url,
}

/// The Coinbase adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinbaseConfig {
    /// `https://api.coinbase.com`, or a simulator's.
    pub url: Url,
    /// Pause between two polls.
    pub interval: Duration,
}

/// Messages to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where they go; `None`: nowhere.
    pub url: Option<WebhookUrl>,
}

/// The look at what the public is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeConfig {
    /// The public address, without a path; `None`: it is not looked at.
    pub url: Option<Url>,
}

/// A shared secret; prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Its bytes, to be compared in constant time.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The text of a configuration file and the name to call it by.
#[derive(Clone, Copy, Debug)]
pub struct FileText<'a> {
    /// As the person who wrote it knows it.
    pub name: &'a str,
    /// TOML.
    pub text: &'a str,
}

impl Config {
    /// Reads the file, then the variables, which win. Variables without the prefix are ignored.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake found.
    pub fn load(
        file: Option<FileText<'_>>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut reader = reader::Reader::default();
        if let Some(file) = file {
            reader.add_file(file);
        }
        reader.add_variables(variables);
        let config = keys::read(&mut reader);
        keys::check_relations(&config, &mut reader);
        reader.finish(config)
    }

    /// Whether both exchanges are the real ones; a simulated market is never to be mistaken for
    /// a real one.
    #[must_use]
    pub fn is_real_market(&self) -> bool {
        self.kraken.url.as_str() == KRAKEN_URL && self.coinbase.url.as_str() == COINBASE_URL
    }

    /// The configuration as a file that would give it, secrets as `***`.
    #[must_use]
    pub fn to_toml(&self) -> String {
        print::to_toml(self)
    }
}

#[cfg(test)]
mod tests;
