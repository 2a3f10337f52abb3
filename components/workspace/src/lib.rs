//! Workspaces: teams, what each of them may do, and what they share.
//!
//! Whoever creates a workspace is its owner. Only members see it; what each of them may do is said by their
//! role: one of four that every workspace has, or one that it has made for itself (`permissions`).
//!
//! What happens to a workspace is told in the commit of the change: `events`.

mod account;
mod activity;
mod administration;
mod api;
mod backups;
#[cfg(test)]
mod bad_input;
mod changes;
mod commit;
mod creation;
mod deletion;
mod departure;
mod events;
mod export;
mod invitations;
mod inviting;
mod labels;
mod links;
mod listing;
#[cfg(test)]
mod matrix;
mod members;
mod model;
mod notices;
mod ownership;
mod permissions;
mod roles;
mod settings;
mod shared;
mod store;

use api::{
    account as account_api, activity as activity_api, administration as administration_api,
    audit as audit_api, backups as backups_api, deletion as deletion_api, host,
    invitations as invitations_api, labels as labels_api, links as links_api,
    members as members_api, requests as requests_api, roles as roles_api, settings as settings_api,
    statistics as statistics_api, transfer, wallet as wallet_api, workspaces,
};
use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "workspaces",
            [
                workspaces::create_workspace(),
                workspaces::list_workspaces(),
                workspaces::get_workspace(),
                workspaces::replace_workspace(),
                deletion_api::get_workspace_deletion(),
                deletion_api::delete_workspace(),
                settings_api::set_workspace_settings(),
                settings_api::archive_workspace(),
                settings_api::unarchive_workspace(),
                transfer::offer_workspace(),
                transfer::withdraw_workspace_offer(),
                transfer::accept_workspace_offer(),
            ],
        )
        .operations(
            "workspace members",
            [
                members_api::list_workspace_members(),
                members_api::get_workspace_member(),
                members_api::set_workspace_role(),
                members_api::remove_workspace_member(),
                roles_api::list_workspace_roles(),
                roles_api::create_workspace_role(),
                roles_api::replace_workspace_role(),
                roles_api::delete_workspace_role(),
            ],
        )
        .operations(
            "workspace invitations",
            [
                invitations_api::invite_to_workspace(),
                invitations_api::invite_many_to_workspace(),
                invitations_api::list_workspace_invitations(),
                invitations_api::get_workspace_invitation(),
                invitations_api::cancel_workspace_invitation(),
                invitations_api::resend_workspace_invitation(),
                invitations_api::list_received_workspace_invitations(),
                invitations_api::get_received_workspace_invitation(),
                invitations_api::accept_workspace_invitation(),
                invitations_api::decline_workspace_invitation(),
                links_api::make_workspace_link(),
                links_api::list_workspace_links(),
                links_api::revoke_workspace_link(),
                links_api::join_workspace(),
                links_api::preview_workspace_link(),
            ],
        )
        .operations(
            "workspace activity",
            [
                activity_api::list_workspace_activity(),
                labels_api::list_workspace_labels(),
                labels_api::create_workspace_label(),
                labels_api::replace_workspace_label(),
                labels_api::delete_workspace_label(),
                labels_api::list_labelled_items(),
                labels_api::label_item(),
                labels_api::unlabel_item(),
            ],
        )
        .operations(
            "workspace wallet",
            [
                wallet_api::get_workspace_wallet(),
                wallet_api::deposit_to_workspace(),
                wallet_api::pay_from_workspace(),
                wallet_api::get_workspace_payment(),
                wallet_api::list_workspace_transactions(),
                wallet_api::get_workspace_spending_permission(),
                wallet_api::set_workspace_spending_permission(),
                wallet_api::list_workspace_role_permissions(),
                wallet_api::set_workspace_role_permission(),
                wallet_api::unset_workspace_role_permission(),
                wallet_api::get_workspace_wallet_settings(),
                wallet_api::set_workspace_wallet_settings(),
                wallet_api::freeze_workspace_wallet(),
                wallet_api::unfreeze_workspace_wallet(),
                wallet_api::get_workspace_emergency_unfreeze(),
                wallet_api::ask_for_workspace_unfreeze(),
                wallet_api::approve_workspace_unfreeze(),
                wallet_api::reject_workspace_unfreeze(),
                backups_api::list_workspace_backups(),
                backups_api::designate_workspace_backup(),
                backups_api::remove_workspace_backup(),
                statistics_api::get_workspace_statistics(),
            ],
        )
        .operations(
            "workspace requests",
            [
                requests_api::create_workspace_token_request(),
                requests_api::list_workspace_token_requests(),
                requests_api::get_workspace_token_request(),
                requests_api::approve_workspace_token_request(),
                requests_api::deny_workspace_token_request(),
                requests_api::cancel_workspace_token_request(),
                requests_api::create_workspace_purchase_request(),
                requests_api::list_workspace_purchase_requests(),
                requests_api::get_workspace_purchase_request(),
                requests_api::approve_workspace_purchase_request(),
                requests_api::deny_workspace_purchase_request(),
                requests_api::cancel_workspace_purchase_request(),
                requests_api::fulfil_workspace_purchase_request(),
                requests_api::fail_workspace_purchase_request(),
            ],
        )
        .operations(
            "workspace administration",
            [
                administration_api::list_all_workspaces(),
                administration_api::get_workspace_health(),
                administration_api::appoint_workspace_owner(),
            ],
        )
        .operations(
            "workspace audit",
            [
                audit_api::list_workspace_audit(),
                audit_api::verify_workspace_audit(),
                audit_api::get_workspace_compliance_report(),
                audit_api::export_workspace(),
            ],
        )
        .events([
            host::account_deleted(),
            account_api::created(),
            account_api::account_changed(),
            account_api::tokens_requested(),
            account_api::purchase_requested(),
            host::invitation_sent(),
            host::happened(),
            host::note_deleted(),
            host::document_deleted(),
        ])
        .tasks([
            account_api::open_account(),
            account_api::settle_freeze(),
            host::deliver_invitation(),
            host::close_workspace(),
        ])
        .schedules([account_api::settle()])
        .channels([activity_api::may_listen()])
}

sbd_sdk::component!(component);

#[cfg(test)]
mod team;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::commit::counted;
    use crate::model::{Draft, Membership, WorkspaceId, found, membership_id};
    use crate::permissions::Role;
    use crate::store::MEMBERSHIPS;
    use sbd_sdk::documents::Transaction;
    use sbd_sdk::testing::{App, Client, Reply, assert_constraints, assert_described};
    use serde_json::json;

    /// The component with its own manifest, beside the wallet itself.
    pub(crate) fn app() -> App {
        let wallet = App::new(wallet::component()).manifest(include_str!("../../wallet/spin.toml"));
        let app = App::new(super::component()).manifest(include_str!("../spin.toml"));
        app.with_neighbour("wallet", wallet)
    }

    /// A workspace of somebody's.
    pub(crate) fn workspace(of: &Client<'_>, name: &str) -> Reply {
        of.post("/api/v1/workspaces", json!({"name": name}))
            .assert_status(201)
    }

    /// A member of a workspace, who has not been invited.
    pub(crate) fn join(app: &App, workspace: &str, user: &str, role: Role) {
        let workspace_id: WorkspaceId = workspace.parse().unwrap();
        let caller = crate::model::tests::caller(user);
        let (_, founder) = found(Draft::check("Abc", None).unwrap(), &caller, app.now());
        let member = Membership {
            id: membership_id(&workspace_id, user),
            workspace_id: workspace_id.clone(),
            username: user.to_owned(),
            permissions: role.built_in().unwrap(),
            role,
            ..founder
        };
        let change = Transaction::new().insert(&MEMBERSHIPS, &member);
        let counts = json!({"member_count": 1});
        let change = counted(change, &workspace_id, json!({}), counts);
        app.run(change.commit()).unwrap();
    }

    /// A workspace of `usr_1`, who owns it, with an administrator `usr_2`, an editor `usr_3` and a viewer
    /// `usr_4`.
    pub(crate) fn team(app: &App) -> String {
        let id = workspace(&app.signed_in("usr_1"), "Team")
            .text("id")
            .to_owned();
        join(app, &id, "usr_2", Role::Admin);
        join(app, &id, "usr_3", Role::Editor);
        join(app, &id, "usr_4", Role::Viewer);
        id
    }

    #[test]
    fn every_operation_is_described() {
        assert_described(super::component());
    }

    #[test]
    fn every_constraint_is_kept() {
        assert_constraints(
            &app()
                .signed_in("usr_1")
                .with_header("idempotency-key", "k-1"),
        );
    }
}
