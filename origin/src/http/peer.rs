//! The connections, as the listener and as their requests see them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::address::AddressKey;
use super::admission::{Admission, Admitted, Place, Standing};
use super::limits::{ConnectionLimits, Limit};

/// Where connections come in.
pub(super) struct Door {
    admission: Mutex<Admission>,
    left: Notify,
}

/// A connection that was taken in.
pub(super) struct Guest {
    pub(super) peer: Arc<Peer>,
    /// Cancelled when it is to end at once: it gives way.
    pub(super) end: CancellationToken,
    /// The limit for which others were closed to make room for it.
    pub(super) made_room: Option<Limit>,
}

impl Door {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { admission: Mutex::new(Admission::new(limits)), left: Notify::new() })
    }

    /// Waits until one more connection can be served, or told that it is not. Meanwhile others wait
    /// in the listener's queue: to close them would only make them come again, at the cost of those
    /// who are being served.
    pub(super) async fn room(&self) {
        loop {
            let now = Instant::now();
            let left = self.left.notified();
            let room_at = lock(&self.admission).has_room_at(now);
            match room_at {
                Some(at) if at <= now => return,
                Some(at) => drop(timeout_at(at, left).await),
                None => left.await,
            }
        }
    }

    /// Takes in a connection; an error if it is to be closed without a word.
    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Guest, Limit> {
        let mut admission = lock(&self.admission);
        let address = admission.key(ip);
        let Admitted { standing, end, made_room } = admission.admit(address, Instant::now())?;
        let peer = Arc::new(Peer {
            address,
            door: Arc::clone(self),
            standing: Mutex::new(standing),
            has_asked: AtomicBool::new(false),
            is_too_slow: AtomicBool::new(false),
        });
        Ok(Guest { peer, end, made_room })
    }
}

/// The other end of a connection; leaves when dropped.
pub(super) struct Peer {
    address: Option<AddressKey>,
    door: Arc<Door>,
    standing: Mutex<Standing>,
    has_asked: AtomicBool,
    is_too_slow: AtomicBool,
}

impl Peer {
    /// By whom its requests are limited; `None` for a trusted proxy.
    pub(super) fn address(&self) -> Option<AddressKey> {
        self.address
    }

    /// The limit it is to be told of instead of an answer.
    pub(super) fn refusal(&self) -> Option<Limit> {
        match lock(&self.standing).place {
            Place::Served => None,
            Place::Refused(limit) => Some(limit),
        }
    }

    /// Notes that it has shown the secret. Returns the limit for which another was closed to make room
    /// for it.
    pub(super) fn prove(&self) -> Option<Limit> {
        if self.is_proven() {
            return None;
        }
        lock(&self.door.admission).prove(&mut lock(&self.standing))
    }

    /// Whether it has ever shown the secret.
    pub(super) fn is_proven(&self) -> bool {
        lock(&self.standing).is_proven()
    }

    /// Notes that a whole request head has come.
    pub(super) fn note_asked(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
    }

    /// Notes that it is cut off, having taken too long over something.
    pub(super) fn note_too_slow(&self) {
        self.is_too_slow.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(super) fn is_too_slow(&self) -> bool {
        self.is_too_slow.load(Ordering::Relaxed)
    }

    /// Whether a whole request head has ever come.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        lock(&self.door.admission).leave(&lock(&self.standing));
        self.door.left.notify_one();
    }
}

/// What is counted stays true whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
