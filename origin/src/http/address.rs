//! Who a limit per address holds for.

use std::net::IpAddr;

use ipnet::IpNet;

/// One address, as a limit counts it: an IPv4 address, or the /64 that one IPv6 household or
/// machine has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum AddressKey {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl AddressKey {
    /// The key of a connection's other end; `None` for a `trusted` proxy, whose address says
    /// nothing about who asks. It is always the socket's own address: whatever a header says of
    /// another one (`X-Forwarded-For`, `CF-Connecting-IP`), its sender may have made up.
    pub(super) fn of(peer: IpAddr, trusted: &[IpNet]) -> Option<Self> {
        // A listener on [::] sees IPv4 as ::ffff:a.b.c.d.
        let peer = peer.to_canonical();
        if trusted.iter().any(|block| block.contains(&peer)) {
            return None;
        }
        Some(match peer {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> Option<AddressKey> {
        let trusted = ["127.0.0.0/8", "::1/128", "10.0.0.7/32"].map(|block| block.parse().unwrap());
        AddressKey::of(address.parse().unwrap(), &trusted)
    }

    #[test]
    fn proxies_have_no_key_and_an_ipv6_household_has_one() {
        for (address, is_limited) in [
            ("127.0.0.1", false),
            ("127.255.255.255", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("10.0.0.7", false),
            ("10.0.0.8", true),
            ("128.0.0.1", true),
            ("::2", true),
        ] {
            assert_eq!(key(address).is_some(), is_limited, "{address}");
        }
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
