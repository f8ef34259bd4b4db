//! Answering one Coinbase request, or not, as the active faults say.

use super::{catalogue, spoil};
use crate::fault::{Fault, FaultBoard};
use crate::http::{HttpLink, Request, failure};
use crate::market::Venue;
use crate::stats::Counted;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

const VENUE: Venue = Venue::Coinbase;

/// What is to be done with the connection.
enum Fate {
    Answer(Arc<FaultBoard>),
    /// RST without an answer.
    Reset,
    /// The client has gone.
    Gone,
    /// Never answered, for as long as the client waits.
    Dead,
}

/// Serves one request; says whether the connection goes on.
pub(crate) async fn serve_one(link: &mut HttpLink<'_>, request: &Request) -> io::Result<bool> {
    let sim = Arc::clone(link.sim);
    sim.counters.request(VENUE, sim.clock.now_ms());
    let _in_flight = Counted::in_flight(&sim.counters, VENUE);
    let board = match fate(link).await {
        Fate::Answer(board) => board,
        Fate::Gone => return Ok(false),
        Fate::Reset => {
            link.reset_on_close()?;
            return Ok(false);
        }
        Fate::Dead => {
            link.client_gone().await;
            return Ok(false);
        }
    };
    let now_ms = sim.clock.now_ms();
    let response = match sim.limits.coinbase(now_ms).or_else(|| failure(&board, VENUE)) {
        Some(failure) => failure,
        None => {
            let turn = sim.counters.read().coinbase.requests;
            let board = board.at_turn(turn);
            spoil::spoilt(catalogue::answer(&sim, &board, request), &board, turn)
        }
    };
    let response = response.with("date", catalogue::http_date(&sim, &board));
    sim.counters.count(VENUE, |stats| stats.sent += 1);
    if board.has(VENUE, Fault::TruncatedBody) {
        link.send_half(&response).await?;
        return Ok(false);
    }
    link.send(&response, request.keep_alive()).await?;
    Ok(true)
}

/// Waits as long as the venue is silent or slow, and says what becomes of the request.
async fn fate(link: &mut HttpLink<'_>) -> Fate {
    let mut faults = link.sim.faults();
    loop {
        let board = Arc::clone(&faults.borrow_and_update());
        if link.is_dead(&board) {
            return Fate::Dead;
        }
        if link.is_reset(&board) || cuts(link, &board) {
            return Fate::Reset;
        }
        if !board.has(VENUE, Fault::Silence) {
            return late(link, board).await;
        }
        tokio::select! {
            _ = faults.changed() => {}
            () = link.client_gone() => return Fate::Gone,
        }
    }
}

/// Whether the connection is cut instead of answered.
fn cuts(link: &HttpLink<'_>, board: &FaultBoard) -> bool {
    let refuse = board.find(VENUE, Fault::Refuse).is_some_and(|f| f.spec.status.is_none());
    let odd = link.sim.counters.read().coinbase.requests % 2 == 1;
    board.has(VENUE, Fault::Reset) || refuse || (board.has(VENUE, Fault::Flap) && odd)
}

async fn late(link: &mut HttpLink<'_>, board: Arc<FaultBoard>) -> Fate {
    let delay = board.delay(VENUE);
    if delay == Duration::ZERO {
        return Fate::Answer(board);
    }
    let sim = Arc::clone(link.sim);
    let mut faults = sim.faults();
    let resets = board.resets(VENUE);
    tokio::select! {
        () = sleep(delay) => Fate::Answer(Arc::clone(&sim.faults().borrow())),
        () = link.client_gone() => Fate::Gone,
        Ok(_) = faults.wait_for(|now| now.resets(VENUE) > resets) => Fate::Reset,
    }
}
