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
