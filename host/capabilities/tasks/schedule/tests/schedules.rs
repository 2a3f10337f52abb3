//! When schedules are due: across changes of clocks, restarts and clocks that jump.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sbd_contract::offer::Missed;
use sbd_tasks_schedule::{Cron, Due, Error, LATE, MOST, Moment, Schedule};

const NOW: &str = "2026-11-30T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn read(expression: &str, zone: Option<&str>) -> Cron {
    Cron::read(expression, zone, at(NOW)).unwrap()
}

fn berlin(expression: &str) -> Cron {
    read(expression, Some("Europe/Berlin"))
}

/// The next times after a moment.
fn times(cron: &Cron, after: &str, many: usize) -> Vec<String> {
    let first = cron.after(at(after));
    let times = std::iter::successors(first, |time| cron.after(*time));
    times.take(many).map(|time| time.to_string()).collect()
}

fn schedule(expression: &str, missed: Missed, jitter_ms: u64) -> Schedule {
    let moment = Moment::Cron(read(expression, None));
    Schedule::new(moment, missed, jitter_ms, 7).unwrap()
}

fn planned(due: &Due) -> Vec<String> {
    due.times.iter().map(Timestamp::to_string).collect()
}

#[test]
fn cron_is_read_in_the_zone_it_names() {
    let utc = read("0 3 * * *", None);
    assert_eq!(
        times(&utc, "2026-11-30T01:00:00Z", 2),
        ["2026-11-30T03:00:00Z", "2026-12-01T03:00:00Z"]
    );
    assert_eq!(
        times(&berlin("0 3 * * *"), "2026-11-30T01:00:00Z", 1),
        ["2026-11-30T02:00:00Z"]
    );
    assert_eq!(
        times(&berlin("15 0 3 * * MON-FRI"), "2026-11-28T01:00:00Z", 1),
        ["2026-11-30T02:00:15Z"]
    );
    let leap = read("0 12 29 2 *", None);
    assert_eq!(
        times(&leap, "2026-11-30T00:00:00Z", 2),
        ["2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z"]
    );
}

#[test]
fn where_clocks_go_forward_a_time_that_is_left_out_comes_right_after() {
    // 2027-03-28, 02:00 is 03:00.
    assert_eq!(
        times(&berlin("30 2 * * *"), "2027-03-27T12:00:00Z", 2),
        ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]
    );
    assert_eq!(
        times(&berlin("0 * * * *"), "2027-03-27T23:30:00Z", 3),
        [
            "2027-03-28T00:00:00Z",
            "2027-03-28T01:00:00Z",
            "2027-03-28T02:00:00Z"
        ]
    );
}

#[test]
fn where_clocks_go_back_a_time_comes_once_and_every_hour_twice() {
    // 2026-10-25, 03:00 is 02:00.
    assert_eq!(
        times(&berlin("30 2 * * *"), "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    assert_eq!(
        times(&berlin("0 * * * *"), "2026-10-24T23:30:00Z", 3),
        [
            "2026-10-25T00:00:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T02:00:00Z"
        ]
    );
}

#[test]
fn what_is_wrong_says_what_to_write() {
    for (expression, zone, says) in [
        ("every day", None, "five fields"),
        ("", None, "five fields"),
        ("* * * *", None, "five fields"),
        ("0 0 0 1 1 * 2030", None, "five fields"),
        ("61 * * * *", None, "five fields"),
        (&"*".repeat(300), None, "more than 256 bytes"),
        ("0 3 * * *", Some("Europe/Berln"), "IANA name"),
        ("0 3 * * *", Some(""), "IANA name"),
        ("0 3 * * *", Some("../../etc/passwd"), "IANA name"),
        ("0 0 30 2 *", None, "never comes"),
        ("0 0 31 4,6 *", Some("Europe/Berlin"), "never comes"),
        // In the hour that the clocks leave out.
        ("* 2 * 3 SUN#L", Some("Europe/Berlin"), "never comes"),
    ] {
        let error = Cron::read(expression, zone, at(NOW))
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{expression} {zone:?}: {error}");
    }
    let cron = Moment::Cron(berlin("* * * * *"));
    let error = Schedule::new(cron, Missed::Skip, 86_400_001, 7);
    assert_eq!(error.unwrap_err(), Error::Jitter(86_400_001));
}

#[test]
fn while_the_host_is_up_each_time_is_due_once() {
    let every = schedule("* * * * * *", Missed::Skip, 0);
    let (since, reached) = (at("2026-11-30T00:00:00Z"), at("2026-11-30T01:00:00Z"));
    assert_eq!(every.next(reached), Some(at("2026-11-30T01:00:01Z")));
    let due = every.due(reached, at("2026-11-30T01:00:02.5Z"), since);
    assert_eq!(
        planned(&due),
        ["2026-11-30T01:00:01Z", "2026-11-30T01:00:02Z"]
    );
    assert_eq!(due.reached, at("2026-11-30T01:00:02Z"));
    assert_eq!(due.next, Some(at("2026-11-30T01:00:03Z")));
    let again = every.due(due.reached, at("2026-11-30T01:00:02.9Z"), since);
    assert_eq!((again.times.len(), again.reached), (0, due.reached));
}

#[test]
fn what_was_missed_is_left_out_or_made_up_for_once_or_wholly() {
    let (reached, since) = (at("2026-11-30T01:00:00Z"), at("2026-11-30T01:00:05.5Z"));
    let now = at("2026-11-30T01:00:06.2Z");
    for (missed, seconds) in [
        (Missed::Skip, &[6][..]),
        (Missed::Once, &[5, 6]),
        (Missed::All, &[1, 2, 3, 4, 5, 6]),
    ] {
        let due = schedule("* * * * * *", missed, 0).due(reached, now, since);
        let expected: Vec<_> = seconds
            .iter()
            .map(|second| format!("2026-11-30T01:00:0{second}Z"))
            .collect();
        assert_eq!(planned(&due), expected, "{missed:?}");
        assert_eq!(due.reached, at("2026-11-30T01:00:06Z"), "{missed:?}");
        assert_eq!(due.next, Some(at("2026-11-30T01:00:07Z")), "{missed:?}");
    }
}

#[test]
fn no_more_than_a_thousand_are_made_up_for_the_last_ones() {
    let all = schedule("* * * * * *", Missed::All, 0);
    let (reached, now) = (at("2016-11-30T00:00:00Z"), at("2026-11-30T00:00:00Z"));
    let due = all.due(reached, now, now);
    assert_eq!(due.times.len(), MOST);
    assert_eq!(due.times.last(), Some(&now));
    assert_eq!(due.reached, now);
}

#[test]
fn a_clock_that_jumps_brings_nothing_twice_and_misses_as_if_the_host_had_been_down() {
    let since = at("2026-11-01T00:00:00Z");
    let nightly = schedule("0 3 * * *", Missed::Skip, 0);
    let reached = at("2026-11-30T03:00:00Z");
    let back = nightly.due(reached, at("2026-11-30T02:59:59Z"), since);
    assert_eq!((back.times.len(), back.reached), (0, reached));
    assert_eq!(back.next, Some(at("2026-12-01T03:00:00Z")));
    let again = nightly.due(reached, at("2026-11-30T03:00:01Z"), since);
    assert!(again.times.is_empty());

    let now = at("2026-12-05T12:00:00Z");
    for (missed, count) in [(Missed::Skip, 0), (Missed::Once, 1), (Missed::All, 5)] {
        let due = schedule("0 3 * * *", missed, 0).due(reached, now, since);
        assert_eq!(due.times.len(), count, "{missed:?}");
        assert_eq!(due.next, Some(at("2026-12-06T03:00:00Z")));
    }
    let late = at("2026-12-01T03:00:00Z") + LATE;
    assert_eq!(nightly.due(reached, late, since).times.len(), 1);
}

#[test]
fn once_is_once() {
    let time = at("2026-11-30T03:00:00Z");
    let once = |missed| Schedule::new(Moment::Once(time), missed, 0, 7).unwrap();
    let (made, since) = (at("2026-11-30T01:00:00Z"), at("2026-11-30T00:00:00Z"));
    assert_eq!(once(Missed::Skip).next(made), Some(time));
    let early = once(Missed::Skip).due(made, at("2026-11-30T02:59:59Z"), since);
    assert_eq!((early.times.len(), early.next), (0, Some(time)));
    let due = once(Missed::Skip).due(made, time, since);
    assert_eq!((due.times, due.reached, due.next), (vec![time], time, None));
    let started = at("2026-11-30T04:00:00Z");
    let skipped = once(Missed::Skip).due(made, started, started);
    assert_eq!((skipped.times.len(), skipped.next), (0, None));
    assert_eq!(once(Missed::Once).due(made, started, started).times, [time]);
    assert_eq!(once(Missed::All).due(made, started, started).times, [time]);
}

#[test]
fn jitter_differs_between_schedules_and_is_the_same_for_all_hosts() {
    let begins = |seed: u64| {
        let moment = Moment::Cron(read("0 3 * * *", None));
        let schedule = Schedule::new(moment, Missed::Skip, 3_600_000, seed);
        schedule.unwrap().next(at("2026-11-30T01:00:00Z")).unwrap()
    };
    let all: std::collections::BTreeSet<_> = (0..100).map(begins).collect();
    assert!(all.len() > 90, "{}", all.len());
    assert!(all.first() >= Some(&at("2026-11-30T03:00:00Z")));
    assert!(all.last() <= Some(&at("2026-11-30T04:00:00Z")));
    assert_eq!(begins(7), begins(7));
}

fn expressions() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "* * * * *",
        "*/7 * * * *",
        "30 2 * * *",
        "0 0 * * *",
        "15,45 1-3 * * SUN",
        "0 */2 * * *",
        "30 0 0 L * *",
        "0 3 29 2 *",
        "*/20 * 2 * * *",
        "0 12 * * FRI#2",
    ])
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
    ])
}

fn policies() -> impl Strategy<Value = Missed> {
    prop::sample::select(vec![Missed::Skip, Missed::Once, Missed::All])
}

/// A moment between 2016 and 2027, to the second: often a day or less from where clocks change.
fn moments() -> impl Strategy<Value = Timestamp> {
    let changes = [
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2027-03-14T07:00:00Z",
        "2027-11-07T06:00:00Z",
        "2017-10-15T03:00:00Z",
        "2018-02-18T02:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
    ];
    let near = (
        prop::sample::select(changes.map(at).to_vec()),
        -90_000_i64..90_000,
    );
    prop_oneof![
        (1_451_606_400_i64..1_830_000_000)
            .prop_map(|second| Timestamp::from_second(second).unwrap()),
        near.prop_map(|(change, away)| change + SignedDuration::from_secs(away)),
    ]
}

proptest! {
    /// What lies ahead is what lies behind later.
    #[test]
    fn forward_and_backward_are_the_same_times(
        expression in expressions(), zone in zones(), from in moments(),
    ) {
        let cron = read(expression, Some(zone));
        let mut time = from;
        for _ in 0..30 {
            let next = cron.after(time).unwrap();
            prop_assert!(next > time);
            prop_assert_eq!(cron.until(next), Some(next));
            let between = next - SignedDuration::from_secs(1);
            prop_assert!(cron.until(between).is_none_or(|before| before <= time || time == from));
            if time != from {
                prop_assert_eq!(cron.until(between), Some(time));
            }
            time = next;
        }
    }

    /// However often one looks, and wherever the clock jumps between: no time twice, none before its
    /// moment, in order; and with the policy `all` none is left out.
    #[test]
    fn no_time_is_due_twice(
        expression in expressions(), zone in zones(), policy in policies(),
        from in moments(), jitter_ms in prop::sample::select(vec![0_u64, 900, 100_000, 86_400_000]),
        jumps in prop::collection::vec(-100_000_i64..200_000, 1..20),
    ) {
        let cron = read(expression, Some(zone));
        let schedule = Schedule::new(Moment::Cron(cron.clone()), policy, jitter_ms, 7);
        let schedule = schedule.unwrap();
        let (mut reached, mut now, mut seen) = (from, from, Vec::new());
        for jump in jumps {
            now += SignedDuration::from_secs(jump);
            let due = schedule.due(reached, now, from);
            prop_assert!(due.reached >= reached);
            prop_assert!(due.times.iter().all(|time| *time <= now && *time > reached));
            prop_assert!(due.next.unwrap() > now || reached > now, "{:?}", due.next);
            reached = due.reached;
            seen.extend(due.times);
        }
        prop_assert!(seen.is_sorted_by(|a, b| a < b), "{:?}", seen);
        if policy == Missed::All && seen.len() < MOST {
            let mut expected = cron.after(from);
            for time in seen {
                prop_assert_eq!(Some(time), expected);
                expected = cron.after(time);
            }
        }
    }

    /// A schedule that is put off keeps the order of its times and is never early.
    #[test]
    fn what_is_put_off_comes_before_the_next(
        expression in expressions(), zone in zones(), from in moments(),
        jitter_ms in 0_u64..=86_400_000,
    ) {
        let cron = read(expression, Some(zone));
        let schedule = Schedule::new(Moment::Cron(cron.clone()), Missed::All, jitter_ms, 7);
        let schedule = schedule.unwrap();
        let mut time = from;
        for _ in 0..20 {
            let planned = cron.after(time).unwrap();
            let begins = schedule.next(time).unwrap();
            prop_assert!(begins >= planned && begins < cron.after(planned).unwrap());
            let late = begins.as_millisecond() - planned.as_millisecond();
            prop_assert!(late <= i64::try_from(jitter_ms).unwrap());
            time = planned;
        }
    }

    /// Whatever a component writes is read or refused.
    #[test]
    fn nothing_breaks_it(expression in "\\PC{0,40}", fields in "[0-9*/,LW#?+A-Z -]{0,40}", zone in "\\PC{0,20}") {
        let _ = Cron::read(&expression, Some(&zone), at(NOW));
        let _ = Cron::read(&fields, Some("Europe/Berlin"), at(NOW));
    }
}
