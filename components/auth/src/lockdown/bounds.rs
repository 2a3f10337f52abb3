//! What a user is bound to: networks, programs, or both.

use crate::networks::Networks;
use crate::place::Place;
use sbd_sdk::{Detail, Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Programs that a user names at most.
pub(crate) const MOST_PROGRAMS: usize = 20;
/// Characters of a program's name at least, as most contain one or two of them.
const LEAST_TEXT: usize = 3;
/// Characters at most: no more is kept of what a program calls itself.
const MOST_TEXT: usize = 200;
/// What an exact name begins with on one line.
const EXACT: char = '=';

/// What a user is bound to. Of what is not named there is no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) networks: Option<Networks>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) programs: Option<Vec<Program>>,
}

/// A program that a user acts with, by what it calls itself (`User-Agent`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    /// 3 to 200 characters, upper and lower case as they are.
    #[schema(min_length = 3, max_length = 200, example = "Firefox/")]
    pub(crate) text: String,
    /// Whether it calls itself just that; otherwise its name contains the text.
    #[serde(default)]
    pub(crate) exact: bool,
}

// === impl Bounds ===

impl Bounds {
    /// Bounds of these lists; none of what has none.
    pub(crate) fn new(
        networks: Option<Vec<String>>,
        programs: Option<Vec<Program>>,
    ) -> Result<Self> {
        let nobody = "name at least one, or nothing (null) to act from anywhere";
        let networks = match networks {
            Some(none) if none.is_empty() => return Err(Error::validation("networks", nobody)),
            Some(networks) => Some(Networks::read("networks", &networks)?),
            None => None,
        };
        if let Some(programs) = &programs {
            if programs.is_empty() {
                return Err(Error::validation("programs", nobody));
            }
            if programs.len() > MOST_PROGRAMS || !programs.iter().all(Program::is_name) {
                return Err(Error::validation(
                    "programs",
                    "1 to 20, each of 3 to 200 characters on one line",
                ));
            }
        }
        Ok(Self { networks, programs })
    }

    /// Whether there are none.
    pub(crate) fn is_off(&self) -> bool {
        self.networks.is_none() && self.programs.is_none()
    }

    /// Whether a place is within them. What is not known of it is within none.
    pub(crate) fn include(&self, place: &Place) -> bool {
        self.excluding(place).is_empty()
    }

    /// Refuses where a place is not within them, with what leaves it out.
    pub(crate) fn require(&self, here: &Place) -> Result<()> {
        let out = self.excluding(here);
        if out.is_empty() {
            return Ok(());
        }
        let out = out.into_iter().map(|field| Detail {
            field: field.to_owned(),
            message: "leaves out where you are now; add that, or say `even_if_locked_out`"
                .to_owned(),
        });
        Err(Error::validation_all(out.collect()))
    }

    fn excluding(&self, place: &Place) -> Vec<&'static str> {
        let within = |networks: &Networks| {
            let address = place.address;
            address.is_some_and(|address| networks.contains(address))
        };
        let named = |programs: &Vec<Program>| {
            let agent = place.user_agent.as_deref();
            agent.is_some_and(|agent| programs.iter().any(|program| program.is(agent)))
        };
        let networks = !self.networks.as_ref().is_none_or(within);
        let programs = !self.programs.as_ref().is_none_or(named);
        let out = [(networks, "networks"), (programs, "programs")];
        let out = out.into_iter().filter(|(is_out, _)| *is_out);
        out.map(|(_, field)| field).collect()
    }

    /// Whether something that is named by others is not by these: fewer places may be within them, and more may not.
    pub(crate) fn take_from(&self, before: &Self) -> bool {
        fn takes<T: PartialEq>(now: Option<Vec<T>>, before: Option<Vec<T>>) -> bool {
            match (now, before) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(now), Some(before)) => before.iter().any(|one| !now.contains(one)),
            }
        }
        let networks = |bounds: &Self| bounds.networks.as_ref().map(Networks::texts);
        takes(networks(self), networks(before))
            || takes(self.programs.clone(), before.programs.clone())
    }

    /// The same with a place within them.
    pub(crate) fn with(&self, place: &Place) -> Result<Self> {
        let full = || {
            Error::conflict(
                "your list is full, or it is not known from where that was; sign in and change the list",
            )
        };
        let mut networks = self.networks.as_ref().map(Networks::texts);
        let mut programs = self.programs.clone();
        for field in self.excluding(place) {
            match (field, &mut networks, &mut programs) {
                ("networks", Some(networks), _) => {
                    networks.push(place.network().ok_or_else(full)?);
                }
                (_, _, Some(programs)) => programs.push(Program {
                    text: place.user_agent.clone().ok_or_else(full)?,
                    exact: true,
                }),
                _ => {}
            }
        }
        Self::new(networks, programs).map_err(|_| full())
    }
}

// === impl Program ===

impl Program {
    /// A program as it stands on one line: what its name contains, or `= ` and all of it.
    pub(crate) fn on_line(line: &str) -> Self {
        let exact = line.strip_prefix(EXACT);
        Self {
            text: exact.unwrap_or(line).trim().to_owned(),
            exact: exact.is_some(),
        }
    }

    /// Whether it is what calls itself so.
    fn is(&self, agent: &str) -> bool {
        match self.exact {
            true => agent == self.text,
            false => agent.contains(&self.text),
        }
    }

    fn is_name(&self) -> bool {
        let fits = (LEAST_TEXT..=MOST_TEXT).contains(&self.text.chars().count());
        fits && self.text.trim() == self.text && !self.text.chars().any(char::is_control)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exact {
            true => write!(f, "{EXACT} {}", self.text),
            false => f.write_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;
    use proptest::{option, sample};

    const NETWORKS: &[&str] = &[
        "192.0.2.0/24",
        "192.0.2.7",
        "198.51.100.0/24",
        "2001:db8::/32",
        "2001:db8:1:2::/64",
    ];
    const LINES: &[&str] = &["phone", "= phone", "laptop/", "= laptop/1"];

    fn bounds(networks: Option<&[&str]>, lines: Option<&[&str]>) -> Bounds {
        let networks = networks.map(|texts| texts.iter().map(|&text| text.to_owned()).collect());
        let programs = lines.map(|lines| lines.iter().map(|line| Program::on_line(line)).collect());
        Bounds::new(networks, programs).unwrap()
    }

    fn any_bounds() -> impl Strategy<Value = Bounds> {
        let networks = option::of(sample::subsequence(NETWORKS, 1..=NETWORKS.len()));
        let lines = option::of(sample::subsequence(LINES, 1..=LINES.len()));
        (networks, lines)
            .prop_map(|(networks, lines)| bounds(networks.as_deref(), lines.as_deref()))
    }

    fn any_place() -> impl Strategy<Value = Place> {
        let address = sample::select(&[
            "192.0.2.7",
            "::ffff:192.0.2.7",
            "192.0.2.8",
            "192.0.3.0",
            "198.51.100.1",
            "2001:db8::1",
            "2001:db8:1:2::9",
            "2001:db9::1",
        ]);
        let agent = sample::select(&["phone", "my phone/2", "laptop/1", "laptop/12", "Phone"]);
        (address, agent).prop_map(|(address, agent)| Place {
            address: Some(address.parse().unwrap()),
            user_agent: Some(agent.to_owned()),
        })
    }

    proptest! {
        #[test]
        fn what_takes_nothing_away_leaves_nobody_out(
            before in any_bounds(), now in any_bounds(), place in any_place(),
        ) {
            if before.include(&place) && !now.take_from(&before) {
                prop_assert!(now.include(&place));
            }
            let with = before.with(&place).unwrap();
            prop_assert!(with.include(&place) && !with.take_from(&before));
            prop_assert_eq!(with == before, before.include(&place));
        }
    }

    #[test]
    fn what_takes_something_away_is_told_from_what_does_not() {
        let off = Bounds::default();
        let home = bounds(Some(&["192.0.2.7"]), None);
        let both = bounds(Some(&["192.0.2.7", "198.51.100.1"]), None);
        let phone = bounds(None, Some(&["phone"]));
        let exact = bounds(None, Some(&["= phone"]));
        for (now, before, takes) in [
            (&off, &off, false),
            (&home, &off, true),
            (&off, &home, false),
            (&home, &home, false),
            (&both, &home, false),
            (&home, &both, true),
            (&phone, &off, true),
            (&phone, &home, true),
            (&exact, &phone, true),
            (&phone, &exact, true),
        ] {
            assert_eq!(now.take_from(before), takes, "{now:?} {before:?}");
        }
    }

    #[test]
    fn a_program_stands_on_one_line() {
        for (line, shown) in [
            ("phone", "phone"),
            ("=  phone ", "= phone"),
            ("=phone", "= phone"),
        ] {
            assert_eq!(Program::on_line(line).to_string(), shown);
        }
        let nothing = Place::default();
        assert!(Bounds::default().include(&nothing));
        let bound = bounds(Some(&["::/0", "0.0.0.0/0"]), Some(&["phone"]));
        assert_eq!(bound.excluding(&nothing), ["networks", "programs"]);
        assert_eq!(bound.with(&nothing).unwrap_err().code(), "CONFLICT");
    }

    #[test]
    fn a_list_that_is_full_takes_no_more() {
        let full: Vec<_> = (0..50).map(|last| format!("192.0.2.{last}")).collect();
        let bound = Bounds::new(Some(full), None).unwrap();
        let elsewhere = Place {
            address: Some("198.51.100.1".parse().unwrap()),
            user_agent: None,
        };
        assert_eq!(bound.with(&elsewhere).unwrap_err().code(), "CONFLICT");
    }
}
