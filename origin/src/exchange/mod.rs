//! The adapters: an exchange's protocol on one side, [`SourceEvent`]s on the other.
//!
//! Each adapter is messages (what the bytes mean), a pure protocol (what to do when, in given
//! time) and a thin loop of I/O around them. Nothing here knows of HTTP or of the snapshot.

pub mod coinbase;
pub mod kraken;
pub mod pairs;
pub mod text;
pub mod tls;

use pricecast_core::{SourceEvent, UnixMillis};
use tokio::sync::mpsc;

/// An event and the moment it was received; the stamp is taken as close to the socket as we can.
#[derive(Clone, Debug)]
pub struct Received {
    /// Our clock then.
    pub at: UnixMillis,
    /// What was seen.
    pub event: SourceEvent,
}

/// Events on their way to ingestion. The queue is bounded and nothing is ever dropped from it:
/// an adapter that finds it full stops reading its exchange until there is room, and a Kraken
/// session that was held up so for long believes nothing it reads until its next snapshots.
pub type Sender = mpsc::Sender<Received>;

/// Room for a burst of snapshots of 500 symbols.
pub const QUEUE_LEN: usize = 1_024;
