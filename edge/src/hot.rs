//! The hot path: an answer that was given once is given again, without the crate's handler, until
//! its copy's soft age, the end of the refresh under way, or its next flip. Nothing is built per
//! request but the `Response`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pricecast_core::UnixMillis;
use pricecast_core::cache_policy::{CopyMeta, EdgeMillis};
use pricecast_wire::headers::PRICECAST_NOW;
use pricecast_wire::if_none_match;
use wasm_bindgen::prelude::*;
use worker::web_sys;

use crate::answer::stamp;
use crate::clock;
use crate::isolate::Hot;
use crate::response::{self, Incoming, Outgoing};

/// URLs of this deployment known to ask for the prices: its host by each path, and a few more.
const URLS_MAX: usize = 8;

/// An answer ready to be given.
struct Page {
    copy: CopyMeta,
    until: EdgeMillis,
    etag: String,
    etag_js: JsValue,
    body: JsValue,
    headers: [web_sys::Headers; 2],
    ok: web_sys::ResponseInit,
    not_modified: web_sys::ResponseInit,
    /// The `Pricecast-Now` in the headers; rewritten when it has moved on, at most every 100 ms.
    stamped: Cell<UnixMillis>,
    /// With an allow-list the answer differs by `Origin`; only the one without it is kept here.
    is_for_any_origin: bool,
    unseen_ms: u64,
}

/// The few texts a request is compared with.
struct Words {
    get: JsValue,
    head: JsValue,
    if_none_match: JsValue,
    origin: JsValue,
}

thread_local! {
    static PAGE: RefCell<Option<Rc<Page>>> = const { RefCell::new(None) };
    static URLS: RefCell<Vec<JsValue>> = const { RefCell::new(Vec::new()) };
    static WORDS: Words = Words {
        get: "GET".into(),
        head: "HEAD".into(),
        if_none_match: "if-none-match".into(),
        origin: "origin".into(),
    };
}

/// Answers a request from the kept page. `None`: ask the handler.
pub(crate) fn answer(request: &Incoming) -> Option<web_sys::Response> {
    #[cfg(feature = "panic-drill")]
    crate::drill::panic_if_asked(request, "hot");
    // A share of its own: nothing stays borrowed while JavaScript runs.
    let page = PAGE.with_borrow(Clone::clone)?;
    let now = clock::now();
    if !page.is_valid_at(now) {
        return None;
    }
    let url = request.url();
    let is_known = URLS.with_borrow(|urls| urls.contains(&url));
    WORDS.with(|words| {
        let method = request.method();
        if !is_known || (method != words.get && method != words.head) {
            return None;
        }
        let headers = request.headers();
        if !page.is_for_any_origin && !headers.get(&words.origin).is_null() {
            return None;
        }
        page.restamp(now);
        Some(page.respond(&headers.get(&words.if_none_match)))
    })
}

/// Keeps an answer that may be repeated to who asks for the same URL, unless it is kept already.
pub(crate) fn keep(url: &JsValue, hot: Hot) {
    learn(url);
    let is_kept = |page: &Rc<Page>| page.copy == hot.copy && page.until == hot.until;
    if !PAGE.with_borrow(|page| page.as_ref().is_some_and(is_kept)) {
        PAGE.set(Page::new(hot).ok().map(Rc::new));
    }
}

/// Until another answer is kept, the handler is asked.
pub(crate) fn forget() {
    PAGE.set(None);
}

fn learn(url: &JsValue) {
    URLS.with_borrow_mut(|urls| {
        if !urls.contains(url) {
            urls.truncate(URLS_MAX - 1);
            urls.insert(0, url.clone());
        }
    });
}

impl Page {
    fn new(hot: Hot) -> Result<Self, JsValue> {
        let etag = hot.answer.header("etag").unwrap_or_default().to_owned();
        let body = hot.answer.body.as_deref().map_or(JsValue::NULL, JsValue::from_str);
        let ok = response::headers(&hot.answer)?;
        let not_modified = response::headers(&hot.answer.into_not_modified())?;
        Ok(Self {
            copy: hot.copy,
            until: hot.until,
            etag_js: etag.as_str().into(),
            etag,
            body,
            ok: response::init(200, &ok),
            not_modified: response::init(304, &not_modified),
            headers: [ok, not_modified],
            stamped: Cell::default(),
            is_for_any_origin: hot.is_for_any_origin,
            unseen_ms: hot.unseen_ms,
        })
    }

    fn is_valid_at(&self, now: EdgeMillis) -> bool {
        now < self.until && self.copy.age_ms(now).is_some()
    }

    fn restamp(&self, now: EdgeMillis) {
        let stamp = stamp(self.copy.origin_now(now).plus_ms(self.unseen_ms));
        if self.stamped.replace(stamp) != stamp {
            for headers in &self.headers {
                // Setting a header of a plain `Headers` object cannot fail.
                let _ = headers.set(PRICECAST_NOW, &stamp.to_string());
            }
        }
    }

    fn respond(&self, known: &JsValue) -> web_sys::Response {
        let is_known = !known.is_null()
            && (*known == self.etag_js
                || known.as_string().is_some_and(|header| if_none_match(&header, &self.etag)));
        let outgoing = if is_known {
            Outgoing::new(&JsValue::NULL, &self.not_modified)
        } else {
            Outgoing::new(&self.body, &self.ok)
        };
        outgoing.unchecked_into()
    }
}
