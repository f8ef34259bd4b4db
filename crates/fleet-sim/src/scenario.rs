//! What happens in a run, and when. Every instant is in milliseconds since the run began.

/// Caches fill and sessions start before anything is measured.
pub(crate) const WARM_UP_MS: u64 = 10_000;
/// When what a scenario is named for begins.
pub(crate) const TROUBLE_AT_MS: u64 = 20_000;
/// How long the origin is gone.
pub(crate) const OUTAGE_MS: u64 = 60_000;
/// The part of it, at its end, in which packets are lost instead of refused: the worse end, for
/// whoever waits for an answer then goes on waiting.
const OUTAGE_HANGS_MS: u64 = 40_000;
/// How long Kraken says nothing.
const SILENCE_MS: u64 = 25_000;
/// A crowd comes within this.
pub(crate) const CROWD_COMES_WITHIN_MS: u64 = 10_000;
/// As many clients as before, times this.
pub(crate) const CROWD_FACTOR: u64 = 10;

/// What a run shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// Nothing special, at several hours of the day.
    NormalDay,
    /// Kraken's connection stays open and says nothing for 25 s; Coinbase takes over.
    KrakenSilent,
    /// No origin answers for 60 s.
    OriginDead,
    /// Ten times the clients within ten seconds.
    FlashCrowd,
    /// Every isolate and every cache is empty at the same moment.
    Deploy,
    /// No price moves; heartbeats alone confirm them.
    QuietMarket,
}

/// Whether the origin can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It answers.
    Answers,
    /// It refuses at once.
    Refuses,
    /// Packets are lost.
    Hangs,
}

impl Scenario {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 6] = [
        Self::NormalDay,
        Self::QuietMarket,
        Self::KrakenSilent,
        Self::OriginDead,
        Self::FlashCrowd,
        Self::Deploy,
    ];

    /// Its name in the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NormalDay => "normal-day",
            Self::KrakenSilent => "kraken-silent",
            Self::OriginDead => "origin-dead-60s",
            Self::FlashCrowd => "flash-crowd-x10",
            Self::Deploy => "deploy-empties-caches",
            Self::QuietMarket => "quiet-market",
        }
    }

    /// How long a run of it lasts, warm-up included.
    #[must_use]
    pub const fn lasts_ms(self) -> u64 {
        match self {
            Self::NormalDay | Self::QuietMarket => WARM_UP_MS + 20_000,
            Self::KrakenSilent => TROUBLE_AT_MS + SILENCE_MS + 25_000,
            Self::OriginDead => TROUBLE_AT_MS + OUTAGE_MS + 25_000,
            Self::FlashCrowd | Self::Deploy => TROUBLE_AT_MS + 20_000,
        }
    }

    /// From when until when Kraken is silent.
    pub(crate) fn silence_ms(self) -> Option<(u64, u64)> {
        (self == Self::KrakenSilent).then_some((TROUBLE_AT_MS, TROUBLE_AT_MS + SILENCE_MS))
    }

    /// The moment from which the origin answers again.
    pub(crate) fn heals_at_ms(self) -> Option<u64> {
        (self == Self::OriginDead).then_some(TROUBLE_AT_MS + OUTAGE_MS)
    }

    /// Whether the origin can be asked at `at_ms`.
    pub(crate) fn reach(self, at_ms: u64) -> Reach {
        let Some(heals_at_ms) = self.heals_at_ms() else { return Reach::Answers };
        if !(TROUBLE_AT_MS..heals_at_ms).contains(&at_ms) {
            Reach::Answers
        } else if at_ms < heals_at_ms - OUTAGE_HANGS_MS {
            Reach::Refuses
        } else {
            Reach::Hangs
        }
    }
}
