//! Requests for tokens out of the account.

use crate::account::{self, Wallet};
use crate::allowances::{self, Allowance};
use crate::payments::{self, Made, Payment};
use crate::requests::{self, Kind, Request};
use crate::store;
use crate::{Group, Member};
use membership::commit::{busy, committed, tries};
use membership::request::State;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Result, Tokens, time};

/// Asks for tokens, once per key. A small request of who may spend so much is approved by itself.
pub(crate) async fn ask<G: Group>(
    group: &G,
    caller: &Caller,
    key: &str,
    amount: Tokens,
    reason: &str,
) -> Result<Made<Request<G>>> {
    let member = requests::asker(group, caller).await?;
    let key = format!("{}/token/{key}", member.id);
    let is_same =
        |known: &Request<G>| (known.amount, known.reason.as_deref()) == (amount, Some(reason));
    for _ in tries() {
        if let Some(known) = requests::known(&key, is_same).await? {
            return requests::made_as(&known, true).await;
        }
        let wallet = account::of(group).await?;
        account::require_open(&wallet)?;
        let allowance = allowances::of(&member).await?;
        let now = time::now();
        let request = Request {
            reason: Some(reason.to_owned()),
            ..Request::new(Kind::Token, group, &member, amount, &key, now)
        };
        let (change, request, payment) =
            match by_itself(&request, &member, &allowance, &wallet, now) {
                Some((change, payment)) => {
                    let approved = Request {
                        state: State::Approved,
                        automatic: true,
                        payment: Some(payment.id.clone()),
                        due_at: None,
                        ..request
                    };
                    (change, approved, Some(payment))
                }
                None => (Transaction::new(), request, None),
            };
        let change = requests::made(change, &member, &wallet, &request).await?;
        if !committed(change.commit().await)? {
            continue;
        }
        if let Some(payment) = payment {
            // It is made, whatever comes of it: what cannot be paid now waits for somebody who reviews.
            payments::go_on(payment).await.ok();
        }
        return requests::made_as(&request, false).await;
    }
    Err(busy(G::NOUN))
}

/// What approves a request by itself: it is small, there is room for it this month, and the member may spend
/// so much, or is one of those whose small requests need no more.
fn by_itself<G: Group>(
    request: &Request<G>,
    member: &Member,
    allowance: &Allowance,
    wallet: &Wallet<G>,
    now: Time,
) -> Option<(Transaction, Payment<G>)> {
    let automatic = &wallet.automatic;
    if !automatic.approves(request.amount, allowance.approved_at(now)) {
        return None;
    }
    let (change, amount) = (Transaction::new(), request.amount);
    let (change, counted) = match allowances::count(change, member, allowance, wallet, amount, now)
    {
        Ok(change) => (change, true),
        Err(_) if G::SMALL_FOR_ALL => (member.unchanged(Transaction::new()), false),
        Err(_) => return None,
    };
    let payment = Payment {
        counted,
        automatic: true,
        ..request.payment(now)
    };
    let change = change.insert(&store::payments::<G>(), &payment);
    let change = allowances::count_approved(change, allowance, automatic, amount, now);
    Some((change, payment))
}
