//! Networks: single addresses and ranges of them, IPv4 and IPv6, as a list that something is bound to.

use ipnet::IpNet;
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Networks in a list at most: it is gone through with each question of the host.
const MOST: usize = 50;
/// Bits that an IPv4 address is prefixed with, where it is written as one of IPv6.
const MAPPED: u8 = 96;

/// A list of networks, sorted, each once, and each written in the one way that there is of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub(crate) struct Networks(Vec<IpNet>);

impl Networks {
    /// The networks that somebody wrote into a field: `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`.
    pub(crate) fn read(field: &str, texts: &[String]) -> Result<Self> {
        Self::parse(texts).map_err(|problem| Error::validation(field, problem))
    }

    fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.len() > MOST {
            return Err(format!(
                "{MOST} networks at most; put them into larger ones"
            ));
        }
        let networks = texts.iter().map(|text| network(text.trim()));
        let mut networks = networks.collect::<Result<Vec<_>, _>>()?;
        networks.sort_unstable();
        networks.dedup();
        Ok(Self(networks))
    }

    /// Whether an address is in one of them. One of IPv4 is the same however it is written, and in no range of IPv6.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether whatever is in them is in others as well; none are anywhere, as where something is bound to them.
    pub(crate) fn is_within(&self, others: &Self) -> bool {
        let is_in = |network| others.0.iter().any(|other| other.contains(network));
        others.is_empty() || !self.is_empty() && self.0.iter().all(is_in)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they are shown: a single address without the length of its prefix.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(text).collect()
    }
}

fn network(written: &str) -> Result<IpNet, String> {
    let nonsense =
        || format!("`{written}` is no network; write it as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32");
    let (address, length) = match written.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (written, None),
    };
    // The standard library's reader: that of networks takes `010.0.0.0` for 10.0.0.0, and others for 8.0.0.0.
    let address: IpAddr = address.parse().map_err(|_| nonsense())?;
    let Some(length) = length else {
        return Ok(address.to_canonical().into());
    };
    let is_plain = length == "0" || !length.starts_with(['0', '+']);
    let length = length.parse().ok().filter(|_| is_plain);
    let network = length.and_then(|length| IpNet::new(address, length).ok());
    let network = network.ok_or_else(nonsense)?;
    // Whoever writes an address of the range may have meant that alone: nothing is guessed where it keeps people out.
    if network.addr() != network.network() {
        let (range, address) = (text(&network.trunc()), network.addr());
        return Err(format!(
            "`{written}` is an address in a network; write {range} for the network, or {address} for the address"
        ));
    }
    Ok(canonical(network))
}

/// A range of IPv4 is one, also where it is written in IPv6.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(range) = network else {
        return network;
    };
    let address = range.addr().to_ipv4_mapped();
    let length = range.prefix_len().checked_sub(MAPPED);
    let range = address.zip(length);
    range
        .and_then(|(address, length)| IpNet::new(address.into(), length).ok())
        .unwrap_or(network)
}

fn text(network: &IpNet) -> String {
    match network.prefix_len() == network.max_prefix_len() {
        true => network.addr().to_string(),
        false => network.to_string(),
    }
}

impl TryFrom<Vec<String>> for Networks {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        Self::parse(&texts)
    }
}

impl From<Networks> for Vec<String> {
    fn from(networks: Networks) -> Self {
        networks.texts()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn networks(texts: &[&str]) -> Result<Networks, String> {
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        Networks::parse(&texts)
    }

    /// What stands in a range of so many bits, by counting bits alone.
    fn is_within(address: u128, range: u128, length: u8, width: u8) -> bool {
        let rest = u32::from(width - length);
        address.checked_shr(rest).unwrap_or(0) == range.checked_shr(rest).unwrap_or(0)
    }

    #[test]
    fn each_network_is_written_in_one_way_and_once() {
        for (written, text) in [
            ("192.0.2.7", "192.0.2.7"),
            (" 192.0.2.7/32 ", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("2001:db8::1/128", "2001:db8::1"),
        ] {
            assert_eq!(networks(&[written]).unwrap().texts(), [text], "{written}");
        }
        let list = networks(&["fd00::/8", "10.0.0.7/32", "10.0.0.0/8", "10.0.0.7"]).unwrap();
        assert_eq!(list.texts(), ["10.0.0.0/8", "10.0.0.7", "fd00::/8"]);
        let stored = serde_json::to_value(&list).unwrap();
        assert_eq!(serde_json::from_value::<Networks>(stored).unwrap(), list);
        assert!(networks(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in [
            "",
            "/",
            "/8",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/00",
            "10.0.0.0/8/8",
            "10.0.0.0 /8",
            "010.0.0.0/8",
            "10.0.0.256",
            "10.0.0.*",
            "::/129",
            "fe80::1%eth0",
            "[::1]",
            "10.0.0.7:80",
            "localhost",
            "10.0.0.1/8",
            "::1/64",
            "::ffff:10.0.0.1/104",
            "10.0.0.0/８",
        ] {
            assert!(networks(&[wrong]).is_err(), "{wrong}");
        }
        let error = networks(&["10.0.0.1/8"]).unwrap_err();
        assert!(
            error.contains("10.0.0.0/8") && error.contains("10.0.0.1"),
            "{error}"
        );
        let many = |count: usize| vec!["10.0.0.0/8"; count];
        assert!(networks(&many(MOST)).is_ok() && networks(&many(MOST + 1)).is_err());
    }

    #[test]
    fn an_address_is_in_a_network_of_its_own_kind() {
        let list = networks(&["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]).unwrap();
        for (address, is_in) in [
            ("192.0.2.0", true),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("192.0.1.255", false),
            ("::ffff:192.0.2.1", true),
            ("::ffff:192.0.3.1", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
        ] {
            assert_eq!(list.contains(address.parse().unwrap()), is_in, "{address}");
        }
        let none = Networks::default();
        assert!(!none.contains("192.0.2.1".parse().unwrap()));
        // All of IPv6 has nothing of IPv4 in it.
        let all = networks(&["::/0"]).unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()));
        assert!(!all.contains("::ffff:192.0.2.1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn ranges_are_what_their_first_bits_say(range: u128, address: u128, length in 0u8..=128, near: bool) {
            // One that differs late is near the bounds.
            let address = if near { range ^ (address >> (length.min(127))) } else { address };
            let first = range.checked_shr(u32::from(128 - length)).unwrap_or(0);
            let first = first.checked_shl(u32::from(128 - length)).unwrap_or(0);
            let address_text = IpAddr::from(Ipv6Addr::from(address));
            // Those of IPv4 are tried on their own.
            prop_assume!(address >> 32 != 0xffff && first >> 32 != 0xffff);
            let list = networks(&[&format!("{}/{length}", Ipv6Addr::from(first))]).unwrap();
            prop_assert_eq!(list.contains(address_text), is_within(address, first, length, 128));
        }

        #[test]
        fn ranges_of_ipv4_are_so_however_they_are_written(range: u32, address: u32, length in 0u8..=32, near: bool) {
            let address = if near { range ^ (address >> (length.min(31))) } else { address };
            let rest = u32::from(32 - length);
            let first = range.checked_shr(rest).unwrap_or(0).checked_shl(rest).unwrap_or(0);
            let plain = networks(&[&format!("{}/{length}", Ipv4Addr::from(first))]).unwrap();
            let mapped = Ipv4Addr::from(first).to_ipv6_mapped();
            let mapped = networks(&[&format!("{mapped}/{}", length + MAPPED)]).unwrap();
            prop_assert_eq!(&plain, &mapped);
            let is_in = is_within(address.into(), first.into(), length, 32);
            let address = Ipv4Addr::from(address);
            prop_assert_eq!(plain.contains(address.into()), is_in);
            prop_assert_eq!(plain.contains(address.to_ipv6_mapped().into()), is_in);
        }

        #[test]
        fn junk_never_panics(text in "\\PC{0,60}") {
            if let Ok(list) = networks(&[&text]) {
                let texts = list.texts();
                let again: Vec<_> = texts.iter().map(String::as_str).collect();
                prop_assert_eq!(networks(&again).unwrap(), list);
            }
        }
    }
}
