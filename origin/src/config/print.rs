//! The configuration written as the file that would give it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use pricecast_wire::Cors;
use pricecast_wire::headers::ClientMaxAge;

use super::{Config, Delivery, LogFormat, StoreKind};

pub(super) fn to_toml(config: &Config) -> String {
    let http = &config.http;
    let symbols: Vec<_> = config.symbols.iter().map(ToString::to_string).collect();
    let origins = match &http.cors {
        Cors::Any => vec!["*".to_owned()],
        Cors::Listed(list) => list.clone(),
    };
    let proxies: Vec<_> = http.trusted_proxies.iter().map(ToString::to_string).collect();
    let secrets = vec![super::SECRET_PLACEHOLDER.to_owned(); config.access.secrets.len()];
    let max_age_s = match http.client_max_age {
        ClientMaxAge::NoStore => "0",
        ClientMaxAge::OneSecond => "1",
        ClientMaxAge::TwoSeconds => "2",
    };
    let delivery = match http.delivery {
        Delivery::Worker => "worker",
        Delivery::Cdn => "cdn",
        Delivery::TieredCdn => "tiered-cdn",
    };
    let store = match config.store {
        StoreKind::Memory => "memory",
        StoreKind::Redis => "redis",
    };
    let format = match config.log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let mut out = Out::default();
    out.value("symbols", &list(&symbols));
    out.text("state_dir", &config.state_dir.display().to_string());
    out.value("poll_after", &duration(config.poll_after));
    out.text("store", store);
    out.section("record");
    out.value("max_mib", &config.record.max_mib.to_string());
    out.section("redis");
    out.text("url", &config.redis.url.as_ref().map(ToString::to_string).unwrap_or_default());
    out.text("prefix", &config.redis.prefix);
    out.section("log");
    out.text("format", format);
    out.text("level", &config.log.level);
    out.section("http");
    out.text("listen", &http.listen.to_string());
    out.value("public", &http.public.to_string());
    out.text("delivery", delivery);
    out.value("client_max_age_s", max_age_s);
    out.value("cors_origins", &list(&origins));
    out.value("hsts", &http.hsts.to_string());
    out.value("connections_max", &http.connections_max.to_string());
    out.value("connections_per_address_max", &http.connections_per_address_max.to_string());
    out.value("requests_max", &http.requests_max.to_string());
    out.value("requests_per_address_per_s", &http.requests_per_address_per_s.to_string());
    out.value("trusted_proxies", &list(&proxies));
    out.value("drain", &duration(http.drain));
    out.section("metrics");
    out.text("listen", &config.metrics.listen.to_string());
    out.section("access");
    out.value("secrets", &list(&secrets));
    out.section("tls");
    let ca_file = config.tls.ca_file.as_deref().unwrap_or(Path::new(""));
    out.text("ca_file", &ca_file.display().to_string());
    out.section("kraken");
    out.text("url", config.kraken.url.as_str());
    out.section("coinbase");
    out.text("url", config.coinbase.url.as_str());
    out.value("interval", &duration(config.coinbase.interval));
    out.section("webhook");
    out.text("url", config.webhook.url.as_ref().map_or("", |_| super::SECRET_PLACEHOLDER));
    out.section("probe");
    out.text("url", config.probe.url.as_ref().map_or("", |url| url.as_str()));
    out.0
}

#[derive(Default)]
struct Out(String);

impl Out {
    fn section(&mut self, name: &str) {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "\n[{name}]\n");
    }

    fn value(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.value(key, &quoted(text));
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
}

fn duration(span: Duration) -> String {
    quoted(&humantime::format_duration(span).to_string())
}
