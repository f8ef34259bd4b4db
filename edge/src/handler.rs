//! One request: ask the isolate what to do, do it, and look again on the request's own timer
//! until there is an answer. No request ever awaits the work of another.

use std::time::Duration;

use pricecast_core::cache_policy::{EdgeMillis, WAIT_MAX_MS};
use wasm_bindgen::{JsCast, JsValue};
use worker::{Context, Delay, Env, web_sys};

use crate::answer::{Answer, Waited};
use crate::asked::Asked;
use crate::config::EdgeConfig;
use crate::isolate::{Isolate, Step};
use crate::response::{Incoming, response};
use crate::{clock, hot, memory, refresh};

/// Between two looks: short enough to add little, long enough that a herd of waiters costs little.
const LOOK_AGAIN_MS: u64 = 25;
/// Looks after which a wait is over, whatever a clock that was set back makes of it.
const LOOKS_MAX: u64 = WAIT_MAX_MS / LOOK_AGAIN_MS;
/// Spread of it, so that a herd does not look in step.
const LOOK_AGAIN_SPREAD_MS: f64 = 15.0;

/// Answers a request.
///
/// # Errors
/// Whatever the runtime throws when it is handed our constant headers; never seen.
pub(crate) async fn handle(
    request: web_sys::Request,
    env: &Env,
    context: &Context,
) -> Result<web_sys::Response, JsValue> {
    let request: Incoming = request.unchecked_into();
    let asked = Asked::of(&request);
    let came_at = clock::now();
    let mut waited = Waited::default();
    let mut looks = 0;
    loop {
        let now = clock::now();
        waited.ms = now.ms_since(came_at);
        if looks >= LOOKS_MAX {
            waited.ms = waited.ms.max(WAIT_MAX_MS);
        }
        looks += 1;
        let Step { answer, refresh, is_cold, hot } = match step(env, &asked, now, waited) {
            Ok(step) => step,
            Err(answer) => return response(&answer),
        };
        if let Some((document, flight)) = refresh {
            waited.has_started = true;
            let (base, ..) = asked.url_parts();
            context.wait_until(refresh::run(document, flight, base.to_owned()));
        }
        if let Some(hot) = hot {
            hot::keep(&request.url(), hot);
        }
        if let Some(answer) = answer {
            return response(&answer);
        }
        waited.began_cold |= is_cold && !waited.has_waited;
        waited.has_waited = true;
        Delay::from(pause()).await;
        #[cfg(feature = "panic-drill")]
        crate::drill::panic_if_asked(&request, "handler");
    }
}

fn step(env: &Env, asked: &Asked, now: EdgeMillis, waited: Waited) -> Result<Step, Answer> {
    memory::with(|| load(env), |isolate| isolate.step(asked, now, waited))
        .map_err(|problem| Answer::misconfigured(&problem, asked))
}

/// The isolate as it starts: the only moment at which variables are read.
fn load(env: &Env) -> Result<Isolate, pricecast_wire::Problem> {
    let lookup = |name: &str| text_of(&js_sys::Reflect::get(env, &name.into()).ok()?);
    let keys = js_sys::Object::keys(env.unchecked_ref::<js_sys::Object>());
    let names = keys.iter().filter_map(|name| {
        let name = name.as_string()?;
        // Bindings are objects and none of our business.
        lookup(&name).map(|_| name)
    });
    Ok(Isolate::new(EdgeConfig::load(lookup, names)?, clock::random_id()))
}

/// A variable's value as text: in wrangler.toml one may write 1 for "1".
fn text_of(value: &JsValue) -> Option<String> {
    value
        .as_string()
        .or_else(|| value.as_f64().map(|number| number.to_string()))
        .or_else(|| value.as_bool().map(|flag| flag.to_string()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the spread"
)]
fn pause() -> Duration {
    Duration::from_millis(LOOK_AGAIN_MS + (clock::jitter() * LOOK_AGAIN_SPREAD_MS) as u64)
}
