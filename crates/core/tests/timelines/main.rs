//! Scripted timelines in virtual time, one for each documented behaviour of the feed.

mod confirmation;
mod failover;
mod lag;
mod old_answers;
mod plausibility;
mod reconnects;
mod reports;
mod support;
mod transitions;
