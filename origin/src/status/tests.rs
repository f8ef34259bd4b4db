use pricecast_core::Source;
use pricecast_core::objective::{Incident, Trouble};
use serde_json::Value;

use super::*;
use crate::config::{Config, FileText};
use crate::form::gzip;
use crate::test_support::{at, snapshot};

struct Fixture {
    measure: Measure,
    clock: Clock,
    store: Arc<Store>,
    board: Arc<Board>,
}

/// BTC is configured; `directory` is its `state_dir`.
fn fixture(directory: &Path) -> Fixture {
    let clock = Clock::start();
    let (store, board) = (Arc::new(Store::new(0)), Arc::new(Board::default()));
    let parts = Parts {
        store: Arc::clone(&store),
        clock: clock.clone(),
        metrics: Arc::default(),
        health: Arc::default(),
        board: Arc::clone(&board),
        outbox: None,
    };
    let file = FileText { name: "test", text: "symbols = [\"BTC\"]" };
    let symbols = Config::load(Some(file), []).unwrap().symbols;
    Fixture { measure: Measure::new(parts, &symbols, directory, true), clock, store, board }
}

impl Fixture {
    /// What is reported at `now`.
    fn body(&self, now: UnixMillis) -> Value {
        self.measure.report(now);
        let forms = self.board.report().unwrap();
        serde_json::from_slice(&forms.get(Encoding::Identity).body()).unwrap()
    }
}

#[test]
fn there_is_a_report_before_anything_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = fixture(directory.path());
    let now = fixture.clock.now();
    let body = fixture.body(now);
    assert_eq!(body["ages"], serde_json::json!([{ "symbol": "BTC" }]));
    assert_eq!(body["errorBudget"]["countedMinutes"], 0);
    assert_eq!(body["errorBudget"]["remainingMinutes"], 21);
    assert_eq!(body["origin"]["role"], "alone");
    assert_eq!(body.get("mode"), None);
    assert!(body["generatedAt"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn ages_incidents_and_budget_are_told_as_they_were_measured() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = fixture(directory.path());
    let now = fixture.clock.now().floor_to_ms(3_600_000).plus_ms(120_000);
    fixture.store.publish(snapshot(1, now), now);
    for ms in (0..=15_000).step_by(100) {
        fixture.measure.look(now.plus_ms(ms));
    }
    let body = fixture.body(now.plus_ms(15_000));
    let served = &body["ages"][0]["served"]["hour"];
    assert_eq!((&served["maxMs"], &served["samples"]), (&15_000.into(), &151.into()));
    assert_eq!(served["p50Ms"], 7_900);
    assert_eq!(body["ages"][0]["served"], body["ages"][0]["kraken"]);
    assert_eq!(body["errorBudget"]["badMinutes"], 1);
    assert_eq!(body["mode"], "frozen");
    assert_eq!(body["sources"]["kraken"]["status"], "stale");
    let open: Vec<_> =
        body["incidents"]["open"].as_array().unwrap().iter().map(|i| &i["kind"]).collect();
    assert_eq!(open, ["all_stale", "source_down", "source_down"]);
}

#[test]
fn what_was_measured_is_known_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let before = fixture(directory.path());
    let now = before.clock.now();
    before.store.publish(snapshot(1, now.minus_ms(15_000)), now);
    for ms in (0..=15_000).step_by(100) {
        before.measure.look(now.minus_ms(15_000).plus_ms(ms));
    }
    before.measure.save_now();
    let after = fixture(directory.path());
    let [was, is] = [&before, &after].map(|fixture| fixture.body(now));
    assert_eq!(was["ages"], is["ages"]);
    assert_eq!(was["errorBudget"], is["errorBudget"]);
    assert_eq!(was["incidents"], is["incidents"]);
    assert_eq!(is["ages"][0]["served"]["day"]["maxMs"], 15_000);
    assert_eq!(is["incidents"]["open"].as_array().unwrap().len(), 3);
}

#[test]
fn a_file_that_cannot_be_used_is_put_aside_and_measuring_begins_anew() {
    let half = || gzip(&[b'{'; 1_000]).slice(..20);
    let of = |json: &str| gzip(json.as_bytes());
    let budget_of_7 = of("{\"ages\":[],\"budget\":7,\"open\":[],\"past\":[]}");
    for content in ["".into(), "{}".into(), half(), of("{"), of("{}"), of("[1,2]"), budget_of_7] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE_NAME), content).unwrap();
        let fixture = fixture(directory.path());
        assert_eq!(fixture.body(fixture.clock.now())["errorBudget"]["countedMinutes"], 0);
        let names: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(
            names.len() == 1 && names[0].starts_with("objective.v1.json.gz.unusable-"),
            "{names:?}"
        );
    }
}

#[test]
fn a_name_or_kind_of_a_later_version_is_left_out_and_the_rest_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let rings = |symbol, seen_at| {
        format!(r#"{{"symbol":"{symbol}","seenAt":"{seen_at}","minutes":[],"hours":[]}}"#)
    };
    let incident = |kind, symbol| {
        format!(
            r#"{{"kind":"{kind}","symbol":"{symbol}","source":null,"beganAt":1,"seenAt":2,"new":3}}"#
        )
    };
    let content = format!(
        r#"{{"ages":[{},{}],"budget":{{"began":7,"seenAt":420000,"bad":[[7,7,true]]}},"open":[],"past":[{},{},{}],"later":1}}"#,
        rings("BTC", "elsewhere"),
        rings("not a symbol", "served"),
        incident("flood", "BTC"),
        incident("symbol_frozen", "BTC"),
        incident("symbol_frozen", "ETH"),
    );
    std::fs::write(directory.path().join(FILE_NAME), gzip(content.as_bytes())).unwrap();
    let fixture = fixture(directory.path());
    let body = fixture.body(fixture.clock.now());
    let recent = body["incidents"]["recent"].as_array().unwrap();
    let symbols: Vec<_> = recent.iter().map(|incident| &incident["symbol"]).collect();
    assert_eq!(symbols, ["ETH", "BTC"], "the latest first");
    assert_eq!(body["errorBudget"]["countedMinutes"], 43_200);
}

#[test]
fn a_directory_that_cannot_be_written_loses_nothing_of_what_is_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let fixture = fixture(&file.join("below"));
    let now = fixture.clock.now();
    fixture.store.publish(snapshot(1, now), now);
    fixture.measure.look(now);
    fixture.measure.save_now();
    fixture.measure.save_now();
    assert_eq!(fixture.body(now)["ages"][0]["served"]["hour"]["samples"], 1);
}

#[test]
fn each_report_has_a_tag_of_its_own_and_so_has_each_coding() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = fixture(directory.path());
    let now = fixture.clock.now();
    let mut tags: Vec<String> = Vec::new();
    for at in [now, now.plus_ms(5_000)] {
        fixture.body(at);
        let forms = fixture.board.report().unwrap();
        tags.extend([Encoding::Identity, Encoding::Gzip].map(|e| forms.get(e).etag().to_owned()));
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "{tags:?}");
}

#[test]
fn of_several_instances_the_leader_tells_people() {
    let standing = |leads| Standing {
        leads,
        seen_epoch: 7,
        redis: crate::cluster::Redis::Answers,
        refused: None,
    };
    for (standing, is_told) in
        [(None, true), (Some(standing(Some(7))), true), (Some(standing(None)), false)]
    {
        assert_eq!(speaks(standing), is_told, "{standing:?}");
    }
}

#[test]
fn a_message_has_a_line_for_each_change_and_names_ten_at_most() {
    let incident = |trouble| Incident { trouble, began_at: at(0), seen_at: at(200_000) };
    let symbol = |n| Symbol::parse(&format!("S{n}")).unwrap();
    let both = [
        Change::Began(incident(Trouble::SourceDown(Source::Kraken))),
        Change::Ended(incident(Trouble::AllStale)),
    ];
    assert_eq!(
        report::message(&both, true),
        "Pricecast: kraken is not connected, since 2024-02-02T18:53:20.000Z\n\
         Pricecast: recovered after 3m 20s: no price is fresh; the last known ones are served, flagged"
    );
    for (count, lines) in [(10, 10), (11, 11), (500, 11)] {
        let many: Vec<_> =
            (0..count).map(|n| Change::Began(incident(Trouble::SymbolStale(symbol(n))))).collect();
        let told = report::message(&many, false);
        assert_eq!(told.lines().count(), lines, "{count}");
        assert_eq!(told.contains("and 490 more"), count == 500);
        assert!(told.starts_with("Pricecast (custom market): S0 is not fresh"));
    }
}

#[test]
fn what_was_measured_of_a_symbol_that_is_not_configured_any_more_is_let_go() {
    let [btc, eth] = ["BTC", "ETH"].map(|text| Symbol::parse(text).unwrap());
    let mut objective = Objective::default();
    for symbol in [btc, eth] {
        objective.note_at_edge(at(0), symbol, 7);
    }
    let kept = saved::from_bytes(&saved::to_bytes(&objective), &[eth], at(0)).unwrap();
    assert_eq!(kept.ages.all().map(|(symbol, ..)| symbol).collect::<Vec<_>>(), [eth]);
}
