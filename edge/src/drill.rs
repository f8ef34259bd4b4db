//! A panic on demand, to test that one request's panic costs the others nothing. Compiled only
//! with the feature `panic-drill`, which no production build has.

use crate::response::Incoming;

/// Panics if the request's header `Pricecast-Drill` names this place.
#[expect(clippy::panic, reason = "that is the drill")]
pub(crate) fn panic_if_asked(request: &Incoming, place: &str) {
    let asked = request.headers().get(&"pricecast-drill".into()).as_string();
    if asked.as_deref() == Some(place) {
        panic!("drill in the {place}");
    }
}
