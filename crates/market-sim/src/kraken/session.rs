//! What one Kraken socket has subscribed to, and the answer to each request. Pure.

use super::messages::{self, Params, Probe, Request, Times, Trigger};
use crate::fault::{Fault, FaultBoard};
use crate::market::{Listing, Venue};
use std::collections::BTreeMap;

/// All a request is answered from.
pub(crate) struct View<'a> {
    pub(crate) listings: &'a [Listing],
    /// Symbols that exist, but not on that venue.
    pub(crate) unlisted: &'a [(Venue, String)],
    pub(crate) faults: &'a FaultBoard,
    pub(crate) times: Times,
}

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// An answer to a request.
    Answer(String),
    /// The first record of a new subscription.
    Snapshot(usize),
}

/// The subscriptions of one socket.
#[derive(Debug, Default)]
pub(crate) struct Session {
    subscriptions: BTreeMap<usize, Trigger>,
    counts: Counts,
}

/// Symbols in subscribe messages so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) asked: u64,
    pub(crate) accepted: u64,
}

impl Session {
    /// The trigger with which a listing is subscribed, if it is.
    pub(crate) fn trigger(&self, listing: usize) -> Option<Trigger> {
        self.subscriptions.get(&listing).copied()
    }

    /// How many subscriptions were asked for and accepted.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether anything was ever subscribed: from then on there are heartbeats, and the socket is
    /// not closed for idleness.
    pub(crate) fn is_established(&self) -> bool {
        self.counts.accepted > 0
    }

    /// Answers one text message.
    pub(crate) fn handle(&mut self, text: &str, view: &View<'_>) -> Vec<Reply> {
        let Ok(probe) = serde_json::from_str::<Probe<'_>>(text) else {
            return refuse("Malformed request", "", None, view);
        };
        let method = probe.method.unwrap_or_default();
        match (method.as_str(), probe.params) {
            ("ping", None) => vec![Reply::Answer(messages::pong(probe.req_id, view.times))],
            ("ping", Some(_)) => refuse(
                "Unsupported field: 'params' for the given msg type: ping",
                &method,
                probe.req_id,
                view,
            ),
            ("subscribe" | "unsubscribe", Some(_)) => match serde_json::from_str::<Request>(text) {
                Ok(request) => self.change(&request, view),
                Err(_) => refuse("Malformed request", &method, probe.req_id, view),
            },
            _ => refuse("Unsupported event", &method, probe.req_id, view),
        }
    }

    fn change(&mut self, request: &Request, view: &View<'_>) -> Vec<Reply> {
        let Some(params) = &request.params else { return Vec::new() };
        if params.channel.as_deref() != Some("ticker") {
            return refuse("Unsupported event", &request.method, request.req_id, view);
        }
        let subscribe = request.method == "subscribe";
        params
            .symbol
            .iter()
            .flat_map(|pair| {
                if subscribe {
                    self.subscribe(pair, params, request.req_id, view)
                } else {
                    self.unsubscribe(pair, request.req_id, view)
                }
            })
            .collect()
    }

    fn subscribe(
        &mut self,
        pair: &str,
        params: &Params,
        req_id: Option<i64>,
        view: &View<'_>,
    ) -> Vec<Reply> {
        let refuse = |error: String| {
            let (pair, times) = (Some(pair), view.times);
            vec![Reply::Answer(messages::refused(&error, "subscribe", pair, req_id, times))]
        };
        self.counts.asked += 1;
        let trigger = match params.event_trigger.as_deref() {
            None | Some("trades") => Trigger::Trades,
            Some("bbo") => Trigger::Bbo,
            Some(other) => return refuse(format!("Unsupported event_trigger {other}")),
        };
        let listing = match find(pair, view) {
            Ok(listing) => listing,
            Err(error) => return refuse(error),
        };
        if self.subscriptions.contains_key(&listing) {
            return refuse(String::from("Already subscribed"));
        }
        self.subscriptions.insert(listing, trigger);
        self.counts.accepted += 1;
        let snapshot = params.snapshot.unwrap_or(true);
        let ack = messages::subscribed(pair, trigger, snapshot, req_id, view.times);
        let mut replies = vec![Reply::Answer(ack)];
        if snapshot && has_snapshot(listing, view) {
            replies.push(Reply::Snapshot(listing));
        }
        replies
    }

    fn unsubscribe(&mut self, pair: &str, req_id: Option<i64>, view: &View<'_>) -> Vec<Reply> {
        let removed = find(pair, view).ok().and_then(|l| self.subscriptions.remove(&l));
        let answer = match removed {
            Some(trigger) => messages::unsubscribed(pair, trigger, req_id, view.times),
            None => messages::refused(
                "Subscription Not Found",
                "unsubscribe",
                Some(pair),
                req_id,
                view.times,
            ),
        };
        vec![Reply::Answer(answer)]
    }
}

/// The listing of an exact v2 pair name, or Kraken's words of refusal.
fn find(pair: &str, view: &View<'_>) -> Result<usize, String> {
    let Some((base, quote)) = pair.split_once('/') else {
        return Err(format!("Currency pair not in ISO 4217-A3 format {pair}"));
    };
    let left_out = |symbol: &str| {
        let refused = |fault| view.faults.find_for(Venue::Kraken, fault, symbol).is_some();
        view.unlisted.iter().any(|(venue, name)| *venue == Venue::Kraken && name == symbol)
            || refused(Fault::RejectSymbol)
            || refused(Fault::DelistSymbol)
    };
    let listed = |l: &Listing| l.symbol == base && !left_out(&l.symbol);
    match view.listings.iter().position(listed) {
        Some(index) if quote == "USD" => Ok(index),
        _ => Err(format!("Currency pair not supported {pair}")),
    }
}

/// A feed that brings no updates brings no snapshot either, unless the fault says so.
fn has_snapshot(listing: usize, view: &View<'_>) -> bool {
    let is_mute = view.listings.get(listing).is_some_and(|listing| {
        let frozen = view.faults.find_for(Venue::Kraken, Fault::FrozenSymbol, &listing.symbol);
        frozen.is_some_and(|fault| fault.spec.snapshots != Some(true))
    });
    !is_mute && !view.faults.has(Venue::Kraken, Fault::AckButNoData)
}

fn refuse(error: &str, method: &str, req_id: Option<i64>, view: &View<'_>) -> Vec<Reply> {
    vec![Reply::Answer(messages::refused(error, method, None, req_id, view.times))]
}
