//! Rooms: lets in whom it was told to let in, says what it is told to say, and keeps what is said to it.
//! As an auth component it believes everybody: the token `usr_1.60` is that of `usr_1` for a minute.

use axum::routing::{get, post};
use sbd_sdk::authentication::{Identity, Presented, Question};
use sbd_sdk::channels::{Channel, Sent};
use sbd_sdk::documents::{Collection, Transaction};
use sbd_sdk::events::Event;
use sbd_sdk::realtime::{self, Message};
use sbd_sdk::{Caller, Component, Error, Json, NoContent, Path, Result, Scopes};
use sbd_sdk::{channels, on_event, path, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::str::FromStr;
use std::time::Duration;

const MEMBERS: Collection<Member> = Collection::new("members");
const HEARD: Collection<Heard> = Collection::new("heard");

/// A room's name.
struct Room(String);

impl FromStr for Room {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self(text.to_owned()))
    }
}

#[derive(Serialize, Deserialize)]
struct Member {
    room: String,
    user: String,
}

#[derive(Serialize, Deserialize)]
struct Heard {
    channel: Option<String>,
    user: String,
    data: Value,
}

#[derive(Deserialize)]
struct New {
    channel: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

#[channels("room:", takes_messages)]
async fn may_enter(caller: Caller, Channel(Room(room)): Channel<Room>) -> Result<()> {
    // Everybody may read the board.
    if room == "board" {
        return Ok(());
    }
    let member = json!({"room": room, "user": caller.user});
    match MEMBERS.count(member).await? {
        0 => Err(Error::forbidden("you are not let in; ask somebody inside")),
        _ => Ok(()),
    }
}

/// Nobody can say anything here but the component.
#[channels("quiet:")]
async fn may_listen(_: Caller, _: Channel<Room>) -> Result<()> {
    Ok(())
}

#[on_event("channel.message.sent")]
async fn message_sent(event: Event<Sent<Value>>) -> Result<()> {
    let heard = Heard {
        channel: event.subject.clone(),
        user: event.data.user.clone(),
        data: event.data.data.clone(),
    };
    let kept = Transaction::new().insert(&HEARD, &heard);
    event.commit(kept).await?;
    Ok(())
}

async fn authenticate(Json(question): Json<Question>) -> Result<Json<Identity>> {
    let invalid = || Error::token_invalid("this is no user with a number of seconds");
    let Question::Token(Presented { token, .. }) = question else {
        return Err(invalid());
    };
    let (user, seconds) = token.split_once('.').ok_or_else(invalid)?;
    let seconds = seconds.parse().map_err(|_| invalid())?;
    Ok(Json(Identity {
        user: user.into(),
        session: None,
        username: user.to_owned(),
        roles: Vec::new(),
        scopes: Scopes::everything(),
        impersonated_by: None,
        expires_at: (time::now() + Duration::from_secs(seconds)).to_string(),
    }))
}

async fn let_in(Json(member): Json<Member>) -> Result<NoContent> {
    MEMBERS.insert(&member).await?;
    Ok(NoContent)
}

/// Sends somebody away, and says something to those who are left.
async fn send_away(Json(member): Json<Member>) -> Result<NoContent> {
    let channel = format!("room:{}", member.room);
    let one = json!({"room": member.room, "user": member.user});
    MEMBERS.delete_many(one).await?;
    realtime::changed(&channel).await?;
    realtime::publish(&channel, "member.left", &json!({"user": member.user})).await?;
    Ok(NoContent)
}

async fn say(Json(all): Json<Vec<New>>) -> Result<NoContent> {
    let messages: Result<Vec<_>> = all
        .iter()
        .map(|new| Message::new(&new.channel, &new.kind, &new.data))
        .collect();
    realtime::publish_all(messages?).await?;
    Ok(NoContent)
}

async fn present(Path(room): Path<String>) -> Result<Json<Vec<String>>> {
    let present = realtime::presence(&format!("room:{room}")).await?;
    Ok(Json(present.into_iter().map(|one| one.user).collect()))
}

async fn heard() -> Result<Json<Vec<Heard>>> {
    let heard = HEARD.find(json!({})).limit(1000).fetch().await?;
    Ok(Json(heard.documents))
}

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .channels([may_enter(), may_listen()])
        .events([message_sent()])
        .route(path::AUTHENTICATE, post(authenticate))
        .route("/rooms/let-in", post(let_in))
        .route("/rooms/send-away", post(send_away))
        .route("/rooms/say", post(say))
        .route("/rooms/heard", get(heard))
        .route("/rooms/present/{room}", get(present))
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use sbd_sdk::testing::App;
    use serde_json::json;

    fn app() -> App {
        App::new(super::component())
            .collection("members")
            .collection("heard")
            .collection("handled")
    }

    #[test]
    fn whoever_is_let_in_may_enter_until_they_are_sent_away() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let enter = || ada.post("/-/channels/authorize", json!({"channel": "room:1"}));
        enter().assert_refused(403, "FORBIDDEN");
        let member = json!({"room": "1", "user": "usr_1"});
        ada.post("/rooms/let-in", member.clone()).assert_status(204);
        enter().assert_status(204);
        ada.post("/rooms/send-away", member).assert_status(204);
        enter().assert_refused(403, "FORBIDDEN");
        assert_eq!(app.changed(), ["room:1"]);
        assert_eq!(app.said()[0].kind, "member.left");
    }
}
