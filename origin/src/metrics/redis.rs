//! What several instances do through their Redis.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::labels::OfReason;
use crate::cluster;
use crate::cluster::failure::CallFailure;
use crate::cluster::kept::Refused;
use crate::cluster::scripts::Call;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfCall {
    call: &'static str,
    outcome: &'static str,
}

/// The metrics of the shared store; all 0 with `store = "memory"`.
#[derive(Debug)]
pub struct RedisMetrics {
    calls: Family<OfCall, Counter>,
    call_duration: Histogram,
    is_leader: Gauge,
    lease_transitions: Family<OfReason, Counter>,
    snapshots_refused: Family<OfReason, Counter>,
}

impl Default for RedisMetrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            call_duration: Histogram::new([
                0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2,
            ]),
            is_leader: Gauge::default(),
            lease_transitions: Family::default(),
            snapshots_refused: Family::default(),
        }
    }
}

impl RedisMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let calls = "Calls of Redis by what was asked and what came of it";
        registry.register("redis_calls", calls, self.calls.clone());
        let duration = "Duration of each call of Redis, connecting included";
        registry.register("redis_call_duration_seconds", duration, self.call_duration.clone());
        let is_leader = "1 while this instance is the one that speaks to the exchanges";
        registry.register("redis_is_leader", is_leader, self.is_leader.clone());
        let transitions = "Changes of this instance's part in the lease, by reason";
        registry.register("redis_lease_transitions", transitions, self.lease_transitions.clone());
        let refused = "Snapshots found in Redis and not taken over, by reason";
        registry.register("redis_snapshots_refused", refused, self.snapshots_refused.clone());
    }

    /// Counts what cannot have happened yet as 0.
    pub(super) fn tell_from_the_start(&self) {
        for call in Call::ALL {
            for &outcome in call.verdicts().iter().chain(CallFailure::NAMES) {
                let _ = self.calls.get_or_create(&OfCall { call: call.as_str(), outcome });
            }
        }
        for reason in cluster::reasons() {
            let _ = self.lease_transitions.get_or_create(&OfReason { reason });
        }
        for reason in Refused::NAMES {
            let _ = self.snapshots_refused.get_or_create(&OfReason { reason });
        }
    }

    /// Counts a call and how long it took.
    pub fn call(&self, call: Call, outcome: &'static str, took: Duration) {
        self.calls.get_or_create(&OfCall { call: call.as_str(), outcome }).inc();
        self.call_duration.observe(took.as_secs_f64());
    }

    /// Tells the part it plays.
    pub fn is_leader(&self, is_leader: bool) {
        self.is_leader.set(i64::from(is_leader));
    }

    /// Counts a change of the part it plays.
    pub fn transition(&self, reason: &'static str) {
        self.lease_transitions.get_or_create(&OfReason { reason }).inc();
    }

    /// Counts a snapshot that was not taken over.
    pub fn snapshot_refused(&self, reason: &'static str) {
        self.snapshots_refused.get_or_create(&OfReason { reason }).inc();
    }
}
