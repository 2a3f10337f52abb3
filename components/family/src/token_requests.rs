//! Requests for tokens out of the family's account.

use crate::account::{self, Wallet};
use crate::allowances::{self, Allowance};
use crate::commit::{busy, committed, tries};
use crate::model::{FamilyId, Membership};
use crate::payments::{self, Made, Payment};
use crate::requests::{self, Kind, Request};
use crate::store::{self, PAYMENTS};
use membership::request::State;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Result, Tokens, time};

/// Asks for tokens, once per key. A small request of who may spend so much is approved by itself.
pub(crate) async fn ask(
    family_id: &FamilyId,
    caller: &Caller,
    key: &str,
    amount: Tokens,
    reason: &str,
) -> Result<Made<Request>> {
    let membership = store::membership(family_id, caller).await?;
    let key = format!("{}/token/{key}", membership.id);
    let is_same =
        |known: &Request| (known.amount, known.reason.as_deref()) == (amount, Some(reason));
    for _ in tries() {
        if let Some(known) = requests::known(&key, is_same).await? {
            return requests::made_as(&known, true).await;
        }
        let wallet = account::of(family_id).await?;
        account::require_open(&wallet)?;
        let allowance = allowances::of(&membership).await?;
        let now = time::now();
        let request = Request {
            reason: Some(reason.to_owned()),
            ..Request::new(Kind::Token, &membership, amount, &key, now)
        };
        let (change, request, payment) =
            match by_itself(&request, &membership, &allowance, &wallet, now) {
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
        let change = requests::made(change, &membership, &request).await?;
        if !committed(change.commit().await)? {
            continue;
        }
        if let Some(payment) = payment {
            // It is made, whatever comes of it: what cannot be paid now waits for an administrator.
            payments::go_on(payment).await.ok();
        }
        return requests::made_as(&request, false).await;
    }
    Err(busy())
}

/// What approves a request by itself: it is small, there is room for it this month, and the member may spend
/// so much.
fn by_itself(
    request: &Request,
    membership: &Membership,
    allowance: &Allowance,
    wallet: &Wallet,
    now: Time,
) -> Option<(Transaction, Payment)> {
    let automatic = &wallet.automatic;
    if !automatic.approves(request.amount, allowance.approved_at(now)) {
        return None;
    }
    let payment = Payment {
        counted: true,
        automatic: true,
        ..request.payment(now)
    };
    let change = Transaction::new().insert(&PAYMENTS, &payment);
    let change = allowances::count(change, membership, allowance, request.amount, now).ok()?;
    let change = allowances::count_approved(change, allowance, automatic, request.amount, now);
    // Under the numbers that were read.
    let change = account::as_set(change, wallet);
    Some((change, payment))
}
