//! Publishes events and keeps nothing: a component without documents.

use axum::routing::post;
use sbd_sdk::events::{NewEvent, publish};
use sbd_sdk::{Component, Json, Result};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct New {
    #[serde(rename = "type")]
    kind: String,
    subject: Option<String>,
    #[serde(default)]
    data: Value,
}

async fn announce(Json(all): Json<Vec<New>>) -> Result<Json<Vec<String>>> {
    let events = all
        .iter()
        .map(|new| NewEvent::new(&new.kind, new.subject.as_deref(), &new.data));
    let events: Vec<NewEvent> = events.collect::<Result<_>>()?;
    Ok(Json(publish(events).await?))
}

/// All that the component offers.
pub fn component() -> Component {
    Component::new().route("/herald/announce", post(announce))
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    use sbd_sdk::testing::App;
    use serde_json::json;

    #[test]
    fn what_is_announced_is_published_all_or_none() {
        let app = App::new(super::component());
        let announce = |kind| {
            let events = json!([{"type": "thing.happened", "subject": "a"}, {"type": kind}]);
            app.anonymous().post("/herald/announce", events)
        };
        announce("thing.happened").assert_status(200);
        announce("nonsense").assert_refused(500, "INTERNAL");
        let published = app.published();
        assert_eq!(published.len(), 2);
        assert_eq!(published[0].subject.as_deref(), Some("a"));
    }
}
