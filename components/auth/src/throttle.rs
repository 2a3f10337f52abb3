//! What is tried again and again, counted under the name that was given and not for an account: whether there
//! is one does not show.

use crate::tokens::digest;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result, cache, text};
use std::net::IpAddr;
use std::time::Duration;

/// Attempts to sign in under a name. Few enough to make guessing hopeless (40 an hour), over soon enough that
/// nobody is locked out of an account for good.
pub(crate) const SIGN_IN: Limit = Limit {
    what: "login",
    most: 10,
    window: Duration::from_secs(15 * 60),
    refusal: "too many attempts to sign in under this name; wait and try again",
};

/// Attempts to sign in from one network, whatever the names: enough for many people behind one address, and few for
/// who tries a list of names.
pub(crate) const SIGN_IN_FROM: Limit = Limit {
    what: "login-from",
    most: 100,
    refusal: "too many attempts to sign in from here; wait and try again",
    ..SIGN_IN
};

/// Attempts of somebody who is signed in to say their password once more.
pub(crate) const CONFIRM: Limit = Limit {
    what: "confirm",
    refusal: "too many wrong passwords; wait and try again",
    ..SIGN_IN
};

/// Attempts of somebody who showed one proof, or is signed in, at the code that is another one.
pub(crate) const SECOND_STEP: Limit = Limit {
    what: "second-step",
    refusal: "too many wrong codes; wait and try again",
    ..SIGN_IN
};

/// Steps of sign-ins by passkey from one address of the network: nobody guesses a key, but it takes time to refuse them,
/// and room to wait for their answers. A page that offers them while a name is typed takes one every four minutes.
pub(crate) const PASSKEY: Limit = Limit {
    what: "passkey",
    most: 300,
    refusal: "too many attempts to sign in by passkey from here; wait and try again, or sign in another way",
    ..SIGN_IN
};

/// Mails to an address that anybody may ask for.
pub(crate) const MAIL: Limit = Limit {
    what: "mail",
    most: 3,
    window: Duration::from_secs(60 * 60),
    refusal: "too many mails to this address; look into its mailbox, or wait and try again",
};

/// Wrong short codes of mails, under the address or the user that they are given for: a few slips, and of a hundred million
/// codes so few that nobody hits the one. For who goes on, the long code of the mail is still good.
pub(crate) const MAILED_CODE: Limit = Limit {
    what: "mailed-code",
    most: 5,
    window: Duration::from_secs(60 * 60),
    refusal: "too many wrong codes; use the link or the long code of the mail, or wait and ask for another mail",
};

/// Wrong short codes of mails from one network, whosever they are.
pub(crate) const MAILED_CODE_FROM: Limit = Limit {
    what: "mailed-code-from",
    most: 50,
    refusal: "too many wrong codes from here; use the link or the long code of the mail, or wait and try again",
    ..MAILED_CODE
};

/// Mails that ask a user whether to bind their account to places.
pub(crate) const LOCKDOWN: Limit = Limit {
    what: "lockdown",
    most: 10,
    window: Duration::from_secs(60 * 60),
    refusal: "too many changes that wait for a mail; look into your mailbox, or wait and try again",
};

/// Answers that are to show that somebody is a person, from one network: each is asked of somebody else's server.
pub(crate) const CAPTCHA: Limit = Limit {
    what: "captcha",
    most: 100,
    refusal: "too many answers from here; wait and try again",
    ..SIGN_IN
};

/// Codes that somebody types in for a device: a few slips, and no guessing.
pub(crate) const DEVICE_CODE: Limit = Limit {
    what: "device",
    refusal: "too many codes of no device; wait and try again",
    ..SIGN_IN
};

/// Clients that register themselves from one address.
pub(crate) const REGISTER_CLIENT: Limit = Limit {
    what: "client",
    most: 20,
    window: Duration::from_secs(60 * 60),
    refusal: "too many clients registered from this address; wait and try again",
};

/// Browsers that are led to an issuer from one address.
pub(crate) const PROVIDER: Limit = Limit {
    what: "provider",
    most: 60,
    window: Duration::from_secs(15 * 60),
    refusal: "too many sign-ins begun from this address; wait and try again",
};

/// Tokens of one user that administrators are told of, which they make and take back as they like.
pub(crate) const TOKEN_WAITS: Limit = Limit {
    what: "token-waits",
    most: 3,
    window: Duration::from_secs(60 * 60),
    refusal: "administrators know of tokens of yours already",
};

/// How often something may be tried under one name, and what is said then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    what: &'static str,
    pub(crate) most: i64,
    /// From the first attempt on.
    pub(crate) window: Duration,
    refusal: &'static str,
}

/// How often a window doubles for who goes on all the same: to an hour.
const DOUBLED: i64 = 2;
/// How long it is remembered that somebody went on.
const WENT_ON: Duration = Duration::from_secs(24 * 60 * 60);

/// The attempts under one name.
pub(crate) struct Attempts {
    limit: Limit,
    count: String,
    began: String,
    went_on: String,
}

// === impl Limit ===

impl Limit {
    /// Those under a name or an address, however it is written.
    pub(crate) fn of(self, name: &str) -> Attempts {
        let (what, name) = (self.what, digest(&text::key(name)));
        Attempts {
            limit: self,
            count: format!("{what}:attempts:{name}"),
            began: format!("{what}:began:{name}"),
            went_on: format!("{what}:went-on:{name}"),
        }
    }

    /// Those from the network of an address: of IPv6, the 64 bits that a household or a server has.
    pub(crate) fn of_network(self, address: &str) -> Attempts {
        self.of(&network(address))
    }
}

/// What of an address is one network.
pub(crate) fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => address.to_owned(),
    }
}

// === impl Attempts ===

impl Attempts {
    /// Counts an attempt before it is made, so that many at once do not slip through; answers the how manieth it is.
    pub(crate) async fn count(&self, now: Time) -> Result<i64> {
        let Limit { most, refusal, .. } = self.limit;
        let begun: Option<(Time, u64)> = cache::get(&self.began).await?;
        let (began, window) = match begun {
            Some((began, window)) => (began, Duration::from_secs(window)),
            None => (now, self.window().await?),
        };
        let attempts = cache::increment(&self.count, 1, window).await?;
        if attempts <= 1 {
            cache::set(&self.began, &(now, window.as_secs()), window).await?;
        }
        if attempts <= most {
            return Ok(attempts);
        }
        // The next window is longer for it.
        if attempts == most + 1 {
            cache::increment(&self.went_on, 1, WENT_ON).await?;
        }
        Err(Error::rate_limited(
            refusal,
            retry_after(window, began, now),
        ))
    }

    /// How long a window is that begins now.
    async fn window(&self) -> Result<Duration> {
        let went_on: i64 = cache::get(&self.went_on).await?.unwrap_or(0);
        let doubled = u32::try_from(went_on.clamp(0, DOUBLED)).unwrap_or(0);
        Ok(self.limit.window * 2_u32.pow(doubled))
    }

    /// Forgets those that failed, for one did not.
    pub(crate) async fn forget(&self) -> Result<()> {
        for key in [&self.count, &self.began, &self.went_on] {
            cache::delete(key).await?;
        }
        Ok(())
    }

    /// Takes one back, which did not fail.
    pub(crate) async fn take_back(&self) -> Result<()> {
        cache::increment(&self.count, -1, self.limit.window).await?;
        Ok(())
    }
}

/// Whole seconds until the window that began then is over, rounded up.
fn retry_after(window: Duration, began: Time, now: Time) -> u64 {
    window
        .saturating_sub(now.since(began))
        .as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(window.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_waits_until_the_window_is_over() {
        let (began, window) = (Time::from_seconds(1000), SIGN_IN.window);
        assert_eq!(retry_after(window, began, began), 900);
        let later = began + Duration::from_millis(300_500);
        assert_eq!(retry_after(window, began, later), 600);
        assert_eq!(retry_after(window, began, began + window), 0);
    }

    #[test]
    fn names_are_counted_as_they_are_compared_and_not_kept() {
        let count = |name: &str| SIGN_IN.of(name).count;
        assert_eq!(count("Ada@Example.org"), count(" ada@example.ORG"));
        assert_ne!(count("ada"), count("adb"));
        assert!(!count("ada").contains("ada"));
        assert_ne!(count("ada"), CONFIRM.of("ada").count);
    }
}
