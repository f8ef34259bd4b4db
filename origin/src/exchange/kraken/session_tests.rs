//! Scripts in virtual time: frames in, events and requests out.

use super::*;

const ONLINE: &str = r#"{"channel":"status","type":"update","data":[{"system":"online"}]}"#;
const HEARTBEAT: &str = r#"{"channel":"heartbeat"}"#;

fn at(ms: u64) -> UnixMillis {
    UnixMillis::from_ms(1_000_000 + ms)
}

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

fn ack(pair: &str) -> String {
    format!(
        r#"{{"method":"subscribe","result":{{"channel":"ticker","symbol":"{pair}"}},"success":true}}"#
    )
}

fn refusal(pair: &str, error: &str) -> String {
    format!(r#"{{"error":"{error}","method":"subscribe","success":false,"symbol":"{pair}"}}"#)
}

fn ticker(kind: &str, pair: &str, last: &str) -> String {
    format!(
        r#"{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{pair}","last":{last},"change_pct":0.5}}]}}"#
    )
}

/// A session for BTC, ETH and FOO whose first request is already taken.
fn session() -> Session {
    let mut session = Session::new(&["BTC", "ETH", "FOO"].map(symbol), at(0), at(100));
    assert_eq!(sent(&mut session).len(), 1);
    assert_eq!(events(&mut session), ["Connected"]);
    session
}

/// A session in which everything is acked at 200.
fn acked() -> Session {
    let mut session = session();
    for pair in ["BTC/USD", "ETH/USD", "FOO/USD"] {
        session.handle_frame(at(200), &ack(pair));
    }
    session
}

/// Short names of the events so far.
fn events(session: &mut Session) -> Vec<String> {
    let name = |event| match event {
        KrakenEvent::Connected => "Connected".to_owned(),
        KrakenEvent::System(status) => format!("{status:?}"),
        KrakenEvent::Unsupported(symbol) => format!("Unsupported {symbol}"),
        KrakenEvent::Tick { quote, is_snapshot } => {
            let kind = if is_snapshot { "snapshot" } else { "update" };
            format!("{} {} {kind}", quote.symbol, quote.price)
        }
        KrakenEvent::TickRefused { symbol, reason } => format!("{symbol} {}", reason.as_str()),
        KrakenEvent::Heartbeat => "Heartbeat".to_owned(),
        KrakenEvent::Pong { sent_at } => format!("Pong {}", sent_at.ms_since(at(0))),
        KrakenEvent::Undecodable => "Undecodable".to_owned(),
        KrakenEvent::Disconnected(reason) => format!("Disconnected {reason}"),
    };
    std::iter::from_fn(|| session.poll_event()).map(name).collect()
}

/// Method and symbols of the requests to be sent. Pings are answered at once and left out.
fn sent(session: &mut Session) -> Vec<String> {
    let brief = |text: String| {
        let request: serde_json::Value = serde_json::from_str(&text).unwrap();
        let pairs: Vec<_> = request["params"]["symbol"].as_array().unwrap().iter().collect();
        let pairs = pairs.iter().map(|pair| pair.as_str().unwrap()).collect::<Vec<_>>().join(" ");
        format!("{} {pairs}", request["method"].as_str().unwrap())
    };
    let requests: Vec<_> = std::iter::from_fn(|| session.poll_outgoing()).collect();
    let now = session.called_at();
    for id in requests.iter().filter_map(|text| ping_id(text)) {
        session.handle_frame(now, &pong(id));
    }
    requests.into_iter().filter(|text| ping_id(text).is_none()).map(brief).collect()
}

/// The identifier of a ping; `None` if it is another request.
fn ping_id(text: &str) -> Option<u64> {
    let request: serde_json::Value = serde_json::from_str(text).unwrap();
    (request["method"] == "ping").then(|| request["req_id"].as_u64().unwrap())
}

fn pong(id: u64) -> String {
    format!(r#"{{"method":"pong","req_id":{id}}}"#)
}

/// Lets time pass up to `until` as the owner would, with a heartbeat every second if wanted.
/// Returns what was sent, with its time.
fn pass(session: &mut Session, from: u64, until: u64, with_heartbeats: bool) -> Vec<(u64, String)> {
    let mut log = Vec::new();
    let mut heartbeat_at = from + 1_000;
    let mut now = from;
    while session.poll_close().is_none() {
        let next = session.poll_timeout().ms_since(at(0));
        now = next.min(if with_heartbeats { heartbeat_at } else { u64::MAX }).max(now);
        if now > until {
            break;
        }
        if with_heartbeats && now == heartbeat_at {
            session.handle_frame(at(now), HEARTBEAT);
            heartbeat_at += 1_000;
        } else {
            session.handle_timeout(at(now));
        }
        log.extend(sent(session).into_iter().map(|text| (now, text)));
    }
    log
}

#[test]
fn it_asks_for_all_symbols_in_one_request() {
    let mut session = Session::new(&["BTC", "ETH"].map(symbol), at(0), at(100));
    assert_eq!(sent(&mut session), ["subscribe BTC/USD ETH/USD"]);
}

#[test]
fn frames_become_events_in_their_order() {
    let mut session = session();
    session.handle_frame(at(150), ONLINE);
    session.handle_frame(at(200), &ack("BTC/USD"));
    session.handle_frame(at(210), &ticker("snapshot", "BTC/USD", "65000.10"));
    session.handle_frame(at(300), &ticker("update", "BTC/USD", "65000.20"));
    session.handle_frame(at(400), HEARTBEAT);
    session.handle_frame(at(500), &ticker("update", "BTC/USD", "null"));
    session.handle_frame(at(600), &ticker("update", "BTC/USD", "0"));
    session.handle_frame(at(700), &ticker("update", "DOGE/USD", "0.1"));
    assert_eq!(
        events(&mut session),
        [
            "Online",
            "BTC 65000.10 snapshot",
            "BTC 65000.20 update",
            "Heartbeat",
            "BTC price_missing",
            "BTC price_not_positive",
            // A ticker for somebody else proves that the connection lives.
            "Heartbeat",
        ]
    );
}

#[test]
fn acks_pongs_and_noise_are_no_sign_of_life() {
    let mut session = acked();
    for text in [
        &ack("BTC/USD"),
        r#"{"method":"pong"}"#,
        ONLINE,
        r#"{"channel":"trade","data":[]}"#,
        r#"[1,{},"ticker","XBT/USD"]"#,
        r#"{"event":"heartbeat"}"#,
    ] {
        session.handle_frame(at(4_900), text);
    }
    events(&mut session);
    session.handle_timeout(at(5_199));
    assert_eq!(session.poll_close(), None);
    session.handle_timeout(at(5_200));
    assert_eq!(session.poll_close(), Some(CloseReason::Silent));
}

#[test]
fn the_silence_deadline_counts_from_the_last_ticker_or_heartbeat() {
    for (text, is_life) in [
        (HEARTBEAT.to_owned(), true),
        (ticker("update", "BTC/USD", "1"), true),
        (ack("BTC/USD"), false),
    ] {
        let mut session = acked();
        session.handle_frame(at(3_000), &text);
        pass(&mut session, 3_000, 5_200, false);
        assert_eq!(session.poll_close().is_none(), is_life, "{text}");
        pass(&mut session, 5_200, 7_999, false);
        assert_eq!(session.poll_close().is_none(), is_life, "{text}");
        pass(&mut session, 7_999, 8_000, false);
        assert_eq!(session.poll_close(), Some(CloseReason::Silent));
    }
}

#[test]
fn without_any_ack_within_five_seconds_of_connecting_it_gives_up() {
    let mut session = session();
    session.handle_frame(at(4_000), HEARTBEAT);
    pass(&mut session, 4_000, 4_999, false);
    assert_eq!(session.poll_close(), None);
    pass(&mut session, 4_999, 5_000, false);
    assert_eq!(session.poll_close(), Some(CloseReason::NoAck));
}

#[test]
fn a_symbol_without_ack_is_asked_again_alone_and_ever_more_rarely() {
    let mut session = session();
    session.handle_frame(at(200), &ack("BTC/USD"));
    session.handle_frame(at(200), &ack("ETH/USD"));
    let log = pass(&mut session, 200, 60_000, true);
    let lone = "subscribe FOO/USD".to_owned();
    assert_eq!(log, [(5_100, lone.clone()), (15_100, lone.clone()), (35_100, lone)]);
    assert_eq!(session.poll_close(), None);
}

#[test]
fn many_symbols_without_ack_are_asked_five_a_second() {
    let symbols: Vec<_> = (0..30).map(|n| symbol(&format!("S{n}"))).collect();
    let mut session = Session::new(&symbols, at(0), at(0));
    sent(&mut session);
    session.handle_frame(at(100), &ack("S0/USD"));
    let log = pass(&mut session, 100, 9_900, true);
    let times: Vec<_> = log.iter().map(|(ms, _)| *ms).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 200), "{times:?}");
    let mut asked: Vec<_> = log.into_iter().take(25).map(|(_, text)| text).collect();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), 25, "each once before any twice");
}

#[test]
fn a_pair_that_is_not_listed_is_unsupported_and_never_asked_again() {
    for error in
        ["Currency pair not supported FOO/USD", "Currency pair not in ISO 4217-A3 format FOO/USD"]
    {
        let mut session = session();
        session.handle_frame(at(200), &ack("BTC/USD"));
        session.handle_frame(at(200), &ack("ETH/USD"));
        session.handle_frame(at(300), &refusal("FOO/USD", error));
        assert_eq!(events(&mut session), ["Unsupported FOO"]);
        assert_eq!(pass(&mut session, 300, 60_000, true), []);
        session.resubscribe(at(60_000), &["BTC", "FOO"].map(symbol));
        assert_eq!(sent(&mut session), ["unsubscribe BTC/USD", "subscribe BTC/USD"]);
    }
}

#[test]
fn the_pair_is_found_in_the_text_of_a_refusal_that_does_not_name_it_apart() {
    let mut session = session();
    let text =
        r#"{"error":"Currency pair not supported FOO/USD","method":"subscribe","success":false}"#;
    session.handle_frame(at(200), text);
    assert_eq!(events(&mut session), ["Unsupported FOO"]);
}

#[test]
fn any_other_refusal_leaves_the_symbol_to_be_asked_again() {
    let mut session = session();
    session.handle_frame(at(200), &ack("BTC/USD"));
    session.handle_frame(at(200), &ack("ETH/USD"));
    session.handle_frame(at(200), r#"{"Error":"Exceeded msg rate"}"#);
    session.handle_frame(at(200), &refusal("FOO/USD", "Rate limit exceeded"));
    session.handle_frame(at(200), &refusal("BAR/USD", "Currency pair not supported BAR/USD"));
    assert_eq!(events(&mut session), Vec::<String>::new());
    assert_eq!(pass(&mut session, 200, 6_000, true), [(5_100, "subscribe FOO/USD".to_owned())]);
}

#[test]
fn already_subscribed_is_an_ack() {
    let mut session = session();
    session.handle_frame(at(200), &ack("BTC/USD"));
    session.handle_frame(at(200), &ack("ETH/USD"));
    session.handle_frame(at(200), &refusal("FOO/USD", "Already subscribed"));
    assert_eq!(pass(&mut session, 200, 20_000, true), []);
}

#[test]
fn when_every_symbol_is_refused_the_connection_is_left_alone() {
    let mut session = session();
    for pair in ["BTC/USD", "ETH/USD", "FOO/USD"] {
        session.handle_frame(at(200), &refusal(pair, "Currency pair not supported"));
    }
    pass(&mut session, 200, 50_000, false);
    assert_eq!(session.poll_close(), None, "no subscription, no heartbeats, no silence");
}

#[test]
fn a_frame_that_cannot_be_read_subscribes_everything_anew_once_for_a_burst() {
    let mut session = acked();
    for ms in [300, 310, 320] {
        session.handle_frame(at(ms), "CloudFlare WebSocket proxy restarting");
    }
    assert_eq!(events(&mut session), ["Undecodable"; 3]);
    assert_eq!(
        pass(&mut session, 320, 4_000, true),
        [
            (550, "unsubscribe BTC/USD ETH/USD FOO/USD".to_owned()),
            (550, "subscribe BTC/USD ETH/USD FOO/USD".to_owned()),
        ]
    );
}

#[test]
fn endless_garbage_is_no_storm_of_requests() {
    let mut session = acked();
    let mut requests = 0;
    for ms in (300..60_300).step_by(50) {
        session.handle_frame(at(ms), "garbage");
        session.handle_frame(at(ms), HEARTBEAT);
        for pair in ["BTC/USD", "ETH/USD", "FOO/USD"] {
            session.handle_frame(at(ms), &ack(pair));
        }
        session.handle_timeout(at(ms));
        requests += sent(&mut session).len();
    }
    assert!((20..=26).contains(&requests), "{requests} requests in a minute");
}

#[test]
fn bytes_that_are_no_text_count_as_unreadable_too() {
    let mut session = acked();
    session.handle_undecodable(at(300));
    assert_eq!(events(&mut session), ["Undecodable"]);
    assert_eq!(pass(&mut session, 300, 1_000, true).len(), 2);
}

#[test]
fn a_resubscription_that_is_not_acked_is_asked_again() {
    let mut session = acked();
    session.resubscribe(at(1_000), &[symbol("BTC")]);
    assert_eq!(sent(&mut session), ["unsubscribe BTC/USD", "subscribe BTC/USD"]);
    assert_eq!(pass(&mut session, 1_000, 7_000, true), [(6_000, "subscribe BTC/USD".to_owned())]);
}

#[test]
fn the_engines_states_are_told_and_an_unknown_one_is_not_online() {
    for (word, expected, trades) in [
        ("online", "Online", true),
        ("maintenance", "NotTrading(Maintenance)", false),
        ("cancel_only", "NotTrading(CancelOnly)", false),
        ("post_only", "NotTrading(PostOnly)", false),
        ("sleeping", "NotTrading(UnknownState)", false),
    ] {
        let mut session = acked();
        session.handle_frame(at(300), &ONLINE.replace("online", word));
        assert_eq!(events(&mut session), [expected]);
        assert_eq!(session.is_trading(), Some(trades));
    }
    let mut session = acked();
    session.handle_frame(at(300), r#"{"channel":"status","data":[{}]}"#);
    assert_eq!(events(&mut session), ["NotTrading(UnknownState)"]);
}

#[test]
fn an_answered_ping_is_told_before_what_it_dates() {
    let mut session = acked();
    for ms in [600, 1_100, 1_600] {
        session.handle_timeout(at(ms));
    }
    let ids: Vec<_> = std::iter::from_fn(|| session.poll_outgoing()).collect();
    let ids: Vec<_> = ids.iter().filter_map(|text| ping_id(text)).collect();
    for text in [
        HEARTBEAT.to_owned(),
        pong(ids[0]),
        ticker("update", "BTC/USD", "1.5"),
        // Once told, or never asked: nothing new.
        pong(ids[0]),
        pong(999),
        pong(ids[2]),
        pong(ids[1]),
    ] {
        session.handle_frame(at(4_000), &text);
    }
    let told = ["Heartbeat", "Pong 600", "BTC 1.5 update", "Pong 1600"];
    assert_eq!(events(&mut session), told);
}

#[test]
fn a_connection_ten_seconds_behind_or_that_answers_no_pings_is_given_up() {
    for (answers, given_up_at) in [(0, 10_100), (3, 11_600)] {
        let mut session = acked();
        let mut now = 200;
        let mut answered = 0;
        while session.poll_close().is_none() {
            now = session.poll_timeout().ms_since(at(0));
            session.handle_frame(at(now), HEARTBEAT);
            session.handle_timeout(at(now));
            let asked = std::iter::from_fn(|| session.poll_outgoing()).collect::<Vec<_>>();
            for id in asked.iter().filter_map(|text| ping_id(text)).filter(|&id| id <= answers) {
                session.handle_frame(at(now), &pong(id));
                answered += 1;
            }
        }
        assert_eq!(answered, answers);
        assert_eq!((session.poll_close(), now), (Some(CloseReason::Lagging), given_up_at));
    }
}

#[test]
fn no_frame_makes_it_panic_or_ask_without_end() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    let frame = prop_oneof![
        ".{0,60}",
        Just(HEARTBEAT.to_owned()),
        Just(ONLINE.to_owned()),
        "(BTC|ETH|FOO|X)/USD".prop_map(|pair| ack(&pair)),
        "(BTC|ETH|FOO|X)/USD".prop_map(|pair| ticker("update", &pair, "1.5")),
        "(BTC|ETH|FOO|X)/USD".prop_map(|pair| refusal(&pair, "Currency pair not supported")),
    ];
    let script = proptest::collection::vec((frame, 0..3_000_u64), 0..60);
    TestRunner::new(Config::default())
        .run(&script, |script| {
            let mut session = session();
            let mut now = 100;
            let mut requests = 0;
            for (text, pause_ms) in script {
                now += pause_ms;
                session.handle_frame(at(now), &text);
                session.handle_timeout(at(now));
                requests += sent(&mut session).len();
            }
            prop_assert!(requests as u64 <= 4 + now / 200 + 2 * (now / 5_000));
            Ok(())
        })
        .unwrap();
}
