//! The record run again: the same core on the same events at the same moments must publish the
//! same bodies, and the frames must still say what was read in them.

use std::collections::{BTreeMap, VecDeque};

use pricecast_core::{
    Action, Aggregator, CoinbaseEvent, KrakenEvent, Publisher, Quote, Snapshot, SourceEvent,
    Symbol, SystemStatus, UnixMillis, Version,
};
use pricecast_wire::{parse, render};

use super::line::{Beat, Begins, Earlier, Event, Line, LineError, Published, Said, symbol};
use super::ring::hash;
use crate::exchange::coinbase::schedule::{Product, read_answer};
use crate::exchange::kraken::session::read_ticks;
use crate::ingest;

/// A record that begins in the middle of a run is not compared for so long: what core remembers
/// of the time before is no longer of consequence then.
pub const WARM_UP_MS: u64 = 60_000;
/// Between a frame and what is made of it lies no more than this, however slow the machine.
const FRAMES_KEPT_MS: u64 = 10_000;

/// What a replay has shown.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The times of the first and the last line.
    pub span: Option<(UnixMillis, UnixMillis)>,
    /// The versions of the origins that wrote it, in their order.
    pub versions: Vec<String>,
    /// Frames and answers as they came.
    pub frames: u64,
    /// What was made of them.
    pub events: u64,
    /// Publications compared.
    pub publications: u64,
    /// Those of them that came out the same to the byte, at the same moment.
    pub identical: u64,
    /// Publications not compared, since the record begins in the middle of a run.
    pub warming_up: u64,
    /// Quotes whose frame or answer is in the record.
    pub quotes: u64,
    /// Those of them that are read in it today as they were then.
    pub read_alike: u64,
    /// Lines that are missing, as the record says itself.
    pub lost: u64,
    /// The first publication that came out otherwise.
    pub difference: Option<Difference>,
    /// The first quote that is read otherwise today: when, and of what.
    pub misread: Option<(UnixMillis, Symbol)>,
}

impl Report {
    /// Whether all that could be compared is the same.
    #[must_use]
    pub const fn is_identical(&self) -> bool {
        self.difference.is_none() && self.misread.is_none()
    }
}

/// A publication that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When.
    pub at: UnixMillis,
    /// Epoch and seq of what was published then, if anything was.
    pub recorded: Option<Version>,
    /// The body the replay comes to, if any.
    pub replayed: Option<String>,
}

/// A record that cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct ReplayError {
    /// Counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub error: LineError,
}

/// Core, run again.
#[derive(Default)]
pub struct Replay {
    run: Option<Run>,
    lines: u64,
    report: Report,
    /// Quotes of recent frames and of the last answer, with the moment they came.
    read: VecDeque<(UnixMillis, Product)>,
    /// From when on quotes are looked for in their frames.
    whole_from: Option<UnixMillis>,
}

struct Run {
    aggregator: Aggregator,
    publisher: Publisher,
    /// Not compared before.
    warm_at: UnixMillis,
    /// What Kraken said last of each symbol.
    last_ticks: BTreeMap<Symbol, Quote>,
}

impl Replay {
    /// Takes the next line. Returns the body that is published at that moment, if one is.
    ///
    /// # Errors
    /// When it is no line of a record.
    pub fn take(&mut self, text: &str) -> Result<Option<String>, ReplayError> {
        self.lines += 1;
        let line = self.lines;
        self.try_take(text).map_err(|error| ReplayError { line, error })
    }

    /// What it has shown so far.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    fn try_take(&mut self, text: &str) -> Result<Option<String>, LineError> {
        let Line { at, what } = Line::parse(text)?;
        let at = UnixMillis::from_ms(at);
        let from = self.report.span.map_or(at, |(from, _)| from);
        self.report.span = Some((from, at));
        match what {
            Said::Begins(begins) => self.begin(at, &begins)?,
            Said::Lost(count) => {
                self.report.lost += count;
                self.run = None;
            }
            Said::Kraken(frame) => {
                self.report.frames += 1;
                self.read.retain(|(then, _)| at.ms_since(*then) <= FRAMES_KEPT_MS);
                self.read.extend(read_ticks(at, &frame).map(|quote| (at, quote)));
            }
            Said::Coinbase { symbols, body, .. } => {
                self.report.frames += 1;
                let symbols: Vec<_> =
                    symbols.iter().map(|text| symbol(text)).collect::<Result<_, _>>()?;
                let products = read_answer(body.as_bytes(), &symbols, at).unwrap_or_default();
                self.read.extend(products.into_iter().map(|product| (at, product)));
            }
            Said::Event(event) => self.event(at, &event)?,
            Said::Beat(beat) => return Ok(self.beat(at, &beat)),
        }
        Ok(None)
    }

    fn begin(&mut self, at: UnixMillis, begins: &Begins) -> Result<(), LineError> {
        if self.report.versions.last() != Some(&begins.version) {
            self.report.versions.push(begins.version.clone());
        }
        if begins.earlier.is_some() && self.run.is_some() {
            // A further segment of a run that has been replayed up to here.
            return Ok(());
        }
        let feed = begins.feed()?;
        let last = begins.last.as_ref().map(|body| parse(body.as_bytes())).transpose()?;
        let (aggregator, publisher) = ingest::begin(feed, begins.epoch, last.as_ref(), at);
        let warm_at = if begins.earlier.is_some() { at.plus_ms(WARM_UP_MS) } else { at };
        let mut run = Run { aggregator, publisher, warm_at, last_ticks: BTreeMap::new() };
        if let Some(earlier) = &begins.earlier {
            let read =
                |told: &Earlier| Ok((UnixMillis::from_ms(told.at), (&told.event).try_into()?));
            run.prime(&earlier.iter().map(read).collect::<Result<Vec<_>, LineError>>()?);
        }
        self.run = Some(run);
        self.read.clear();
        self.whole_from = Some(if begins.earlier.is_some() { at.plus_ms(1) } else { at });
        Ok(())
    }

    fn event(&mut self, at: UnixMillis, event: &Event) -> Result<(), LineError> {
        self.report.events += 1;
        let event = event.try_into()?;
        match &event {
            SourceEvent::Kraken(KrakenEvent::Tick { quote, .. }) => self.check_read(at, Ok(*quote)),
            SourceEvent::Kraken(KrakenEvent::TickRefused { symbol, reason }) => {
                self.check_read(at, Err((*symbol, *reason)));
            }
            SourceEvent::Coinbase(CoinbaseEvent::Answered { products, .. }) => {
                products.iter().for_each(|product| self.check_read(at, *product));
            }
            _ => {}
        }
        if let Some(run) = &mut self.run {
            run.handle(at, &event);
        }
        Ok(())
    }

    /// Whether `quote`, made of what came at `at`, is read there today.
    fn check_read(&mut self, at: UnixMillis, quote: Product) {
        if self.whole_from.is_none_or(|from| at < from) {
            return;
        }
        self.report.quotes += 1;
        if self.read.contains(&(at, quote)) {
            self.report.read_alike += 1;
        } else {
            let symbol = quote.map_or_else(|(symbol, _)| symbol, |quote| quote.symbol);
            self.report.misread.get_or_insert((at, symbol));
        }
    }

    fn beat(&mut self, at: UnixMillis, beat: &Beat) -> Option<String> {
        let run = self.run.as_mut()?;
        let actions = run.aggregator.assess(at).actions;
        let recorded = beat.published.as_ref();
        if at < run.warm_at {
            run.answer(at, &actions);
            self.report.warming_up += u64::from(recorded.is_some());
            return run.follow(at, recorded?);
        }
        let replayed = beat.epoch.and_then(|epoch| run.publish(at, epoch));
        let body = replayed.map(|snapshot| render(&snapshot, at));
        let is_same = match (&recorded, &body) {
            (Some(recorded), Some(body)) => recorded.xxh3 == hash(body),
            (recorded, body) => recorded.is_none() && body.is_none(),
        };
        self.report.publications += u64::from(recorded.is_some());
        self.report.identical += u64::from(is_same && recorded.is_some());
        if !is_same {
            let replayed = body.clone();
            let recorded = recorded.inspect(|recorded| drop(run.follow(at, recorded))).map(version);
            self.report.difference.get_or_insert(Difference { at, recorded, replayed });
        }
        body
    }
}

impl Run {
    fn handle(&mut self, at: UnixMillis, event: &SourceEvent) {
        if let SourceEvent::Kraken(KrakenEvent::Tick { quote, .. }) = event {
            self.last_ticks.insert(quote.symbol, *quote);
        }
        self.aggregator.handle(at, event);
    }

    /// Has core in the middle of a run remember what matters, given the last of each kind that it
    /// was told.
    fn prime(&mut self, earlier: &[(UnixMillis, SourceEvent)]) {
        let Some((first_at, _)) = earlier.first() else { return };
        let kraken = |event| SourceEvent::Kraken(event);
        let ticks = earlier
            .iter()
            .filter(|(_, event)| matches!(event, SourceEvent::Kraken(KrakenEvent::Tick { .. })));
        // Whatever came of it, Kraken has served these once.
        let served =
            [kraken(KrakenEvent::Connected), kraken(KrakenEvent::System(SystemStatus::Online))];
        let served = served.iter().chain(ticks.map(|(_, event)| event));
        let steps = served.map(|event| (first_at, event));
        for (at, event) in steps.chain(earlier.iter().map(|(at, event)| (at, event))) {
            self.handle(*at, event);
            // Core remembers what it has concluded, so it concludes at each step.
            let actions = self.aggregator.assess(*at).actions;
            self.answer(*at, &actions);
        }
    }

    /// Knowing less than was known then, core may ask Kraken for what it was not asked for. Nobody
    /// would ever answer that, so what was said last is the answer.
    fn answer(&mut self, at: UnixMillis, actions: &[Action]) {
        for action in actions {
            let symbols = match action {
                Action::ResubscribeKraken(symbols) => symbols.clone(),
                Action::ReconnectKraken => self.last_ticks.keys().copied().collect(),
            };
            for quote in symbols.iter().filter_map(|symbol| self.last_ticks.get(symbol)) {
                let snapshot = KrakenEvent::Tick { quote: *quote, is_snapshot: true };
                self.aggregator.handle(at, &SourceEvent::Kraken(snapshot));
            }
        }
    }

    fn publish(&mut self, at: UnixMillis, epoch: u64) -> Option<Snapshot> {
        if self.publisher.epoch() != epoch {
            self.publisher = Publisher::new(epoch);
        }
        self.publisher.publish(at, &self.aggregator).map(|(snapshot, _)| snapshot)
    }

    /// Publishes what was published, so that the numbers go on as they did.
    fn follow(&mut self, at: UnixMillis, recorded: &Published) -> Option<String> {
        let (snapshot, _) = Publisher::new(recorded.epoch).publish(at, &self.aggregator)?;
        let snapshot = Snapshot { version: version(recorded), ..snapshot };
        let body = render(&snapshot, at);
        self.publisher = Publisher::resume(at, snapshot);
        Some(body)
    }
}

fn version(published: &Published) -> Version {
    Version { epoch: published.epoch, seq: published.seq }
}
