//! A body of the contract, as the edge reads it from the origin and the origin from its state
//! file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pricecast_core::UnixMillis;
use pricecast_fuzz::{T0, check_body, check_price};
use pricecast_wire::{parse, render};

fuzz_target!(|data: &[u8]| {
    let Ok(snapshot) = parse(data) else { return };
    snapshot.prices.iter().for_each(|point| check_price(point.price));
    let confirmed_at = snapshot.prices.iter().map(|point| point.confirmed_at);
    let latest = confirmed_at.max().unwrap_or(T0);
    // Before, in the midst of and after the flips of its flags.
    for now in [UnixMillis::default(), T0, latest, latest.plus_ms(4_950), latest.plus_ms(60_000)] {
        check_body(&snapshot, now);
        let body = render(&snapshot, now);
        if let Some(flip) = snapshot.next_flip(now) {
            assert!(flip > now);
            let just_before = UnixMillis::from_ms(flip.as_ms() - 1);
            assert_eq!(render(&snapshot, just_before), body, "it changed before its next flip");
        }
    }
});
