//! The cookie in which a browser keeps a session: the auth component sets it, the host takes it for a token
//! and shows it to nobody.

/// What it is called over https. Browsers take a name that begins so only over TLS, for one host and every
/// path of it: no other host, and nobody on the network, sets one.
pub const SECURE: &str = "__Host-sbd-session";

/// What it is called over plain http, where no browser takes the other name.
pub const PLAIN: &str = "sbd-session";

/// What it is called over a scheme. The other name is nobody's there.
pub const fn name(https: bool) -> &'static str {
    if https { SECURE } else { PLAIN }
}

/// What descriptions of an API say of it.
pub const ABOUT: &str = "Of a sign-in with the mode `cookie`; over plain http it is called `sbd-session`. What changes something has to be sent by a page of this very address.";
