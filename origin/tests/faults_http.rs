//! The program under clients that are slow, silent or too many, while an honest one goes on asking.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use market_sim::{Handle, Options};
use support::load::{Round, median, percentile, round};
use support::program::{Running, optimised_program, program};
use support::raw::{Raw, get};
use support::{Prices, client, watch_at};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const PRICES: &str = "/api/v1/prices";
const SECOND: Duration = Duration::from_secs(1);
/// No client is waited for longer.
const LIMIT: Duration = Duration::from_secs(20);

/// A program with live prices, and its market.
async fn live(program: std::process::Command, more: &[(&str, &str)]) -> (Running, Handle) {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let (kraken, coinbase) = (sim.kraken_url(), sim.coinbase_url());
    let market = [("PRICECAST_KRAKEN__URL", &*kraken), ("PRICECAST_COINBASE__URL", &*coinbase)];
    let origin = Running::start_as(program, &[&market, more].concat());
    let client = client();
    let deadline = Instant::now() + 10 * SECOND;
    while Prices::ask(&client, &origin.url).await.is_none_or(|prices| prices.mode() != "live") {
        assert!(Instant::now() < deadline, "not live: {}", origin.log());
        sleep(support::LOOK_EVERY).await;
    }
    (origin, sim)
}

/// How a client is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    /// Connects and says nothing.
    Silent,
    /// Sends its first head byte by byte.
    FirstHead,
    /// Asks once, then is idle.
    Idle,
    /// Asks once, then sends its next head byte by byte.
    NextHead,
    /// Asks without end and reads nothing.
    NeverReads,
    /// Announces a body and sends half of it.
    HalfABody,
}

impl Slow {
    const ALL: [Self; 6] = [
        Self::Silent,
        Self::FirstHead,
        Self::Idle,
        Self::NextHead,
        Self::NeverReads,
        Self::HalfABody,
    ];

    /// Within what it must be cut off.
    const fn limit(self) -> Duration {
        match self {
            Self::Silent | Self::FirstHead | Self::HalfABody => Duration::from_secs(5),
            Self::Idle | Self::NextHead => Duration::from_secs(10),
            // Five, once its answers have filled all that lies between.
            Self::NeverReads => Duration::from_secs(10),
        }
    }

    /// Whether it has that time; half a body is refused at once.
    fn has_time(self) -> bool {
        self != Self::HalfABody
    }

    /// Is one; returns after how long it was cut off.
    async fn act(self, url: &str) -> Duration {
        let mut raw = match self {
            Self::NeverReads => Raw::connect_narrow(url).await,
            _ => Raw::connect(url).await,
        };
        if matches!(self, Self::Idle | Self::NextHead) {
            assert_eq!(raw.ask(get(PRICES, "")).await.status(), 200);
        }
        let began = Instant::now();
        match self {
            Self::Silent | Self::Idle => {
                let _ = raw.0.read_to_end(&mut Vec::new()).await;
            }
            Self::FirstHead | Self::NextHead => {
                for byte in get(PRICES, "X: ").trim_end().bytes().chain(std::iter::repeat(b'x')) {
                    if !raw.try_send(&[byte]).await || !raw.is_open().await {
                        break;
                    }
                }
            }
            Self::NeverReads => {
                let many = get(PRICES, "").repeat(1_000);
                while raw.try_send(many.as_bytes()).await {}
            }
            Self::HalfABody => {
                let head = get(PRICES, "Content-Length: 1000\r\n");
                raw.send(head + &"x".repeat(500)).await;
                assert!(raw.read_to_close().await.contains("body_not_allowed"));
            }
        }
        began.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_slow_or_silent_is_cut_off_in_time_and_nobody_else_feels_it() {
    const EACH: usize = 20;
    let (origin, sim) = live(program(), &[]).await;
    let files_before = origin.open_files();
    let mut worst = [Duration::ZERO; Slow::ALL.len()];
    let attack = async {
        let mut all = JoinSet::new();
        let url: Arc<str> = origin.url.as_str().into();
        for (kind, slow) in Slow::ALL.into_iter().enumerate() {
            for _ in 0..EACH {
                let url = Arc::clone(&url);
                all.spawn(async move { (kind, timeout(LIMIT, slow.act(&url)).await) });
            }
        }
        while let Some(ended) = all.join_next().await {
            let (kind, after) = ended.unwrap();
            let slow = Slow::ALL[kind];
            let after = after.unwrap_or_else(|_| panic!("{slow:?} was never cut off"));
            let limit = slow.limit();
            assert!(after <= limit, "{slow:?} was cut off after {after:?}");
            assert!(after >= limit / 3 || !slow.has_time(), "{slow:?} had only {after:?}");
            worst[kind] = worst[kind].max(after);
        }
    };
    let answers = watch_at(&client(), &origin.url, &sim, attack).await;
    assert!(answers.iter().all(|prices| !prices.is_stale()), "somebody felt it");
    let deadline = Instant::now() + 5 * SECOND;
    // The prober's own connection may stay.
    while origin.open_files() > files_before + 1 {
        assert!(Instant::now() < deadline, "{} files are open", origin.open_files());
        sleep(support::LOOK_EVERY).await;
    }
    let ms = |slow: Slow| worst[Slow::ALL.iter().position(|s| *s == slow).unwrap()].as_millis();
    println!(
        "figures: {{\"slow_clients\":{},\"first_head_ms\":{},\"idle_ms\":{},\"next_head_ms\":{},\
         \"unread_ms\":{},\"half_a_body_ms\":{},\"probed\":{},\"lies\":0}}",
        EACH * Slow::ALL.len(),
        ms(Slow::Silent).max(ms(Slow::FirstHead)),
        ms(Slow::Idle),
        ms(Slow::NextHead),
        ms(Slow::NeverReads),
        ms(Slow::HalfABody),
        answers.len(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn at_twice_and_four_times_its_capacity_it_answers_as_much_as_at_its_best() {
    const CAPACITY: usize = 64;
    const LASTING: Duration = Duration::from_millis(400);
    /// The machine may be busy with other things: the best is measured again each time, and the
    /// middle one of all ratios counts.
    const TIMES: usize = 9;
    // One more place for the honest client.
    let connections_max = (CAPACITY + 1).to_string();
    let more = [("PRICECAST_HTTP__CONNECTIONS_MAX", &*connections_max)];
    let (origin, sim) = live(optimised_program(), &more).await;
    let mut ratios = [Vec::new(), Vec::new()];
    let mut refused = Round::default();
    let request = get(PRICES, "");
    let flood = async {
        for _ in 0..TIMES {
            let at = |factor| round(&origin.url, factor * CAPACITY, &request, LASTING);
            let best = at(1).await.answered as f64;
            for (ratios, factor) in ratios.iter_mut().zip([2, 4]) {
                let seen = at(factor).await;
                ratios.push(seen.answered as f64 / best);
                refused.add(seen);
            }
        }
    };
    let answers = watch_at(&client(), &origin.url, &sim, flood).await;
    let [twice, fourfold] = ratios.map(median);
    println!(
        "figures: {{\"goodput_at_2x\":{twice:.2},\"goodput_at_4x\":{fourfold:.2},\"refused\":{},\
         \"refused_p99_ms\":{:.0},\"probed\":{},\"lies\":0}}",
        refused.refused_ms.len(),
        percentile(refused.refused_ms.clone(), 99),
        answers.len(),
    );
    assert!(twice >= 0.9 && fourfold >= 0.9, "of the best: {twice:.2}, {fourfold:.2}");
    assert!(refused.refused_ms.len() > CAPACITY, "it was no overload");
    assert!(percentile(refused.refused_ms, 99) <= 500.0, "they were told too late");
    assert_eq!((refused.closed, refused.other), (0, 0), "everyone had an answer");
    assert!(answers.iter().all(|prices| !prices.is_stale()), "the honest client felt it");
}
