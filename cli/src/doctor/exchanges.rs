//! The exchanges, asked as the origin asks them, once.

use std::sync::Arc;
use std::time::Duration;

use pricecast_core::{KrakenEvent, SourceEvent, Symbol};
use pricecast_origin::clock::Clock;
use pricecast_origin::config::Config;
use pricecast_origin::exchange::coinbase::schedule::{Product, read_answer};
use pricecast_origin::exchange::coinbase::{Client, Fetched};
use pricecast_origin::exchange::kraken::KrakenStream;
use pricecast_origin::exchange::kraken::dial::{Dial as _, Tcp};
use pricecast_origin::exchange::{QUEUE_LEN, tls};
use pricecast_origin::metrics::Metrics;
use pricecast_origin::record::Recorder;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::finding::Finding;

const KRAKEN: &str = "kraken";
const COINBASE: &str = "coinbase";
/// Within this every symbol has its snapshot.
const PATIENCE: Duration = Duration::from_secs(6);
/// As many products as the origin asks for at a time.
const BATCH_LEN_MAX: usize = 100;

/// Connects to Kraken and subscribes to every symbol.
pub(super) async fn kraken(config: &Config) -> Vec<Finding> {
    let url = config.kraken.url.as_str();
    let host = config.kraken.url.host_str().unwrap_or_default();
    let port = config.kraken.url.port_or_known_default().unwrap_or(443);
    // Tells what the stream below tells only its log.
    match timeout(PATIENCE, Tcp.dial(&format!("{host}:{port}"))).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return vec![unreachable(KRAKEN, url, &error.to_string())],
        Err(_) => return vec![unreachable(KRAKEN, url, "no answer")],
    }
    let tls = match tls::client_config(config.tls.ca_file.as_deref()) {
        Ok(tls) => Arc::new(tls),
        Err(error) => return vec![Finding::bad(KRAKEN, format!("{error:#}"))],
    };
    let (events, mut heard) = mpsc::channel(QUEUE_LEN);
    // Held: without it the stream would take the aggregator for gone.
    let (_actions, wanted) = mpsc::channel(1);
    let mut stream = KrakenStream {
        url: url.to_owned(),
        symbols: config.symbols.clone(),
        clock: Clock::start(),
        events,
        actions: wanted,
        metrics: Arc::<Metrics>::default(),
        tls,
        reconnect: Arc::default(),
        dial: Tcp,
        rng: rand::make_rng(),
        recorder: Recorder::default(),
    };
    let mut waiting = config.symbols.clone();
    let mut unlisted = vec![];
    let mut end = None;
    let until = Instant::now() + PATIENCE;
    let hear = async {
        while !waiting.is_empty() {
            let Ok(Some(received)) = timeout_at(until, heard.recv()).await else { break };
            match received.event {
                SourceEvent::Kraken(KrakenEvent::Tick { quote, .. }) => {
                    waiting.retain(|symbol| *symbol != quote.symbol);
                }
                SourceEvent::Kraken(KrakenEvent::Unsupported(symbol)) => {
                    waiting.retain(|known| *known != symbol);
                    unlisted.push(symbol);
                }
                SourceEvent::Kraken(KrakenEvent::Disconnected(reason)) => {
                    end = Some(reason);
                    break;
                }
                _ => {}
            }
        }
    };
    tokio::select! {
        () = stream.run() => {}
        () = hear => {}
    }
    if let Some(reason) = end {
        return vec![unreachable(KRAKEN, url, &format!("the connection ended ({reason})"))];
    }
    let served = config.symbols.len() - waiting.len() - unlisted.len();
    let mut findings = vec![];
    if served > 0 {
        findings.push(Finding::good(
            KRAKEN,
            format!("{url} tells {served} of {} symbols", config.symbols.len()),
        ));
    }
    findings.extend(not_listed(KRAKEN, &unlisted, "Coinbase alone would serve them"));
    if !waiting.is_empty() {
        findings.push(Finding::bad(
            KRAKEN,
            format!("{url} tells no price of {} within {} s", named(&waiting), PATIENCE.as_secs()),
        ));
    }
    findings
}

/// Asks Coinbase for every symbol.
pub(super) async fn coinbase(config: &Config) -> Vec<Finding> {
    let url = &config.coinbase.url;
    let tls = tls::client_config(config.tls.ca_file.as_deref());
    let client = match tls.and_then(|tls| Client::new(url, tls)) {
        Ok(client) => client,
        Err(error) => return vec![Finding::bad(COINBASE, format!("{error:#}"))],
    };
    let clock = Clock::start();
    let mut findings = vec![];
    for asked in config.symbols.chunks(BATCH_LEN_MAX) {
        let fetched = client.fetch(asked, clock.now()).await;
        let Fetched::Body(body) = &fetched else {
            findings.push(unreachable(
                COINBASE,
                url.as_str(),
                &format!("the answer is {}", told(&fetched)),
            ));
            return findings;
        };
        let products = match read_answer(body, asked, clock.now()) {
            Ok(products) => products,
            Err(error) => {
                findings.push(Finding::bad(COINBASE, format!("the answer of {url} {error}")));
                return findings;
            }
        };
        findings.extend(judge(url.as_str(), asked, &products));
    }
    findings
}

fn judge(url: &str, asked: &[Symbol], products: &[Product]) -> Vec<Finding> {
    let quoted: Vec<Symbol> = products
        .iter()
        .filter_map(|product| product.as_ref().ok())
        .map(|quote| quote.symbol)
        .collect();
    let refused = products.iter().filter_map(|product| product.as_ref().err());
    let mut findings = vec![];
    if !quoted.is_empty() {
        findings.push(Finding::good(
            COINBASE,
            format!("{url} tells {} of {} symbols", quoted.len(), asked.len()),
        ));
    }
    findings.extend(refused.clone().map(|(symbol, reason)| {
        Finding::note(
            COINBASE,
            format!("its price of {symbol} cannot be used at the moment ({reason})"),
        )
    }));
    let is_told =
        |symbol: &Symbol| quoted.contains(symbol) || refused.clone().any(|(s, _)| s == symbol);
    let missing: Vec<_> = asked.iter().copied().filter(|symbol| !is_told(symbol)).collect();
    findings.extend(not_listed(COINBASE, &missing, "nobody would stand in for Kraken there"));
    findings
}

fn told(fetched: &Fetched) -> String {
    match fetched {
        Fetched::Refused { status } => format!("{status}"),
        other => other.as_str().to_owned(),
    }
}

fn not_listed(exchange: &'static str, symbols: &[Symbol], so: &str) -> Option<Finding> {
    let are = if symbols.len() == 1 { "is" } else { "are" };
    (!symbols.is_empty()).then(|| {
        let text = format!(
            "{} {are} not listed there: {so}; look at the spelling in `symbols`",
            named(symbols)
        );
        Finding::bad(exchange, text)
    })
}

fn unreachable(exchange: &'static str, url: &str, why: &str) -> Finding {
    Finding::bad(
        exchange,
        format!(
            "{url} cannot be used: {why}; is it reachable from here, and is the address right?"
        ),
    )
}

fn named(symbols: &[Symbol]) -> String {
    symbols.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
