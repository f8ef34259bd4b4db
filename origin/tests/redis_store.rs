//! The scripts and the connection, on a real redis-server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use pricecast_core::Version;
use pricecast_core::lease::{Acquired, Holder, Look, Refusal, Wrote};
use pricecast_origin::cluster::failure::CallFailure;
use pricecast_origin::cluster::kept::Kept;
use pricecast_origin::cluster::link::{Failed, Link};
use pricecast_origin::cluster::scripts::{Answer, NO_HEAD, Scripts};
use pricecast_origin::exchange::tls;
use redis::ScriptInvocation;
use support::redis::Server;
use tokio::time::{Instant, sleep};

/// Longer than any of these tests.
const TTL_MS: u64 = 60_000;
const WITHIN: Duration = Duration::from_millis(200);
const NONE: Version = Version { epoch: 0, seq: 0 };
/// A busy machine may hold up an answer; where time is not the matter, it is waited for.
const PATIENT: Duration = Duration::from_secs(5);

/// One instance's view.
struct Instance {
    link: Link,
    scripts: Scripts,
}

impl Instance {
    fn new(server: &Server, me: &str) -> Self {
        Self::within(server, me, PATIENT)
    }

    fn within(server: &Server, me: &str, within: Duration) -> Self {
        let link = Link::new(&server.url(), None, within).unwrap();
        Self { link, scripts: Scripts::new("{test}:", me.to_owned()) }
    }

    async fn ask<'a>(
        &'a mut self,
        call: impl FnOnce(&'a Scripts) -> ScriptInvocation<'a>,
    ) -> Result<Answer, Failed> {
        let answer = self.link.call(&call(&self.scripts)).await?;
        Ok(self.scripts.read(answer).expect("an answer of ours"))
    }

    async fn look(&mut self, seen_epoch: u64) -> Look {
        self.ask(|s| s.look(seen_epoch, NONE, NO_HEAD, None)).await.unwrap().looked(None)
    }

    async fn found(&mut self, held: Version, refused_head: &str) -> Option<Kept> {
        self.ask(|s| s.look(0, held, refused_head, None)).await.unwrap().found
    }

    async fn acquire(&mut self, seen_epoch: u64) -> Acquired {
        self.ask(|s| s.acquire(TTL_MS, seen_epoch)).await.unwrap().acquired().unwrap()
    }

    /// Acquires, which must be granted.
    async fn lead(&mut self, seen_epoch: u64) -> u64 {
        match self.acquire(seen_epoch).await {
            Acquired::Granted { epoch } => epoch,
            Acquired::Held { epoch } => panic!("held under {epoch}"),
        }
    }

    async fn write(&mut self, epoch: u64, seq: Option<u64>) -> Wrote {
        self.write_for(epoch, TTL_MS, seq).await
    }

    async fn write_for(&mut self, epoch: u64, ttl_ms: u64, seq: Option<u64>) -> Wrote {
        let kept = seq.map(|seq| kept(epoch, seq));
        let snapshot = kept.as_ref().zip(seq);
        self.ask(|s| s.write(epoch, ttl_ms, snapshot)).await.unwrap().wrote().unwrap()
    }
}

/// Of no real snapshot: the scripts read nothing but the head.
fn kept(epoch: u64, seq: u64) -> Kept {
    Kept { head: format!("1 {epoch} {seq} sum"), body: format!("body {seq}").into_bytes() }
}

#[tokio::test]
async fn one_instance_gets_the_lease_and_another_gets_it_only_when_it_is_given_back() {
    let Some(server) = Server::start().await else { return };
    let (mut a, mut b) = (Instance::new(&server, "a1"), Instance::new(&server, "b2"));
    assert_eq!(b.look(0).await.holder, Holder::None);
    let epoch = a.lead(0).await;
    assert_eq!(b.acquire(0).await, Acquired::Held { epoch });
    assert_eq!(b.look(0).await.holder, Holder::Other { epoch });
    assert_eq!(a.look(0).await.holder, Holder::Me { epoch });
    b.ask(Scripts::release).await.unwrap();
    assert_eq!(b.acquire(0).await, Acquired::Held { epoch }, "not theirs to give back");
    a.ask(Scripts::release).await.unwrap();
    assert!(b.lead(0).await > epoch);
}

#[tokio::test]
async fn a_lease_lasts_from_its_last_write_and_no_longer() {
    let Some(server) = Server::start().await else { return };
    let (mut a, mut b) = (Instance::new(&server, "a1"), Instance::new(&server, "b2"));
    let epoch = a.lead(0).await;
    for ttl_ms in [10_000, 90_000, 300] {
        assert_eq!(a.write_for(epoch, ttl_ms, None).await, Wrote::Done);
        let left_ms: i64 = server.run("PTTL {test}:lease").await.unwrap();
        let lasts_ms = i64::try_from(ttl_ms).unwrap();
        // A busy machine may have let the short one pass already.
        assert!(left_ms <= lasts_ms, "{left_ms} of {lasts_ms}");
        assert!(left_ms > lasts_ms - 5_000, "{left_ms} of {lasts_ms}");
    }
    let end = Instant::now() + PATIENT;
    while b.look(0).await.holder != Holder::None {
        assert!(Instant::now() < end, "the lease does not end");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(a.write(epoch, None).await, Wrote::Refused(Refusal::Absent));
}

#[tokio::test]
async fn an_epoch_is_the_time_or_higher_than_all_that_anyone_knows() {
    let Some(server) = Server::start().await else { return };
    let mut a = Instance::new(&server, "a1");
    let now_ms = u64::try_from(a.link.time().await.unwrap() / 1_000).unwrap();
    let by_time = a.lead(0).await;
    assert!((now_ms..now_ms + 10_000).contains(&by_time), "{by_time} at {now_ms}");
    let future = by_time + 1_000_000_000;
    assert_eq!(a.lead(future).await, future + 1, "the asker's");
    assert_eq!(a.lead(0).await, future + 2, "the stored fence");
    server.does("DEL {test}:fence").await;
    assert!(a.lead(0).await < future, "nothing is known");
    let head = format!("7 {} 1 of a schema to come", future + 8);
    server.does(&format!("HSET {{test}}:snapshot head '{head}'")).await;
    assert_eq!(a.lead(0).await, future + 9, "the stored snapshot's");
}

#[tokio::test]
async fn a_write_is_refused_to_all_but_the_holder_of_the_highest_epoch() {
    let Some(server) = Server::start().await else { return };
    let (mut a, mut b) = (Instance::new(&server, "a1"), Instance::new(&server, "b2"));
    let first = a.lead(0).await;
    let epoch = a.lead(0).await;
    assert_eq!(a.write(first, Some(9)).await, Wrote::Refused(Refusal::Fenced { epoch }));
    assert_eq!(b.write(epoch, Some(9)).await, Wrote::Refused(Refusal::Foreign { epoch }));
    assert_eq!(a.write(epoch, Some(1)).await, Wrote::Done);
    assert_eq!(b.look(epoch + 5).await.fence_epoch, epoch + 5, "what B has seen, Redis learns");
    let fenced = Refusal::Fenced { epoch: epoch + 5 };
    assert_eq!(a.write(epoch, Some(2)).await, Wrote::Refused(fenced));
    assert_eq!(b.found(NONE, NO_HEAD).await, Some(kept(epoch, 1)));
    assert_eq!(a.lead(0).await, epoch + 6);
}

#[tokio::test]
async fn a_lease_that_a_failover_brought_back_is_taken_by_whoever_knows_better() {
    let Some(server) = Server::start().await else { return };
    let (mut dead, mut b) = (Instance::new(&server, "dd"), Instance::new(&server, "b2"));
    let epoch = dead.lead(0).await;
    assert_eq!(b.acquire(epoch).await, Acquired::Held { epoch });
    assert!(b.lead(epoch + 1).await > epoch + 1);
}

#[tokio::test]
async fn only_a_newer_snapshot_is_found_and_never_one_replaced_by_an_older() {
    let Some(server) = Server::start().await else { return };
    let (mut a, mut b) = (Instance::new(&server, "a1"), Instance::new(&server, "b2"));
    let epoch = a.lead(0).await;
    for (seq, wrote) in [
        (4, Wrote::Done),
        (5, Wrote::Done),
        (5, Wrote::Done),
        (4, Wrote::Refused(Refusal::Fenced { epoch })),
    ] {
        assert_eq!(a.write(epoch, Some(seq)).await, wrote, "{seq}");
    }
    for (held, is_found) in [((0, 0), true), ((epoch - 1, 9), true), ((epoch, 4), true)]
        .into_iter()
        .chain([((epoch, 5), false), ((epoch, 6), false), ((epoch + 1, 0), false)])
    {
        let held = Version { epoch: held.0, seq: held.1 };
        let found = b.found(held, NO_HEAD).await;
        assert_eq!(found, is_found.then(|| kept(epoch, 5)), "{held}");
    }
    assert_eq!(b.found(NONE, &kept(epoch, 5).head).await, None, "refused before");
}

#[tokio::test]
async fn what_a_follower_brings_is_stored_where_there_is_nothing_or_an_older_one() {
    let Some(server) = Server::start().await else { return };
    let (mut a, mut b) = (Instance::new(&server, "a1"), Instance::new(&server, "b2"));
    assert!(a.look(0).await.is_behind);
    for (brought, stays) in [
        ((7, 3), (7, 3)),
        ((7, 2), (7, 3)),
        ((6, 9), (7, 3)),
        ((7, 4), (7, 4)),
        ((8, 1), (8, 1)),
        ((7, 9), (8, 1)),
    ] {
        let held = Version { epoch: brought.0, seq: brought.1 };
        let told = b.ask(|s| s.look(0, held, NO_HEAD, None)).await.unwrap().looked(None);
        assert_eq!(told.is_behind, brought == stays, "asked for {held}");
        let brought = kept(held.epoch, held.seq);
        let told = b.ask(|s| s.look(0, held, NO_HEAD, Some(&brought))).await.unwrap();
        assert!(!told.looked(None).is_behind, "after {held}");
        assert_eq!(told.found, (brought != kept(stays.0, stays.1)).then(|| kept(stays.0, stays.1)));
        assert_eq!(a.found(NONE, NO_HEAD).await, Some(kept(stays.0, stays.1)), "after {held}");
        assert_eq!(a.look(0).await.fence_epoch, stays.0, "after {held}");
    }
    // It does not take the place of what is none of ours.
    server.does("SET {test}:snapshot x").await;
    assert!(!a.look(0).await.is_behind);
    let answer = a.ask(|s| s.look(0, NONE, NO_HEAD, Some(&kept(9, 1)))).await.unwrap();
    assert_eq!(answer.found.unwrap().head, "");
    // Whoever is elected replaces all of it.
    let epoch = a.lead(0).await;
    assert_eq!(a.write(epoch, Some(1)).await, Wrote::Done);
    assert_eq!(a.found(NONE, NO_HEAD).await, Some(kept(epoch, 1)));
}

#[tokio::test]
async fn a_head_longer_than_any_of_ours_is_none() {
    let Some(server) = Server::start().await else { return };
    let mut b = Instance::new(&server, "b2");
    for (len, is_read) in [(256, true), (257, false)] {
        let head = format!("1 7 3 {}", "x".repeat(len - 6));
        server.does(&format!("HSET {{test}}:snapshot head '{head}' body x")).await;
        let found = b.found(NONE, NO_HEAD).await.unwrap();
        assert_eq!(found.head, if is_read { head.as_str() } else { "" });
    }
}

#[tokio::test]
async fn what_others_have_put_into_our_keys_counts_as_not_being_there() {
    let Some(server) = Server::start().await else { return };
    let (mut a, mut b) = (Instance::new(&server, "a1"), Instance::new(&server, "b2"));
    for spoil in [
        ["SET {test}:lease a1", "SET {test}:fence x", "SET {test}:snapshot x"],
        ["SET {test}:lease 'dd -9'", "SET {test}:fence -5", "RPUSH {test}:snapshot x"],
        ["RPUSH {test}:lease x", "RPUSH {test}:fence x", "HSET {test}:snapshot body x"],
        [
            "HSET {test}:lease a b",
            "SET {test}:fence 99999999999999999999",
            "HSET {test}:snapshot head 1",
        ],
    ] {
        server.does("FLUSHALL").await;
        for command in spoil {
            server.does(command).await;
        }
        let kept_so = b.found(NONE, NO_HEAD).await.expect("something is there");
        assert!(kept_so.open(pricecast_core::UnixMillis::default()).is_err(), "{spoil:?}");
        assert_eq!(b.found(NONE, &kept_so.head).await, None, "{spoil:?}");
        assert_eq!(b.look(0).await.holder, Holder::None, "{spoil:?}");
        let epoch = a.lead(0).await;
        assert_eq!(a.write(epoch, Some(1)).await, Wrote::Done, "{spoil:?}");
        assert_eq!(b.found(NONE, NO_HEAD).await, Some(kept(epoch, 1)), "{spoil:?}");
        assert_eq!(b.look(0).await.fence_epoch, epoch, "{spoil:?}");
    }
    // A lease without an end.
    server.does("SET {test}:lease 'dd 99999999999999'").await;
    a.lead(0).await;
}

#[tokio::test]
async fn a_body_longer_than_any_of_ours_is_not_fetched() {
    let Some(server) = Server::start().await else { return };
    let mut b = Instance::new(&server, "b2");
    let body = "x".repeat(pricecast_wire::BODY_LEN_MAX + 1);
    server.does(&format!("HSET {{test}}:snapshot head '1 7 3 sum' body {body}")).await;
    assert_eq!(b.found(NONE, NO_HEAD).await.unwrap().body, b"");
}

#[tokio::test]
async fn scripts_that_redis_has_forgotten_are_loaded_again() {
    let Some(server) = Server::start().await else { return };
    let mut a = Instance::new(&server, "a1");
    let epoch = a.lead(0).await;
    server.does("SCRIPT FLUSH").await;
    assert_eq!(a.write(epoch, None).await, Wrote::Done);
}

/// Every kind of call fails as `failure` after `spoil`, and all is well after `mend`.
async fn fails_and_recovers(server: &Server, spoil: &[&str], failure: CallFailure, mend: &[&str]) {
    let mut a = Instance::new(server, "a1");
    let epoch = a.lead(0).await;
    for command in spoil {
        server.does(command).await;
    }
    let outcomes = [
        a.ask(|s| s.look(0, NONE, NO_HEAD, None)).await.err(),
        a.ask(|s| s.acquire(TTL_MS, 0)).await.err(),
        a.ask(|s| s.write(epoch, 60_000, None)).await.err(),
    ];
    for failed in outcomes {
        assert_eq!(failed.map(|f| f.failure), Some(failure), "after {spoil:?}");
    }
    for command in mend {
        server.does(command).await;
    }
    assert!(a.lead(0).await > epoch, "after {mend:?}");
}

#[tokio::test]
async fn a_replica_takes_no_writes_and_so_answers_no_call_of_ours() {
    let Some(server) = Server::start().await else { return };
    let (spoil, mend) = (["REPLICAOF 127.0.0.1 1"], ["REPLICAOF NO ONE"]);
    fails_and_recovers(&server, &spoil, CallFailure::ReadOnly, &mend).await;
}

#[tokio::test]
async fn a_full_redis_answers_no_call_of_ours() {
    let Some(server) = Server::start().await else { return };
    let (spoil, mend) = (["CONFIG SET maxmemory 1"], ["CONFIG SET maxmemory 0"]);
    fails_and_recovers(&server, &spoil, CallFailure::OutOfMemory, &mend).await;
}

#[tokio::test]
async fn a_redis_that_cannot_save_answers_no_call_of_ours() {
    let Some(server) = Server::start().await else { return };
    server.does("CONFIG SET save '3600 1'").await;
    std::fs::remove_dir(server.data_dir()).unwrap();
    server.does("BGSAVE").await;
    let end = Instant::now() + PATIENT;
    while !server.run::<String>("INFO persistence").await.unwrap().contains("status:err") {
        assert!(Instant::now() < end, "the save does not fail");
        sleep(Duration::from_millis(20)).await;
    }
    let mut a = Instance::new(&server, "a1");
    let failed = a.ask(|s| s.acquire(TTL_MS, 0)).await.unwrap_err();
    assert_eq!(failed.failure, CallFailure::Misconf);
    server.does("CONFIG SET stop-writes-on-bgsave-error no").await;
    a.lead(0).await;
}

#[tokio::test]
async fn a_redis_that_wants_another_password_answers_no_call_of_ours() {
    let Some(server) = Server::start().await else { return };
    let mut a = Instance::new(&server, "a1");
    a.lead(0).await;
    server.does("CONFIG SET requirepass canary").await;
    // Connections that stand keep their rights.
    let mut late = Instance::new(&server, "b2");
    let failed = late.ask(|s| s.acquire(TTL_MS, 0)).await.unwrap_err();
    assert_eq!(failed.failure, CallFailure::Denied);
    for (query, is_let_in) in [("?pass=canary", true), ("?pass=wrong", false)] {
        let mut link = Link::new(&server.url_with(query), None, PATIENT).unwrap();
        let outcome = link.time().await.map_err(|failed| failed.failure);
        assert_eq!(outcome.is_ok(), is_let_in, "{query}: {outcome:?}");
        assert!(is_let_in || outcome == Err(CallFailure::Denied), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_not_answered_is_given_up_in_time_and_the_next_has_a_new_connection() {
    let Some(server) = Server::start().await else { return };
    let mut a = Instance::within(&server, "a1", WITHIN);
    let epoch = a.lead(0).await;
    server.does("CLIENT PAUSE 700 ALL").await;
    let began = Instant::now();
    let failed = a.ask(|s| s.write(epoch, TTL_MS, None)).await.unwrap_err();
    let took = began.elapsed();
    assert_eq!(failed.failure, CallFailure::TimedOut);
    assert!((WITHIN..PATIENT).contains(&took), "{took:?}");
    let end = Instant::now() + PATIENT;
    while a.ask(|s| s.look(0, NONE, NO_HEAD, None)).await.is_err() {
        assert!(Instant::now() < end, "never answered again");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_from_one_that_hangs_up() {
    let Some(server) = Server::start().await else { return };
    let mut a = Instance::new(&server, "a1");
    a.lead(0).await;
    server.does("CLIENT KILL TYPE normal SKIPME yes").await;
    let failed = a.ask(|s| s.look(0, NONE, NO_HEAD, None)).await.unwrap_err();
    assert_eq!(failed.failure, CallFailure::Lost);
    a.look(0).await;
    let gone = server.url();
    drop(server);
    let mut link = Link::new(&gone, None, PATIENT).unwrap();
    assert_eq!(link.time().await.unwrap_err().failure, CallFailure::Unreachable);
}

#[tokio::test]
async fn over_tls_a_server_is_believed_by_the_configured_authority_beside_the_webs() {
    let Some(server) = Server::start().await else { return };
    let (port, ca_file) = server.serve_tls().await;
    let url = Server::address(&format!("rediss://localhost:{port}"));
    let mut link = Link::new(&url, Some(&ca_file), PATIENT).unwrap();
    link.time().await.unwrap();
    let mut link = Link::new(&url, None, PATIENT).unwrap();
    assert_eq!(link.time().await.unwrap_err().failure, CallFailure::Unreachable);
    let elsewhere = Server::address(&format!("rediss://127.0.0.1:{port}"));
    let mut link = Link::new(&elsewhere, Some(&ca_file), PATIENT).unwrap();
    assert_eq!(link.time().await.unwrap_err().failure, CallFailure::Unreachable, "another name");
    assert!(Link::new(&url, Some(&ca_file.with_file_name("none")), PATIENT).is_err());
    let trusted = |ca_file| tls::roots(ca_file).unwrap().len();
    assert_eq!(trusted(Some(&ca_file)), trusted(None) + 1);
}
