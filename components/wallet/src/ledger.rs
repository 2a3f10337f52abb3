//! Moving tokens: both accounts, both entries, the key and what is told of it in one commit.

use crate::events::Happened;
use crate::model::{Account, HoldId, Kind, Movement, Transaction, TransactionId};
use crate::rules::Step;
use crate::store::{self, ENTRIES, TRANSACTIONS};
use crate::{access, events};
use sbd_sdk::documents::{self, DocumentsError};
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Principal, Result, metrics, time};
use serde_json::json;

/// How often a movement is decided anew because another one came between, before its sender is told to
/// come back.
const TRIES: u32 = 8;

/// What was done, now or when the same was asked before.
#[derive(Debug)]
pub(crate) struct Done<T> {
    pub(crate) done: T,
    pub(crate) replayed: bool,
}

/// What makes a request happen once: who sent it, for what, and by which key of theirs.
pub(crate) fn key(by: &Principal, what: &str, key: &str) -> String {
    format!("{}/{what}/{key}", access::name(by))
}

/// The same for what is paid. Out of an account that a component acts for, the component pays, whomever it is
/// for: what it began for somebody it goes on with for itself, by the same key.
pub(crate) fn paying_key(by: &Principal, from: &str, what: &str, key: &str) -> String {
    let acts = Kind::of_component(from).and_then(Kind::component);
    match acts.filter(|acts| by.asking_component() == Some(acts)) {
        Some(component) => format!("{component}/{what}/{key}"),
        None => self::key(by, what, key),
    }
}

/// Moves tokens, once per key. `decide` makes of both accounts, as they were read, what is to be done to them.
pub(crate) async fn move_once(
    by: &Principal,
    key: &str,
    movement: &Movement,
    decide: impl Fn(&Account, &Account, Time) -> Result<[Step; 2]>,
) -> Result<Done<Transaction>> {
    for _ in 0..TRIES {
        let (from, to) = (
            store::account(&movement.from).await?,
            store::account(&movement.to).await?,
        );
        // Only then: accounts that show what this key has done already must not refuse it.
        if let Some(done) = TRANSACTIONS.find_one(json!({"key": key})).await? {
            return replayed(&done.movement, movement, || done.clone());
        }
        let now = time::now();
        let steps = decide(&from, &to, now)?;
        let transaction = transaction(by, key, movement.clone(), None, now);
        let change = documents::Transaction::new();
        let change = steps
            .into_iter()
            .fold(change, |change, step| step.done_by(change));
        if committed(posted(change, &transaction, &to).commit().await)? {
            count(&transaction.movement.kind).await;
            return Ok(Done {
                done: transaction,
                replayed: false,
            });
        }
    }
    Err(busy())
}

/// The transaction that makes a movement.
pub(crate) fn transaction(
    by: &Principal,
    key: &str,
    movement: Movement,
    hold: Option<HoldId>,
    at: Time,
) -> Transaction {
    Transaction {
        id: TransactionId::new(),
        key: key.to_owned(),
        movement,
        hold,
        by: access::name(by),
        at,
    }
}

/// Writes a transaction down, and tells of it.
pub(crate) fn posted(
    change: documents::Transaction,
    transaction: &Transaction,
    to: &Account,
) -> documents::Transaction {
    let change = change.insert(&TRANSACTIONS, transaction);
    let change = transaction
        .entries()
        .iter()
        .fold(change, |change, entry| change.insert(&ENTRIES, entry));
    let change = Happened::moved(transaction).told_by(change);
    events::tell_receiver(change, transaction, to)
}

/// Counts a transaction, once it is there.
pub(crate) async fn count(kind: &str) {
    metrics::count("token_transactions_total", &[("type", kind)]).await;
}

/// What was done under a key before, if it was the same.
pub(crate) fn replayed<T>(
    before: &Movement,
    now: &Movement,
    done: impl FnOnce() -> T,
) -> Result<Done<T>> {
    match before == now {
        true => Ok(Done {
            done: done(),
            replayed: true,
        }),
        false => Err(Error::idempotency_key_reused()),
    }
}

/// Whether a change was made; not, where another one came between and it is to be decided anew.
pub(crate) fn committed<T>(outcome: std::result::Result<T, DocumentsError>) -> Result<bool> {
    match outcome {
        Ok(_) => Ok(true),
        Err(DocumentsError::PreconditionFailed(_) | DocumentsError::Duplicate(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What to say when others were always quicker. Nothing was done.
pub(crate) fn busy() -> Error {
    Error::overloaded(
        "much is moved on this account just now; send the request again in a moment",
        1,
    )
}

/// Tries anew, as often as anything here is.
pub(crate) fn tries() -> std::ops::Range<u32> {
    0..TRIES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::store::{ACCOUNTS, ENTRIES, TRANSACTIONS};
    use crate::tests::{WALLET, app, assert_reconciled, balance, root};
    use proptest::prelude::*;
    use sbd_sdk::testing::Reply;
    use serde_json::{Value, json};
    use std::collections::HashMap;
    use std::time::Duration;

    const USERS: [&str; 3] = ["usr_1", "usr_2", "usr_3"];

    #[derive(Clone, Debug)]
    enum Act {
        Mint {
            to: usize,
            amount: u64,
            key: u8,
        },
        Burn {
            from: usize,
            amount: u64,
            key: u8,
        },
        Transfer {
            from: usize,
            to: usize,
            amount: u64,
            key: u8,
        },
        Hold {
            from: usize,
            to: usize,
            amount: u64,
            key: u8,
        },
        /// Of the holds there are, this one; of its tokens, so many.
        Capture {
            hold: usize,
            amount: Option<u64>,
        },
        Release {
            hold: usize,
        },
        Freeze {
            user: usize,
            frozen: bool,
        },
        Limit {
            user: usize,
            per_day: Option<u64>,
        },
        Wait {
            minutes: u64,
        },
    }

    fn act() -> impl Strategy<Value = Act> {
        let (user, amount, key) = (|| 0..USERS.len(), || 1..60_u64, || 0..12_u8);
        prop_oneof![
            3 => (user(), amount(), key()).prop_map(|(to, amount, key)| Act::Mint { to, amount, key }),
            1 => (user(), amount(), key()).prop_map(|(from, amount, key)| Act::Burn { from, amount, key }),
            6 => (user(), user(), amount(), key())
                .prop_map(|(from, to, amount, key)| Act::Transfer { from, to, amount, key }),
            4 => (user(), user(), amount(), key())
                .prop_map(|(from, to, amount, key)| Act::Hold { from, to, amount, key }),
            3 => (0..8_usize, proptest::option::of(amount()))
                .prop_map(|(hold, amount)| Act::Capture { hold, amount }),
            2 => (0..8_usize).prop_map(|hold| Act::Release { hold }),
            1 => (user(), any::<bool>()).prop_map(|(user, frozen)| Act::Freeze { user, frozen }),
            1 => (user(), proptest::option::of(1..80_u64))
                .prop_map(|(user, per_day)| Act::Limit { user, per_day }),
            1 => (1..90_u64).prop_map(|minutes| Act::Wait { minutes }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is done, in whatever order: the sum is zero, nobody but the system is below zero, and what
        /// has one key is done once.
        #[test]
        fn no_sequence_makes_or_loses_a_token(acts in proptest::collection::vec(act(), 1..40)) {
            let app = app(&USERS);
            let root = root(&app);
            let mut holds: Vec<(usize, String)> = Vec::new();
            let mut answers: HashMap<(String, u8), Reply> = HashMap::new();
            for act in acts {
                let mut keyed = |by: &sbd_sdk::testing::Client<'_>, who: &str, what: &str, key: u8, body: Value| {
                    let reply = by
                        .with_header("idempotency-key", &format!("k-{key}"))
                        .post(&format!("{WALLET}/{what}"), body);
                    let first = answers.entry((format!("{who}/{what}"), key));
                    if let std::collections::hash_map::Entry::Occupied(first) = &first
                        && reply.status() == 201
                    {
                        assert_eq!(reply["id"], first.get()["id"], "one key did two things");
                        assert_eq!(reply.header("idempotency-replayed"), Some("true"));
                    }
                    if reply.status() == 201 {
                        first.or_insert_with(|| reply.clone());
                    }
                    assert!(matches!(reply.status(), 201 | 409 | 422), "{}", reply.body());
                    reply
                };
                match act {
                    Act::Mint { to, amount, key } => {
                        keyed(&root, "root", "mint", key, json!({"to": USERS[to], "amount": amount}));
                    }
                    Act::Burn { from, amount, key } => {
                        keyed(&root, "root", "burn", key, json!({"from": USERS[from], "amount": amount}));
                    }
                    Act::Transfer { from, to, amount, key } => {
                        let body = json!({"to": USERS[to], "amount": amount});
                        keyed(&app.signed_in(USERS[from]), USERS[from], "transfers", key, body);
                    }
                    Act::Hold { from, to, amount, key } => {
                        let body = json!({"to": USERS[to], "amount": amount, "expires_in": 3600});
                        let made = keyed(&app.signed_in(USERS[from]), USERS[from], "holds", key, body);
                        if made.status() == 201 {
                            holds.push((from, made.text("id").to_owned()));
                        }
                    }
                    Act::Capture { hold, amount } => {
                        if let Some((user, id)) = holds.get(hold) {
                            let body = json!({"amount": amount});
                            app.signed_in(USERS[*user]).post(&format!("{WALLET}/holds/{id}/capture"), body);
                        }
                    }
                    Act::Release { hold } => {
                        if let Some((user, id)) = holds.get(hold) {
                            app.signed_in(USERS[*user]).post(&format!("{WALLET}/holds/{id}/release"), json!({}));
                        }
                    }
                    Act::Freeze { user, frozen } => {
                        let path = format!("{WALLET}/accounts/{}", USERS[user]);
                        match frozen {
                            true => root.post(&format!("{path}/freeze"), json!({"reason": "lost"})),
                            false => root.post(&format!("{path}/unfreeze"), json!({})),
                        };
                    }
                    Act::Limit { user, per_day } => {
                        let path = format!("{WALLET}/accounts/{}/limits", USERS[user]);
                        root.put(&path, json!({"per_day": per_day})).assert_status(200);
                    }
                    Act::Wait { minutes } => {
                        app.advance(Duration::from_secs(60 * minutes));
                        app.run_tasks();
                    }
                }
                for user in USERS {
                    let (available, held) = balance(&app, user);
                    prop_assert!(available >= 0 && held >= 0, "{user}: {available} {held}");
                }
            }
            assert_reconciled(&app);
            let accounts = app.run(ACCOUNTS.find(json!({})).fetch()).unwrap().documents;
            prop_assert_eq!(accounts.iter().map(|one| one.available + one.held).sum::<i64>(), 0);
            let transactions = app.run(TRANSACTIONS.count(json!({}))).unwrap();
            prop_assert_eq!(app.run(ENTRIES.count(json!({}))).unwrap(), 2 * transactions);
        }
    }
}
