//! What the process knows of its own troubles; `/ready` tells it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use pricecast_core::UnixMillis;

use crate::cluster::Standing;
use crate::supervise::Task;

/// Told by whoever has the trouble, read by `/ready`.
#[derive(Debug, Default)]
pub struct Health {
    is_state_unwritable: AtomicBool,
    /// Per task: until when it counts as not well, epoch ms.
    unsettled_until: [AtomicU64; Task::ALL.len()],
    standing: ArcSwapOption<Standing>,
}

impl Health {
    /// Notes the outcome of a write to `state_dir`; true if it is another one than before.
    pub fn note_state_write(&self, is_ok: bool) -> bool {
        self.is_state_unwritable.swap(!is_ok, Ordering::Relaxed) == is_ok
    }

    /// Whether the last known prices could not be written.
    #[must_use]
    pub fn is_state_unwritable(&self) -> bool {
        self.is_state_unwritable.load(Ordering::Relaxed)
    }

    /// Notes how this instance stands among several.
    pub fn note_standing(&self, standing: Standing) {
        self.standing.store(Some(Arc::new(standing)));
    }

    /// Notes that this instance leads no more, if it did.
    pub fn note_no_lead(&self) {
        if let Some(standing) = self.standing() {
            self.note_standing(Standing { leads: None, ..standing });
        }
    }

    /// How this instance stands among several; `None` if it is the only one.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.standing.load().as_deref().copied()
    }

    /// Notes that `task` has failed; it is well again at `settled_at` unless it fails before.
    pub fn note_failure(&self, task: Task, settled_at: UnixMillis) {
        if let Some(until) = self.unsettled_until.get(task as usize) {
            until.store(settled_at.as_ms(), Ordering::Relaxed);
        }
    }

    /// The tasks that have failed and not yet run well for long enough since.
    #[must_use]
    pub fn unsettled(&self, now: UnixMillis) -> Vec<Task> {
        let is_unsettled = |until: &AtomicU64| now.as_ms() < until.load(Ordering::Relaxed);
        let tasks = Task::ALL.into_iter().zip(&self.unsettled_until);
        tasks.filter(|(_, until)| is_unsettled(until)).map(|(task, _)| task).collect()
    }
}
