//! A product object as Coinbase writes it: some forty fields, every decimal a string.

use crate::decimal::Decimal;
use crate::market::{Listing, Quote};
use serde::Serialize;
use serde_json::Value;

/// The flags that say whether a product can be traded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) status: &'static str,
    pub(crate) is_disabled: bool,
    pub(crate) trading_disabled: bool,
    pub(crate) cancel_only: bool,
    pub(crate) post_only: bool,
}

/// The answer of `GET /api/v3/brokerage/market/products`.
#[derive(Debug, Serialize)]
pub(crate) struct ProductList {
    pub(crate) products: Vec<Product>,
    pub(crate) num_products: usize,
    pub(crate) pagination: Option<()>,
}

/// One product, its fields in the recorded order.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Product {
    product_id: String,
    /// A string, but under a fault.
    pub(crate) price: Value,
    price_percentage_change_24h: String,
    volume_24h: String,
    volume_percentage_change_24h: String,
    base_increment: String,
    quote_increment: String,
    quote_min_size: &'static str,
    quote_max_size: &'static str,
    base_min_size: String,
    base_max_size: &'static str,
    base_name: String,
    quote_name: &'static str,
    watched: bool,
    is_disabled: bool,
    new: bool,
    status: &'static str,
    cancel_only: bool,
    limit_only: bool,
    post_only: bool,
    trading_disabled: bool,
    auction_mode: bool,
    product_type: &'static str,
    quote_currency_id: &'static str,
    base_currency_id: String,
    fcm_trading_session_details: Option<()>,
    /// These three are empty in every recording.
    pub(crate) mid_market_price: String,
    alias: &'static str,
    alias_to: Vec<String>,
    base_display_symbol: String,
    quote_display_symbol: &'static str,
    view_only: bool,
    price_increment: String,
    display_name: String,
    product_venue: &'static str,
    approximate_quote_24h_volume: String,
    new_at: &'static str,
    market_cap: &'static str,
    base_cbrn: &'static str,
    quote_cbrn: &'static str,
    product_cbrn: &'static str,
    icon_color: &'static str,
    icon_url: &'static str,
    display_name_overwrite: &'static str,
    is_alpha_testing: bool,
    about_description: &'static str,
    pub(crate) best_bid_price: String,
    pub(crate) best_ask_price: String,
}

impl Product {
    pub(crate) fn new(listing: &Listing, quote: &Quote, condition: &Condition) -> Self {
        let symbol = listing.symbol.as_str();
        let id = format!("{symbol}-USD");
        let [_, decimals] = listing.decimals;
        let increment = Decimal::new(1, decimals).to_string();
        let dollars = Decimal::from_f64(quote.volume.to_f64() * quote.last.to_f64(), 2);
        Self {
            price: Value::from(quote.last.trimmed().to_string()),
            price_percentage_change_24h: quote.change_pct(14).to_string(),
            volume_24h: quote.volume.trimmed().to_string(),
            volume_percentage_change_24h: String::from("12.49274884271996"),
            base_increment: String::from("0.00000001"),
            quote_increment: increment.clone(),
            quote_min_size: "1",
            quote_max_size: "150000000",
            base_min_size: String::from("0.00000001"),
            base_max_size: "3400",
            base_name: listing.name.clone(),
            quote_name: "US Dollar",
            watched: false,
            is_disabled: condition.is_disabled,
            new: false,
            status: condition.status,
            cancel_only: condition.cancel_only,
            limit_only: false,
            post_only: condition.post_only,
            trading_disabled: condition.trading_disabled,
            auction_mode: false,
            product_type: "SPOT",
            quote_currency_id: "USD",
            base_currency_id: symbol.to_owned(),
            fcm_trading_session_details: None,
            mid_market_price: String::new(),
            alias: "",
            alias_to: vec![format!("{symbol}-USDC")],
            base_display_symbol: symbol.to_owned(),
            quote_display_symbol: "USD",
            view_only: false,
            price_increment: increment,
            display_name: id.clone(),
            product_venue: "CBE",
            approximate_quote_24h_volume: dollars.to_string(),
            new_at: "2023-01-01T00:00:00Z",
            market_cap: "",
            base_cbrn: "",
            quote_cbrn: "",
            product_cbrn: "",
            icon_color: "",
            icon_url: "",
            display_name_overwrite: "",
            is_alpha_testing: false,
            about_description: "",
            best_bid_price: String::new(),
            best_ask_price: String::new(),
            product_id: id,
        }
    }
}
