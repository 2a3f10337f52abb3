//! From which accounts somebody may pay: their own, and those of the families and workspaces that they belong to, as
//! these say at this moment.

use crate::neighbours::ask;
use http::Method;
use sbd_sdk::{Caller, Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Families, and workspaces, that are asked at most: each of them asks the ledger, and a request makes 300 calls.
const MOST: u32 = 60;

/// An account from which somebody may pay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopPayer)]
pub(crate) struct Payer {
    /// The account: what an order says in `pay_from`.
    #[schema(example = "fam_019a2f3c8b7e7c2d9f00112233445566")]
    pay_from: String,
    kind: Kind,
    /// What the family or the workspace is called.
    name: Option<String>,
    /// What is on the account and not reserved.
    available: i64,
    /// The most that the caller pays from it at once without anybody else.
    spendable: i64,
    /// Whether the caller may ask for more, which somebody has to approve.
    may_ask: bool,
    /// Why nothing can be paid from it just now, if that is so.
    frozen: Option<String>,
}

/// Whose account it is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ShopPayerKind)]
pub(crate) enum Kind {
    /// The caller's own.
    Own,
    /// That of a family.
    Family,
    /// That of a workspace.
    Workspace,
}

/// The caller's own account, as the ledger knows it.
#[derive(Deserialize)]
struct Own {
    available: i64,
    frozen: Option<Frozen>,
}

/// A group's account, as the group shows it to the caller.
#[derive(Deserialize)]
struct Shared {
    available: i64,
    spendable: i64,
    may_ask: bool,
    frozen: Option<Frozen>,
    frozen_by_operator: Option<String>,
}

#[derive(Deserialize)]
struct Frozen {
    reason: String,
}

/// A group that the caller belongs to.
#[derive(Deserialize)]
struct Group {
    id: String,
    name: String,
    closing: bool,
    #[serde(default)]
    archived_at: Option<String>,
}

#[derive(Deserialize)]
struct Groups {
    items: Vec<Group>,
}

/// From which accounts the caller may pay.
pub(crate) async fn of(caller: &Caller) -> Result<Vec<Payer>> {
    let own = seen::<Own>("wallet", "/api/v1/wallet").await?;
    let mut payers: Vec<_> = own.map(|own| Payer::own(caller, own)).into_iter().collect();
    let groups = [
        (Kind::Family, "family", "/api/v1/families"),
        (Kind::Workspace, "workspace", "/api/v1/workspaces"),
    ];
    for (kind, component, path) in groups {
        let all = seen::<Groups>(component, &format!("{path}?per_page={MOST}&sort=name")).await?;
        let groups = all.into_iter().flat_map(|all| all.items);
        for group in groups.filter(Group::is_open) {
            let path = format!("{path}/{}/wallet", group.id);
            let shared = seen::<Shared>(component, &path).await?;
            // What is bought is asked for, also by whoever may spend as much.
            let shared = shared.filter(|shared| shared.may_ask);
            payers.extend(shared.map(|shared| Payer::shared(kind, group, shared)));
        }
    }
    Ok(payers)
}

/// What a neighbour shows the caller; none, where it is not there for them: switched off, not given to their token, or
/// gone at this moment.
async fn seen<T: DeserializeOwned>(component: &str, path: &str) -> Result<Option<T>> {
    match ask(component, Method::GET, path, None, None).await {
        Err(error) if is_absent(&error) => Ok(None),
        shown => shown.map(Some),
    }
}

fn is_absent(error: &Error) -> bool {
    matches!(error.code(), "FEATURE_DISABLED" | "FORBIDDEN" | "NOT_FOUND")
}

// === impl Payer ===

impl Payer {
    fn own(caller: &Caller, own: Own) -> Self {
        Self {
            pay_from: caller.user.to_string(),
            kind: Kind::Own,
            name: None,
            available: own.available,
            spendable: if own.frozen.is_some() {
                0
            } else {
                own.available
            },
            may_ask: false,
            frozen: own.frozen.map(|frozen| frozen.reason),
        }
    }

    fn shared(kind: Kind, group: Group, shared: Shared) -> Self {
        let frozen = shared.frozen.map(|frozen| frozen.reason);
        Self {
            pay_from: group.id,
            kind,
            name: Some(group.name),
            available: shared.available,
            spendable: shared.spendable,
            may_ask: shared.may_ask,
            frozen: frozen.or(shared.frozen_by_operator),
        }
    }
}

// === impl Group ===

impl Group {
    /// Whether anything is paid from its account: not when it is archived, or being deleted.
    fn is_open(&self) -> bool {
        !self.closing && self.archived_at.is_none()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::market::{Market, SHOP};
    use serde_json::{Value, json};

    fn payers(market: &Market, user: &str) -> Vec<Value> {
        let all = market.app.signed_in(user).get(&format!("{SHOP}/payers"));
        let all = all.assert_status(200)["items"].as_array().unwrap().clone();
        all.into_iter()
            .map(|payer| {
                json!([
                    payer["kind"],
                    payer["pay_from"],
                    payer["available"],
                    payer["spendable"],
                    payer["may_ask"],
                    payer["frozen"],
                ])
            })
            .collect()
    }

    #[test]
    fn who_pays_from_which_account_its_owner_says() {
        let market = Market::new();
        let (family, team) = (market.family_id.clone(), market.team());
        let own = |user: &str, left: u64| json!(["own", user, left, left, false, null]);
        let of = |kind: &str, id: &str, spendable: u64, frozen: Value| {
            json!([kind, id, 500, spendable, true, frozen])
        };
        let (none, lent) = (json!(null), json!("Lent"));
        assert_eq!(
            payers(&market, "usr_1"),
            [
                own("usr_1", 500),
                of("family", &family, 500, none.clone()),
                of("workspace", &team, 500, none.clone())
            ]
        );
        market.permit("usr_2", 40);
        assert_eq!(
            payers(&market, "usr_2"),
            [
                own("usr_2", 1000),
                of("family", &family, 40, none.clone()),
                of("workspace", &team, 0, none)
            ]
        );
        assert_eq!(payers(&market, "usr_8"), [own("usr_8", 1000)]);
        // What is said here is what an order meets.
        let (red, dear) = (market.item("Red", 40), market.item("Dear", 41));
        for (item, total, state) in [(&dear, 41, "awaiting_approval"), (&red, 40, "completed")] {
            let pays = json!({"total": total, "pay_from": family});
            let placed = market.buy("usr_2", item, pays).assert_status(201);
            assert_eq!(placed["state"], state);
        }
        market.decide("deny");
        // Who may not ask any more pays nothing from it, and from a frozen one nobody does.
        market.team_member(&team, &["spend"]);
        market
            .family
            .signed_in("usr_1")
            .post(
                &format!("/api/v1/families/{family}/wallet/freeze"),
                json!({"reason": "Lent"}),
            )
            .assert_status(200);
        assert_eq!(
            payers(&market, "usr_2"),
            [
                own("usr_2", 1000),
                json!(["family", family, 460, 0, true, lent])
            ]
        );
        // One that is not there is not among them, and one that does not answer is no answer.
        market.instead("/api/v1/families", 404, "FEATURE_DISABLED");
        assert_eq!(payers(&market, "usr_2"), [own("usr_2", 1000)]);
        market.instead("/api/v1/families", 503, "OVERLOADED");
        let reply = market.app.signed_in("usr_2").get(&format!("{SHOP}/payers"));
        reply.assert_refused(503, "OVERLOADED");
        market
            .app
            .anonymous()
            .get(&format!("{SHOP}/payers"))
            .assert_refused(401, "UNAUTHENTICATED");
    }
}
