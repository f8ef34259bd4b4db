//! What can be counted is told from the start, as 0: so that the first event is seen as an increase. Not
//! so where the labels are numbers or symbols.

use pricecast_core::{RejectReason, Source, Transition};

use super::Metrics;
use super::labels::{OfKind, OfOutcome, OfReason, OfRefusal, OfSource, OfStall, OfTask};
use crate::exchange::coinbase::Fetched;
use crate::exchange::kraken::reconnect::Gone;
use crate::exchange::kraken::session::{CloseReason, FrameKind};
use crate::http::limited_reasons;
use crate::supervise::Task;
use crate::watchdog::Stall;
use crate::webhook::Delivery;

impl Metrics {
    pub(super) fn tell_from_the_start(&self) {
        for task in Task::ALL {
            let _ = self.task_restarts.get_or_create(&OfTask { task: task.as_str() });
        }
        for stall in Stall::ALL {
            let _ = self.runtime_stalls.get_or_create(&OfStall { stall: stall.as_str() });
        }
        for kind in Transition::NAMES {
            let _ = self.transitions.get_or_create(&OfKind { kind });
        }
        for kind in FrameKind::NAMES {
            let _ = self.kraken_frames.get_or_create(&OfKind { kind });
        }
        for reason in CloseReason::NAMES.iter().chain(Gone::NAMES) {
            let _ = self.kraken_reconnects.get_or_create(&OfReason { reason });
        }
        for outcome in Fetched::names() {
            let _ = self.coinbase_requests.get_or_create(&OfOutcome { outcome });
        }
        for source in Source::ALL.map(Source::as_str) {
            for reason in RejectReason::ALL.iter().map(|reason| reason.as_str()) {
                let _ = self.quotes_refused.get_or_create(&OfRefusal { source, reason });
            }
        }
        // Coinbase gives its quotes no time of their own.
        let source = Source::Kraken.as_str();
        let _ = self.event_times_replaced.get_or_create(&OfSource { source });
        for reason in limited_reasons() {
            let _ = self.http_limited.get_or_create(&OfReason { reason });
        }
        for is_ok in [true, false] {
            let _ = self.state_writes.get_or_create(&Self::written(is_ok));
        }
        for outcome in Delivery::NAMES {
            let _ = self.webhook_messages.get_or_create(&OfOutcome { outcome });
        }
        self.redis.tell_from_the_start();
    }
}
