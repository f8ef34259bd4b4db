//! What was measured, as it is kept in `state_dir`: JSON, compressed, since of 500 symbols it is 30 MB a minute. Names and kinds this build does not know are left out, so that
//! a step back to an older build loses only what it could not have said.

use std::io::{self, Read as _};

use bytes::Bytes;
use flate2::read::GzDecoder;
use pricecast_core::objective::{
    AgeHistogram, AgeRing, AgeRings, BadRun, Budget, Incident, Incidents, Objective, SeenAt,
    Trouble,
};
use pricecast_core::{Source, Symbol, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::form::gzip;

/// Longest content read. 500 symbols in every place with an age in every bucket take less.
const JSON_LEN_MAX: u64 = 1 << 28;

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It has not the shape.
    #[error("is not what this version writes: {0}")]
    Shape(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Saved {
    ages: Vec<SavedRings>,
    budget: SavedBudget,
    open: Vec<SavedIncident>,
    past: Vec<SavedIncident>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SavedRings {
    symbol: String,
    seen_at: String,
    minutes: Vec<SavedStretch>,
    hours: Vec<SavedStretch>,
}

/// Its number since the Unix epoch, the highest age in ms, and how often ages were seen up to each bound in ms.
#[derive(Serialize, Deserialize)]
struct SavedStretch(u64, u64, Vec<(u64, u16)>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SavedBudget {
    /// A minute since the Unix epoch.
    began: Option<u64>,
    /// Epoch ms.
    seen_at: Option<u64>,
    /// First and last minute, and whether it was seen.
    bad: Vec<(u64, u64, bool)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SavedIncident {
    kind: String,
    symbol: Option<String>,
    source: Option<String>,
    /// Epoch ms.
    began_at: u64,
    /// Epoch ms.
    seen_at: u64,
}

/// The file's content.
pub(super) fn to_bytes(objective: &Objective) -> Bytes {
    let rings = |(symbol, seen_at, rings): (Symbol, SeenAt, &AgeRings)| SavedRings {
        symbol: symbol.to_string(),
        seen_at: seen_at.as_str().to_owned(),
        minutes: stretches(&rings.minutes),
        hours: stretches(&rings.hours),
    };
    let budget = &objective.budget;
    let run = |run: &BadRun| (run.first, run.last, run.was_seen);
    let saved = Saved {
        ages: objective.ages.all().map(rings).collect(),
        budget: SavedBudget {
            began: budget.began(),
            seen_at: budget.seen_at().map(UnixMillis::as_ms),
            bad: budget.bad_runs().map(run).collect(),
        },
        open: objective.incidents.open().map(SavedIncident::of).collect(),
        past: objective.incidents.past().map(SavedIncident::of).collect(),
    };
    // Texts and numbers: this cannot fail.
    gzip(&serde_json::to_vec(&saved).unwrap_or_default())
}

fn stretches(ring: &AgeRing) -> Vec<SavedStretch> {
    let saved = |(number, histogram): (u64, &AgeHistogram)| {
        SavedStretch(number, histogram.max_ms(), histogram.counts().collect())
    };
    ring.stretches().map(saved).collect()
}

/// What the file holds of `symbols`, those configured now, at `now`.
pub(super) fn from_bytes(
    content: &[u8],
    symbols: &[Symbol],
    now: UnixMillis,
) -> Result<Objective, Unusable> {
    let mut json = Vec::new();
    GzDecoder::new(content).take(JSON_LEN_MAX).read_to_end(&mut json)?;
    let saved: Saved = serde_json::from_slice(&json)?;
    let mut objective = Objective::default();
    for rings in saved.ages {
        let symbol = Symbol::parse(&rings.symbol).ok().filter(|symbol| symbols.contains(symbol));
        let Some((symbol, seen_at)) = symbol.zip(SeenAt::from_name(&rings.seen_at)) else {
            continue;
        };
        let target = objective.ages.rings_mut(symbol, seen_at);
        restore(&mut target.minutes, rings.minutes);
        restore(&mut target.hours, rings.hours);
    }
    let SavedBudget { began, seen_at, bad } = saved.budget;
    let bad = bad.into_iter().map(|(first, last, was_seen)| BadRun { first, last, was_seen });
    objective.budget = Budget::restored(began, seen_at.map(UnixMillis::from_ms), bad, now);
    let known = |list: Vec<SavedIncident>| list.into_iter().filter_map(SavedIncident::incident);
    objective.incidents = Incidents::restored(known(saved.open), known(saved.past));
    Ok(objective)
}

fn restore(ring: &mut AgeRing, saved: Vec<SavedStretch>) {
    for SavedStretch(number, max_ms, counts) in saved {
        ring.restore(number, AgeHistogram::restored(max_ms, counts));
    }
}

impl SavedIncident {
    fn of(incident: &Incident) -> Self {
        let Incident { trouble, began_at, seen_at } = incident;
        Self {
            kind: trouble.as_str().to_owned(),
            symbol: trouble.symbol().map(|symbol| symbol.to_string()),
            source: trouble.source().map(|source| source.as_str().to_owned()),
            began_at: began_at.as_ms(),
            seen_at: seen_at.as_ms(),
        }
    }

    fn incident(self) -> Option<Incident> {
        let symbol = self.symbol.as_deref().and_then(|text| Symbol::parse(text).ok());
        let source = self.source.as_deref().and_then(Source::from_name);
        Some(Incident {
            trouble: Trouble::from_parts(&self.kind, symbol, source)?,
            began_at: UnixMillis::from_ms(self.began_at),
            seen_at: UnixMillis::from_ms(self.seen_at),
        })
    }
}
