//! A panic on demand, to test that one request's panic costs the others nothing. Compiled only
//! with the feature `panic-drill`, which no production build has.

use js_sys::{Reflect, global};

use crate::response::Incoming;

/// Panics if the request's header `Pricecast-Drill` begins with this place (`handler`, `hot`), and
/// only once for each value: run once more, the same request must find its way.
#[expect(clippy::panic, reason = "that is the drill")]
pub(crate) fn panic_if_asked(request: &Incoming, place: &str) {
    let Some(asked) = request.headers().get(&"pricecast-drill".into()).as_string() else { return };
    let mark = format!("__pricecast_drill_{asked}").into();
    let is_first = Reflect::get(&global(), &mark).is_ok_and(|done| done.is_undefined());
    if asked.starts_with(place) && is_first {
        // On the global object, which outlives the WebAssembly instance.
        let _ = Reflect::set(&global(), &mark, &true.into());
        panic!("drill in the {place}");
    }
}
