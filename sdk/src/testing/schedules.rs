//! Schedules of a test: what is due of them is enqueued when the test has its tasks run.

use super::tasks::{Acting, Enqueued};
use super::world::{World, granted};
use crate::bindings::generated::sbd::platform::tasks as wit;
use crate::time::Time;
use jiff::Timestamp;
use sbd_contract::offer::Missed;
use sbd_tasks_schedule::{Cron, Moment, Schedule};
use std::collections::BTreeMap;
pub(crate) use wit::{NewSchedule, Schedule as SetSchedule};

/// The schedules that a component under test has set, by name.
#[derive(Default)]
pub(super) struct Schedules(BTreeMap<String, Set>);

struct Set {
    new: NewSchedule,
    schedule: Schedule,
    reached: Timestamp,
    acting: Acting,
}

pub(crate) async fn set_schedule(new: NewSchedule) -> Result<(), wit::Error> {
    let world = granted("tasks");
    let reached = present(&world);
    let set = Set {
        schedule: read(&new, reached).map_err(wit::Error::Invalid)?,
        acting: Acting::of(new.for_user)?,
        reached,
        new,
    };
    let mut schedules = world.schedules.borrow_mut();
    schedules.0.insert(set.new.name.clone(), set);
    Ok(())
}

pub(crate) async fn end_schedule(name: String) -> Result<bool, wit::Error> {
    let world = granted("tasks");
    let ended = world.schedules.borrow_mut().0.remove(&name);
    Ok(ended.is_some())
}

pub(crate) async fn list_schedules() -> Result<Vec<SetSchedule>, wit::Error> {
    let world = granted("tasks");
    let schedules = world.schedules.borrow();
    let schedules = schedules.0.iter().filter_map(|(name, set)| {
        let next = set.schedule.next(set.reached)?;
        Some(SetSchedule {
            name: name.clone(),
            task: set.new.task.clone(),
            next_at: Time::from_milliseconds(next.as_millisecond()).to_string(),
        })
    });
    Ok(schedules.collect())
}

// === impl Schedules ===

impl Schedules {
    /// The tasks that are due now. A test is a host that is never down.
    pub(super) fn tick(&mut self, world: &World) -> Vec<Enqueued> {
        let now = present(world);
        let mut tasks = Vec::new();
        self.0.retain(|_, set| {
            let due = set.schedule.due(set.reached, now, Timestamp::MIN);
            set.reached = due.reached;
            let ticks = due.times.iter();
            tasks.extend(ticks.map(|_| {
                let (task, data) = (&set.new.task, &set.new.data);
                Enqueued::by_schedule(world, task, data, set.acting.clone())
            }));
            due.next.is_some()
        });
        tasks
    }
}

fn present(world: &World) -> Timestamp {
    Timestamp::from_millisecond(world.now.get()).unwrap_or(Timestamp::MAX)
}

fn read(new: &NewSchedule, now: Timestamp) -> Result<Schedule, String> {
    let moment = match &new.moment {
        wit::Moment::Cron(cron) => {
            let cron = Cron::read(cron, new.time_zone.as_deref(), now);
            Moment::Cron(cron.map_err(|error| error.to_string())?)
        }
        wit::Moment::Once(text) => {
            let at: Timestamp = text.parse().map_err(|error| format!("{error}"))?;
            if at <= now {
                return Err(format!("{at} has passed"));
            }
            Moment::Once(at)
        }
    };
    // Whatever it says of missed times: those that the test lets pass are due.
    let schedule = Schedule::new(moment, Missed::All, new.jitter_ms, 0);
    schedule.map_err(|error| error.to_string())
}
