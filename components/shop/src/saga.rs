//! An order: a reservation, tokens, grants and a payment, in several places, that together happen all or not
//! at all.
//!
//! ```text
//! reserved ──────── held ────────▶ granting ── granted ──▶ capturing ── captured ──▶ completed
//!    │  └─ asked ─▶ awaiting ─ held ─▲ │                       │
//!    │              approval           │ stop                  │ gone
//!    │ stop            │ stop          ▼                       │
//!    │                 │          taking back ◀────────────────┘
//!    │                 ▼               │ taken back
//!    │             releasing ◀─────────┘
//!    │                 │ released
//!    ▼                 ▼
//!  undone ◀────────────┘
//! ```
//!
//! Reserved, the stock is taken, in the commit that makes the order; nothing is in the ledger. Each step may
//! be asked for again, and what it did is remembered here before the next one: whoever finds an order that
//! nobody goes on with, goes on from its state. It is undone in reverse: what was granted is taken back, what
//! is held is free again, and in the commit that says so the stock is given back.
//!
//! A line that was taken back is never granted any more (`grants`), so that nobody who comes late grants what
//! others take back. A hold that is not remembered here is never captured, and ends by itself. What was captured
//! is not stopped any more.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderState)]
pub(crate) enum State {
    /// The stock is reserved.
    Reserved,
    /// The price is held on the account of a family or a workspace, where somebody has to approve it.
    AwaitingApproval,
    /// The price is held; what was bought is being handed over, if need be by another component.
    Granting,
    /// All is handed over, and is being paid.
    Capturing,
    /// For good: paid, and handed over.
    Completed,
    /// It is not to be: what was handed over is being taken back.
    TakingBack,
    /// It is not to be: what is held is being freed.
    Releasing,
    /// For good: nothing is paid, and nothing handed over.
    Undone,
}

/// What may happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The price is held, and may be taken.
    Held,
    /// The price is held, and somebody has to approve that it is taken.
    Asked,
    /// All of it is handed over.
    Granted,
    /// The price is paid.
    Captured,
    /// It is not to be: the ledger, an administrator, another component or the buyer would not have it, or
    /// its time is over.
    Stop,
    /// What was to be paid is held no more.
    Gone,
    /// Nothing of it is anybody's any more.
    TakenBack,
    /// Nothing is held any more.
    Released,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// To hold the price.
    Hold,
    /// To see whether it is approved.
    Look,
    /// To hand over what was bought.
    Grant,
    /// To pay what is held.
    Capture,
    /// To take back what was handed over.
    TakeBack,
    /// To free what is held.
    Release,
    /// Nothing: it has ended.
    Nothing,
}

// === impl State ===

impl State {
    /// Where it is after something happened; none, where that cannot happen (any more).
    pub(crate) fn after(self, act: Act) -> Option<Self> {
        match (self, act) {
            (Self::Reserved | Self::AwaitingApproval, Act::Held) => Some(Self::Granting),
            (Self::Reserved, Act::Asked) => Some(Self::AwaitingApproval),
            (Self::Granting, Act::Granted) => Some(Self::Capturing),
            (Self::Capturing, Act::Captured) => Some(Self::Completed),
            // Nothing is remembered to be held: whoever is about to learn of a hold frees it.
            (Self::Reserved, Act::Stop) => Some(Self::Undone),
            (Self::AwaitingApproval, Act::Stop) => Some(Self::Releasing),
            (Self::Granting, Act::Stop) | (Self::Capturing, Act::Gone) => Some(Self::TakingBack),
            (Self::TakingBack, Act::TakenBack) => Some(Self::Releasing),
            (Self::Releasing, Act::Released) => Some(Self::Undone),
            _ => None,
        }
    }

    /// What is to be done now.
    pub(crate) fn next(self) -> Next {
        match self {
            Self::Reserved => Next::Hold,
            Self::AwaitingApproval => Next::Look,
            Self::Granting => Next::Grant,
            Self::Capturing => Next::Capture,
            Self::TakingBack => Next::TakeBack,
            Self::Releasing => Next::Release,
            Self::Completed | Self::Undone => Next::Nothing,
        }
    }

    /// Whether it is for good.
    pub(crate) fn is_ended(self) -> bool {
        self.next() == Next::Nothing
    }

    /// Whether it can be stopped still.
    pub(crate) fn can_stop(self) -> bool {
        self.after(Act::Stop).is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    const LINES: usize = 3;
    const WORKERS: usize = 3;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Hold {
        Open,
        Captured,
        Free,
    }

    /// What has become of a line at whoever hands it over.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Line {
        No,
        Asked,
        Granted,
        TakenBack,
    }

    /// Whether whoever decides about the account has decided.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Approval {
        Pending,
        Approved,
        Denied,
    }

    /// All the places that an order is in.
    #[derive(Clone, Debug)]
    struct World {
        state: State,
        hold: Option<usize>,
        /// The stock that is taken for it.
        reserved: bool,
        ledger: Vec<Hold>,
        lines: [Line; LINES],
        /// Those that another component hands over.
        foreign: [bool; LINES],
        /// Those that are never handed over.
        refused: [bool; LINES],
        group: bool,
        poor: bool,
        approval: Approval,
    }

    /// Somebody who goes on with the order: what they read, and what they have done and not yet written down.
    #[derive(Clone, Copy, Debug, Default)]
    enum Worker {
        #[default]
        Idle,
        Read(State, Option<usize>),
        Did(State, Option<Act>, Option<usize>),
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// One of them does the next of: read, do, write down.
        Goes(usize),
        /// One of them is gone, after so many lines of whatever it was doing.
        Dies(usize, usize),
        /// Its time is over: whoever reads that stops it.
        Late(usize),
        Decides(bool),
        Confirms(usize),
        HoldsExpire,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            12 => (0..WORKERS).prop_map(Step::Goes),
            3 => (0..WORKERS, 0..=LINES).prop_map(|(who, lines)| Step::Dies(who, lines)),
            1 => (0..WORKERS).prop_map(Step::Late),
            2 => any::<bool>().prop_map(Step::Decides),
            3 => (0..LINES).prop_map(Step::Confirms),
            1 => Just(Step::HoldsExpire),
        ]
    }

    impl World {
        fn new(group: bool, poor: bool, foreign: [bool; LINES], refused: [bool; LINES]) -> Self {
            Self {
                state: State::Reserved,
                hold: None,
                reserved: true,
                ledger: Vec::new(),
                lines: [Line::No; LINES],
                foreign,
                refused,
                group,
                poor,
                approval: Approval::Pending,
            }
        }

        /// Does what is next for an order that was read so, for so many lines; what came of it.
        fn act(
            &mut self,
            read: State,
            hold: Option<usize>,
            lines: usize,
        ) -> (Option<Act>, Option<usize>) {
            match read.next() {
                Next::Nothing => (None, hold),
                Next::Hold if self.poor => (Some(Act::Stop), None),
                Next::Hold => {
                    self.ledger.push(Hold::Open);
                    let act = if self.group { Act::Asked } else { Act::Held };
                    (Some(act), Some(self.ledger.len() - 1))
                }
                Next::Look => match (self.approval, self.ledger[hold.unwrap()]) {
                    (Approval::Denied, _) | (_, Hold::Free) => {
                        self.free(hold.unwrap());
                        (Some(Act::Stop), hold)
                    }
                    (Approval::Approved, _) => (Some(Act::Held), hold),
                    (Approval::Pending, _) => (None, hold),
                },
                Next::Grant => (self.grant(lines), hold),
                Next::Capture => match self.ledger[hold.unwrap()] {
                    Hold::Free => (Some(Act::Gone), hold),
                    _ => {
                        self.ledger[hold.unwrap()] = Hold::Captured;
                        (Some(Act::Captured), hold)
                    }
                },
                Next::TakeBack => {
                    self.lines[..lines].fill(Line::TakenBack);
                    ((lines == LINES).then_some(Act::TakenBack), hold)
                }
                Next::Release => {
                    self.free(hold.unwrap());
                    (Some(Act::Released), hold)
                }
            }
        }

        fn free(&mut self, hold: usize) {
            assert_ne!(
                self.ledger[hold],
                Hold::Captured,
                "what is paid is not freed"
            );
            self.ledger[hold] = Hold::Free;
        }

        fn grant(&mut self, lines: usize) -> Option<Act> {
            for line in 0..lines {
                if self.refused[line] || self.lines[line] == Line::TakenBack {
                    return Some(Act::Stop);
                }
                self.lines[line] = match (self.lines[line], self.foreign[line]) {
                    (Line::Granted, _) | (_, false) => Line::Granted,
                    (_, true) => Line::Asked,
                };
            }
            self.lines
                .iter()
                .all(|line| *line == Line::Granted)
                .then_some(Act::Granted)
        }

        /// Writes down what came of it, if the order is as it was read.
        fn remember(&mut self, read: State, act: Option<Act>, hold: Option<usize>) {
            let after = act.and_then(|act| read.after(act));
            if let Some(state) = after.filter(|_| self.state == read && !read.is_ended()) {
                self.state = state;
                self.hold = hold;
                self.reserved = state != State::Undone;
            } else if let Some(hold) = hold.filter(|_| hold != self.hold) {
                self.free(hold);
            } else if let Some(id) = hold
                && hold != self.hold
            {
                self.free(id);
            }
        }

        fn step(&mut self, workers: &mut [Worker; WORKERS], step: Step) {
            match step {
                Step::Goes(who) => {
                    workers[who] = match workers[who] {
                        Worker::Idle => Worker::Read(self.state, self.hold),
                        Worker::Read(read, hold) => {
                            let (act, hold) = self.act(read, hold, LINES);
                            Worker::Did(read, act, hold)
                        }
                        Worker::Did(read, act, hold) => {
                            self.remember(read, act, hold);
                            Worker::Idle
                        }
                    }
                }
                Step::Dies(who, lines) => {
                    if let Worker::Read(read, hold) = workers[who] {
                        self.act(read, hold, lines);
                    }
                    workers[who] = Worker::Idle;
                }
                Step::Late(who) => {
                    if let Worker::Read(read, hold) = workers[who]
                        && read.can_stop()
                    {
                        workers[who] = Worker::Did(read, Some(Act::Stop), hold);
                    }
                }
                Step::Decides(approve) => {
                    if self.approval == Approval::Pending {
                        self.approval = if approve {
                            Approval::Approved
                        } else {
                            Approval::Denied
                        };
                    }
                }
                Step::Confirms(line) => {
                    if self.lines[line] == Line::Asked {
                        self.lines[line] = Line::Granted;
                    }
                }
                Step::HoldsExpire => {
                    let open = self.ledger.iter_mut().filter(|hold| **hold == Hold::Open);
                    open.for_each(|hold| *hold = Hold::Free);
                }
            }
        }

        fn captured(&self) -> usize {
            self.ledger
                .iter()
                .filter(|hold| **hold == Hold::Captured)
                .count()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Whoever goes on, in whatever order, and wherever they die: in the end all of it has happened, or
        /// nothing.
        #[test]
        fn an_order_is_completed_or_undone(
            (group, poor) in (any::<bool>(), proptest::bool::weighted(0.1)),
            foreign in any::<[bool; LINES]>(),
            refused in proptest::array::uniform3(proptest::bool::weighted(0.1)),
            steps in proptest::collection::vec(step(), 0..80),
        ) {
            let mut world = World::new(group, poor, foreign, refused);
            let mut workers = [Worker::default(); WORKERS];
            let mut before = world.state;
            for step in steps {
                world.step(&mut workers, step);
                prop_assert!(!before.is_ended() || world.state == before);
                prop_assert!(world.captured() <= 1);
                // Only what is remembered is captured, and only when all is handed over.
                prop_assert!(world.captured() == 0 || world.ledger[world.hold.unwrap()] == Hold::Captured);
                before = world.state;
            }
            // Those who were at it end, or are gone; the schedule goes on, and stops what does not end.
            for who in 0..WORKERS {
                world.step(&mut workers, Step::Dies(who, LINES));
            }
            for _ in 0..8 {
                world.step(&mut workers, Step::Goes(0));
                world.step(&mut workers, Step::Late(0));
                world.step(&mut workers, Step::Goes(0));
                if matches!(workers[0], Worker::Did(..)) {
                    world.step(&mut workers, Step::Goes(0));
                }
            }
            world.step(&mut workers, Step::HoldsExpire);
            prop_assert!(world.state.is_ended(), "{:?}", world);
            let granted = world.lines.iter().filter(|line| **line == Line::Granted).count();
            let expected = match world.state {
                State::Completed => (1, LINES, true),
                _ => (0, 0, false),
            };
            prop_assert_eq!((world.captured(), granted, world.reserved), expected, "{:?}", world);
            prop_assert!(world.ledger.iter().all(|hold| *hold != Hold::Open));
        }
    }

    /// The diagram, line by line.
    #[test]
    fn every_step_stands_in_the_diagram() {
        use Act::*;
        use State::*;
        let states = [
            Reserved,
            AwaitingApproval,
            Granting,
            Capturing,
            Completed,
            TakingBack,
            Releasing,
            Undone,
        ];
        let acts = [
            Held, Asked, Granted, Captured, Stop, Gone, TakenBack, Released,
        ];
        let drawn = [
            (Reserved, Held, Granting),
            (Reserved, Asked, AwaitingApproval),
            (Reserved, Stop, Undone),
            (AwaitingApproval, Held, Granting),
            (AwaitingApproval, Stop, Releasing),
            (Granting, Granted, Capturing),
            (Granting, Stop, TakingBack),
            (Capturing, Captured, Completed),
            (Capturing, Gone, TakingBack),
            (TakingBack, TakenBack, Releasing),
            (Releasing, Released, Undone),
        ];
        for state in states {
            for act in acts {
                let expected = drawn
                    .iter()
                    .find(|(from, by, _)| (*from, *by) == (state, act));
                assert_eq!(
                    state.after(act),
                    expected.map(|(_, _, to)| *to),
                    "{state:?} {act:?}"
                );
            }
        }
    }
}
