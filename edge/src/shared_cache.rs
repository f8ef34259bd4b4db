//! The data centre's shared cache (Cache API): of each document the last copy and the turn record, under two keys.
//! It saves fetches; truth never depends on it. Each operation is bounded in time, and one that
//! fails counts as "nothing there": on workers.dev there is no such cache at all.

use std::future::Future;
use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::futures::JsFuture;
use js_sys::{Promise, Reflect, global};
use pricecast_core::UnixMillis;
use pricecast_core::cache_policy::{EdgeMillis, Turn};
use pricecast_wire::headers::{MARKET_CUSTOM, PRICECAST_MARKET, PRICECAST_NOW};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{Headers, Response, ResponseInit};
use worker::{Delay, web_sys};

use crate::document::Document;
use crate::kept::RawCopy;

/// The major version of the contract: part of the keys. The deployed version is not, so that a
/// deploy finds the cache warm.
const CONTRACT: &str = "v1";
/// How long entries may lie there. Their freshness is judged by our own stamps alone.
const CACHE_CONTROL: &str = "max-age=86400";
/// The isolate's clock when the request for the copy left.
const SENT_AT: &str = "pricecast-sent-at";
/// Of both entries; another one is not read.
const SCHEMA: &str = "pricecast-schema";
const SCHEMA_NOW: &str = "1";
/// A cache that takes longer saves nothing.
const PATIENCE: Duration = Duration::from_millis(250);
/// A turn record binds for 2 s at most, and clocks of one data centre agree better than the rest.
const AHEAD_MAX_MS: u64 = 3_000;

/// The two entries of one document of one deployment.
pub(crate) struct SharedCache {
    snap_key: String,
    turn_key: String,
}

impl SharedCache {
    /// `base` is the Worker's own `scheme://host`, which needs no name look-up.
    pub(crate) fn new(base: &str, environment: &str, document: Document) -> Self {
        let key = |name| format!("{base}/.pricecast/{environment}/{CONTRACT}/{name}");
        let (snap, turn) = document.entries();
        Self { snap_key: key(snap), turn_key: key(turn) }
    }

    /// The copy there.
    pub(crate) async fn snap(&self) -> Option<RawCopy> {
        let (headers, body) = bounded(read(&self.snap_key)).await??;
        let number = |name| headers.get(name).ok().flatten()?.parse().ok();
        Some(RawCopy {
            sent_at: EdgeMillis::from_ms(number(SENT_AT)?),
            origin_sent_at: UnixMillis::from_ms(number(PRICECAST_NOW)?),
            is_custom_market: headers.has(PRICECAST_MARKET).ok()?,
            body,
        })
    }

    /// Puts a copy there.
    pub(crate) async fn put_snap(&self, copy: &RawCopy) {
        let sent_at = copy.sent_at.as_ms().to_string();
        let now = copy.origin_sent_at.to_string();
        let mut headers = vec![(SENT_AT, sent_at.as_str()), (PRICECAST_NOW, now.as_str())];
        if copy.is_custom_market {
            headers.push((PRICECAST_MARKET, MARKET_CUSTOM));
        }
        bounded(write(&self.snap_key, &copy.body, &headers)).await;
    }

    /// The turn record there, if it can be of these days.
    pub(crate) async fn turn(&self, now: EdgeMillis) -> Option<Turn> {
        let (_, body) = bounded(read(&self.turn_key)).await??;
        decode_turn(&body).filter(|turn| is_of_these_days(turn, now))
    }

    /// Puts a turn record there.
    pub(crate) async fn put_turn(&self, turn: &Turn) {
        bounded(write(&self.turn_key, &encode_turn(turn), &[])).await;
    }
}

/// `None` when it takes longer than [`PATIENCE`].
async fn bounded<T>(operation: impl Future<Output = T>) -> Option<T> {
    match select(Box::pin(operation), Delay::from(PATIENCE)).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

// Every way to throw is caught: an exception that passes through WebAssembly kills the instance,
// as `worker::Cache` would have it.
#[wasm_bindgen]
extern "C" {
    /// The runtime's `Cache`.
    type DefaultCache;
    #[wasm_bindgen(method, catch, js_name = "match")]
    fn find(this: &DefaultCache, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn put(this: &DefaultCache, key: &str, entry: &Response) -> Result<JsValue, JsValue>;
}

/// `caches.default`, where there is one.
fn default_cache() -> Result<DefaultCache, JsValue> {
    let caches = Reflect::get(&global(), &"caches".into())?;
    Ok(Reflect::get(&caches, &"default".into())?.unchecked_into())
}

/// What a call of the cache's resolves to.
async fn settled(called: Result<JsValue, JsValue>) -> Option<JsValue> {
    JsFuture::from(Promise::resolve(&called.ok()?)).await.ok()
}

async fn read(key: &str) -> Option<(Headers, String)> {
    let found = settled(default_cache().and_then(|cache| cache.find(key))).await?;
    let response: Response = found.dyn_into().ok()?;
    let headers = response.headers();
    let is_ours = headers.get(SCHEMA).ok()?.as_deref() == Some(SCHEMA_NOW);
    // Read whether ours or not: an unread body would hold its connection.
    let body = JsFuture::from(response.text().ok()?).await.ok()?.as_string()?;
    is_ours.then_some((headers, body))
}

async fn write(key: &str, body: &str, headers: &[(&str, &str)]) {
    let entry = || -> Result<Response, JsValue> {
        let target = Headers::new()?;
        target.set("cache-control", CACHE_CONTROL)?;
        target.set(SCHEMA, SCHEMA_NOW)?;
        for (name, value) in headers {
            target.set(name, value)?;
        }
        let init = ResponseInit::new();
        init.set_headers(&target);
        Response::new_with_opt_str_and_init(Some(body), &init)
    };
    if let Ok(response) = entry() {
        // Where it fails there is no such cache; the next isolate then fetches for itself.
        let _ = settled(default_cache().and_then(|cache| cache.put(key, &response))).await;
    }
}

/// A machine whose clock is far ahead must not hold the others off until theirs have caught up.
fn is_of_these_days(turn: &Turn, now: EdgeMillis) -> bool {
    let limit = now.plus_ms(AHEAD_MAX_MS);
    turn.at <= limit && turn.until <= limit && turn.retry_at <= limit
}

/// [`Turn`] as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TurnRecord {
    by: u64,
    until: u64,
    fails: u32,
    retry_at: u64,
    at: u64,
}

fn encode_turn(turn: &Turn) -> String {
    let record = TurnRecord {
        by: turn.by,
        until: turn.until.as_ms(),
        fails: turn.fails,
        retry_at: turn.retry_at.as_ms(),
        at: turn.at.as_ms(),
    };
    // Five integers: this cannot fail.
    serde_json::to_string(&record).unwrap_or_default()
}

fn decode_turn(text: &str) -> Option<Turn> {
    let record: TurnRecord = serde_json::from_str(text).ok()?;
    Some(Turn {
        by: record.by,
        until: EdgeMillis::from_ms(record.until),
        fails: record.fails,
        retry_at: EdgeMillis::from_ms(record.retry_at),
        at: EdgeMillis::from_ms(record.at),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_tell_deployments_apart_and_not_versions() {
        for (document, snap, turn) in
            [(Document::Prices, "snap", "turn"), (Document::Status, "status", "status-turn")]
        {
            let cache = SharedCache::new("https://prices.example", "staging", document);
            let key = |name| format!("https://prices.example/.pricecast/staging/v1/{name}");
            assert_eq!((cache.snap_key, cache.turn_key), (key(snap), key(turn)));
        }
    }

    #[test]
    fn a_turn_reads_for_other_versions_as_it_always_has() {
        let at = EdgeMillis::from_ms;
        let turn = Turn { by: 1, until: at(2), fails: 3, retry_at: at(4), at: at(5) };
        assert_eq!(encode_turn(&turn), r#"{"by":1,"until":2,"fails":3,"retryAt":4,"at":5}"#);
        let of_a_later_version = r#"{"at":5,"new":{},"by":1,"until":2,"fails":3,"retryAt":4}"#;
        assert_eq!(decode_turn(of_a_later_version), Some(turn));
    }

    #[test]
    fn a_record_from_a_clock_far_ahead_is_not_believed() {
        let at = EdgeMillis::from_ms;
        let now = at(10_000);
        let turn = Turn { by: 1, until: now, fails: 1, retry_at: now, at: now };
        assert!(is_of_these_days(&turn, now));
        assert!(is_of_these_days(&Turn { retry_at: at(13_000), ..turn }, now));
        for ahead in [
            Turn { retry_at: at(13_001), ..turn },
            Turn { until: at(13_001), ..turn },
            Turn { at: at(13_001), ..turn },
        ] {
            assert!(!is_of_these_days(&ahead, now), "{ahead:?}");
        }
    }

    proptest! {
        #[test]
        fn a_turn_comes_back_as_it_went_in(
            by: u64, until: u64, fails: u32, retry_at: u64, at: u64,
        ) {
            let turn = Turn {
                by,
                until: EdgeMillis::from_ms(until),
                fails,
                retry_at: EdgeMillis::from_ms(retry_at),
                at: EdgeMillis::from_ms(at),
            };
            prop_assert_eq!(decode_turn(&encode_turn(&turn)), Some(turn));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
            let _ = decode_turn(&text);
        }
    }
}
