//! Who is where: how many apps are open in each data centre at an hour of the day.

use crate::chance::Chance;

/// Data centres.
pub(crate) const CENTRES: usize = 330;
/// The nth largest has traffic in proportion to `1 / n^0.9`.
const ZIPF_EXPONENT: f64 = 0.9;
/// Where data centres are, in hours east of UTC; also the regions of tiered caches.
pub(crate) const REGIONS_UTC: [u64; 10] = [16, 18, 19, 21, 0, 1, 2, 5, 8, 9];
/// Open apps by local hour, from midnight on, in arbitrary units: few before dawn, most at night.
const BY_LOCAL_HOUR: [u32; 24] = [
    45, 30, 22, 20, 22, 35, 60, 85, 100, 105, 108, 112, 118, 115, 110, 110, 115, 125, 145, 165,
    175, 165, 130, 83,
];

/// One data centre.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Which of them, the largest first.
    pub(crate) rank: u64,
    /// Of [`REGIONS_UTC`].
    pub(crate) region: usize,
    /// Its part of all users.
    share: f64,
}

/// All data centres, the largest first.
pub(crate) fn places(seed: u64) -> Vec<Place> {
    let mut chance = Chance::new(seed, &[0x91ace5]);
    let weight = |rank: u64| 1.0 / whole(rank + 1).powf(ZIPF_EXPONENT);
    let ranks = 0..u64::try_from(CENTRES).unwrap_or(0);
    let total: f64 = ranks.clone().map(weight).sum();
    let place =
        |rank| Place { rank, region: chance.index(REGIONS_UTC.len()), share: weight(rank) / total };
    ranks.map(place).collect()
}

/// The hour of UTC at which most apps are open.
pub(crate) fn busiest_hour(places: &[Place]) -> u64 {
    let open = |hour: &u64| places.iter().map(|place| place.share_at(*hour)).sum::<f64>();
    (0..24).max_by(|one, other| open(one).total_cmp(&open(other))).unwrap_or(0)
}

impl Place {
    /// How many apps are open here at an hour of UTC, when `open` are open on the day's average.
    pub(crate) fn open_apps(&self, chance: &mut Chance, open: u64, hour_utc: u64) -> u64 {
        chance.whole(whole(open) * self.share_at(hour_utc))
    }

    /// Its part of all users, by the hour.
    fn share_at(&self, hour_utc: u64) -> f64 {
        let utc_offset_h = REGIONS_UTC.get(self.region).copied().unwrap_or(0);
        let local = usize::try_from((hour_utc + utc_offset_h) % 24).unwrap_or(0);
        let at_hour = BY_LOCAL_HOUR.get(local).copied().map_or(0.0, f64::from);
        let mean = f64::from(BY_LOCAL_HOUR.iter().sum::<u32>()) / 24.0;
        self.share * at_hour / mean
    }
}

fn whole(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_a_day_as_many_apps_are_open_as_were_asked_for() {
        let places = places(1);
        let mut chance = Chance::new(1, &[]);
        let open: Vec<u64> = (0..24)
            .map(|hour| places.iter().map(|p| p.open_apps(&mut chance, 1_000_000, hour)).sum())
            .collect();
        let mean = open.iter().sum::<u64>() / 24;
        assert!((999_000..1_001_000).contains(&mean), "{mean}");
        assert!(open.iter().max() > Some(&(mean * 11 / 10)), "nights and days differ: {open:?}");
        let busiest = usize::try_from(busiest_hour(&places)).unwrap();
        assert!(open[busiest] > open.iter().max().unwrap() * 99 / 100, "{busiest} of {open:?}");
    }

    #[test]
    fn the_largest_data_centre_has_a_tenth_and_the_smallest_hardly_anything() {
        let places = places(1);
        assert_eq!(places.len(), CENTRES);
        let share = |index: usize| places[index].share;
        assert!((0.08..0.15).contains(&share(0)), "{}", share(0));
        assert!((0.000_4..0.001).contains(&share(CENTRES - 1)), "{}", share(CENTRES - 1));
    }
}
