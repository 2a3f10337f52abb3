//! From where somebody acts: an address of the network, and a program.

use crate::model::{Device, readable};
use sbd_sdk::authentication::Presented;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};

/// From where somebody acts, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The address that they come from, as the host sees it.
    #[serde(default)]
    pub(crate) address: Option<IpAddr>,
    /// The program, as it calls itself.
    #[serde(default)]
    pub(crate) user_agent: Option<String>,
}

// === impl Place ===

impl Place {
    /// Where a device is.
    pub(crate) fn of(device: &Device) -> Self {
        let address = device.address.as_ref();
        Self {
            address: address.and_then(|address| address.parse().ok()),
            user_agent: device.user_agent.clone(),
        }
    }

    /// From where a token was presented.
    pub(crate) fn presented(presented: &Presented) -> Self {
        Self {
            address: presented.address,
            user_agent: presented.user_agent.as_deref().and_then(readable),
        }
    }

    /// Whether another one is the same, as far as an address stays the same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let network = |place: &Self| place.address.map(subnet);
        network(self) == network(other) && self.user_agent == other.user_agent
    }

    /// Its address with what is around it that changes from day to day: of IPv6, the 64 bits that a household has.
    pub(crate) fn network(&self) -> Option<String> {
        Some(match self.address.map(subnet)? {
            IpAddr::V6(network) => format!("{network}/64"),
            address => address.to_string(),
        })
    }
}

/// An address without what changes from day to day.
fn subnet(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn at(address: &str) -> Place {
        Place {
            address: Some(address.parse().unwrap()),
            user_agent: Some("phone".to_owned()),
        }
    }

    #[test]
    fn a_place_is_an_address_and_of_ipv6_what_a_household_has() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(at(address).network().as_deref(), Some(network));
        }
        assert_eq!(Place::default().network(), None);
        for (one, other, like) in [
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ] {
            assert_eq!(at(one).is_like(&at(other)), like, "{one} {other}");
        }
        let laptop = Place {
            user_agent: Some("laptop".to_owned()),
            ..at("192.0.2.7")
        };
        assert!(!at("192.0.2.7").is_like(&laptop));
    }
}
