//! What the channels of a tenant must do, whichever they are.

use sbd_realtime::{Backend, Heard, Joined, Kept, Listener, Message, Queue, Told};
use std::sync::Arc;
use std::time::Duration;

/// Makes a test of each promise for a backend, which a function opens that keeps so much.
macro_rules! conformance {
    ($open:ident) => {
        mod $open {
            conformance!(@each $open:
                everybody_in_a_channel_hears_what_is_said_there_in_order,
                whoever_comes_back_hears_what_was_said_meanwhile_in_the_order_of_ids,
                what_is_not_kept_any_more_is_a_gap_in_its_channel_alone,
                what_was_kept_long_enough_is_a_gap,
                an_id_of_another_life_is_a_gap,
                whoever_has_heard_nothing_has_a_place_to_come_back_to,
                whoever_left_hears_nothing_more,
                that_something_changed_comes_in_its_place,
                presence_names_each_user_once_from_when_they_came_first,
                what_is_too_much_in_all_goes_oldest_first,
            );
        }
    };
    (@each $open:ident: $($name:ident,)+) => {
        $(#[tokio::test]
        async fn $name() {
            crate::suite::$name(async |kept| super::$open(kept).await).await;
        })+
    };
}

fn message(channel: &str, number: u64) -> Message {
    Message {
        channel: channel.to_owned(),
        kind: "thing.said".to_owned(),
        data: number.to_string(),
    }
}

async fn say(backend: &impl Backend, channel: &str, numbers: impl IntoIterator<Item = u64>) {
    let messages = numbers.into_iter().map(|number| message(channel, number));
    backend.publish(messages.collect()).await.unwrap();
}

fn number(told: &Told) -> u64 {
    let told: serde_json::Value = serde_json::from_slice(&told.text).unwrap();
    assert_eq!(told["type"], "thing.said");
    told["data"].as_u64().unwrap()
}

async fn joined(
    backend: &impl Backend,
    listener: &Listener,
    channels: &[&str],
    after: Option<&str>,
) -> Joined {
    let channels: Vec<Arc<str>> = channels.iter().map(|name| Arc::from(*name)).collect();
    backend.join(listener, &channels, after).await.unwrap()
}

async fn told(queue: &mut Queue) -> Arc<Told> {
    match tokio::time::timeout(Duration::from_secs(10), queue.next()).await {
        Ok(Heard::Told(told)) => told,
        other => panic!("{other:?}"),
    }
}

fn missed(joined: &Joined) -> Vec<u64> {
    joined.missed.iter().map(|told| number(told)).collect()
}

fn gaps(joined: &Joined) -> Vec<bool> {
    joined.seats.iter().map(|seat| seat.gap).collect()
}

pub(crate) async fn everybody_in_a_channel_hears_what_is_said_there_in_order<B: Backend>(
    open: impl AsyncFn(Kept) -> B,
) {
    let backend = open(Kept::default()).await;
    let (ada, mut ada_hears) = Listener::new(Some("ada".into()));
    let (bob, mut bob_hears) = Listener::new(Some("bob".into()));
    say(&backend, "room:1", [0]).await;
    let _ada = joined(&backend, &ada, &["room:1", "room:2"], None).await;
    let _bob = joined(&backend, &bob, &["room:2"], None).await;
    assert!(missed(&_ada).is_empty());
    say(&backend, "room:1", 1..4).await;
    say(&backend, "room:3", [4]).await;
    say(&backend, "room:2", 5..7).await;
    let mut ids = Vec::new();
    for expected in [1, 2, 3, 5, 6] {
        let told = told(&mut ada_hears).await;
        assert_eq!(number(&told), expected);
        ids.push(told.id.clone());
    }
    let different: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
    for expected in [5, 6] {
        assert_eq!(number(&*told(&mut bob_hears).await), expected);
    }
}

pub(crate) async fn whoever_comes_back_hears_what_was_said_meanwhile_in_the_order_of_ids<
    B: Backend,
>(
    open: impl AsyncFn(Kept) -> B,
) {
    let backend = open(Kept::default()).await;
    let (ada, mut hears) = Listener::new(None);
    let first = joined(&backend, &ada, &["room:1", "room:2"], None).await;
    say(&backend, "room:1", [1]).await;
    let last = told(&mut hears).await.id.clone();
    drop((first, hears));
    say(&backend, "room:2", [2]).await;
    say(&backend, "room:1", [3]).await;
    say(&backend, "room:3", [4]).await;
    say(&backend, "room:2", [5]).await;
    let (ada, mut hears) = Listener::new(None);
    let again = joined(&backend, &ada, &["room:1", "room:2", "room:9"], Some(&last)).await;
    assert_eq!(gaps(&again), [false, false, false]);
    assert_eq!(missed(&again), [2, 3, 5]);
    say(&backend, "room:1", [6]).await;
    assert_eq!(number(&*told(&mut hears).await), 6);
    assert!(hears.take().is_none());
    let newest = again.missed.last().unwrap().id.clone();
    let (other, _hears) = Listener::new(None);
    let one = joined(&backend, &other, &["room:2"], Some(&newest)).await;
    assert_eq!((gaps(&one), missed(&one)), (vec![false], vec![]));
}

pub(crate) async fn what_is_not_kept_any_more_is_a_gap_in_its_channel_alone<B: Backend>(
    open: impl AsyncFn(Kept) -> B,
) {
    let large = 2000;
    for kept in [
        Kept {
            messages: 3,
            ..Kept::default()
        },
        Kept {
            bytes: 4 * large,
            ..Kept::default()
        },
    ] {
        let backend = open(kept).await;
        let (ada, mut hears) = Listener::new(None);
        let _joined = joined(&backend, &ada, &["room:1"], None).await;
        say(&backend, "room:1", [0]).await;
        let last = told(&mut hears).await.id.clone();
        for number in 1..6 {
            let padding = " ".repeat(large);
            let mut message = message("room:1", number);
            message.data = format!("{}{padding}", message.data);
            backend.publish(vec![message]).await.unwrap();
        }
        say(&backend, "room:2", [6]).await;
        let (ada, _hears) = Listener::new(None);
        let again = joined(&backend, &ada, &["room:1", "room:2"], Some(&last)).await;
        assert_eq!(gaps(&again), [true, false], "{kept:?}");
        assert_eq!(missed(&again), [3, 4, 5, 6], "{kept:?}");
    }
}

pub(crate) async fn what_was_kept_long_enough_is_a_gap<B: Backend>(open: impl AsyncFn(Kept) -> B) {
    let kept = Kept {
        age: Duration::from_millis(50),
        ..Kept::default()
    };
    let backend = open(kept).await;
    let (ada, mut hears) = Listener::new(None);
    let stays = joined(&backend, &ada, &["room:1"], None).await;
    say(&backend, "room:1", [1]).await;
    let last = told(&mut hears).await.id.clone();
    say(&backend, "room:1", [2]).await;
    say(&backend, "room:2", [3]).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let (bob, _hears) = Listener::new(None);
    let again = joined(&backend, &bob, &["room:1", "room:2"], Some(&last)).await;
    // Nobody is left in the second room, so that nobody knows any more what was said there.
    assert_eq!((gaps(&again), missed(&again)), (vec![true, true], vec![]));
    let newest = joined(&backend, &bob, &["room:3"], None).await;
    assert_eq!((gaps(&newest), missed(&newest)), (vec![false], vec![]));
    drop(stays);
}

pub(crate) async fn an_id_of_another_life_is_a_gap<B: Backend>(open: impl AsyncFn(Kept) -> B) {
    let before = open(Kept::default()).await;
    let (ada, mut hears) = Listener::new(None);
    let _joined = joined(&before, &ada, &["room:1"], None).await;
    say(&before, "room:1", [1]).await;
    let last = told(&mut hears).await.id.clone();
    let backend = open(Kept::default()).await;
    say(&backend, "room:1", [7]).await;
    let invented = last.replace("-1", "-99999");
    for id in [&*last, &*invented, "", "nonsense", "x-1", "-", "-1"] {
        let (ada, _hears) = Listener::new(None);
        let again = joined(&backend, &ada, &["room:1"], Some(id)).await;
        assert_eq!(
            (gaps(&again), missed(&again)),
            (vec![true], vec![7]),
            "{id}"
        );
    }
}

pub(crate) async fn whoever_has_heard_nothing_has_a_place_to_come_back_to<B: Backend>(
    open: impl AsyncFn(Kept) -> B,
) {
    let backend = open(Kept::default()).await;
    let (ada, hears) = Listener::new(None);
    let first = joined(&backend, &ada, &["room:1"], None).await;
    assert_eq!(first.position, backend.position().await.unwrap());
    say(&backend, "room:2", [1]).await;
    let later = backend.position().await.unwrap();
    let position = first.position.clone();
    drop((first, hears));
    say(&backend, "room:1", [2]).await;
    for after in [&position, &later] {
        let (ada, _hears) = Listener::new(None);
        let again = joined(&backend, &ada, &["room:1"], Some(after)).await;
        assert_eq!((gaps(&again), missed(&again)), (vec![false], vec![2]));
        let (ada, _hears) = Listener::new(None);
        let up_to_date = joined(&backend, &ada, &["room:1"], Some(&again.position)).await;
        assert_eq!(
            (gaps(&up_to_date), missed(&up_to_date)),
            (vec![false], vec![])
        );
    }
}

pub(crate) async fn whoever_left_hears_nothing_more<B: Backend>(open: impl AsyncFn(Kept) -> B) {
    let backend = open(Kept::default()).await;
    let (ada, mut hears) = Listener::new(Some("ada".into()));
    let mut both = joined(&backend, &ada, &["room:1", "room:2"], None).await;
    both.seats.remove(0);
    say(&backend, "room:1", [1]).await;
    say(&backend, "room:2", [2]).await;
    assert_eq!(number(&*told(&mut hears).await), 2);
    assert!(hears.take().is_none());
    assert!(backend.presence("room:1", 10).await.unwrap().is_empty());
    assert_eq!(backend.presence("room:2", 10).await.unwrap().len(), 1);
    drop(both);
    assert!(backend.presence("room:2", 10).await.unwrap().is_empty());
}

pub(crate) async fn that_something_changed_comes_in_its_place<B: Backend>(
    open: impl AsyncFn(Kept) -> B,
) {
    let backend = open(Kept::default()).await;
    let (ada, mut hears) = Listener::new(None);
    let _joined = joined(&backend, &ada, &["room:1"], None).await;
    say(&backend, "room:1", [1]).await;
    backend.changed("room:1").await.unwrap();
    backend.changed("room:2").await.unwrap();
    say(&backend, "room:1", [2]).await;
    assert_eq!(number(&*told(&mut hears).await), 1);
    let changed = hears.next().await;
    assert!(matches!(&changed, Heard::Changed(channel) if &**channel == "room:1"));
    assert_eq!(number(&*told(&mut hears).await), 2);
    assert!(hears.take().is_none());
}

pub(crate) async fn presence_names_each_user_once_from_when_they_came_first<B: Backend>(
    open: impl AsyncFn(Kept) -> B,
) {
    let backend = open(Kept::default()).await;
    let mut present = Vec::new();
    for user in [Some("ada"), Some("bob"), Some("ada"), None] {
        let (listener, hears) = Listener::new(user.map(Arc::from));
        let joined = joined(&backend, &listener, &["room:1"], None).await;
        present.push((joined, hears));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let users = async |most| -> Vec<String> {
        let present = backend.presence("room:1", most).await.unwrap();
        assert!(present.is_sorted_by_key(|one| one.since));
        present.iter().map(|one| one.user.to_string()).collect()
    };
    assert_eq!(users(10).await, ["ada", "bob"]);
    assert_eq!(users(1).await, ["ada"]);
    present.remove(0);
    assert_eq!(users(10).await, ["bob", "ada"]);
}

pub(crate) async fn what_is_too_much_in_all_goes_oldest_first<B: Backend>(
    open: impl AsyncFn(Kept) -> B,
) {
    let kept = Kept {
        bytes_in_all: 50_000,
        ..Kept::default()
    };
    let backend = open(kept).await;
    let (ada, mut hears) = Listener::new(None);
    let _joined = joined(&backend, &ada, &["room:0"], None).await;
    say(&backend, "room:0", [0]).await;
    let first = told(&mut hears).await.id.clone();
    for number in 1..100 {
        let mut message = message(&format!("room:{number}"), number);
        message.data.push_str(&" ".repeat(1000));
        backend.publish(vec![message]).await.unwrap();
    }
    let (bob, _hears) = Listener::new(None);
    let again = joined(
        &backend,
        &bob,
        &["room:1", "room:98", "room:99"],
        Some(&first),
    )
    .await;
    assert!(gaps(&again)[0]);
    assert_eq!(missed(&again), [98, 99]);
}
