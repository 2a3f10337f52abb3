//! Who is invited, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::commit::{committed, counted};
use crate::model::FamilyId;
use crate::store::INVITATIONS;
use crate::tests::{app, family, family_with, join};
use group::answers::get;
use group::invitations::moved;
use membership::invitation::Act;
use sbd_sdk::Principal;
use sbd_sdk::testing::{App, Client, Reply};
use serde_json::{Value, json};
use std::time::Duration;

const RECEIVED: &str = "/api/v1/families/invitations";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `usr_2` is `bob`, `usr_3` is `eve`; nobody else has an account.
fn with_accounts(app: App) -> App {
    app.on_call(|call| {
        assert_eq!(
            (&*call.to, &*call.path),
            ("auth", "/api/v1/auth/users/lookup")
        );
        match call.body["identifier"].as_str().unwrap() {
            "bob" | "bob@example.com" => (200, json!({"id": "usr_2", "username": "bob"})),
            "eve" => (200, json!({"id": "usr_3", "username": "eve"})),
            _ => (
                404,
                json!({"error": {"code": "NOT_FOUND", "message": "no such user"}}),
            ),
        }
    });
    app
}

/// What is told is heard, once, and done.
fn deliver(app: &App) {
    let host = app.by(Principal::service("test", "family"));
    let sent = app.published().into_iter();
    for event in sent.filter(|event| event.kind == "family.invitation.sent") {
        host.event(&event.kind, event.data).assert_status(204);
    }
    app.run_tasks();
}

fn invitations(family: &str) -> String {
    format!("/api/v1/families/{family}/invitations")
}

fn invite(app: &App, family: &str, to: &str) -> Reply {
    let invited = app
        .signed_in("usr_1")
        .post(&invitations(family), json!({"to": to}));
    deliver(app);
    invited
}

fn answer(by: &Client<'_>, id: &str, how: &str, body: Value) -> Reply {
    by.post(&format!("{RECEIVED}/{id}/{how}"), body)
}

/// The code in the last mail: which invitation, and the token.
fn code(app: &App) -> (String, String) {
    let mail = app.mails().pop().unwrap();
    let line = mail
        .text
        .lines()
        .find(|line| line.contains("inv_"))
        .unwrap()
        .to_owned();
    let code = line.rsplit('#').next().unwrap();
    let (id, token) = code.split_once('.').unwrap();
    (id.to_owned(), token.to_owned())
}

#[test]
fn whoever_accepts_belongs_and_is_related() {
    let app = with_accounts(app());
    let family = family_with(&app, &[]);
    let ada = app.signed_in("usr_1");
    let body = json!({"to": "Bob", "relationship": "uncle", "reciprocal": "niece"});
    let made = ada.post(&invitations(&family), body).assert_status(201);
    deliver(&app);
    assert_eq!(
        made.header("location").unwrap(),
        format!("{}/{}", invitations(&family), made.text("id"))
    );
    let bob = app.signed_in("usr_2");
    let received = bob.get(RECEIVED).assert_status(200);
    let one = &received["items"][0];
    assert_eq!(
        (
            &one["family_name"],
            &one["relationship"],
            &one["reciprocal"],
            &one["state"]
        ),
        (
            &json!("A"),
            &json!("uncle"),
            &json!("niece"),
            &json!("pending")
        )
    );
    let id = one["id"].as_str().unwrap();
    assert_eq!(
        bob.get(&format!("{RECEIVED}/{id}"))
            .assert_status(200)
            .body(),
        one
    );
    // Others do not see it, and cannot answer.
    for other in [app.signed_in("usr_3"), ada.clone()] {
        other
            .get(&format!("{RECEIVED}/{id}"))
            .assert_refused(404, "NOT_FOUND");
        answer(&other, id, "acceptance", json!({})).assert_refused(404, "NOT_FOUND");
        answer(&other, id, "decline", json!({})).assert_refused(404, "NOT_FOUND");
        assert_eq!(other.get(RECEIVED)["total"], 0);
    }
    app.anonymous()
        .post(&format!("{RECEIVED}/{id}/acceptance"), json!({}))
        .assert_refused(401, "UNAUTHENTICATED");
    let accepted = answer(&bob, id, "acceptance", json!({})).assert_status(200);
    assert_eq!(
        (&accepted["role"], &accepted["member_count"]),
        (&json!("member"), &json!(2))
    );
    // Again is the same.
    answer(&bob, id, "acceptance", json!({})).assert_status(200);
    answer(&bob, id, "decline", json!({})).assert_refused(409, "INVITATION_ENDED");
    let relationships = bob.get(&format!("/api/v1/families/{family}/relationships"));
    assert_eq!(
        relationships["items"][0]["agreed"],
        json!([
            {"user_id": "usr_1", "relationship": "uncle"},
            {"user_id": "usr_2", "relationship": "niece"}
        ])
    );
    let seen = ada.get(made.header("location").unwrap()).assert_status(200);
    assert_eq!(
        (&seen["state"], &seen["answered_by"]),
        (&json!("accepted"), &json!("usr_2"))
    );
    assert_eq!(bob.get(&format!("{RECEIVED}?state=accepted"))["total"], 1);
    assert_eq!(bob.get(&format!("{RECEIVED}?state=pending"))["total"], 0);
    let kinds: Vec<_> = app
        .published()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        kinds.get(2..).unwrap(),
        [
            "family.invitation.sent",
            "notification.requested",
            "family.invitation.accepted",
            "notification.requested",
            "family.member.added",
            "family.relationship.agreed"
        ]
    );
    let counted = |outcome: &str| app.counted("family_invitations_total", &[("outcome", outcome)]);
    assert_eq!(["sent", "accepted", "declined"].map(counted), [1, 1, 0]);
    // Whoever leaves is related to nobody, and can come back.
    bob.delete(&format!("/api/v1/families/{family}/members/usr_2"))
        .assert_status(204);
    let none = ada.get(&format!("/api/v1/families/{family}/relationships"));
    assert_eq!(none["total"], 0);
    answer(&bob, id, "acceptance", json!({})).assert_refused(404, "NOT_FOUND");
}

#[test]
fn whether_there_is_an_account_is_not_told() {
    let app = with_accounts(app());
    let family = family_with(&app, &[]);
    let ada = app.signed_in("usr_1");
    let mut seen = Vec::new();
    for to in ["bob@example.com", "who@example.com", "eve", "nobody"] {
        invite(&app, &family, to).assert_status(201);
        let page = ada.get(&invitations(&family)).assert_status(200);
        let mut one = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["to"] == to)
            .unwrap()
            .clone();
        for field in ["id", "to", "created_at", "expires_at"] {
            one[field] = json!(null);
        }
        seen.push(one);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    // A user is told by the inbox, somebody else by mail, a name that is nobody's not at all.
    assert_eq!(app.mails().len(), 1);
    assert_eq!(app.mails()[0].to, "who@example.com");
    let notices = app.published().into_iter();
    let notices = notices.filter(|event| event.kind == "notification.requested");
    let users: Vec<_> = notices.map(|event| event.data["user"].clone()).collect();
    assert_eq!(users, [json!("usr_2"), json!("usr_3")]);
}

#[test]
fn a_link_works_once_for_whoever_posts_its_token() {
    let page = "https://example.org/invitations";
    let app = with_accounts(app().variable("invitation_page", page));
    let family = family_with(&app, &[]);
    invite(&app, &family, "who@example.com").assert_status(201);
    let mail = app.mails().pop().unwrap();
    assert!(mail.text.contains(&format!("{page}#inv_")), "{}", mail.text);
    let (id, first) = code(&app);
    assert_eq!(first.len(), 43);
    // Neither stored nor told.
    let stored = app.run(INVITATIONS.get(&id)).unwrap().unwrap();
    let kept = serde_json::to_string(&stored).unwrap();
    assert!(!kept.contains(&first), "{kept}");
    for task in app.enqueued() {
        assert!(!task.data.to_string().contains(&first));
    }
    let who = app.signed_in("usr_7");
    for wrong in [
        json!({}),
        json!({"token": ""}),
        json!({"token": "x"}),
        json!({"token": stored.token}),
    ] {
        answer(&who, &id, "acceptance", wrong.clone()).assert_refused(404, "NOT_FOUND");
        answer(&who, &id, "decline", wrong).assert_refused(404, "NOT_FOUND");
    }
    answer(&who, &id, "acceptance", json!({"token": "x".repeat(101)}))
        .assert_refused(422, "VALIDATION_ERROR");
    // Reading it needs the inbox; nothing is accepted by a GET.
    for path in [
        format!("{RECEIVED}/{id}"),
        format!("{RECEIVED}/{id}/acceptance?token={first}"),
    ] {
        assert!([404, 405].contains(&who.get(&path).status()));
    }
    // Sent again, the first link is no good any more.
    app.advance(Duration::from_secs(600));
    let resend = format!("{}/{id}/resend", invitations(&family));
    app.signed_in("usr_1")
        .post(&resend, json!({}))
        .assert_status(200);
    deliver(&app);
    let (again, second) = code(&app);
    assert_eq!(again, id);
    answer(&who, &id, "acceptance", json!({"token": first})).assert_refused(404, "NOT_FOUND");
    answer(&who, &id, "acceptance", json!({"token": second})).assert_status(200);
    answer(
        &app.signed_in("usr_8"),
        &id,
        "acceptance",
        json!({"token": second}),
    )
    .assert_refused(404, "NOT_FOUND");
    assert_eq!(who.get("/api/v1/families")["total"], 1);
    assert_eq!(app.signed_in("usr_8").get("/api/v1/families")["total"], 0);
}

#[test]
fn an_invitation_expires_and_is_sent_again_so_often() {
    let app = with_accounts(app());
    let family = family_with(&app, &[]);
    let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
    let id = invite(&app, &family, "bob")
        .assert_status(201)
        .text("id")
        .to_owned();
    let own = format!("{}/{id}", invitations(&family));
    let resend = || ada.post(&format!("{own}/resend"), json!({}));
    resend().assert_refused(409, "INVITATION_SENT");
    invite(&app, &family, "BOB").assert_refused(409, "CONFLICT");
    app.advance(7 * DAY);
    assert_eq!(ada.get(&own)["state"], "expired");
    assert_eq!(bob.get(&format!("{RECEIVED}?state=expired"))["total"], 1);
    answer(&bob, &id, "acceptance", json!({})).assert_refused(409, "INVITATION_EXPIRED");
    for _ in 0..4 {
        resend().assert_status(200);
        app.advance(DAY);
    }
    resend().assert_refused(409, "INVITATION_SENT");
    answer(&bob, &id, "acceptance", json!({})).assert_status(200);
    // Whoever has expired is invited anew, and then the old one is not sent again.
    let first = invite(&app, &family, "eve")
        .assert_status(201)
        .text("id")
        .to_owned();
    app.advance(7 * DAY);
    invite(&app, &family, "eve").assert_status(201);
    let resend = format!("{}/{first}/resend", invitations(&family));
    ada.post(&resend, json!({})).assert_refused(409, "CONFLICT");
    // It is forgotten in the end.
    app.advance(91 * DAY);
    app.sweep();
    assert_eq!(ada.get(&invitations(&family))["total"], 0);
}

#[test]
fn whoever_declines_is_left_alone_for_a_day() {
    let app = with_accounts(app());
    let family = family_with(&app, &[]);
    let bob = app.signed_in("usr_2");
    let id = invite(&app, &family, "bob")
        .assert_status(201)
        .text("id")
        .to_owned();
    answer(&bob, &id, "decline", json!({})).assert_status(204);
    answer(&bob, &id, "decline", json!({})).assert_status(204);
    answer(&bob, &id, "acceptance", json!({})).assert_refused(409, "INVITATION_ENDED");
    invite(&app, &family, "bob").assert_refused(409, "CONFLICT");
    // Not by the other name either; whoever invites does not see that it does not arrive.
    invite(&app, &family, "bob@example.com").assert_status(201);
    assert_eq!(bob.get(&format!("{RECEIVED}?state=pending"))["total"], 0);
    app.advance(DAY);
    invite(&app, &family, "bob").assert_status(201);
    assert_eq!(bob.get(&format!("{RECEIVED}?state=pending"))["total"], 1);
}

#[test]
fn what_is_taken_back_is_not_accepted() {
    let app = with_accounts(app());
    let family = family_with(&app, &["usr_3"]);
    let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
    let id = invite(&app, &family, "bob")
        .assert_status(201)
        .text("id")
        .to_owned();
    let own = format!("{}/{id}", invitations(&family));
    let other = family_with(&app, &[]);
    let foreign = format!("{}/{id}", invitations(&other));
    for (by, path, status, code) in [
        ("usr_3", &own, 403, "FORBIDDEN"),
        ("usr_2", &own, 404, "NOT_FOUND"),
        ("usr_1", &foreign, 404, "NOT_FOUND"),
    ] {
        let by = app.signed_in(by);
        by.get(path).assert_refused(status, code);
        by.delete(path).assert_refused(status, code);
        by.post(&format!("{path}/resend"), json!({}))
            .assert_refused(status, code);
    }
    for by in ["usr_3", "usr_2"] {
        let by = app.signed_in(by);
        let (list, one) = (
            by.get(&invitations(&family)),
            by.post(&invitations(&family), json!({"to": "zoe"})),
        );
        assert_eq!(list.status(), one.status());
        assert!([403, 404].contains(&one.status()));
    }
    ada.delete(&own).assert_status(204);
    ada.delete(&own).assert_status(204);
    answer(&bob, &id, "acceptance", json!({})).assert_refused(409, "INVITATION_ENDED");
    ada.post(&format!("{own}/resend"), json!({}))
        .assert_refused(409, "INVITATION_ENDED");
    invite(&app, &family, "bob").assert_status(201);
}

#[test]
fn the_inviter_must_be_an_administrator_still() {
    let app = with_accounts(app());
    let family = family_with(&app, &["usr_3"]);
    let role = |by: &str, of: &str, role: &str| {
        let path = format!("/api/v1/families/{family}/members/{of}/role");
        app.signed_in(by)
            .put(&path, json!({"role": role}))
            .assert_status(200);
    };
    let id = invite(&app, &family, "bob")
        .assert_status(201)
        .text("id")
        .to_owned();
    role("usr_1", "usr_3", "admin");
    role("usr_3", "usr_1", "member");
    let bob = app.signed_in("usr_2");
    answer(&bob, &id, "acceptance", json!({})).assert_refused(409, "CONFLICT");
    role("usr_3", "usr_1", "admin");
    answer(&bob, &id, "acceptance", json!({})).assert_status(200);
}

#[test]
fn there_is_room_for_so_many() {
    let app = app()
        .variable("members_per_family", "2")
        .variable("memberships_per_user", "1")
        .variable("invitations_per_family", "3")
        .variable("invitations_per_day", "4");
    let app = with_accounts(app);
    let first = family_with(&app, &[]);
    let bob = app.signed_in("usr_2");
    let id = invite(&app, &first, "bob")
        .assert_status(201)
        .text("id")
        .to_owned();
    let own = family(&bob, "B").text("id").to_owned();
    answer(&bob, &id, "acceptance", json!({})).assert_refused(409, "CONFLICT");
    bob.delete(&format!("/api/v1/families/{own}"))
        .assert_status(204);
    join(&app, &first, "usr_5");
    answer(&bob, &id, "acceptance", json!({})).assert_refused(409, "CONFLICT");
    invite(&app, &first, "eve").assert_refused(409, "CONFLICT");
    let gone = format!("/api/v1/families/{first}/members/usr_5");
    app.signed_in("usr_1").delete(&gone).assert_status(204);
    invite(&app, &first, "eve").assert_status(201);
    invite(&app, &first, "zoe").assert_status(201);
    let most = invite(&app, &first, "mia").assert_refused(409, "CONFLICT");
    assert!(
        most["error"]["message"]
            .as_str()
            .unwrap()
            .contains("3 invitations")
    );
    answer(&bob, &id, "acceptance", json!({})).assert_status(200);
    app.signed_in("usr_1")
        .delete(&format!("/api/v1/families/{first}/members/usr_2"))
        .assert_status(204);
    invite(&app, &first, "mia").assert_status(201);
    app.signed_in("usr_1")
        .delete(&format!(
            "{}/{}",
            invitations(&first),
            invite_id(&app, &first, "mia")
        ))
        .assert_status(204);
    invite(&app, &first, "kim").assert_refused(429, "RATE_LIMITED");
    app.advance(DAY);
    invite(&app, &first, "kim").assert_status(201);
}

fn invite_id(app: &App, family: &str, to: &str) -> String {
    let page = app.signed_in("usr_1").get(&invitations(family));
    let mut items = page["items"].as_array().unwrap().iter();
    let one = items.find(|one| one["to"] == to).unwrap();
    one["id"].as_str().unwrap().to_owned()
}

#[test]
fn two_do_not_take_the_last_place() {
    let app = with_accounts(app().variable("members_per_family", "2"));
    let family = family_with(&app, &[]);
    let id = invite(&app, &family, "bob")
        .assert_status(201)
        .text("id")
        .to_owned();
    // As they are read now: somebody else takes the place before it is committed.
    let (invitation, _) = app
        .run(get::<FamilyId>(
            &crate::model::tests::caller("usr_2"),
            &id.parse().unwrap(),
            None,
        ))
        .unwrap();
    let now = app.now();
    let progress = invitation.progress.act(Act::Accept, now).unwrap().unwrap();
    let room = json!({"member_count": {"$lt": 2}});
    let late = moved(&invitation, progress, Some("usr_2"));
    let late = counted(late, invitation.group(), room, json!({"member_count": 1}));
    join(&app, &family, "usr_5");
    assert!(!committed(app.run(late.commit())).unwrap());
    // What is cancelled is not accepted at once, and the other way round.
    let late = || moved(&invitation, progress, Some("usr_2"));
    app.signed_in("usr_1")
        .delete(&format!("{}/{id}", invitations(&family)))
        .assert_status(204);
    assert!(!committed(app.run(late().commit())).unwrap());
}

#[test]
fn many_are_invited_at_once_each_for_itself() {
    let app = with_accounts(app());
    let family = family_with(&app, &[]);
    let path = format!("{}/bulk", invitations(&family));
    let ada = app.signed_in("usr_1");
    let bulk = json!({"invitations": [
        {"to": "bob"}, {"to": "x"}, {"to": "bob"},
        {"to": "eve", "relationship": "parent", "reciprocal": "parent"},
        {"to": "who@example.com", "relationship": "parent"},
    ]});
    let done = ada.post(&path, bulk).assert_status(200);
    let results = done["results"].as_array().unwrap();
    let codes: Vec<_> = results.iter().map(|one| &one["refusal"]["code"]).collect();
    assert_eq!(
        codes,
        [
            &json!(null),
            &json!("VALIDATION_ERROR"),
            &json!("CONFLICT"),
            &json!("VALIDATION_ERROR"),
            &json!(null)
        ]
    );
    assert_eq!(results[4]["invitation"]["reciprocal"], "child");
    let many: Vec<_> = (0..50)
        .map(|number| json!({"to": format!("user-{number}")}))
        .collect();
    let more: Vec<_> = many.iter().cloned().chain([json!({"to": "bob"})]).collect();
    ada.post(&path, json!({"invitations": many}))
        .assert_status(200);
    assert_eq!(ada.get(&invitations(&family))["total"], 52);
    for wrong in [json!([]), json!(more)] {
        ada.post(&path, json!({"invitations": wrong}))
            .assert_refused(422, "VALIDATION_ERROR");
    }
    app.signed_in("usr_2")
        .post(&path, json!({"invitations": [{"to": "zoe"}]}))
        .assert_refused(404, "NOT_FOUND");
}

#[test]
fn bad_input_invites_nobody() {
    let app = with_accounts(app());
    let family = family_with(&app, &[]);
    let ada = app.signed_in("usr_1");
    for (body, field) in [
        (json!({}), "to"),
        (json!({"to": 1}), "to"),
        (json!({"to": "ab"}), "to"),
        (json!({"to": "a b c"}), "to"),
        (json!({"to": "bob\u{202e}"}), "to"),
        (json!({"to": "b\u{200b}ob"}), "to"),
        (json!({"to": "@example.com"}), "to"),
        (json!({"to": "a@b"}), "to"),
        (json!({"to": "a@b.c, d@e.f"}), "to"),
        (json!({"to": "a@b.c\r\nBcc: x@y.z"}), "to"),
        (json!({"to": format!("a@{}.org", "x".repeat(250))}), "to"),
        (
            json!({"to": "bob", "relationship": "friend"}),
            "relationship",
        ),
        (
            json!({"to": "bob", "relationship": "Parent"}),
            "relationship",
        ),
        (json!({"to": "bob", "reciprocal": "child"}), "relationship"),
        (
            json!({"to": "bob", "relationship": "parent", "reciprocal": "aunt"}),
            "reciprocal",
        ),
        (json!({"to": "bob", "role": "admin"}), "role"),
    ] {
        let refused = ada.post(&invitations(&family), body.clone());
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], field, "{body}");
    }
    assert_eq!(ada.get(&invitations(&family))["total"], 0);
    for path in [
        "inv_x",
        "inv_019a2f3c8b7e7c2d9f00112233445566",
        "%00",
        "usr_1",
    ] {
        let path = format!("{RECEIVED}/{path}");
        ada.get(&path).assert_refused(404, "NOT_FOUND");
        ada.post(&format!("{path}/acceptance"), json!({}))
            .assert_refused(404, "NOT_FOUND");
        ada.post(&format!("{path}/decline"), json!({}))
            .assert_refused(404, "NOT_FOUND");
    }
    let query = ada.get(&format!("{RECEIVED}?state=gone"));
    query.assert_refused(422, "VALIDATION_ERROR");
}
