//! What a user was told: lists of it, and what was read.

use crate::model::{Notification, NotificationId};
use crate::store::{NOTIFICATIONS, PREFERENCES};
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::{Caller, Error, Listing, Result, Sort, time};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// What the inbox is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NotificationSort {
    /// When they came.
    #[default]
    CreatedAt,
}

/// Which notifications to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NotificationFilter {
    /// Only those that were read, or those that were not.
    unread: Option<bool>,
    /// Only those of this kind.
    #[param(max_length = 100, example = "family.renamed")]
    kind: Option<String>,
}

/// A page of the caller's inbox.
pub(crate) async fn list(
    caller: &Caller,
    listing: &Listing<NotificationSort, NotificationFilter>,
) -> Result<Page<Notification>> {
    let mut filter = json!({"user_id": caller.user, "in_inbox": true});
    if let Some(unread) = listing.filter.unread {
        filter["unread"] = unread.into();
    }
    if let Some(kind) = &listing.filter.kind {
        filter["kind"] = kind.as_str().into();
    }
    NOTIFICATIONS.find(filter).page(listing).await
}

/// How many the caller has not read.
pub(crate) async fn unread(caller: &Caller) -> Result<u64> {
    Ok(NOTIFICATIONS.count(unread_of(caller)).await?)
}

/// One of the caller's.
pub(crate) async fn get(caller: &Caller, id: &NotificationId) -> Result<Notification> {
    let found = NOTIFICATIONS.find_one(one_of(caller, id)).await?;
    found.ok_or_else(|| Error::not_found("notification"))
}

/// Says that the caller has read one, whether it was read before or not.
pub(crate) async fn read(caller: &Caller, id: &NotificationId) -> Result<Notification> {
    let mut unread = one_of(caller, id);
    unread["unread"] = true.into();
    match NOTIFICATIONS.find_one_and_update(unread, is_read()).await? {
        Some(read) => Ok(read),
        None => get(caller, id).await,
    }
}

/// Says that the caller has read all; answers how many were not.
pub(crate) async fn read_all(caller: &Caller) -> Result<u64> {
    let read = NOTIFICATIONS
        .update_many(unread_of(caller), is_read())
        .await?;
    Ok(read.modified)
}

/// Deletes one of the caller's.
pub(crate) async fn delete(caller: &Caller, id: &NotificationId) -> Result<()> {
    match NOTIFICATIONS.delete_one(one_of(caller, id)).await? {
        true => Ok(()),
        false => Err(Error::not_found("notification")),
    }
}

/// Deletes all of the caller's.
pub(crate) async fn delete_all(caller: &Caller) -> Result<()> {
    let all = json!({"user_id": caller.user, "in_inbox": true});
    NOTIFICATIONS.delete_many(all).await?;
    Ok(())
}

/// Forgets a user who is gone.
pub(crate) async fn forget(user: &str) -> Result<()> {
    let change = Transaction::new()
        .delete_many(&NOTIFICATIONS, json!({"user_id": user}))
        .delete_many(&PREFERENCES, json!({"_id": user}));
    change.commit().await?;
    Ok(())
}

impl Sort for NotificationSort {
    const ITEMS: &'static str = "notifications";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
        }
    }
}

fn one_of(caller: &Caller, id: &NotificationId) -> Value {
    json!({"_id": id, "user_id": caller.user, "in_inbox": true})
}

fn unread_of(caller: &Caller) -> Value {
    json!({"user_id": caller.user, "unread": true})
}

fn is_read() -> Value {
    json!({"$set": {"unread": false, "read_at": time::now()}})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, event, tell};
    use sbd_sdk::testing::{App, Reply};
    use std::time::Duration;

    const INBOX: &str = "/api/v1/notifications";

    fn told() -> App {
        let app = app();
        for (number, user, title) in [
            (1, "usr_1", "First"),
            (2, "usr_2", "Bob's"),
            (3, "usr_1", "Second"),
            (4, "usr_1", "Third"),
        ] {
            tell(&app, number, user, title);
            app.advance(Duration::from_secs(1));
        }
        let data =
            json!({"user": "usr_1", "kind": "auth.signed_in", "title": "Fourth", "link": "/x"});
        event(&app, 5, data).assert_status(204);
        app
    }

    fn titles(page: &Reply) -> Vec<&str> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["title"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_newest_come_first_and_only_ones_own() {
        let app = told();
        let ada = app.signed_in("usr_1");
        let list = |query: &str| ada.get(&format!("{INBOX}?{query}")).assert_status(200);
        assert_eq!(titles(&list("")), ["Fourth", "Third", "Second", "First"]);
        assert_eq!(titles(&list("order=asc&per_page=1&page=2")), ["Second"]);
        assert_eq!(titles(&list("kind=auth.signed_in")), ["Fourth"]);
        assert_eq!(titles(&app.signed_in("usr_2").get(INBOX)), ["Bob's"]);
        let fourth = list("per_page=1");
        let fourth = &fourth["items"][0];
        assert_eq!(
            (&fourth["link"], &fourth["read_at"]),
            (&json!("/x"), &json!(null))
        );
        assert!(fourth.get("user_id").is_none());
        app.anonymous()
            .get(INBOX)
            .assert_refused(401, "UNAUTHENTICATED");
    }

    #[test]
    fn what_a_user_was_told_goes_with_the_account() {
        let app = told();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let host = app.by(sbd_sdk::Principal::service("test", "notifications"));
        for _ in 0..2 {
            let gone = json!({"user_id": "usr_1"});
            host.event("account.deleted", gone).assert_status(204);
        }
        assert_eq!(
            (&ada.get(INBOX)["total"], &bob.get(INBOX)["total"]),
            (&json!(0), &json!(1))
        );
    }

    #[test]
    fn what_was_read_is_counted_no_more() {
        let app = told();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let unread = || {
            ada.get(&format!("{INBOX}/unread"))["unread"]
                .as_u64()
                .unwrap()
        };
        assert_eq!(unread(), 4);
        let first = format!("{INBOX}/ntf_{:032x}", 1);
        let read = ada
            .post(&format!("{first}/read"), json!(null))
            .assert_status(200);
        assert!(read["read_at"].is_string());
        app.advance(Duration::from_secs(5));
        // When it was read first stays.
        let again = ada
            .post(&format!("{first}/read"), json!(null))
            .assert_status(200);
        assert_eq!(again["read_at"], read["read_at"]);
        assert_eq!(unread(), 3);
        assert_eq!(
            titles(&ada.get(&format!("{INBOX}?unread=false"))),
            ["First"]
        );
        assert_eq!(ada.get(&format!("{INBOX}?unread=true"))["total"], 3);
        for (client, path) in [
            (&bob, first.as_str()),
            (&ada, &format!("{INBOX}/ntf_{:032x}", 9)),
        ] {
            client.get(path).assert_refused(404, "NOT_FOUND");
            let read = client.post(&format!("{path}/read"), json!(null));
            read.assert_refused(404, "NOT_FOUND");
            client.delete(path).assert_refused(404, "NOT_FOUND");
        }
        let all = ada
            .post(&format!("{INBOX}/read"), json!(null))
            .assert_status(200);
        assert_eq!(all["read"], 3);
        assert_eq!(
            (
                unread(),
                bob.get(&format!("{INBOX}/unread"))["unread"].as_u64()
            ),
            (0, Some(1))
        );
    }

    #[test]
    fn one_or_all_are_deleted_and_time_deletes_the_rest() {
        let app = told();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        ada.delete(&format!("{INBOX}/ntf_{:032x}", 1))
            .assert_status(204);
        assert_eq!(ada.get(INBOX)["total"], 3);
        ada.delete(INBOX).assert_status(204);
        assert_eq!(
            (&ada.get(INBOX)["total"], &bob.get(INBOX)["total"]),
            (&json!(0), &json!(1))
        );
        app.advance(crate::model::KEPT + Duration::from_secs(60));
        app.sweep();
        assert_eq!(bob.get(INBOX)["total"], 0);
    }
}
