//! Paths that only the host asks a component for. Nobody outside reaches what is under `/-/`.

/// Where all of them begin.
pub const RESERVED: &str = "/-/";

/// `GET`: what the component offers, once when it is loaded.
pub const OFFER: &str = "/-/openapi.json";

/// `GET`: is it well? A 5xx says no.
pub const HEALTH: &str = "/-/health";

/// `POST`: an event that the component subscribes to (CloudEvents 1.0, HTTP binary mode).
pub const EVENTS: &str = "/-/events";

/// `POST` with the task's name behind it: queued work.
pub const TASKS: &str = "/-/tasks/";

/// `POST` with the schedule's name behind it: a tick.
pub const SCHEDULES: &str = "/-/schedules/";

/// `POST`, the auth component only: a token or a delegation in, a principal out
/// ([`crate::authentication`]).
pub const AUTHENTICATE: &str = "/-/authenticate";

/// `POST`, the auth component only: makes an administrator, for the operator.
pub const ADMINISTRATORS: &str = "/-/administrators";

/// `GET`, whoever keeps books: is what the component has stored sound? `{"sound": true, "found": ...}`, with what it
/// found in its own words.
pub const VERIFY: &str = "/-/verify";

/// `POST`: may this principal join this real-time channel?
pub const CHANNELS: &str = "/-/channels/authorize";
