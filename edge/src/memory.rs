//! The isolate's memory (L1): one per WebAssembly instance, lost with it. Every access is short
//! and synchronous, so that no request ever holds it across an await.

use std::cell::RefCell;
use std::rc::Rc;

use pricecast_wire::Problem;

use crate::isolate::Isolate;

/// The isolate, or why it has no configuration to work by.
type Loaded = Result<Isolate, Rc<Problem>>;

thread_local! {
    static MEMORY: RefCell<Option<Loaded>> = const { RefCell::new(None) };
}

/// Runs `load` unless that has been done, then lets `act` work on the isolate. `act` must not
/// call out to JavaScript: nothing may come back in while the memory is borrowed.
pub(crate) fn with<R>(
    load: impl FnOnce() -> Result<Isolate, Problem>,
    act: impl FnOnce(&mut Isolate) -> R,
) -> Result<R, Rc<Problem>> {
    if !MEMORY.with_borrow(Option::is_some) {
        let loaded = load().map_err(Rc::new);
        MEMORY.set(Some(loaded));
    }
    MEMORY.with_borrow_mut(|memory| match memory {
        Some(Ok(isolate)) => Ok(act(isolate)),
        Some(Err(problem)) => Err(Rc::clone(problem)),
        None => Err(Rc::new(pricecast_wire::ProblemCode::Internal.into())),
    })
}

/// As [`with`], for work that a loaded isolate has started. `None` if there is none.
pub(crate) fn with_loaded<R>(act: impl FnOnce(&mut Isolate) -> R) -> Option<R> {
    MEMORY.with_borrow_mut(|memory| match memory {
        Some(Ok(isolate)) => Some(act(isolate)),
        _ => None,
    })
}
