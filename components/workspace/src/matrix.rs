//! Roles and operations: who may do what in a workspace, as a table, tried for every role there can be.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::permissions::{Permission, Role};
use crate::tests::{app, join, workspace};
use sbd_sdk::testing::{App, Client, Reply};
use serde_json::{Value, json};

/// Who may do something.
#[derive(Clone, Copy)]
enum Who {
    Everybody,
    Owner,
    With(Permission),
}

/// A workspace, and what there is in it to do something with.
struct Place {
    address: String,
    /// A role without any permissions, and another one.
    nothing: String,
    empty: String,
    label: String,
    invitation: String,
}

type Operation = fn(&Client<'_>, &Place) -> Reply;

const OPERATIONS: [(&str, Who, Operation); 30] = [
    ("read it", Who::Everybody, |by, at| by.get(&at.address)),
    ("list members", Who::Everybody, |by, at| {
        by.get(&format!("{}/members", at.address))
    }),
    ("read a member", Who::Everybody, |by, at| {
        by.get(&format!("{}/members/usr_6", at.address))
    }),
    ("list roles", Who::Everybody, |by, at| {
        by.get(&format!("{}/roles", at.address))
    }),
    ("read what happened", Who::Everybody, |by, at| {
        by.get(&format!("{}/activity", at.address))
    }),
    ("list labels", Who::Everybody, |by, at| {
        by.get(&format!("{}/labels", at.address))
    }),
    ("list what is labelled", Who::Everybody, |by, at| {
        by.get(&format!("{}/items", at.label))
    }),
    ("list one's invitations", Who::Everybody, |by, at| {
        by.get(&format!("{}/invitations", at.address))
    }),
    ("list one's links", Who::Everybody, |by, at| {
        by.get(&format!("{}/links", at.address))
    }),
    ("rename it", Who::With(Permission::Settings), |by, at| {
        by.put(&at.address, json!({"name": "Another"}))
    }),
    (
        "decide the settings",
        Who::With(Permission::Settings),
        |by, at| {
            let decided = json!({"inviters": "permitted", "newcomers": at.nothing});
            by.put(&format!("{}/settings", at.address), decided)
        },
    ),
    ("archive it", Who::With(Permission::Settings), |by, at| {
        by.put(&format!("{}/archive", at.address), json!({}))
    }),
    ("unarchive it", Who::With(Permission::Settings), |by, at| {
        by.delete(&format!("{}/archive", at.address))
    }),
    ("give a role", Who::With(Permission::Members), |by, at| {
        let role = json!({"role": at.empty});
        by.put(&format!("{}/members/usr_6/role", at.address), role)
    }),
    (
        "send a member away",
        Who::With(Permission::Members),
        |by, at| by.delete(&format!("{}/members/usr_6", at.address)),
    ),
    ("make a role", Who::With(Permission::Roles), |by, at| {
        let role = json!({"name": "New", "permissions": []});
        by.post(&format!("{}/roles", at.address), role)
    }),
    ("change a role", Who::With(Permission::Roles), |by, at| {
        let role = json!({"name": "New", "permissions": []});
        by.put(&format!("{}/roles/{}", at.address, at.empty), role)
    }),
    ("delete a role", Who::With(Permission::Roles), |by, at| {
        by.delete(&format!("{}/roles/{}", at.address, at.empty))
    }),
    (
        "invite somebody",
        Who::With(Permission::Invite),
        |by, at| {
            let somebody = json!({"to": "joe", "role": at.nothing});
            by.post(&format!("{}/invitations", at.address), somebody)
        },
    ),
    ("make a link", Who::With(Permission::Invite), |by, at| {
        by.post(
            &format!("{}/links", at.address),
            json!({"role": at.nothing}),
        )
    }),
    (
        "send an invitation again",
        Who::With(Permission::Invite),
        |by, at| by.post(&format!("{}/resend", at.invitation), json!({})),
    ),
    (
        "take an invitation back",
        Who::With(Permission::Invite),
        |by, at| by.delete(&at.invitation),
    ),
    ("make a label", Who::With(Permission::Write), |by, at| {
        by.post(&format!("{}/labels", at.address), json!({"name": "New"}))
    }),
    ("change a label", Who::With(Permission::Write), |by, at| {
        by.put(&at.label, json!({"name": "New"}))
    }),
    ("delete a label", Who::With(Permission::Write), |by, at| {
        by.delete(&at.label)
    }),
    ("label something", Who::With(Permission::Write), |by, at| {
        by.put(&format!("{}/items/{NOTE}", at.label), json!({}))
    }),
    (
        "take a label off",
        Who::With(Permission::Write),
        |by, at| by.delete(&format!("{}/items/{NOTE}", at.label)),
    ),
    ("see what there is to delete", Who::Owner, |by, at| {
        by.get(&format!("{}/deletion", at.address))
    }),
    ("delete it", Who::Owner, |by, at| by.delete(&at.address)),
    ("hand it over", Who::Owner, |by, at| {
        by.put(&format!("{}/transfer", at.address), json!({"to": "usr_6"}))
    }),
];

const NOTE: &str = "not_019a2f3c8b7e7c2d9f00112233445566";

/// A workspace in which `usr_5` is what is tried; `usr_6` is in it without any permissions.
fn place(app: &App, role: &Role, permissions: Option<&[Permission]>) -> Place {
    let ada = app.signed_in("usr_1");
    let id = workspace(&ada, "Team").text("id").to_owned();
    let workspace = id.clone();
    app.on_call(move |_| (200, json!({"id": NOTE, "workspace_id": workspace})));
    let address = format!("/api/v1/workspaces/{id}");
    let made = |name: &str, permissions: Value| {
        let role = json!({"name": name, "permissions": permissions});
        let made = ada.post(&format!("{address}/roles"), role);
        made.assert_status(201).text("id").to_owned()
    };
    let (nothing, empty) = (made("Nothing", json!([])), made("Empty", json!([])));
    let give = |user: &str, role: &str| {
        let path = format!("{address}/members/{user}/role");
        ada.put(&path, json!({"role": role})).assert_status(200);
    };
    for user in ["usr_5", "usr_6"] {
        join(app, &id, user, Role::Viewer);
    }
    give("usr_6", &nothing);
    match permissions {
        Some(permissions) => give("usr_5", &made("Tried", json!(permissions))),
        None if *role == Role::Owner => {}
        None if *role == Role::Viewer => {}
        None => give("usr_5", role.as_str()),
    }
    let permitted = json!({"inviters": "permitted", "newcomers": nothing});
    ada.put(&format!("{address}/settings"), permitted)
        .assert_status(200);
    let label = ada.post(&format!("{address}/labels"), json!({"name": "Label"}));
    let label = label.header("location").unwrap().to_owned();
    let invited = json!({"to": "tim", "role": nothing});
    let invitation = ada.post(&format!("{address}/invitations"), invited);
    let invitation = invitation.header("location").unwrap().to_owned();
    app.advance(membership::invitation::RESEND_AFTER);
    Place {
        address,
        nothing,
        empty,
        label,
        invitation,
    }
}

fn try_all(name: &str, role: &Role, permissions: Option<&[Permission]>) {
    let has: Vec<Permission> = match permissions {
        Some(permissions) => permissions.to_vec(),
        None => role.built_in().unwrap().into(),
    };
    for (operation, who, run) in OPERATIONS {
        let app = app();
        let place = place(&app, role, permissions);
        let by = match role {
            Role::Owner => app.signed_in("usr_1"),
            _ => app.signed_in("usr_5"),
        };
        let may = match who {
            Who::Everybody => true,
            Who::Owner => *role == Role::Owner,
            Who::With(permission) => has.contains(&permission),
        };
        let done = run(&by, &place);
        // What others have sent is nothing to those who do not invite.
        let refused = match operation {
            "send an invitation again" | "take an invitation back" => 404,
            _ => 403,
        };
        match may {
            true => assert!(done.status() < 300, "{name} may {operation}: {done:?}"),
            false => assert_eq!(done.status(), refused, "{name} may not {operation}"),
        }
        // To a stranger there is no workspace.
        let stranger = run(&app.signed_in("usr_9"), &place);
        assert_eq!(stranger.status(), 404, "a stranger may not {operation}");
    }
}

#[test]
fn the_four_roles_may_what_they_may() {
    for role in Role::BUILT_IN {
        try_all(role.as_str(), &role, None);
    }
}

#[test]
fn an_own_role_may_what_it_says_and_nothing_else() {
    let all: Vec<Permission> = Role::Owner.built_in().unwrap().into();
    let own = Role::Viewer;
    try_all("a role of nothing", &own, Some(&[]));
    for permission in all {
        try_all(
            &format!("a role of {permission:?}"),
            &own,
            Some(&[permission]),
        );
    }
}
