//! Entity tags: one per (epoch, seq), number of flips passed, and content coding.

use pricecast_core::{Snapshot, UnixMillis};

/// How a body is coded on the wire. Each form has its own strong tag (RFC 9110 §8.8.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// `Content-Encoding: gzip`.
    Gzip,
}

/// The tag of the body that [`crate::render`] writes at the same `now`: `"<epoch>-<seq>-<k>"`.
///
/// A flipped flag raises k and so is a new tag: a 304 never confirms an old flag.
#[must_use]
pub fn etag(snapshot: &Snapshot, now: UnixMillis, encoding: Encoding) -> String {
    let suffix = match encoding {
        Encoding::Identity => "",
        Encoding::Gzip => "-gz",
    };
    format!("\"{}-{}{suffix}\"", snapshot.version, snapshot.flips_passed(now))
}

/// Whether an `If-None-Match` header names `etag`, so that 304 is the answer.
///
/// Weak comparison (RFC 9110 §13.1.2): Cloudflare weakens our tags when it compresses. From the
/// first thing on that is no tag, the rest of the header is ignored.
#[must_use]
pub fn if_none_match(header: &str, etag: &str) -> bool {
    if header.trim() == "*" {
        return true;
    }
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((tag, tail)) = opaque_tag(rest) else { return false };
        if Some(tag) == opaque_tag(etag).map(|(ours, _)| ours) {
            return true;
        }
        rest = tail;
    }
}

/// Splits the first tag off, without its weakness mark and its quotes.
fn opaque_tag(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?.split_once('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tag_matches_weakly_anywhere_in_a_list() {
        let ours = r#""7-1-0""#;
        for (header, expected) in [
            (r#""7-1-0""#, true),
            (r#"W/"7-1-0""#, true),
            ("*", true),
            (" * ", true),
            (r#""a", "7-1-0""#, true),
            (r#""a","b",W/"7-1-0" "#, true),
            (r#""a,b", "7-1-0""#, true),
            (r#",, "7-1-0""#, true),
            (r#""7-1-0-gz""#, false),
            (r#""7-1-1""#, false),
            (r#"w/"7-1-0""#, false),
            ("7-1-0", false),
            (r#""7-1-0"#, false),
            (r#"garbage, "7-1-0""#, false),
            (r#"*, "x""#, false),
            ("", false),
            ("\"", false),
            ("W/", false),
        ] {
            assert_eq!(if_none_match(header, ours), expected, "{header:?}");
        }
    }

    #[test]
    fn our_own_weakened_tag_is_compared_without_its_mark() {
        assert!(if_none_match(r#""x""#, r#"W/"x""#));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in "[\",W/* a-z0-9\\PC]{0,200}") {
            let _ = if_none_match(&header, r#""7-1-0""#);
        }

        #[test]
        fn our_tag_is_found_after_any_other_tags(
            others in prop::collection::vec("(W/)?\"[!#-~]{0,12}\"", 0..8)
        ) {
            let header = others.iter().map(|t| format!("{t}, ")).collect::<String>() + "\"7-1-0\"";
            prop_assert!(if_none_match(&header, r#""7-1-0""#));
        }
    }
}
