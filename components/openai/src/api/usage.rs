//! `/api/v1/usage`

use sbd_sdk::inference::{self, Consumption, Usage};
use sbd_sdk::{Caller, Error, Json, Query, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Whose usage, and of when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// From this day on, like 2026-11-01; the last 30 days without.
    since: Option<String>,
    /// Up to this day.
    until: Option<String>,
    /// Of this user; administrators see everybody's without.
    user: Option<String>,
}

/// What was used of language models.
#[derive(Serialize, ToSchema)]
#[schema(as = ModelUsage)]
pub(crate) struct UsageView {
    /// By day, user, component and model, the newest first.
    items: Vec<Consumption>,
    /// All of it together.
    total: Usage,
}

/// What it takes to see what others have used.
const GOVERN: &str = "admin:usage:read";

/// Lists what the caller has used of language models; administrators see what everybody has.
#[operation(
    get "/api/v1/usage", permission = "usage:read", answers = "What was used",
    refuses(forbidden = "Of another user, and the caller is no administrator")
)]
pub(crate) async fn list_usage(
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<UsageView>> {
    let user = match (caller.scopes.allow(GOVERN), wanted.user.as_deref()) {
        (true, user) => user,
        (false, None) => Some(&*caller.user),
        (false, Some(user)) if *user == *caller.user => Some(user),
        (false, Some(_)) => {
            return Err(Error::forbidden(
                "only administrators see what others have used; leave `user` out",
            ));
        }
    };
    for (field, day) in [("since", &wanted.since), ("until", &wanted.until)] {
        if day.as_deref().is_some_and(|day| !is_day(day)) {
            return Err(Error::validation(field, "write a day like 2026-11-30"));
        }
    }
    let used = inference::used(user, wanted.since.as_deref(), wanted.until.as_deref());
    let items = used.await?;
    let total = items.iter().fold(Usage::default(), |all, item| Usage {
        prompt: all.prompt.saturating_add(item.usage.prompt),
        completion: all.completion.saturating_add(item.usage.completion),
    });
    Ok(Json(UsageView { items, total }))
}

/// The host knows which days there are; this is only about the form.
fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use crate::tests::app;
    use sbd_sdk::{Principal, Scopes};
    use serde_json::json;

    #[test]
    fn everybody_sees_their_own_and_administrators_everybodys() {
        let app = app();
        for user in ["usr_1", "usr_2"] {
            let asked = json!({"input": "a cup of tea"});
            app.signed_in(user)
                .post("/v1/embeddings", asked)
                .assert_status(200);
        }
        let own = app
            .signed_in("usr_1")
            .get("/api/v1/usage")
            .assert_status(200);
        assert_eq!(own["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(own["items"][0]["user"], "usr_1");
        assert_eq!(own["total"], own["items"][0]["usage"]);
        let others = app.signed_in("usr_1").get("/api/v1/usage?user=usr_2");
        others.assert_refused(403, "FORBIDDEN");
        let admin = Principal::user("test", "usr_3")
            .with_scopes(Scopes::everything().with_administration());
        let all = app
            .by(admin.clone())
            .get("/api/v1/usage")
            .assert_status(200);
        assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
        let one = app
            .by(admin)
            .get("/api/v1/usage?user=usr_2&until=2020-01-01");
        assert_eq!(one.assert_status(200)["items"], json!([]));
        let wrong = app.signed_in("usr_1").get("/api/v1/usage?since=yesterday");
        wrong.assert_refused(422, "VALIDATION_ERROR");
    }
}
