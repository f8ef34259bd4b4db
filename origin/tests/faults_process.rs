//! A task that panics takes nothing with it: prices, versions and the other source stay.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use market_sim::{Fault, Options, Target};
use pricecast_origin::supervise::Task;
use support::{Origin, Prices, live, watch};
use tempfile::tempdir;

const SECOND: Duration = Duration::from_secs(1);

async fn restarts(origin: &Origin, task: Task) -> f64 {
    origin.metric(&format!("pricecast_task_restarts_total{{task=\"{task}\"}}")).await
}

async fn restarted(origin: &Origin, task: Task, times: f64) {
    let deadline = tokio::time::Instant::now() + 5 * SECOND;
    while restarts(origin, task).await < times {
        assert!(tokio::time::Instant::now() < deadline, "{task} was not started again");
        tokio::time::sleep(support::LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_task_panics_prices_stay_true_in_order_and_are_live_again() {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let state = tempdir().unwrap();
    let origin = Origin::start(&sim, &state, "").await;
    // All but the one that only several instances have.
    let tasks = Task::ALL.into_iter().filter(|&task| task != Task::Cluster);
    for task in tasks.clone() {
        let before = origin.live().await.version();
        let all = async {
            origin.drill.strike(task);
            restarted(&origin, task, 1.0).await;
            let ready = origin.get("/ready").await.text().await.unwrap();
            assert!(ready.contains(&format!("the task {task} failed")), "{task}: {ready}");
            let went_on = |p: &Prices| p.mode() == "live" && p.version().1 > before.1 + 10;
            // Kraken's hold-down of ten seconds included.
            origin.wait_until("live again", 20 * SECOND, went_on).await;
        };
        let answers = watch(&origin, &sim, all).await;
        let stale = answers.iter().filter(|prices| prices.is_stale()).count();
        assert_eq!(stale, 0, "{task}: nothing had to be flagged on the way");
        let is_same_epoch = |prices: &Prices| prices.version().0 == before.0;
        assert!(!answers.is_empty() && answers.iter().all(is_same_epoch), "{task}");
    }
    for task in tasks {
        assert_eq!(restarts(&origin, task).await, 1.0, "{task}");
    }
    origin.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_kraken_adapter_is_gone_coinbase_serves() {
    let (sim, origin, _state) = live().await;
    // It is back at once; so that it is missed, Kraken has nothing for it any more.
    sim.fault(Target::Kraken, Fault::Silence).unwrap();
    origin.drill.strike(Task::Kraken);
    let failed_over = origin
        .wait_until("all from Coinbase", 6 * SECOND, |prices| prices.all_fresh_from("coinbase"));
    for prices in watch(&origin, &sim, async { drop(failed_over.await) }).await {
        assert!(!prices.is_stale(), "nothing had to be flagged on the way");
    }
    origin.end().await.unwrap();
}
