//! What is rented ends by itself.

use crate::commit::committed;
use crate::events::{self, Ended};
use crate::grants;
use crate::holding::Holding;
use crate::store::GRANTS;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Result, metrics};
use serde_json::json;

/// Ends what is somebody's no more; whether it is done, and not changed at the same moment.
pub(crate) async fn end(holding: &Holding) -> Result<bool> {
    let ids: Vec<_> = holding.parts.iter().map(|part| &part.grant).collect();
    let given = GRANTS.find(json!({"_id": {"$in": ids}})).fetch().await?;
    let mut change = grants::gone(Transaction::new(), holding);
    for grant in &given.documents {
        change = events::ended(change, &grant.told(), Ended::Expired);
    }
    let done = committed(change.commit().await)?;
    if done {
        metrics::count("shop_rentals_total", &[("change", "ended")]).await;
    }
    Ok(done)
}
