//! One connection, as its requests see it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::address::AddressKey;
use super::admission::{Admission, Limit, Standing};

/// The other end of a connection; leaves when dropped.
pub(super) struct Peer {
    address: Option<AddressKey>,
    admission: Arc<Mutex<Admission>>,
    standing: Mutex<Standing>,
    has_asked: AtomicBool,
}

impl Peer {
    /// Takes in a connection; an error if it is to be closed without a word.
    pub(super) fn admit(admission: &Arc<Mutex<Admission>>, ip: IpAddr) -> Result<Arc<Self>, Limit> {
        let (address, standing) = {
            let mut admission = lock(admission);
            let address = admission.key(ip);
            (address, admission.admit(address)?)
        };
        Ok(Arc::new(Self {
            address,
            admission: Arc::clone(admission),
            standing: Mutex::new(standing),
            has_asked: AtomicBool::new(false),
        }))
    }

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
            lock(&self.admission).prove(&mut lock(&self.standing));
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
        lock(&self.admission).leave(&lock(&self.standing));
    }
}

/// What is counted stays true whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
