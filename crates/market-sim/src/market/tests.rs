//! The generator and the replay as a market: determinism, independence, plausible statistics.

use super::*;
use crate::replay::Replay;
use std::path::Path;

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;
const EPOCH_US: i64 = 1_790_000_000 * SECOND_US;

fn pace(seed: u64) -> Pace {
    Pace { seed, speed: 1, update_hz: None, epoch_us: EPOCH_US }
}

fn generated(symbols: &[&str], pace: Pace) -> Market {
    let symbols: Vec<String> = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
    Generator::market(&symbols, pace)
}

/// Everything a tick says, to compare.
fn told(ticks: &[Tick]) -> Vec<(Venue, usize, i64, Quote)> {
    let tell = |tick: &Tick| (tick.venue, tick.listing, tick.at_us, tick.quote.as_ref().clone());
    ticks.iter().map(tell).collect()
}

#[test]
fn the_same_seed_gives_the_same_prices_however_often_it_is_asked() {
    let mut at_once = generated(&["BTC", "DOGE"], pace(42));
    let all = told(&at_once.advance(120 * SECOND_US));
    let mut step_by_step = generated(&["BTC", "DOGE"], pace(42));
    let steps: Vec<Tick> =
        (1..=1_200).flat_map(|step| step_by_step.advance(step * SECOND_US / 10)).collect();
    assert!(all.len() > 500, "{}", all.len());
    assert_eq!(all, told(&steps));
    let other = told(&generated(&["BTC", "DOGE"], pace(43)).advance(120 * SECOND_US));
    assert_ne!(all, other, "another seed is another market");
}

#[test]
fn a_symbol_does_not_depend_on_which_others_are_traded() {
    let last = |symbols: &[&str]| {
        let mut market = generated(symbols, pace(7));
        market.advance(60 * SECOND_US);
        let index = market.listings().iter().position(|l| l.symbol == "SOL").unwrap();
        VENUES.map(|venue| market.quote(venue, index).unwrap().last)
    };
    assert_eq!(last(&["SOL"]), last(&["BTC", "PEPE", "SOL"]));
}

#[test]
fn the_venues_tick_independently_around_one_fair_price() {
    let mut market = generated(&["BTC"], pace(42));
    let ticks = market.advance(600 * SECOND_US);
    let times = |venue: Venue| -> Vec<i64> {
        ticks
            .iter()
            .filter(|t| t.venue == venue && t.kind == TickKind::Trade)
            .map(|t| t.at_us)
            .collect()
    };
    let (kraken, coinbase) = (times(Venue::Kraken), times(Venue::Coinbase));
    assert!(kraken.len() > 500 && coinbase.len() > 1_000, "{} {}", kraken.len(), coinbase.len());
    let shared = kraken.iter().filter(|at| coinbase.contains(at)).count();
    assert!(shared < 5, "{shared} trades at the very same µs");
    let mut basis = Vec::new();
    let mut last = [None, None];
    for tick in ticks {
        *tick.venue.of_mut(&mut last) = Some(tick.quote.last.to_f64());
        if let [Some(kraken), Some(coinbase)] = last {
            basis.push((kraken - coinbase) / coinbase * 10_000.0);
        }
    }
    let mean_abs = basis.iter().map(|b: &f64| b.abs()).sum::<f64>() / basis.len() as f64;
    assert!((0.3..5.0).contains(&mean_abs), "mean basis {mean_abs} bp");
    assert!(basis.iter().all(|b| b.abs() < 25.0), "a basis that would look like a frozen feed");
}

#[test]
fn a_day_has_plausible_statistics() {
    // The day behind the opening quotes, over many seeds.
    let symbols = ["BTC", "ETH", "SOL", "XRP", "DOGE"];
    let mut moves = [const { Vec::new() }; 5];
    for seed in 0..40 {
        let market = generated(&symbols, pace(seed));
        for (index, moves) in moves.iter_mut().enumerate() {
            let quote = market.quote(Venue::Kraken, index).unwrap();
            assert!(quote.low.minus(quote.last).units() <= 0, "{quote:?}");
            assert!(quote.high.minus(quote.last).units() >= 0, "{quote:?}");
            assert!(quote.bid.minus(quote.last).units() <= 0, "{quote:?}");
            assert!(quote.ask.minus(quote.bid).units() > 0, "{quote:?}");
            moves.push(quote.change_pct(6).to_f64());
        }
    }
    for (symbol, moves) in symbols.iter().zip(&moves) {
        let square = moves.iter().map(|m| m * m).sum::<f64>() / moves.len() as f64;
        let expected = calibration::calibration(symbol).daily_volatility * 100.0;
        let ratio = square.sqrt() / expected;
        assert!((0.7..1.4).contains(&ratio), "{symbol}: {} % a day", square.sqrt());
    }
}

#[test]
fn the_walk_has_the_calibrated_volatility_and_decimals() {
    for symbol in ["BTC", "DOGE", "PEPE"] {
        let c = calibration::calibration(symbol);
        let mut square = 0.0;
        let days = 60;
        for seed in 0..days {
            let mut walk = walk::Walk::new(seed, symbol, &c);
            let open = walk.price(Venue::Kraken, 0, 12).to_f64();
            let mut close = open;
            for minute in 1..=1440 {
                close = walk.price(Venue::Kraken, minute * 60 * SECOND_US, 12).to_f64();
            }
            square += (close / open).ln().powi(2) / days as f64;
        }
        let ratio = square.sqrt() / c.daily_volatility;
        assert!((0.7..1.4).contains(&ratio), "{symbol}: {ratio} of the calibrated volatility");
    }
}

#[test]
fn prices_have_the_decimals_of_their_venue() {
    let market = generated(&["BTC", "ETH", "SOL", "XRP", "DOGE"], pace(1));
    let scales: Vec<[u32; 2]> =
        market.quotes().iter().map(|pair| VENUES.map(|v| v.of(pair).last.scale())).collect();
    assert_eq!(scales, [[1, 2], [2, 2], [2, 2], [5, 4], [7, 5]]);
}

#[test]
fn volume_and_trades_grow_with_every_trade() {
    let mut market = generated(&["BTC"], pace(3));
    let mut before = market.quote(Venue::Coinbase, 0).unwrap().volume;
    // Within the first minute nothing leaves the 24 h window.
    for tick in market.advance(50 * SECOND_US) {
        if tick.venue == Venue::Coinbase && tick.kind == TickKind::Trade {
            assert!(tick.quote.volume.minus(before).units() > 0);
            before = tick.quote.volume;
        }
    }
}

#[test]
fn the_update_rate_is_the_one_asked_for() {
    let mut market =
        generated(&["BTC", "ETH", "SOL"], Pace { update_hz: Some(1_000.0), ..pace(5) });
    let ticks = market.advance(10 * SECOND_US);
    let kraken = ticks.iter().filter(|tick| tick.venue == Venue::Kraken).count();
    assert!((9_500..10_500).contains(&kraken), "{kraken} in 10 s");
    let mut still = generated(&["BTC"], Pace { update_hz: Some(0.0), ..pace(5) });
    assert!(still.advance(DAY_US).is_empty());
}

#[test]
fn a_crash_moves_both_venues_at_once_and_its_end_brings_them_back() {
    let mut market = generated(&["BTC", "ETH"], pace(42));
    let before = VENUES.map(|venue| market.quote(venue, 0).unwrap().last.to_f64());
    let ticks = market.crash(0, 400_000, SECOND_US, EPOCH_US + SECOND_US);
    assert_eq!(ticks.len(), 2);
    for (venue, before) in VENUES.into_iter().zip(before) {
        let quote = market.quote(venue, 0).unwrap();
        assert!((quote.last.to_f64() / before - 0.4).abs() < 1e-4, "{venue}");
        assert!(quote.low.minus(quote.last).units() <= 0);
    }
    market.advance(30 * SECOND_US);
    let fallen = market.quote(Venue::Kraken, 0).unwrap().last.to_f64();
    assert!((fallen / before[0] - 0.4).abs() < 0.01, "it stays down");
    market.crash(0, 1_000_000, 31 * SECOND_US, EPOCH_US);
    let back = market.quote(Venue::Kraken, 0).unwrap().last.to_f64();
    assert!((back / before[0] - 1.0).abs() < 0.01);
}

#[test]
fn a_replay_at_speed_60_follows_the_recorded_path() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/market-data/history/replay_5symbols_2025-06-21_3d.csv");
    if !file.exists() {
        println!("SKIPPED: {} is not there", file.display());
        return;
    }
    let Ok(Replay::Candles(paths)) = Replay::read(&file, None) else { panic!("unreadable") };
    let mut market = Generator::replay(paths.clone(), Pace { speed: 60, ..pace(42) });
    let mut last: Vec<[Decimal; 2]> =
        market.quotes().iter().map(|pair| VENUES.map(|venue| venue.of(pair).last)).collect();
    let mut largest_step: f64 = 0.0;
    let mut ticks_seen = 0;
    // The whole recording: 48 h of market time in 48 minutes.
    for second in 1..=48 * 60 {
        for tick in market.advance(second * SECOND_US) {
            ticks_seen += 1;
            let (symbol, path) = &paths[tick.listing];
            let (candle, _) = path.candle_at(tick.at_us * 60).unwrap();
            let price = tick.quote.last;
            assert_eq!(tick.quote.at_us, Some(EPOCH_US + tick.at_us), "event times are re-based");
            if tick.kind == TickKind::Trade {
                let within =
                    price.minus(candle.low).units() >= 0 && candle.high.minus(price).units() >= 0;
                assert!(within, "{symbol} {price} is outside {candle:?}");
            }
            let before = tick.venue.of_mut(&mut last[tick.listing]);
            largest_step = largest_step.max(price.percent_above(*before, 4).to_f64().abs());
            *before = price;
        }
    }
    println!("{ticks_seen} ticks, largest step {largest_step} %");
    assert!(largest_step < 4.5, "one step of {largest_step} %");
}

#[test]
fn a_replayed_change_is_against_the_price_of_24_hours_before() {
    let header = "symbol,interval_s,timestamp,open,high,low,close,volume";
    let candle = |hour: i64, price: u32| {
        let at = jiff::Timestamp::from_second(1_750_464_000 + hour * 3_600).unwrap();
        format!("BTC-USD,3600,{at},{price}.0,{price}.0,{price}.0,{price}.0,60\n")
    };
    let rows: String =
        (0..48).map(|hour| candle(hour, if hour < 24 { 100 } else { 150 })).collect();
    let file = std::env::temp_dir().join(format!("market-sim-24h-{}.csv", std::process::id()));
    std::fs::write(&file, format!("{header}\n{rows}")).unwrap();
    let replay = Replay::read(&file, None);
    std::fs::remove_file(&file).unwrap();
    let Ok(Replay::Candles(paths)) = replay else { panic!("unreadable") };
    let mut market = Generator::replay(paths, Pace { speed: 3_600, ..pace(1) });
    let pct = |market: &Market| market.quote(Venue::Kraken, 0).unwrap().change_pct(2).to_string();
    assert_eq!(pct(&market), "50.00");
    market.advance(23 * SECOND_US);
    assert_eq!(pct(&market), "50.00");
    market.advance(60 * SECOND_US);
    assert_eq!(pct(&market), "0.00", "the base has reached the new level, the price holds");
}
