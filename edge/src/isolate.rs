//! One isolate: its configuration, its cache, and what it does with a request at a given moment.
//! Pure: the clock and all I/O are the caller's.

use pricecast_core::cache_policy::{CopyMeta, Decision, EdgeCache, EdgeMillis, Flight, Served};
use pricecast_wire::{Call, Face, ProblemCode, Resource, Verb, route};

use crate::answer::{Answer, Page, Waited};
use crate::asked::Asked;
use crate::config::EdgeConfig;
use crate::document::Document;
use crate::health;
use crate::kept::Kept;
use crate::origin::Failure;

/// The state an isolate keeps between requests.
pub(crate) struct Isolate {
    pub(crate) config: EdgeConfig,
    pub(crate) held: Held,
}

/// All that is held.
pub(crate) struct Held {
    pub(crate) prices: Holding,
    status: Holding,
}

/// One document, held.
pub(crate) struct Holding {
    pub(crate) cache: EdgeCache<Kept>,
    /// Why the last fetch failed, until one succeeds.
    pub(crate) last_failure: Option<Failure>,
}

/// What a request does next.
#[derive(Debug)]
pub(crate) struct Step {
    /// The answer; without one, look again in a moment on the request's own timer.
    pub(crate) answer: Option<Answer>,
    /// A refresh to be run in the background.
    pub(crate) refresh: Option<(Document, Flight)>,
    /// Whether nothing was in memory.
    pub(crate) is_cold: bool,
    /// What may be given out again without asking, where anything may.
    pub(crate) hot: Option<Hot>,
}

/// A 200 that may be repeated to anyone who asks the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hot {
    /// The copy it was rendered from.
    pub(crate) copy: CopyMeta,
    /// Not from this moment on: the copy's soft age, the end of the refresh under way, or its next
    /// flip if that is earlier.
    pub(crate) until: EdgeMillis,
    /// What to repeat.
    pub(crate) answer: Answer,
    /// With an allow-list, answers to requests with an `Origin` differ from this one.
    pub(crate) is_for_any_origin: bool,
    /// By how much the clock is told ahead in it.
    pub(crate) unseen_ms: u64,
}

impl Isolate {
    /// Knows nothing yet. `id` must differ between isolates.
    pub(crate) fn new(config: EdgeConfig, id: u64) -> Self {
        let hold = |document: Document| Holding {
            cache: EdgeCache::new(document.policy(&config), id, config.origins.len()),
            last_failure: None,
        };
        let held = Held { prices: hold(Document::Prices), status: hold(Document::Status) };
        Self { config, held }
    }
}

impl Held {
    /// What is held of `document`.
    pub(crate) const fn of(&mut self, document: Document) -> &mut Holding {
        match document {
            Document::Prices => &mut self.prices,
            Document::Status => &mut self.status,
        }
    }
}

impl Holding {
    /// Keeps in mind why a fetch failed; says whether that is news.
    pub(crate) fn note_failure(&mut self, failure: Failure) -> bool {
        let is_news = self.last_failure.as_ref().is_none_or(|last| last.code() != failure.code());
        self.last_failure = Some(failure);
        is_news
    }
}

impl Isolate {
    /// What to do with a request at `now`.
    pub(crate) fn step(&mut self, asked: &Asked, now: EdgeMillis, waited: Waited) -> Step {
        let (_, path, query) = asked.url_parts();
        let answer = match route(Face::Edge, &asked.method, path, query) {
            Err(code) => Answer::refused(&self.config, asked, code),
            Ok(Call { verb: Verb::Options, .. }) => Answer::preflight(&self.config, asked),
            Ok(Call { resource: Resource::Prices, .. }) => {
                return self.of_copy(Document::Prices, asked, now, waited);
            }
            Ok(Call { resource: Resource::Status, .. }) => {
                return self.of_copy(Document::Status, asked, now, waited);
            }
            Ok(Call { resource: Resource::Health, .. }) => {
                Answer::health(&self.config, asked, health::report(self, now))
            }
            // Not served at this face; the route table has refused them already.
            Ok(_) => Answer::refused(&self.config, asked, ProblemCode::NotFound),
        };
        Step { answer: Some(answer), refresh: None, is_cold: false, hot: None }
    }

    fn of_copy(
        &mut self,
        document: Document,
        asked: &Asked,
        now: EdgeMillis,
        waited: Waited,
    ) -> Step {
        let cache = &mut self.held.of(document).cache;
        let is_cold = cache.copy().is_none();
        let decision = cache.decide(now, waited.ms);
        let (Decision::Serve { start_refresh, .. }
        | Decision::Wait { start_refresh }
        | Decision::Unavailable { start_refresh }) = decision;
        let refresh = start_refresh.then(|| (document, cache.begin_refresh(now)));
        let (answer, hot) = match decision {
            Decision::Wait { .. } => (None, None),
            Decision::Unavailable { .. } => {
                (Some(Answer::no_data(&self.config, document, asked, waited)), None)
            }
            Decision::Serve { served, .. } => self.page(document, asked, now, served, waited),
        };
        Step { answer, refresh, is_cold, hot }
    }

    fn page(
        &mut self,
        document: Document,
        asked: &Asked,
        now: EdgeMillis,
        served: Served,
        waited: Waited,
    ) -> (Option<Answer>, Option<Hot>) {
        let cache = &mut self.held.of(document).cache;
        let hold_ms = cache.policy().hold_ms;
        let policy_until = cache.hot_until(now);
        // A copy is there whenever the decision is to serve it.
        let Some((meta, kept)) = cache.body_mut() else { return (None, None) };
        let copy = *meta;
        let origin_now = copy.origin_now(now);
        let is_custom_market = kept.is_custom_market;
        let rendered = kept.rendered_at(origin_now.plus_ms(hold_ms));
        let flips_at = rendered.next_flip.map(|flip| copy.shows_at(flip, hold_ms));
        let page = Page { document, rendered, is_custom_market, origin_now, served, waited };
        let answer = Answer::held(&self.config, asked, &page);
        let varies = self.config.cors.allow(None).varies;
        let is_plain = document == Document::Prices
            && !waited.has_waited
            && asked.url_parts().2.is_none()
            && !(varies && asked.origin.is_some());
        let hot = policy_until.filter(|_| is_plain).map(|until| Hot {
            copy,
            until: flips_at.map_or(until, |flip| flip.min(until)),
            answer: answer.clone(),
            is_for_any_origin: !varies,
            unseen_ms: self.config.unseen_ms(),
        });
        (Some(answer.unless_known(asked)), hot)
    }
}
