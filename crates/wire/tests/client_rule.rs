//! The published cases of the client rule (`docs/client-rule.json`) are what core does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use pricecast_core::poll::{age_on_screen_ms, must_flag, next_poll_ms, takes};
use pricecast_core::{UnixMillis, Version};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    #[serde(rename = "about")]
    _about: String,
    age: Vec<Age>,
    flag: Vec<Flag>,
    next_poll: Vec<NextPoll>,
    take: Vec<Take>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Age {
    confirmed_at: u64,
    pricecast_now: u64,
    age_header_s: Option<u64>,
    since_sending_ms: u64,
    age_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Flag {
    age_ms: u64,
    stale_in_body: bool,
    flagged: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NextPoll {
    oldest_age_ms: u64,
    jitter: f64,
    pause_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Take {
    shown: Option<Place>,
    offered: Place,
    taken: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    epoch: u64,
    seq: u64,
}

impl Place {
    const fn version(&self) -> Version {
        Version { epoch: self.epoch, seq: self.seq }
    }
}

fn rule() -> Rule {
    serde_json::from_str(include_str!("../../../docs/client-rule.json")).unwrap()
}

#[test]
fn the_published_ages_are_cores() {
    let ages = rule().age;
    assert!(ages.len() >= 6);
    for case in ages {
        let [confirmed_at, now] = [case.confirmed_at, case.pricecast_now].map(UnixMillis::from_ms);
        let age_ms = age_on_screen_ms(confirmed_at, now, case.age_header_s, case.since_sending_ms);
        assert_eq!(age_ms, case.age_ms, "{confirmed_at} {now} {:?}", case.age_header_s);
    }
}

#[test]
fn the_published_flags_are_cores() {
    let flags = rule().flag;
    assert!(flags.len() >= 4);
    for case in flags {
        assert_eq!(case.stale_in_body || must_flag(case.age_ms), case.flagged, "{}", case.age_ms);
    }
}

#[test]
fn the_published_pauses_are_cores() {
    let pauses = rule().next_poll;
    assert!(pauses.len() >= 8);
    for case in pauses {
        let pause_ms = next_poll_ms(case.oldest_age_ms, case.jitter);
        assert_eq!(pause_ms, case.pause_ms, "{} {}", case.oldest_age_ms, case.jitter);
    }
}

#[test]
fn what_a_client_takes_is_what_core_takes() {
    let takes_cases = rule().take;
    assert!(takes_cases.len() >= 6);
    for Take { shown, offered, taken } in takes_cases {
        let shown = shown.map(|place| place.version());
        assert_eq!(takes(shown, offered.version()), taken, "{shown:?} {:?}", offered.version());
    }
}
