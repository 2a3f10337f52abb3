//! Credentials in, principal out. About tokens the auth component decides; its answers are kept a while.

use crate::components::Components;
use crate::credentials::{Brought, Credentials};
use crate::error::Refusal;
use crate::revoked::Revocations;
use http::{StatusCode, header};
use jiff::Timestamp;
use moka::Expiry;
use moka::future::Cache;
use sbd_contract::authentication::{self, Presented};
use sbd_contract::path;
use sbd_manifest::App;
use sbd_runtime::{Authenticated, Call, Class, InvokeError, Question, identified};
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A principal is asked for again after this long at most.
const KEPT: Duration = Duration::from_secs(60);
/// A refused token is refused again without asking for this long.
const REFUSAL_KEPT: Duration = Duration::from_secs(5);
/// How often one request asks anew, where something is taken from its token while it asks.
const ASKED_ANEW: u32 = 2;
/// Answers kept; the least used go first. About 300 bytes each.
const ANSWERS: u64 = 50_000;

/// Asks the auth component who a token belongs to.
pub(crate) struct Authenticator {
    component: Option<Arc<str>>,
    answers: Cache<Fingerprint, Answer>,
    revoked: Arc<Revocations>,
}

/// SHA-256 of tenant, token, address and program: the cache holds no token, and what holds in one place says nothing of
/// another.
type Fingerprint = [u8; 32];

#[derive(Clone)]
enum Answer {
    Known(Arc<Authenticated>),
    Refused(Refusal),
}

/// Keeps a principal no longer than its token is valid.
struct KeptFor;

#[derive(Deserialize)]
struct ErrorEnvelope {
    error: ErrorCode,
}

#[derive(Deserialize)]
struct ErrorCode {
    code: String,
}

// === impl Authenticator ===

impl Authenticator {
    /// Asks the application's auth component, if it names one.
    pub(crate) fn new(app: &App, revoked: Arc<Revocations>) -> Self {
        let component = app.settings.auth.as_deref();
        Self {
            component: component.map(Arc::from),
            answers: Cache::builder()
                .max_capacity(ANSWERS)
                .expire_after(KeptFor)
                .build(),
            revoked,
        }
    }

    /// Is it the application's auth component that is asked?
    pub(crate) fn asks(&self, app: &App) -> bool {
        self.component.as_deref() == app.settings.auth.as_deref()
    }

    /// Is this the auth component? Programs of others are clients of its own: what they show, and from which pages they
    /// ask, is its to judge.
    pub(crate) fn is_asked_of(&self, component: &str) -> bool {
        self.component.as_deref() == Some(component)
    }

    /// Is there anybody to ask?
    pub(crate) fn is_on(&self) -> bool {
        self.component.is_some()
    }

    /// The principal behind a request from this address, or `None` for an anonymous one. `admit` is asked before a
    /// token that is not known costs the auth component work.
    pub(crate) async fn authenticate<C: Components>(
        &self,
        components: &C,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
        brought: &Brought<'_>,
        client: IpAddr,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Option<Arc<Authenticated>>, Refusal> {
        let Some(component) = &self.component else {
            return Ok(None);
        };
        let (token, is_cookie) = match brought.credentials()? {
            Credentials::None => return Ok(None),
            Credentials::Token(token) => (token, false),
            Credentials::Cookie(token) => (token, true),
            Credentials::Ticket(ticket) => {
                admit()?;
                let origin = brought.headers.get(header::ORIGIN);
                let tickets = brought.ticketed.map(|(tickets, _)| tickets);
                let caller = tickets.and_then(|tickets| tickets.take(ticket, tenant, origin));
                let caller = caller.ok_or_else(|| {
                    Refusal::token_invalid(
                        "The ticket was used, is too old or is for another page; get a new one.",
                    )
                })?;
                return self.standing(tenant, caller).map(Some);
            }
        };
        let agent = brought.headers.get(header::USER_AGENT);
        let presented = Presented {
            token: token.to_owned(),
            address: Some(client),
            user_agent: agent.and_then(|agent| agent.to_str().ok().map(str::to_owned)),
        };
        let key = fingerprint(tenant, &presented);
        let (mut admit, mut left) = (Some(admit), ASKED_ANEW);
        let answer = loop {
            let answer = match self.answers.get(&key).await {
                Some(answer) => answer,
                None => {
                    admit.take().map_or(Ok(()), |admit| admit())?;
                    let call = Call {
                        tenant: Arc::clone(tenant),
                        component: Arc::clone(component),
                        request_id: Arc::clone(request_id),
                        class: Class::Authentication,
                        principal: None,
                    };
                    // Of many requests with one new token the first asks, the others wait for it. A
                    // failure to ask is shared by those who wait and then forgotten.
                    let asked = self.ask(components, call, presented.clone());
                    Box::pin(self.answers.try_get_with(key, asked))
                        .await
                        .map_err(|refusal| (*refusal).clone())?
                }
            };
            // Something was taken from it since it was asked about, perhaps all: whether it goes on, the
            // component says.
            if left == 0 || !self.is_stale(tenant, &answer) {
                break answer;
            }
            left -= 1;
            self.answers.invalidate(&key).await;
        };
        // Looked at after the answer is in, from the cache or from the component alike: a logout
        // that overtook a slow answer still wins.
        let caller = match answer {
            Answer::Refused(refusal) => Err(refusal),
            Answer::Known(caller) => self.standing(tenant, caller),
        };
        match (caller, &brought.site) {
            // A browser goes on sending it: whoever signs in anew is nobody until then.
            (Err(_), _) if is_cookie => Ok(None),
            (Ok(caller), Some(site)) if is_cookie => site.require_own().map(|()| Some(caller)),
            (caller, _) => caller.map(Some),
        }
    }

    /// Whether something was taken from whoever this is after somebody was asked about them.
    fn is_stale(&self, tenant: &str, answer: &Answer) -> bool {
        match answer {
            Answer::Refused(_) => false,
            Answer::Known(caller) => self.is_outdated(tenant, caller),
        }
    }

    fn is_outdated(&self, tenant: &str, caller: &Authenticated) -> bool {
        let session = caller.session.as_ref();
        let last = session.and_then(|session| self.revoked.last(tenant, session));
        last.is_some_and(|last| caller.is_older_than(last))
    }

    /// Somebody who was recognised, if they are still who they were.
    fn standing(
        &self,
        tenant: &str,
        caller: Arc<Authenticated>,
    ) -> Result<Arc<Authenticated>, Refusal> {
        if caller.expires_at <= Timestamp::now().as_second() {
            return Err(Refusal::token_expired());
        }
        match self.is_outdated(tenant, &caller) {
            true => Err(Refusal::token_invalid(
                "This session has ended; log in again.",
            )),
            false => Ok(caller),
        }
    }

    async fn ask<C: Components>(
        &self,
        components: &C,
        call: Call,
        presented: Presented,
    ) -> Result<Answer, Refusal> {
        let tenant = Arc::clone(&call.tenant);
        let component = Arc::clone(&call.component);
        let request_id = Arc::clone(&call.request_id);
        // The auth component broke the contract; the client can do nothing about it.
        let unusable = |reason: &dyn std::fmt::Display| {
            tracing::error!(%reason, %request_id, "the auth component's answer to /-/authenticate is of no use");
            Refusal::internal()
        };
        let about = authentication::Question::Token(presented);
        let before = Instant::now();
        let asked = match Question::post(path::AUTHENTICATE, &about) {
            Ok(question) => {
                question
                    .put(call, |call, request| components.invoke(call, request))
                    .await
            }
            Err(error) => Err(error),
        };
        let reply = match asked {
            Ok(reply) => reply,
            Err(InvokeError::Unusable(reason)) => return Err(unusable(&reason)),
            Err(error) => return Err(Refusal::from_component(&error, &component, &request_id)),
        };
        match reply.status {
            StatusCode::OK => {
                let principal = identified(&tenant, &reply.body);
                let principal = principal.map_err(|error| unusable(&error))?;
                let caller = Authenticated::asked(principal, before);
                Ok(Answer::Known(Arc::new(caller)))
            }
            StatusCode::UNAUTHORIZED => {
                let envelope: ErrorEnvelope =
                    serde_json::from_slice(&reply.body).map_err(|error| unusable(&error))?;
                Ok(Answer::Refused(match envelope.error.code.as_str() {
                    "TOKEN_EXPIRED" => Refusal::token_expired(),
                    _ => Refusal::token_invalid("The access token is not valid; log in again."),
                }))
            }
            other => Err(unusable(&other)),
        }
    }
}

// === impl KeptFor ===

impl Expiry<Fingerprint, Answer> for KeptFor {
    fn expire_after_create(
        &self,
        _: &Fingerprint,
        answer: &Answer,
        _: Instant,
    ) -> Option<Duration> {
        Some(match answer {
            Answer::Refused(_) => REFUSAL_KEPT,
            Answer::Known(caller) => {
                let left = u64::try_from(
                    caller
                        .expires_at
                        .saturating_sub(Timestamp::now().as_second()),
                )
                .unwrap_or(0);
                KEPT.min(Duration::from_secs(left))
            }
        })
    }
}

fn fingerprint(tenant: &str, presented: &Presented) -> Fingerprint {
    let address = presented.address.map(|address| match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    });
    let agent = presented.user_agent.as_deref().unwrap_or_default();
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    // No part but the address has a zero in it.
    for part in [tenant, &presented.token, agent] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    context.update(&address.unwrap_or_default());
    let digest = context.finish();
    let mut key = [0; 32];
    key.copy_from_slice(digest.as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_do_not_share_answers_and_neither_do_places() {
        let of = |tenant, token: &str, address: &str, agent: &str| {
            let presented = Presented {
                token: token.to_owned(),
                address: address.parse().ok(),
                user_agent: Some(agent.to_owned()),
            };
            fingerprint(tenant, &presented)
        };
        let one = of("a", "token", "192.0.2.1", "curl");
        assert_eq!(one, of("a", "token", "192.0.2.1", "curl"));
        for other in [
            of("b", "token", "192.0.2.1", "curl"),
            of("a", "token", "192.0.2.2", "curl"),
            of("a", "token", "192.0.2.1", "wget"),
            of("at", "oken", "192.0.2.1", "curl"),
            of("a", "tokenc", "192.0.2.1", "url"),
        ] {
            assert_ne!(one, other);
        }
    }
}
