//! Where the Worker's promise ends: a copy that one machine fetched and another adopts is dated by
//! two clocks. Those of one data centre must agree.

use serde::Serialize;

use crate::delivery::Delivery;
use crate::fleet::WATCHED_MAX;
use crate::measure::Measure;
use crate::origin::Origin;
use crate::scenario::Scenario;
use crate::site::{Plan, simulate};

/// How far the clocks of two machines of one data centre are apart at most, in ms: twice this.
const AROUND_MS: [i64; 4] = [10, 50, 250, 1_000];
/// Data centres looked at, of this many open apps each.
const CENTRES: u64 = 6;
const OPEN: u64 = 20_000;

/// What clocks that disagree within a data centre do to the Worker's answers.
#[derive(Clone, Debug, Serialize)]
pub struct ClocksApart {
    /// The most by which two clocks of one data centre differ.
    pub apart_ms: i64,
    /// Prices that stood old and without a flag on screens that were simulated, in an outage.
    pub unflagged_stale_ms_max: u64,
    /// Requests to the origin in a second of a normal day, per data centre.
    pub origin_rps_mean: f64,
}

/// Tries several.
pub(crate) fn clocks_apart(seed: u64) -> Vec<ClocksApart> {
    AROUND_MS
        .map(|around_ms| {
            let normal = several(Scenario::NormalDay, around_ms, seed);
            let outage = several(Scenario::OriginDead, around_ms, seed);
            ClocksApart {
                apart_ms: around_ms * 2,
                unflagged_stale_ms_max: outage
                    .unflagged_stale_ms_max
                    .max(normal.unflagged_stale_ms_max),
                origin_rps_mean: normal.fetches_per_s() / 6.0,
            }
        })
        .to_vec()
}

fn several(scenario: Scenario, around_ms: i64, seed: u64) -> Measure {
    let origin = Origin::new(scenario, seed);
    let mut all = Measure::default();
    for centre in 0..CENTRES {
        let plan = Plan {
            scenario,
            delivery: Delivery::Worker,
            parts: vec![0xc10c, centre],
            open: vec![OPEN],
            watched_max: WATCHED_MAX,
            isolates: None,
            machines_apart_ms: Some(around_ms),
            ahead_ms: 0,
        };
        all.merge(&simulate(&plan, &origin, seed));
    }
    all
}
