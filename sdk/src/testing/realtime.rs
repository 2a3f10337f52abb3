//! `realtime` of a test, which keeps what was said.

use super::world::{World, granted};
pub(crate) use crate::bindings::generated::sbd::platform::realtime::{Error, Message, Present};
use crate::time::Time;
use sbd_contract::offer::{is_channel, is_event_type};
use serde_json::Value;
use std::collections::BTreeMap;

const MOST: usize = 100;
const LARGEST: usize = 64 << 10;

/// What a component said in a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Where.
    pub channel: String,
    /// Its type.
    pub kind: String,
    /// Its data.
    pub data: Value,
}

/// The channels of a test.
#[derive(Default)]
pub(super) struct Channels {
    pub(super) said: Vec<Said>,
    pub(super) changed: Vec<String>,
    pub(super) present: BTreeMap<String, Vec<String>>,
}

pub(crate) async fn publish(messages: Vec<Message>) -> Result<(), Error> {
    let world = granted("realtime");
    if !(1..=MOST).contains(&messages.len()) {
        return Err(Error::Invalid(format!(
            "a call publishes 1 to {MOST} messages"
        )));
    }
    let said: Result<Vec<_>, _> = messages.into_iter().map(read).collect();
    world.channels.borrow_mut().said.extend(said?);
    Ok(())
}

pub(crate) async fn changed(channel: String) -> Result<(), Error> {
    let world = opened(&channel)?;
    world.channels.borrow_mut().changed.push(channel);
    Ok(())
}

pub(crate) async fn presence(channel: String) -> Result<Vec<Present>, Error> {
    let world = opened(&channel)?;
    let since = Time::from_milliseconds(world.now.get()).to_string();
    let channels = world.channels.borrow();
    let present = channels.present.get(&channel).into_iter().flatten();
    let present = present.map(|user| Present {
        user: user.clone(),
        since: since.clone(),
    });
    Ok(present.collect())
}

fn opened(channel: &str) -> Result<std::rc::Rc<World>, Error> {
    let world = granted("realtime");
    match is_channel(channel) {
        true => Ok(world),
        false => Err(Error::Invalid(format!("`{channel}` is no channel"))),
    }
}

fn read(message: Message) -> Result<Said, Error> {
    let Message {
        channel,
        type_: kind,
        data,
    } = message;
    if !is_channel(&channel) {
        return Err(Error::Invalid(format!("`{channel}` is no channel")));
    }
    if !is_event_type(&kind) || kind.starts_with("stream.") {
        return Err(Error::Invalid(format!("`{kind}` is no type of a message")));
    }
    if data.len() > LARGEST {
        return Err(Error::Invalid(format!("data has at most {LARGEST} bytes")));
    }
    let data = serde_json::from_str(&data).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Said {
        channel,
        kind,
        data,
    })
}
