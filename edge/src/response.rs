//! From plain answers to objects of the runtime.

use wasm_bindgen::prelude::*;
use worker::web_sys;

use crate::answer::Answer;
use crate::asked::Asked;

// Typed by what is needed here: texts stay JavaScript values unless they are looked into.
#[wasm_bindgen]
extern "C" {
    /// The runtime's `Request`.
    #[derive(Clone)]
    pub(crate) type Incoming;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn method(this: &Incoming) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn url(this: &Incoming) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn headers(this: &Incoming) -> IncomingHeaders;

    /// Its `Headers`.
    pub(crate) type IncomingHeaders;
    /// The header's value, or null.
    #[wasm_bindgen(method)]
    pub(crate) fn get(this: &IncomingHeaders, name: &JsValue) -> JsValue;

    /// The runtime's `Response`, with a body that may stay a JavaScript string.
    #[wasm_bindgen(js_name = Response)]
    pub(crate) type Outgoing;
    #[wasm_bindgen(constructor, js_class = "Response")]
    pub(crate) fn new(body: &JsValue, init: &web_sys::ResponseInit) -> Outgoing;
}

impl Asked {
    /// Copies out of a request what matters of it.
    pub(crate) fn of(request: &Incoming) -> Self {
        let headers = request.headers();
        let header = |name: &str| headers.get(&name.into()).as_string();
        Self {
            method: request.method().as_string().unwrap_or_default(),
            url: request.url().as_string().unwrap_or_default(),
            origin: header("origin"),
            if_none_match: header("if-none-match"),
        }
    }
}

/// The `Headers` of an answer.
pub(crate) fn headers(answer: &Answer) -> Result<web_sys::Headers, JsValue> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in &answer.headers {
        headers.set(name, value)?;
    }
    Ok(headers)
}

/// Status and headers of a response.
pub(crate) fn init(status: u16, headers: &web_sys::Headers) -> web_sys::ResponseInit {
    let init = web_sys::ResponseInit::new();
    init.set_status(status);
    init.set_headers(headers);
    init
}

/// The response.
pub(crate) fn response(answer: &Answer) -> Result<web_sys::Response, JsValue> {
    let body = answer.body.as_deref().map_or(JsValue::NULL, JsValue::from_str);
    let init = init(answer.status, &headers(answer)?);
    Ok(Outgoing::new(&body, &init).unchecked_into())
}
