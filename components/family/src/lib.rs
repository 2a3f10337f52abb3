//! Families and their members.
//!
//! Whoever creates a family is its administrator. Only members can see it; only administrators
//! can change or delete it.
//!
//! What happens to a family is told in the commit of the change: `events`.

mod account;
mod administration;
mod api;
mod changes;
mod commit;
mod continuity;
mod creation;
mod deletion;
mod departure;
mod emergency;
mod events;
mod export;
mod invitations;
mod kinship;
mod listing;
mod members;
mod model;
mod ownership;
mod recovery;
mod relationships;
mod reports;
mod store;
mod succession;
mod telling;

use api::{
    administration as administration_api, audit as audit_api, channels, deletion as deletion_api,
    emergency_access as emergency_api, families, host, invitations as invitations_api,
    members as members_api, recoveries, relationships as relationships_api, reports as reports_api,
    requests as requests_api, succession as succession_api, transfer, wallet as wallet_api,
};
use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "families",
            [
                families::create_family(),
                families::list_families(),
                families::get_family(),
                families::replace_family(),
                deletion_api::get_family_deletion(),
                deletion_api::delete_family(),
                transfer::offer_family(),
                transfer::withdraw_family_offer(),
                transfer::accept_family_offer(),
            ],
        )
        .operations(
            "family members",
            [
                members_api::list_family_members(),
                members_api::get_family_member(),
                members_api::set_family_role(),
                members_api::set_family_guardians(),
                members_api::remove_family_member(),
            ],
        )
        .operations(
            "family invitations",
            [
                invitations_api::invite_to_family(),
                invitations_api::invite_many_to_family(),
                invitations_api::list_family_invitations(),
                invitations_api::get_family_invitation(),
                invitations_api::cancel_family_invitation(),
                invitations_api::resend_family_invitation(),
                invitations_api::list_received_invitations(),
                invitations_api::get_received_invitation(),
                invitations_api::accept_family_invitation(),
                invitations_api::decline_family_invitation(),
            ],
        )
        .operations(
            "family relationships",
            [
                relationships_api::propose_relationship(),
                relationships_api::list_relationships(),
                relationships_api::agree_to_relationship(),
                relationships_api::withdraw_relationship(),
                relationships_api::end_relationship(),
            ],
        )
        .operations(
            "family administration",
            [
                administration_api::list_all_families(),
                administration_api::get_family_health(),
                administration_api::recount_family(),
                administration_api::appoint_family_administrator(),
            ],
        )
        .operations(
            "family wallet",
            [
                wallet_api::get_family_wallet(),
                wallet_api::deposit_to_family(),
                wallet_api::pay_from_family(),
                wallet_api::get_family_payment(),
                wallet_api::list_family_transactions(),
                wallet_api::get_spending_permission(),
                wallet_api::set_spending_permission(),
                wallet_api::get_family_wallet_settings(),
                wallet_api::set_family_wallet_settings(),
                wallet_api::freeze_family_wallet(),
                wallet_api::unfreeze_family_wallet(),
                wallet_api::get_emergency_unfreeze(),
                wallet_api::ask_for_unfreeze(),
                wallet_api::approve_unfreeze(),
                wallet_api::reject_unfreeze(),
                api::statistics::get_family_statistics(),
            ],
        )
        .operations(
            "family requests",
            [
                requests_api::create_token_request(),
                requests_api::list_token_requests(),
                requests_api::get_token_request(),
                requests_api::approve_token_request(),
                requests_api::deny_token_request(),
                requests_api::cancel_token_request(),
                requests_api::create_purchase_request(),
                requests_api::list_purchase_requests(),
                requests_api::get_purchase_request(),
                requests_api::approve_purchase_request(),
                requests_api::deny_purchase_request(),
                requests_api::cancel_purchase_request(),
                requests_api::fulfil_purchase_request(),
                requests_api::fail_purchase_request(),
            ],
        )
        .operations(
            "family succession",
            [
                succession_api::get_family_succession(),
                succession_api::set_family_succession(),
                succession_api::designate_backup(),
                succession_api::consent_to_succeed(),
                succession_api::remove_backup(),
                succession_api::order_backups(),
                succession_api::hand_family_over(),
                succession_api::report_administrator(),
                succession_api::list_successions(),
                succession_api::get_succession(),
                succession_api::veto_succession(),
                succession_api::withdraw_succession(),
            ],
        )
        .operations(
            "family emergency access",
            [
                emergency_api::list_entrusted_accesses(),
                emergency_api::invite_trusted_person(),
                emergency_api::list_emergency_accesses(),
                emergency_api::get_emergency_access(),
                emergency_api::accept_emergency_access(),
                emergency_api::decline_emergency_access(),
                emergency_api::withdraw_emergency_access(),
                emergency_api::initiate_emergency_access(),
                emergency_api::veto_emergency_access(),
                emergency_api::end_emergency_access(),
            ],
        )
        .operations(
            "family account recovery",
            [
                recoveries::ask_for_recovery(),
                recoveries::list_recoveries(),
                recoveries::get_recovery(),
                recoveries::confirm_recovery(),
                recoveries::veto_recovery(),
                recoveries::withdraw_recovery(),
            ],
        )
        .operations(
            "family audit",
            [
                audit_api::list_family_audit(),
                audit_api::verify_family_audit(),
                reports_api::get_family_compliance_report(),
                reports_api::export_family(),
            ],
        )
        .events([
            host::account_deleted(),
            host::created(),
            host::account_changed(),
            host::tokens_requested(),
            host::purchase_requested(),
            host::invitation_sent(),
            host::recovery_asked(),
        ])
        .tasks([
            host::open_account(),
            host::settle_freeze(),
            host::deliver_invitation(),
            host::go_on(),
            host::close_family(),
        ])
        .schedules([host::settle(), host::look()])
        .channels([channels::may_listen()])
}

sbd_sdk::component!(component);

#[cfg(test)]
mod audit;
#[cfg(test)]
mod home;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::commit::counted;
    use crate::model::{Draft, FamilyId, Membership, Role, found, membership_id};
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

    /// A family of somebody's.
    pub(crate) fn family(of: &Client<'_>, name: &str) -> Reply {
        of.post("/api/v1/families", json!({"name": name}))
            .assert_status(201)
    }

    /// A member of a family, who has not been invited.
    pub(crate) fn join(app: &App, family: &str, user: &str) {
        let family_id: FamilyId = family.parse().unwrap();
        let caller = crate::model::tests::caller(user);
        let (_, founder) = found(Draft::check("A", None).unwrap(), &caller, app.now());
        let member = Membership {
            id: membership_id(&family_id, user),
            family_id: family_id.clone(),
            role: Role::Member,
            ..founder
        };
        let change = Transaction::new().insert(&MEMBERSHIPS, &member);
        let counts = json!({"member_count": 1});
        let change = counted(change, &family_id, json!({}), counts);
        app.run(change.commit()).unwrap();
    }

    /// A family of `usr_1`, who is its administrator, to which these belong as well.
    pub(crate) fn family_with(app: &App, others: &[&str]) -> String {
        let id = family(&app.signed_in("usr_1"), "A").text("id").to_owned();
        for user in others {
            join(app, &id, user);
        }
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
