//! A line of the record: JSON, readable by people, and exact: every digit comes back.

use pricecast_core::{
    ChangePct, CoinbaseEvent, FeedConfig, KrakenEvent, Price, Quote, RejectReason, Source,
    SourceEvent, SourceReason, Symbol, SystemStatus, UnixMillis, Volume,
};
use serde::{Deserialize, Serialize};

/// A line that no version of ours has written.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is no JSON of this form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A value is not one of those there are.
    #[error("{text:?} is no {what}")]
    Value {
        /// What it should be.
        what: &'static str,
        /// What it is.
        text: String,
    },
    /// The prices published before cannot be read.
    #[error("the body it begins with: {0}")]
    Body(#[from] pricecast_wire::ParseError),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Epoch ms.
    pub(super) at: u64,
    #[serde(flatten)]
    pub(super) what: Said,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    Begins(Begins),
    /// So many lines are missing here.
    Lost(u64),
    Kraken(String),
    Coinbase {
        sent_at: u64,
        symbols: Vec<String>,
        /// Bytes that are no text are replaced: such a body is unreadable either way.
        body: String,
    },
    Event(Event),
    Beat(Beat),
}

/// From here on the record can be replayed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Begins {
    /// Of the origin that wrote it.
    pub(super) version: String,
    pub(super) symbols: Vec<String>,
    pub(super) coinbase_interval_ms: u64,
    pub(super) poll_after_ms: u32,
    pub(super) epoch: u64,
    /// The body published last, if any was.
    pub(super) last: Option<String>,
    /// Of a feed that was running already: the last of each kind that it was told.
    pub(super) earlier: Option<Vec<Earlier>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Earlier {
    pub(super) at: u64,
    pub(super) event: Event,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Beat {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) published: Option<Published>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Published {
    pub(super) epoch: u64,
    pub(super) seq: u64,
    /// XXH3-64 of the body, written for that moment, in hexadecimal.
    pub(super) xxh3: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    KrakenConnected,
    KrakenOnline,
    KrakenNotTrading(String),
    KrakenUnsupported(String),
    KrakenSnapshot(QuoteText),
    KrakenUpdate(QuoteText),
    KrakenRefused(Refused),
    KrakenHeartbeat,
    KrakenPong { sent_at: u64 },
    KrakenUndecodable,
    KrakenDisconnected(String),
    CoinbaseAnswered { sent_at: u64, products: Vec<Product> },
    CoinbaseUnsupported(String),
    CoinbaseFailed(String),
    CoinbaseBreakerOpen(bool),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Product {
    Quote(QuoteText),
    Refused(Refused),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Refused {
    symbol: String,
    reason: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct QuoteText {
    symbol: String,
    price: String,
    change_24h: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volume_24h: Option<String>,
    as_of: u64,
    as_of_replaced: bool,
}

impl Line {
    pub(super) fn parse(text: &str) -> Result<Self, LineError> {
        Ok(serde_json::from_str(text)?)
    }
}

impl Begins {
    pub(super) fn feed(&self) -> Result<FeedConfig, LineError> {
        Ok(FeedConfig {
            symbols: self.symbols.iter().map(|text| symbol(text)).collect::<Result<_, _>>()?,
            coinbase_interval_ms: self.coinbase_interval_ms,
            poll_after_ms: self.poll_after_ms,
        })
    }
}

impl From<&SourceEvent> for Event {
    fn from(event: &SourceEvent) -> Self {
        match event {
            SourceEvent::Kraken(event) => kraken(event),
            SourceEvent::Coinbase(event) => coinbase(event),
        }
    }
}

fn kraken(event: &KrakenEvent) -> Event {
    match event {
        KrakenEvent::Connected => Event::KrakenConnected,
        KrakenEvent::System(SystemStatus::Online) => Event::KrakenOnline,
        KrakenEvent::System(SystemStatus::NotTrading(reason)) => {
            Event::KrakenNotTrading(reason.to_string())
        }
        KrakenEvent::Unsupported(symbol) => Event::KrakenUnsupported(symbol.to_string()),
        KrakenEvent::Tick { quote, is_snapshot: true } => Event::KrakenSnapshot(quote.into()),
        KrakenEvent::Tick { quote, is_snapshot: false } => Event::KrakenUpdate(quote.into()),
        KrakenEvent::TickRefused { symbol, reason } => {
            Event::KrakenRefused(Refused::new(*symbol, *reason))
        }
        KrakenEvent::Heartbeat => Event::KrakenHeartbeat,
        KrakenEvent::Pong { sent_at } => Event::KrakenPong { sent_at: sent_at.as_ms() },
        KrakenEvent::Undecodable => Event::KrakenUndecodable,
        KrakenEvent::Disconnected(reason) => Event::KrakenDisconnected(reason.to_string()),
    }
}

fn coinbase(event: &CoinbaseEvent) -> Event {
    match event {
        CoinbaseEvent::Answered { sent_at, products } => {
            let product = |product: &Result<Quote, (Symbol, RejectReason)>| match product {
                Ok(quote) => Product::Quote(quote.into()),
                Err((symbol, reason)) => Product::Refused(Refused::new(*symbol, *reason)),
            };
            let products = products.iter().map(product).collect();
            Event::CoinbaseAnswered { sent_at: sent_at.as_ms(), products }
        }
        CoinbaseEvent::Unsupported(symbol) => Event::CoinbaseUnsupported(symbol.to_string()),
        CoinbaseEvent::Failed(reason) => Event::CoinbaseFailed(reason.to_string()),
        CoinbaseEvent::BreakerOpen(is_open) => Event::CoinbaseBreakerOpen(*is_open),
    }
}

impl TryFrom<&Event> for SourceEvent {
    type Error = LineError;

    fn try_from(event: &Event) -> Result<Self, LineError> {
        let kraken = |event| Ok(Self::Kraken(event));
        let coinbase = |event| Ok(Self::Coinbase(event));
        let tick = |text: &QuoteText, is_snapshot| {
            Ok(Self::Kraken(KrakenEvent::Tick { quote: text.quote(Source::Kraken)?, is_snapshot }))
        };
        match event {
            Event::KrakenConnected => kraken(KrakenEvent::Connected),
            Event::KrakenOnline => kraken(KrakenEvent::System(SystemStatus::Online)),
            Event::KrakenNotTrading(text) => {
                kraken(KrakenEvent::System(SystemStatus::NotTrading(reason(text)?)))
            }
            Event::KrakenUnsupported(text) => kraken(KrakenEvent::Unsupported(symbol(text)?)),
            Event::KrakenSnapshot(text) => tick(text, true),
            Event::KrakenUpdate(text) => tick(text, false),
            Event::KrakenRefused(refused) => {
                let (symbol, reason) = refused.parts()?;
                kraken(KrakenEvent::TickRefused { symbol, reason })
            }
            Event::KrakenHeartbeat => kraken(KrakenEvent::Heartbeat),
            Event::KrakenPong { sent_at } => {
                kraken(KrakenEvent::Pong { sent_at: UnixMillis::from_ms(*sent_at) })
            }
            Event::KrakenUndecodable => kraken(KrakenEvent::Undecodable),
            Event::KrakenDisconnected(text) => kraken(KrakenEvent::Disconnected(reason(text)?)),
            Event::CoinbaseAnswered { sent_at, products } => {
                let sent_at = UnixMillis::from_ms(*sent_at);
                let products = products.iter().map(Product::read).collect::<Result<_, _>>()?;
                coinbase(CoinbaseEvent::Answered { sent_at, products })
            }
            Event::CoinbaseUnsupported(text) => coinbase(CoinbaseEvent::Unsupported(symbol(text)?)),
            Event::CoinbaseFailed(text) => coinbase(CoinbaseEvent::Failed(reason(text)?)),
            Event::CoinbaseBreakerOpen(is_open) => coinbase(CoinbaseEvent::BreakerOpen(*is_open)),
        }
    }
}

impl Product {
    fn read(&self) -> Result<Result<Quote, (Symbol, RejectReason)>, LineError> {
        match self {
            Self::Quote(text) => Ok(Ok(text.quote(Source::Coinbase)?)),
            Self::Refused(refused) => Ok(Err(refused.parts()?)),
        }
    }
}

impl Refused {
    fn new(symbol: Symbol, reason: RejectReason) -> Self {
        Self { symbol: symbol.to_string(), reason: reason.to_string() }
    }

    fn parts(&self) -> Result<(Symbol, RejectReason), LineError> {
        let reason = RejectReason::from_name(&self.reason);
        Ok((symbol(&self.symbol)?, reason.ok_or_else(|| wrong("reason", &self.reason))?))
    }
}

impl From<&Quote> for QuoteText {
    fn from(quote: &Quote) -> Self {
        Self {
            symbol: quote.symbol.to_string(),
            price: quote.price.to_string(),
            change_24h: quote.change_24h.to_string(),
            volume_24h: quote.volume_24h.map(|volume| volume.to_string()),
            as_of: quote.as_of.as_ms(),
            as_of_replaced: quote.as_of_replaced,
        }
    }
}

impl QuoteText {
    fn quote(&self, source: Source) -> Result<Quote, LineError> {
        let volume = |text: &String| Volume::parse(text).map_err(|_| wrong("volume", text));
        Ok(Quote {
            source,
            symbol: symbol(&self.symbol)?,
            price: Price::parse(&self.price).map_err(|_| wrong("price", &self.price))?,
            change_24h: ChangePct::parse(&self.change_24h)
                .map_err(|_| wrong("change", &self.change_24h))?,
            volume_24h: self.volume_24h.as_ref().map(volume).transpose()?,
            as_of: UnixMillis::from_ms(self.as_of),
            as_of_replaced: self.as_of_replaced,
        })
    }
}

pub(super) fn symbol(text: &str) -> Result<Symbol, LineError> {
    Symbol::parse(text).map_err(|_| wrong("symbol", text))
}

fn reason(text: &str) -> Result<SourceReason, LineError> {
    SourceReason::from_name(text).ok_or_else(|| wrong("reason", text))
}

fn wrong(what: &'static str, text: &str) -> LineError {
    LineError::Value { what, text: text.to_owned() }
}
