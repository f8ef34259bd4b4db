//! When a suspicion costs a reconnect, and when it does not.

use pricecast_core::Action;

use crate::confirmation::frozen_while_coinbase_moves;
use crate::support::{Feed, symbol};

/// Answers the resubscription of BTC with the same price, and each that comes in the next 130 s. Returns
/// how many came, and how often a reconnect was asked for.
fn insisting(mut feed: Feed) -> (usize, usize) {
    feed.say(symbol("BTC"), "10000.0", true);
    feed.actions.clear();
    let resubscribed = |feed: &Feed| {
        let of_btc =
            |a: &Action| matches!(a, Action::ResubscribeKraken(s) if s.contains(&symbol("BTC")));
        feed.actions.iter().filter(|(_, a)| of_btc(a)).count()
    };
    for _ in 0..1_300 {
        let before = resubscribed(&feed);
        feed.run_ms(100);
        if resubscribed(&feed) > before {
            feed.say(symbol("BTC"), "10000.0", true);
        }
    }
    let reconnects = feed.actions.iter().filter(|(_, a)| *a == Action::ReconnectKraken).count();
    (resubscribed(&feed), reconnects)
}

#[test]
fn a_suspicion_answered_with_the_same_price_costs_one_reconnect_too() {
    assert_eq!(insisting(frozen_while_coinbase_moves("10030.00")), (2, 1));
}

#[test]
fn a_suspicion_without_a_move_of_coinbase_costs_no_reconnect_while_kraken_answers() {
    for (coinbase_price, reconnects) in [("10025.00", 1), ("10025.01", 0)] {
        let mut feed = Feed::new(&[("BTC", "10000.0"), ("ETH", "100.00")]);
        feed.coinbase.prices.insert(symbol("BTC"), coinbase_price.to_owned());
        feed.coinbase.is_up = true;
        feed.connect();
        feed.run_ms(9_000);
        // Away from Kraken's price it counts as moved, if it was seen near it.
        feed.coinbase.prices.insert(symbol("BTC"), "10060.00".to_owned());
        feed.run_ms(2_000);
        assert_eq!(feed.saw("suspected_frozen"), 1, "{coinbase_price}");
        assert_eq!(insisting(feed), (2, reconnects), "{coinbase_price}");
    }
    // Unanswered it may be the connection.
    let mut feed = Feed::new(&[("BTC", "10000.0"), ("ETH", "100.00")]);
    feed.coinbase.prices.insert(symbol("BTC"), "10060.00".to_owned());
    feed.coinbase.is_up = true;
    feed.connect();
    feed.run_ms(30_000);
    assert_eq!(feed.actions.iter().filter(|(_, a)| *a == Action::ReconnectKraken).count(), 1);
}

#[test]
fn who_was_near_an_earlier_price_has_not_moved_from_the_present_one() {
    let mut feed = Feed::live(&[("BTC", "10060.0"), ("ETH", "100.00")]);
    feed.kraken.prices.insert(symbol("BTC"), "10000.0".to_owned());
    feed.connect();
    feed.run_ms(12_000);
    assert_eq!(feed.saw("suspected_frozen"), 1);
    assert_eq!(insisting(feed), (2, 0));
}

#[test]
fn who_moves_further_away_has_moved_too() {
    let mut feed = Feed::live(&[("BTC", "10000.0"), ("ETH", "100.00")]);
    feed.coinbase.prices.insert(symbol("BTC"), "10060.00".to_owned());
    feed.run_ms(2_000);
    feed.tick("BTC", "10000.0");
    feed.coinbase.prices.insert(symbol("BTC"), "10120.00".to_owned());
    feed.run_ms(12_000);
    assert_eq!(feed.saw("suspected_frozen"), 1);
    assert_eq!(insisting(feed), (2, 1));
}
