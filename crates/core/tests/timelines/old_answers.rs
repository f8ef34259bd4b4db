//! What has stopped and goes on talking: a backend of Coinbase beside others that have not, and all
//! of Kraken.

use pricecast_core::{Action, KrakenEvent, Source, SourceReason, SystemStatus};

use crate::support::{Feed, symbol};

/// Coinbase alone, two products, asked once a second.
fn coinbase_alone() -> Feed {
    let mut feed = Feed::new(&[("BTC", "10000.0"), ("ETH", "100.00")]);
    feed.answers("10000.0", "100.00", 1);
    assert_eq!(feed.source("BTC"), Source::Coinbase);
    feed
}

impl Feed {
    /// Coinbase answers with these prices of BTC and ETH, and this 24 h volume of both; then a
    /// second passes.
    fn answers(&mut self, btc: &str, eth: &str, volume: u64) {
        for (name, price) in [("BTC", btc), ("ETH", eth)] {
            self.coinbase.prices.insert(symbol(name), price.to_owned());
        }
        self.coinbase.volume = volume - 1;
        self.poll();
        self.run_ms(1_000);
    }

    /// Kraken answers every new subscription, and takes every new connection, for so long.
    fn run_answered_ms(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while self.now_ms < end_ms {
            self.run_ms(100);
            for (_, action) in std::mem::take(&mut self.actions) {
                match action {
                    Action::ResubscribeKraken(symbols) => {
                        for name in symbols {
                            let price = self.kraken.prices.get(&name).cloned();
                            price.into_iter().for_each(|price| self.say(name, &price, true));
                        }
                    }
                    Action::ReconnectKraken => {
                        self.kraken(KrakenEvent::Disconnected(SourceReason::Frozen));
                        self.connect();
                    }
                }
            }
        }
    }
}

#[test]
fn an_old_answer_that_comes_again_is_neither_published_nor_a_proof() {
    let mut feed = coinbase_alone();
    feed.answers("10300.0", "103.00", 2);
    let proved_at = feed.point("BTC").confirmed_at;
    for _ in 0..3 {
        feed.answers("10000.0", "100.00", 1);
        assert_eq!(feed.price("BTC"), "10300.0");
        assert_eq!(feed.point("BTC").confirmed_at, proved_at);
    }
}

#[test]
fn once_one_came_again_only_news_is_believed() {
    let mut feed = coinbase_alone();
    feed.answers("10300.0", "103.00", 2);
    let proved_at = feed.point("BTC").confirmed_at;
    feed.answers("10000.0", "100.00", 1);
    feed.answers("10300.0", "103.00", 2);
    assert_eq!(feed.point("BTC").confirmed_at, proved_at, "which of the two is old is not known");
    feed.answers("10301.0", "103.00", 3);
    assert_eq!(feed.price("BTC"), "10301.0");
    assert!(feed.point("ETH").confirmed_at > proved_at, "news of one is proof of all");
    for volume in 4..10 {
        feed.answers("10000.0", "100.00", 1);
        feed.answers("10301.0", "103.00", volume);
        assert!(!feed.is_stale("BTC"), "every other answer is enough");
        assert_eq!(feed.price("BTC"), "10301.0");
    }
}

#[test]
fn every_other_answer_may_be_old_for_as_long_as_it_likes() {
    // Kraken is silent, for five minutes; the answers in between move both prices, or one.
    for both_move in [true, false] {
        let mut feed = coinbase_alone();
        for second in 1..150 {
            let eth =
                if both_move { format!("{}.5", 100 + second % 7) } else { "103.00".to_owned() };
            let btc = format!("{}.0", 10_300 + second);
            feed.answers(&btc, &eth, 1 + second);
            assert_eq!(feed.price("BTC"), btc, "{second}");
            feed.answers("10000.0", "100.00", 1);
            assert!(feed.price("BTC") == btc && !feed.is_stale("BTC"), "{second}");
        }
    }
}

#[test]
fn a_product_without_a_trade_makes_no_old_answer_new() {
    for trades in [2, 1] {
        let names = ["BTC", "ETH", "SOL"];
        let mut feed = Feed::new(&[("BTC", "10000.0"), ("ETH", "100.00"), ("SOL", "10.00")]);
        let mut answers = |moved: bool| {
            for (nth, name) in names.iter().enumerate() {
                let has_traded = moved && nth < trades;
                let price = ["10000.0", "100.00", "10.00", "10300.0", "103.00"]
                    [nth + if has_traded { 3 } else { 0 }];
                feed.coinbase.prices.insert(symbol(name), price.to_owned());
            }
            feed.coinbase.volume = 0;
            feed.poll();
            feed.run_ms(1_000);
            feed.price("BTC")
        };
        assert_eq!([answers(false), answers(true)], ["10000.0", "10300.0"]);
        // One product alone may come back by chance.
        assert_eq!(answers(false), if trades == 2 { "10300.0" } else { "10000.0" });
    }
}

#[test]
fn prices_that_bounce_are_no_old_answer() {
    // One product alone comes back; both do, by no more than 25 bp; both do, with other volumes.
    for (btc, eth, volume) in
        [("10300.0", "100.00", 1), ("10025.0", "100.25", 1), ("10300.0", "103.00", 2)]
    {
        let mut feed = coinbase_alone();
        feed.answers(btc, eth, volume);
        feed.answers("10000.0", "100.00", if volume == 1 { 1 } else { 3 });
        assert_eq!(feed.price("BTC"), "10000.0", "{btc} {eth} {volume}");
    }
    let mut feed = coinbase_alone();
    feed.answers("10025.1", "100.25", 1);
    feed.answers("10000.0", "100.00", 1);
    assert_eq!(feed.price("BTC"), "10025.1", "beyond 25 bp it is one");
}

#[test]
fn a_venue_frozen_as_a_whole_is_left_although_a_new_connection_repeats_it() {
    let mut feed = Feed::live(&[("BTC", "10000.0"), ("ETH", "100.00")]);
    feed.tick("BTC", "10000.1");
    feed.run_ms(1_000);
    feed.tick("ETH", "100.01");
    for (name, price) in [("BTC", "10300.0"), ("ETH", "103.00")] {
        feed.coinbase.prices.insert(symbol(name), price.to_owned());
    }
    let frozen_ms = feed.now_ms;
    while feed.now_ms < frozen_ms + 20_000 {
        feed.run_answered_ms(100);
        let waited_ms = feed.now_ms - frozen_ms;
        if waited_ms > 10_200 {
            let sources = ["BTC", "ETH"].map(|name| feed.source(name));
            assert_eq!(sources, [Source::Coinbase; 2], "{waited_ms} ms on");
        }
    }
    assert_eq!(feed.saw("suspected_frozen"), 2);
}

#[test]
fn a_lone_product_may_come_back_to_where_it_was() {
    let mut feed = Feed::new(&[("BTC", "10000.0")]);
    for price in ["10000.0", "10300.0", "10000.0"] {
        feed.coinbase.prices.insert(symbol("BTC"), price.to_owned());
        feed.coinbase.volume = 0;
        feed.poll();
        feed.run_ms(1_000);
        assert_eq!(feed.price("BTC"), price);
    }
}

#[test]
fn an_old_answer_repeated_for_ever_is_frozen_like_any() {
    let mut feed = coinbase_alone();
    feed.answers("10300.0", "103.00", 2);
    for _ in 0..40 {
        feed.answers("10000.0", "100.00", 1);
    }
    assert!(feed.is_stale("BTC"));
    assert_eq!(feed.price("BTC"), "10300.0");
}

// ── One symbol of Kraken stands still, and its backend answers every new subscription ──────────

/// BTC's backend has stopped just now.
fn frozen_symbol() -> Feed {
    let mut feed = Feed::live(&[("BTC", "10000.0"), ("ETH", "100.00")]);
    feed.tick("BTC", "10000.0");
    feed
}

#[test]
fn a_frozen_symbol_is_left_however_slowly_the_market_leaves_it() {
    let mut feed = frozen_symbol();
    // 20 bp in 30 s: 25 are passed after 37.5 s, by when the symbol was asked for anew once.
    for second in 1..=300 {
        let price = format!("{:.2}", 10_000.0 + f64::from(second) * 20.0 / 30.0);
        feed.coinbase.prices.insert(symbol("BTC"), price);
        feed.tick("ETH", "100.00");
        feed.run_answered_ms(1_000);
        if second > 43 {
            assert_eq!(feed.source("BTC"), Source::Coinbase, "{second} s");
        }
    }
}

#[test]
fn a_frozen_symbol_is_left_although_coinbase_was_away_when_it_was_asked_for_anew() {
    for quiet_ms in [20_000, 40_000, 70_000] {
        let mut feed = frozen_symbol();
        feed.coinbase.is_up = false;
        feed.run_answered_ms(quiet_ms);
        feed.coinbase.prices.insert(symbol("BTC"), "10300.00".to_owned());
        feed.coinbase.is_up = true;
        feed.run_answered_ms(11_500);
        assert_eq!(feed.source("BTC"), Source::Coinbase, "away for {quiet_ms} ms");
    }
}

#[test]
fn a_symbol_that_froze_while_coinbase_was_away_is_left_when_it_is_back() {
    let mut feed = frozen_symbol();
    feed.coinbase.is_up = false;
    feed.run_answered_ms(5_000);
    feed.tick("BTC", "10001.0");
    feed.run_answered_ms(5_000);
    feed.coinbase.prices.insert(symbol("BTC"), "10300.00".to_owned());
    feed.coinbase.is_up = true;
    feed.run_answered_ms(11_500);
    assert_eq!(feed.source("BTC"), Source::Coinbase);
}

#[test]
fn a_symbol_that_was_frozen_before_the_origin_started_is_left_ten_seconds_after() {
    let mut feed = Feed::new(&[("BTC", "10000.0"), ("ETH", "100.00")]);
    feed.coinbase.prices.insert(symbol("BTC"), "10300.00".to_owned());
    feed.coinbase.is_up = true;
    feed.run_ms(1_000);
    feed.connect();
    feed.run_answered_ms(10_200);
    assert_eq!(feed.source("BTC"), Source::Coinbase);
}

#[test]
fn one_that_froze_before_a_start_in_maintenance_is_left_ten_seconds_after_its_first_word() {
    let mut feed = Feed::new(&[("BTC", "10000.0"), ("ETH", "100.00")]);
    feed.coinbase.prices.insert(symbol("BTC"), "10030.00".to_owned());
    feed.coinbase.is_up = true;
    feed.kraken.is_up = true;
    feed.kraken(KrakenEvent::Connected);
    feed.kraken(KrakenEvent::System(SystemStatus::NotTrading(SourceReason::Maintenance)));
    feed.say(symbol("BTC"), "10000.0", true);
    feed.run_ms(20_000);
    // Said during the maintenance it is no price, so nothing was there to compare.
    assert_eq!((feed.source("BTC"), feed.saw("suspected_frozen")), (Source::Coinbase, 0));
    feed.kraken(KrakenEvent::System(SystemStatus::Online));
    feed.run_answered_ms(9_900);
    assert_eq!(feed.source("BTC"), Source::Kraken, "no one can know yet");
    feed.run_answered_ms(400);
    assert_eq!((feed.source("BTC"), feed.saw("suspected_frozen")), (Source::Coinbase, 1));
}

#[test]
fn a_crash_of_a_frozen_symbol_is_flagged_and_nobody_believed_until_one_gives_way() {
    for kraken_goes in [true, false] {
        let mut feed = frozen_symbol();
        feed.run_answered_ms(20_000);
        feed.coinbase.prices.insert(symbol("BTC"), "4000.00".to_owned());
        // Coinbase's last word before is five seconds old by then.
        feed.run_answered_ms(5_000);
        for second in 0..200 {
            assert!(feed.price("BTC") == "10000.0" && feed.is_stale("BTC"), "{second} s");
            feed.run_answered_ms(1_000);
        }
        if kraken_goes {
            feed.kraken.is_up = false;
            feed.kraken(KrakenEvent::Disconnected(SourceReason::Disconnected));
            feed.run_ms(4_700);
        } else {
            feed.tick("BTC", "4001.0");
            feed.run_ms(200);
        }
        assert!(feed.price("BTC") == "4000.00" && !feed.is_stale("BTC"));
    }
}

#[test]
fn a_bad_print_of_coinbase_is_never_published_while_a_quiet_kraken_repeats_its_own() {
    let mut feed = frozen_symbol();
    feed.run_answered_ms(20_000);
    feed.coinbase.prices.insert(symbol("BTC"), "4000.00".to_owned());
    for second in 0..150 {
        feed.run_answered_ms(1_000);
        assert_eq!(feed.price("BTC"), "10000.0", "{second} s");
    }
    feed.coinbase.prices.insert(symbol("BTC"), "10001.00".to_owned());
    feed.run_answered_ms(1_500);
    assert!(!feed.is_stale("BTC"));
    feed.run_answered_ms(10_000);
    assert_eq!(feed.source("BTC"), Source::Kraken);
}
