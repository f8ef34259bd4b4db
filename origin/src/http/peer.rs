//! The connections, as the listener and as their requests see them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::address::AddressKey;
use super::admission::{Admission, ConnectionLimits, Limit, Standing};

/// Where connections come in.
pub(super) struct Door {
    admission: Mutex<Admission>,
    left: Notify,
}

impl Door {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { admission: Mutex::new(Admission::new(limits)), left: Notify::new() })
    }

    /// Waits until one more connection can be served, or told that it is not. Meanwhile others wait
    /// in the listener's queue: to close them would only make them come again, at the cost of those
    /// who are being served.
    pub(super) async fn room(&self) {
        while !lock(&self.admission).has_room() {
            self.left.notified().await;
        }
    }

    /// Takes in a connection; an error if it is to be closed without a word.
    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Arc<Peer>, Limit> {
        let mut admission = lock(&self.admission);
        let address = admission.key(ip);
        let standing = admission.admit(address)?;
        Ok(Arc::new(Peer {
            address,
            door: Arc::clone(self),
            standing: Mutex::new(standing),
            has_asked: AtomicBool::new(false),
        }))
    }
}

/// The other end of a connection; leaves when dropped.
pub(super) struct Peer {
    address: Option<AddressKey>,
    door: Arc<Door>,
    standing: Mutex<Standing>,
    has_asked: AtomicBool,
}

impl Peer {
    /// By whom its requests are limited; `None` for a trusted proxy.
    pub(super) fn address(&self) -> Option<AddressKey> {
        self.address
    }

    /// The limit it is to be told of instead of an answer.
    pub(super) fn refusal(&self) -> Option<Limit> {
        match *lock(&self.standing) {
            Standing::Served { .. } => None,
            Standing::Refused(limit) => Some(limit),
        }
    }

    /// Notes that it has shown the secret.
    pub(super) fn prove(&self) {
        if lock(&self.standing).depends_on_address() {
            lock(&self.door.admission).prove(&mut lock(&self.standing));
        }
    }

    /// Notes that a whole request head has come.
    pub(super) fn note_asked(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
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
