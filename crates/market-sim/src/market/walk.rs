//! The seeded random walk: one fair price per symbol, and each venue's small basis around it.

use super::calibration::Calibration;
use super::rolling::Minute;
use super::{VENUES, Venue};
use crate::decimal::Decimal;
use crate::rng::Rng;

const DAY_S: f64 = 86_400.0;
/// Standard deviation of a venue's basis. Measured between the two venues: 1.2 bp (2026-09-19).
const BASIS_SD: f64 = 0.000_09;
/// How long a basis lasts.
const BASIS_TAU_S: f64 = 60.0;
/// Volatility comes in clusters: its logarithm wanders with this deviation and memory.
const VOLATILITY_SD: f64 = 0.3;
const VOLATILITY_TAU_S: f64 = 3_600.0;

/// A common fair price that walks in market time. It must be asked in the order of time.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    rng: Rng,
    log_price: f64,
    volatility: f64,
    log_volatility: f64,
    basis: [f64; 2],
    at_us: i64,
}

impl Walk {
    pub(crate) fn new(seed: u64, symbol: &str, calibration: &Calibration) -> Self {
        let mut rng = Rng::new(seed, &["walk", symbol]);
        // A seed decides the level as well, within 3 %.
        let level = calibration.price * (1.0 + 0.01 * rng.normal().clamp(-3.0, 3.0));
        let basis = [rng.normal() * BASIS_SD, rng.normal() * BASIS_SD];
        let log_volatility = rng.normal() * VOLATILITY_SD;
        let volatility = calibration.daily_volatility / DAY_S.sqrt();
        Self { rng, log_price: level.ln(), volatility, log_volatility, basis, at_us: 0 }
    }

    /// The venue's price at market time `at_us`.
    pub(crate) fn price(&mut self, venue: Venue, at_us: i64, decimals: u32) -> Decimal {
        self.advance(at_us);
        let [kraken, coinbase] = self.basis;
        let basis = if venue == Venue::Kraken { kraken } else { coinbase };
        let price = Decimal::from_f64(self.log_price.exp() * (1.0 + basis), decimals);
        Decimal::new(price.units().max(1), decimals)
    }

    fn advance(&mut self, at_us: i64) {
        let dt_s = at_us.saturating_sub(self.at_us) as f64 / 1e6;
        if dt_s <= 0.0 {
            return;
        }
        self.at_us = at_us;
        self.log_volatility =
            relax(self.log_volatility, VOLATILITY_SD, dt_s / VOLATILITY_TAU_S, self.rng.normal());
        // exp(2·x) has mean exp(2·sd²): divide it out so that the day's variance is the calibrated.
        let volatility = self.volatility * (self.log_volatility - VOLATILITY_SD.powi(2)).exp();
        self.log_price += volatility * dt_s.sqrt() * self.rng.normal();
        for basis in &mut self.basis {
            *basis = relax(*basis, BASIS_SD, dt_s / BASIS_TAU_S, self.rng.normal());
        }
    }

    /// The 1,441 minutes before the start, oldest first, that lead to the present price; the same
    /// path for both venues, each with its own volume.
    pub(crate) fn history(&self, seed: u64, symbol: &str, c: &Calibration) -> [Vec<Minute>; 2] {
        let mut rng = Rng::new(seed, &["history", symbol]);
        let step = c.daily_volatility / DAY_S.sqrt() * 60_f64.sqrt();
        let mut log_close = self.log_price;
        let mut days = [Vec::with_capacity(1441), Vec::with_capacity(1441)];
        for _ in 0..1441 {
            let log_open = log_close - step * rng.normal();
            let reach = step * 0.5 * rng.exponential();
            let activity = rng.exponential().clamp(0.1, 5.0);
            for (venue, day) in VENUES.iter().zip(days.iter_mut()) {
                let units = |log: f64| Decimal::from_f64(log.exp(), c.decimals(*venue)).units();
                let index = venue.index();
                let per_minute = |daily: [f64; 2]| daily.get(index).copied().unwrap_or(1.0);
                let coins = per_minute(c.daily_volume) / 1440.0 * activity;
                let volume = Decimal::from_f64(coins, 8).units();
                let close = units(log_close);
                let trades =
                    Decimal::from_f64(per_minute(c.trades_per_s) * 60.0 * activity, 0).units();
                day.push(Minute {
                    high: units(log_close.max(log_open) + reach),
                    low: units(log_close.min(log_open) - reach),
                    close,
                    volume,
                    turnover: close.saturating_mul(volume),
                    trades: u64::try_from(trades).unwrap_or(0),
                });
            }
            log_close = log_open;
        }
        for day in &mut days {
            day.reverse();
        }
        days
    }
}

/// One exact step of an Ornstein–Uhlenbeck process towards 0 over `dt` time constants.
fn relax(value: f64, deviation: f64, dt: f64, noise: f64) -> f64 {
    let keep = (-dt).exp();
    value * keep + deviation * (1.0 - keep * keep).max(0.0).sqrt() * noise
}
