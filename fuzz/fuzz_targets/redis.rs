//! What a Redis says to one of several instances: answers parted by the byte 0x1e, their words by
//! 0x1f. The machine behind it must keep its order of epochs whatever it is told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pricecast_core::lease::{EPOCH_MAX, Effect, Lease, LeaseParams, Order};
use pricecast_core::{Snapshot, Version};
use pricecast_fuzz::{T0, check_body};
use pricecast_origin::cluster::kept::Kept;
use pricecast_origin::cluster::scripts::{Answer, Scripts};

const ME: &str = "1";
/// Position of the head and of the body among the words of an answer.
const HEAD: usize = 6;
const BODY: usize = 7;

/// `=1 7 3` becomes the head of schema 1, epoch 7, seq 3 that fits the body: a fuzzer does not
/// guess checksums.
fn mend(words: &mut [Vec<u8>]) {
    let [.., head, body] = words else { return };
    let Some(order) = head.strip_prefix(b"=") else { return };
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    let sum = order.iter().chain(body.iter()).fold(0xcbf2_9ce4_8422_2325, step);
    *head = [order, format!(" {sum:016x}").as_bytes()].concat();
}

/// The snapshot that came with an answer, if it may be served.
fn opened(answer: &Answer) -> Option<Snapshot> {
    let kept = answer.found.as_ref()?;
    let snapshot = kept.open(T0).ok()?;
    check_body(&snapshot, T0);
    let again = Kept::of(&snapshot, T0).open(T0).expect("what we wrote ourselves");
    assert_eq!((again.version, &again.prices), (snapshot.version, &snapshot.prices));
    Some(snapshot)
}

fuzz_target!(|data: &[u8]| {
    let scripts = Scripts::new("fuzz:", ME.to_owned());
    let mut lease = Lease::new(LeaseParams::default(), Version::default());
    let (mut now, mut held) = (T0, Version::default());
    for part in data.split(|&byte| byte == 0x1e).take(32) {
        let order = loop {
            match lease.poll_order(now) {
                Some(order) => break order,
                None => now = lease.poll_timeout().unwrap_or(now).max(now.plus_ms(1)),
            }
        };
        let mut words: Vec<_> = part.split(|&byte| byte == 0x1f).map(<[u8]>::to_vec).collect();
        if words.len() > BODY {
            mend(&mut words[HEAD..=BODY]);
        }
        let answer = scripts.read(words);
        let found = answer.as_ref().and_then(opened).map(|snapshot| snapshot.version);
        let led = lease.leads();
        let effects = match (order, &answer) {
            (Order::Look { .. }, Some(answer)) => lease.settle_look(now, answer.looked(found)),
            (Order::Acquire { .. }, Some(answer)) => match answer.acquired() {
                Some(acquired) => lease.settle_acquire(now, acquired),
                None => lease.settle_failure(now),
            },
            (Order::Write { snapshot, .. }, Some(answer)) => match answer.wrote() {
                Some(wrote) => lease.settle_write(now, snapshot, wrote),
                None => lease.settle_failure(now),
            },
            (_, None) => lease.settle_failure(now),
        };
        for effect in &effects {
            if let Effect::Adopt { version } = effect {
                assert!(*version > held, "{version} is adopted over {held}");
                held = *version;
            }
        }
        let leads = lease.leads();
        assert!(leads.is_none_or(|epoch| epoch <= EPOCH_MAX));
        assert!(leads.is_none() || led.is_none() || leads >= led, "{led:?} becomes {leads:?}");
    }
});
