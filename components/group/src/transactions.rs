//! What went to and from the account, out of the ledger, and whose doing it was.

use crate::Group;
use crate::payments::Payment;
use crate::store;
use crate::wallet::{self, Entry};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

/// Entries on a page at most.
const MOST: u32 = 100;

/// Which of them.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only transactions of this type.
    #[serde(rename = "type")]
    #[param(max_length = 50, example = "payment")]
    kind: Option<String>,
    /// Only those at this time or later.
    #[param(inline)]
    from: Option<Time>,
    /// Only those before this time.
    #[param(inline)]
    to: Option<Time>,
    /// Only those with this account at the other end.
    #[param(max_length = 200, example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    counterparty: Option<String>,
    /// The `next` of the page before, with the same filters.
    cursor: Option<String>,
    /// Entries on a page; 50 when not said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `json` when not said.
    #[param(inline)]
    pub(crate) format: Option<Format>,
}

/// The form of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For programs.
    #[default]
    Json,
    /// For spreadsheets.
    Csv,
}

/// A page of them, each with the payment that it was of, if it was one of this component's.
pub(crate) async fn page<G: Group>(
    group: &G,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<(Vec<(Entry, Option<Payment<G>>)>, Option<String>)> {
    wanted.check()?;
    group.reader(caller).await?;
    let statement = wallet::statement(group, &wanted.query()).await?;
    let causes: Vec<_> = statement
        .items
        .iter()
        .filter_map(|entry| entry.cause.as_deref())
        .collect();
    let of = json!({"_id": {"$in": causes}, "group": group});
    let payments = store::payments::<G>()
        .find(of)
        .limit(MOST)
        .fetch()
        .await?
        .documents;
    let payments: HashMap<_, _> = payments
        .into_iter()
        .map(|payment| (payment.id.to_string(), payment))
        .collect();
    let entries = statement.items.into_iter().map(|entry| {
        let payment = entry.cause.as_ref().and_then(|cause| payments.get(cause));
        // What somebody else writes into a cause is no proof.
        let is_it =
            |payment: &&Payment<G>| payment.transaction_id.as_ref() == Some(&entry.transaction_id);
        let payment = payment.filter(is_it).cloned();
        (entry, payment)
    });
    Ok((entries.collect(), statement.next))
}

// === impl Wanted ===

impl Wanted {
    fn check(&self) -> Result<()> {
        if self.limit.is_some_and(|limit| !(1..=MOST).contains(&limit)) {
            let message = format!("a number from 1 to {MOST}");
            return Err(Error::validation("limit", message));
        }
        let texts = [
            ("type", &self.kind, 50),
            ("counterparty", &self.counterparty, 200),
        ];
        for (field, text, most) in texts {
            membership::text::line(field, text.as_deref(), most)?;
        }
        Ok(())
    }

    /// The same as the ledger is asked.
    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &self.limit.unwrap_or(50).to_string());
        let texts = [
            ("type", self.kind.clone()),
            ("from", self.from.map(|time| time.to_string())),
            ("to", self.to.map(|time| time.to_string())),
            ("counterparty", self.counterparty.clone()),
            ("cursor", self.cursor.clone()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                query.append_pair(name, &text);
            }
        }
        query.finish()
    }
}
