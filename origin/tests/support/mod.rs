//! An origin on free ports, fed by a simulated market, and what is asked of it.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "shared by several test binaries")]

pub mod load;
pub mod program;
pub mod raw;
pub mod redis;

use std::time::Duration;

use market_sim::{Handle, Options, Venue};
use pricecast_origin::app::{self, Listeners};
use pricecast_origin::config::{Config, FileText};
use pricecast_origin::supervise::Drill;
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How often conditions are looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A price may be presented as fresh for so long after it was true.
const FRESH_FOR_MS: i64 = 5_000;

/// A running origin.
pub struct Origin {
    pub url: String,
    pub metrics_url: String,
    pub stop: CancellationToken,
    pub drill: Drill,
    pub state_dir: std::path::PathBuf,
    client: reqwest::Client,
    task: JoinHandle<anyhow::Result<()>>,
}

/// A market, an origin on it whose prices are live, and the folder of its state.
pub async fn live() -> (Handle, Origin, TempDir) {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let state = tempdir().unwrap();
    let origin = Origin::start(&sim, &state, "").await;
    origin.live().await;
    (sim, origin, state)
}

/// A client that keeps its connections.
pub fn client() -> reqwest::Client {
    let tls = pricecast_origin::exchange::tls::client_config(None).unwrap();
    reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap()
}

impl Origin {
    /// Starts one that listens to `sim`; `more` is further configuration (TOML, dotted keys).
    pub async fn start(sim: &Handle, state: &TempDir, more: &str) -> Self {
        let (kraken, coinbase) = (sim.kraken_url(), sim.coinbase_url());
        Self::start_at(&kraken, &coinbase, state, more).await
    }

    /// The same with addresses of the exchanges.
    pub async fn start_at(kraken: &str, coinbase: &str, state: &TempDir, more: &str) -> Self {
        let state_dir = state.path().join("state");
        let text = format!(
            "state_dir = {state_dir:?}\nhttp.listen = \"127.0.0.1:0\"\nmetrics.listen = \"127.0.0.1:0\"\n\
             kraken.url = \"{kraken}\"\ncoinbase.url = \"{coinbase}\"\n{more}"
        );
        let file = FileText { name: "test", text: &text };
        let config = Config::load(Some(file), []).unwrap_or_else(|error| panic!("{error}"));
        let listeners = Listeners::bind(&config).unwrap();
        let url = format!("http://{}", listeners.http.local_addr().unwrap());
        let metrics_url = format!("http://{}/metrics", listeners.metrics.local_addr().unwrap());
        let stop = CancellationToken::new();
        let drill = Drill::default();
        let task = tokio::spawn(app::run(config, listeners, stop.clone(), drill.clone()));
        let client = client();
        Self { url, metrics_url, stop, drill, state_dir, client, task }
    }

    /// One request.
    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// The prices as served now; `None` on 503.
    pub async fn prices(&self) -> Option<Prices> {
        Prices::ask(&self.client, &self.url).await
    }

    /// Polls until `condition` holds; panics with the last answer once `within` has passed.
    pub async fn wait_until(
        &self,
        what: &str,
        within: Duration,
        condition: impl Fn(&Prices) -> bool,
    ) -> Prices {
        let deadline = Instant::now() + within;
        loop {
            let prices = self.prices().await;
            if let Some(prices) = prices.as_ref().filter(|prices| condition(prices)) {
                return prices.clone();
            }
            assert!(Instant::now() < deadline, "not within {within:?}: {what}; last {prices:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until every price is fresh and from Kraken.
    pub async fn live(&self) -> Prices {
        self.wait_until("live", Duration::from_secs(5), |prices| prices.mode() == "live").await
    }

    /// The value of a metric, its labels included in `name`; 0 if it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.client.get(&self.metrics_url).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Asks it to stop and waits for its end.
    pub async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.await.unwrap()
    }

    /// Ends it as a crash would: nothing is drained or saved.
    pub fn crash(self) {
        self.task.abort();
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Prices {
    /// `Pricecast-Now`.
    pub now: i64,
    pub body: Value,
    pub text: String,
}

impl Prices {
    /// What the origin at `url` serves now; `None` on 503.
    pub async fn ask(client: &reqwest::Client, url: &str) -> Option<Self> {
        let response = client.get(format!("{url}/api/v1/prices")).send().await.unwrap();
        let status = response.status();
        if status == 503 {
            return None;
        }
        assert_eq!(status, 200);
        let now = response.headers()["pricecast-now"].to_str().unwrap().parse().unwrap();
        let text = response.text().await.unwrap();
        Some(Self { now, body: serde_json::from_str(&text).unwrap(), text })
    }

    pub fn mode(&self) -> &str {
        self.body["mode"].as_str().unwrap()
    }

    pub fn is_stale(&self) -> bool {
        self.body["stale"].as_bool().unwrap()
    }

    pub fn version(&self) -> (u64, u64) {
        (self.body["epoch"].as_u64().unwrap(), self.body["seq"].as_u64().unwrap())
    }

    pub fn list(&self) -> &[Value] {
        self.body["prices"].as_array().unwrap()
    }

    pub fn of(&self, symbol: &str) -> Option<&Value> {
        self.list().iter().find(|price| price["symbol"] == symbol)
    }

    /// The source of `symbol`, or `none`.
    pub fn source(&self, symbol: &str) -> &str {
        self.of(symbol).map_or("none", |price| price["source"].as_str().unwrap())
    }

    pub fn unavailable(&self) -> Vec<&str> {
        self.body["unavailable"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect()
    }

    pub fn status(&self, source: &str) -> &str {
        self.body["sources"][source]["status"].as_str().unwrap()
    }

    /// Whether every price comes from `source` and is fresh.
    pub fn all_fresh_from(&self, source: &str) -> bool {
        self.list().iter().all(|price| price["source"] == source && price["stale"] == false)
    }

    /// The age of the oldest price, from its confirmation.
    pub fn oldest_age_ms(&self) -> i64 {
        let confirmed = self.list().iter().map(|price| price["confirmedAt"].as_i64().unwrap());
        self.now - confirmed.min().unwrap()
    }

    /// Panics if a price is presented as fresh that its exchange has not had for five seconds,
    /// by the market's own truth.
    pub fn assert_true(&self, sim: &Handle) {
        let truth = sim.truth();
        for price in self.list().iter().filter(|price| price["stale"] == false) {
            let symbol = price["symbol"].as_str().unwrap();
            let venue = match price["source"].as_str().unwrap() {
                "kraken" => Venue::Kraken,
                _ => Venue::Coinbase,
            };
            let from = truth.now_ms() - FRESH_FOR_MS;
            let held_at_start = truth.price_at(venue, symbol, from);
            let later = truth.history(venue, symbol).into_iter().filter(|p| p.at_ms > from);
            let mut candidates = held_at_start.into_iter().chain(later.map(|point| point.price));
            let said: f64 = price["price"].as_f64().unwrap();
            let is_true = candidates
                .any(|price| (price.to_string().parse::<f64>().unwrap() - said).abs() < 1e-9);
            assert!(
                is_true,
                "{symbol} {said} from {venue:?} was not true within 5 s: {}",
                self.text
            );
        }
    }
}

/// Polls `origin` until `until` is done, and asserts at every answer that fresh prices are true
/// and that versions never go backwards. Returns the answers.
pub async fn watch(origin: &Origin, sim: &Handle, until: impl Future<Output = ()>) -> Vec<Prices> {
    watch_at(&origin.client, &origin.url, sim, until).await
}

/// The same at any address.
pub async fn watch_at(
    client: &reqwest::Client,
    url: &str,
    sim: &Handle,
    until: impl Future<Output = ()>,
) -> Vec<Prices> {
    let mut answers: Vec<Prices> = Vec::new();
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return answers,
            () = sleep(LOOK_EVERY) => {
                let prices = Prices::ask(client, url).await.expect("a price was known before");
                prices.assert_true(sim);
                if let Some(last) = answers.last() {
                    assert!(prices.version() >= last.version(), "went backwards");
                }
                answers.push(prices);
            }
        }
    }
}
