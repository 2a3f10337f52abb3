//! The country that an address of the network is registered for: where somebody is, as far as that says it. Whoever
//! goes by a relay is where that is. What it is made of, `data/README.md` says.

use std::net::IpAddr;

const CODES: &[u8] = include_bytes!("../data/countries.bin");
/// Where countries begin, in what the first three bytes say.
const IPV4: &[u8] = include_bytes!("../data/ipv4.bin");
/// The same, in what the first four bytes say.
const IPV6: &[u8] = include_bytes!("../data/ipv6.bin");
/// Of each country to each before it, in hundreds of kilometres.
const DISTANCES: &[u8] = include_bytes!("../data/distances.bin");

/// A country, by its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Country(u8);

// === impl Country ===

impl Country {
    /// Where an address is.
    pub(crate) fn of(address: IpAddr) -> Option<Self> {
        let place = match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                last_before::<4>(IPV4, &[a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.octets();
                last_before::<5>(IPV6, &[a, b, c, d])
            }
        };
        let country = place.map(Self);
        country.filter(|country| country.known_code().is_some())
    }

    /// Its two letters (ISO 3166-1).
    pub(crate) fn code(self) -> &'static str {
        self.known_code().unwrap_or_default()
    }

    fn known_code(self) -> Option<&'static str> {
        let at = usize::from(self.0) * 2;
        std::str::from_utf8(CODES.get(at..at + 2)?).ok()
    }

    /// Kilometres from border to border, at least; 0 where that is not known.
    pub(crate) fn distance(self, other: Self) -> u32 {
        let (low, high) = (self.0.min(other.0), self.0.max(other.0));
        let (low, high) = (usize::from(low), usize::from(high));
        if low == high {
            return 0;
        }
        // As many rows before, each one longer than the one before it.
        let at = high * (high - 1) / 2 + low;
        DISTANCES
            .get(at)
            .map_or(0, |hundreds| u32::from(*hundreds) * 100)
    }
}

/// The country of the last entry that begins before or where this is; each has a byte for it, after its beginning.
fn last_before<const BYTES: usize>(table: &[u8], wanted: &[u8]) -> Option<u8> {
    let (entries, _) = table.as_chunks::<BYTES>();
    let after = entries.partition_point(|entry| entry.get(..BYTES - 1) <= Some(wanted));
    let entry = entries.get(after.checked_sub(1)?)?;
    entry.last().copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn country(address: &str) -> Option<Country> {
        Country::of(address.parse().unwrap())
    }

    #[test]
    fn addresses_have_a_country_and_those_of_nobody_none() {
        for (address, code) in [
            ("8.8.8.8", Some("US")),
            ("::ffff:8.8.8.8", Some("US")),
            ("193.0.6.139", Some("NL")),
            ("133.11.0.1", Some("JP")),
            ("200.160.2.3", Some("BR")),
            ("2001:200::1", Some("JP")),
            ("0.0.0.0", None),
            ("10.1.2.3", None),
            ("127.0.0.1", None),
            ("192.0.2.7", None),
            ("192.168.0.1", None),
            ("198.51.100.1", None),
            ("203.0.113.9", None),
            ("224.0.0.1", None),
            ("255.255.255.255", None),
            ("::1", None),
            ("2001:db8::1", None),
            ("fd00::1", None),
            ("fe80::1", None),
        ] {
            assert_eq!(country(address).map(Country::code), code, "{address}");
        }
    }

    #[test]
    fn countries_are_as_far_apart_as_their_borders() {
        let at = |code: &str| {
            let place = CODES.chunks(2).position(|one| one == code.as_bytes());
            Country(u8::try_from(place.unwrap()).unwrap())
        };
        for (one, other, kilometres) in [
            ("US", "US", 0..=0),
            ("DE", "FR", 0..=0),
            // By the Aleutians.
            ("US", "JP", 1_500..=2_500),
            ("AU", "NZ", 500..=2_000),
            ("BR", "JP", 12_000..=16_000),
        ] {
            let distance = at(one).distance(at(other));
            assert!(kilometres.contains(&distance), "{one} {other}: {distance}");
            assert_eq!(distance, at(other).distance(at(one)));
        }
    }

    #[test]
    fn the_tables_are_whole() {
        let countries = CODES.len() / 2;
        assert_eq!(DISTANCES.len(), countries * (countries - 1) / 2);
        let codes: Vec<&[u8]> = CODES.chunks(2).collect();
        assert!(codes.is_sorted() && countries < 255);
        let (ipv4, rest) = IPV4.as_chunks::<4>();
        assert!(rest.is_empty() && ipv4.is_sorted());
        let (ipv6, rest) = IPV6.as_chunks::<5>();
        assert!(rest.is_empty() && ipv6.is_sorted());
    }
}
