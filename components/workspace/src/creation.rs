//! Creating a workspace.

use crate::events::tell;
use crate::model::{Creator, Draft, Membership, Workspace, found};
use crate::store::{CREATORS, MEMBERSHIPS, WORKSPACES};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Answer, Caller, Error, Idempotency, Result, config, metrics, time};
use serde_json::json;

/// How many workspaces a user has at a time, unless the component's variable `workspaces_per_user` says
/// otherwise: the bound is against those who would fill the disk.
pub(crate) const WORKSPACES_PER_USER: u64 = 20;

/// Creates a workspace with the caller as its owner, once per idempotency key.
pub(crate) async fn create<A: From<Answer> + Into<Answer> + Clone>(
    caller: &Caller,
    draft: Draft,
    key: &Idempotency,
    answer: impl Fn(&Workspace, &Membership) -> Result<A>,
) -> Result<A> {
    if let Some(given) = key.replay(&draft).await? {
        return Ok(given);
    }
    let (workspace, membership) = found(draft.clone(), caller, time::now());
    let answer = answer(&workspace, &membership)?;
    // Twice: somebody's first two workspaces may be created at once, and then one of them finds the
    // count that the other has just begun.
    for _ in 0..2 {
        let effect = counted(Transaction::new(), &caller.user)
            .await?
            .insert(&WORKSPACES, &workspace)
            .insert(&MEMBERSHIPS, &membership);
        let created = json!({"created_by": caller.user});
        let effect = tell(effect, &workspace.id, "workspace.created", created);
        let effect = added(effect, &membership);
        match key.commit(&draft, effect, answer.clone()).await {
            Err(DocumentsError::Duplicate(_) | DocumentsError::PreconditionFailed(0)) => {}
            done => {
                let made = done?;
                if made.is_ok() {
                    metrics::count("workspace_creations_total", &[]).await;
                }
                return made;
            }
        }
    }
    Err(Error::conflict(
        "several workspaces are being created at once; try again",
    ))
}

/// Tells that somebody belongs to a workspace now.
pub(crate) fn added(change: Transaction, membership: &Membership) -> Transaction {
    let data = json!({"user_id": membership.user_id, "role": membership.role});
    tell(
        change,
        &membership.workspace_id,
        "workspace.member.added",
        data,
    )
}

/// Counts one more workspace of somebody's as a part of a change, as long as there is room for it.
pub(crate) async fn counted(change: Transaction, user: &str) -> Result<Transaction> {
    let limit = config::get_as("workspaces_per_user")?.unwrap_or(WORKSPACES_PER_USER);
    let count = CREATORS.get(user).await?;
    if count.as_ref().map_or(0, |count| count.workspaces) >= limit {
        let message =
            format!("you have {limit} workspaces, the most one user may own; delete one first");
        return Err(Error::conflict(message));
    }
    Ok(match count {
        None => change.insert(
            &CREATORS,
            &Creator {
                user_id: user.to_owned(),
                workspaces: 1,
            },
        ),
        Some(_) => {
            let with_room = json!({"_id": user, "workspaces": {"$lt": limit}});
            change.update_one(&CREATORS, with_room, json!({"$inc": {"workspaces": 1}}))
        }
    })
}

/// Has a workspace not count against somebody's limit any more, as a part of a change.
pub(crate) fn given_back(change: Transaction, owner: &str) -> Transaction {
    let one = json!({"$inc": {"workspaces": -1}});
    change.update_many(&CREATORS, json!({"_id": owner}), one)
}

#[cfg(test)]
mod tests {
    use crate::tests::{app, workspace};
    use serde_json::json;

    const WORKSPACES: &str = "/api/v1/workspaces";

    #[test]
    fn whoever_creates_a_workspace_is_its_only_member_and_owner() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let input = json!({"name": " Engines ", "description": "of London"});
        let made = ada.post(WORKSPACES, input).assert_status(201);
        assert_eq!(
            (&made["name"], &made["role"], &made["owner"]),
            (&json!("Engines"), &json!("owner"), &json!("usr_1"))
        );
        assert_eq!(
            (
                &made["member_count"],
                &made["version"],
                &made["archived_at"]
            ),
            (&json!(1), &json!(1), &json!(null))
        );
        assert_eq!(
            made["settings"],
            json!({"inviters": "members", "newcomers": "viewer"})
        );
        assert_eq!(made["permissions"].as_array().map(Vec::len), Some(10));
        let address = made.header("location").unwrap_or_default();
        assert_eq!(address, format!("{WORKSPACES}/{}", made.text("id")));
        assert_eq!(ada.get(address).assert_status(200).body(), made.body());
        let bob = app.signed_in("usr_2");
        bob.get(address).assert_refused(404, "NOT_FOUND");
        app.anonymous()
            .post(WORKSPACES, json!({"name": "xyz"}))
            .assert_refused(401, "UNAUTHENTICATED");
        let told: Vec<_> = app.published().into_iter().map(|one| one.kind).collect();
        assert_eq!(told, ["workspace.created", "workspace.member.added"]);
        let recorded: Vec<_> = app.recorded().into_iter().map(|one| one.action).collect();
        assert_eq!(recorded, told);
    }

    #[test]
    fn one_user_has_so_many_workspaces() {
        let app = app().variable("workspaces_per_user", "1");
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        workspace(&ada, "One");
        ada.post(WORKSPACES, json!({"name": "Two"}))
            .assert_refused(409, "CONFLICT");
        workspace(&bob, "Two");
    }

    #[test]
    fn a_repeated_request_makes_one_workspace() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let keyed = ada.with_header("idempotency-key", "k-1");
        let first = workspace(&keyed, "Once");
        assert_eq!(workspace(&keyed, "Once").body(), first.body());
        keyed
            .post(WORKSPACES, json!({"name": "Twice"}))
            .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(ada.get(WORKSPACES)["total"], 1);
    }

    #[test]
    fn wrong_texts_make_no_workspace_and_use_no_key() {
        let app = app();
        let ada = app.signed_in("usr_1").with_header("idempotency-key", "k-1");
        for (wrong, field) in [
            (json!({}), "name"),
            (json!({"name": "x"}), "name"),
            (json!({"name": "a\u{202E}bc"}), "name"),
            (
                json!({"name": "abc", "description": "y".repeat(501)}),
                "description",
            ),
            (json!({"name": "abc", "owner": "usr_2"}), "owner"),
        ] {
            let refused = ada
                .post(WORKSPACES, wrong)
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        workspace(&ada, "Right");
    }
}
