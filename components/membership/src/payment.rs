//! A payment out of the group's account: several commits in two places, the group's and the ledger's, that
//! together happen all or not at all.
//!
//! ```text
//! reserved ── held ──▶ capturing ── captured ──▶ paid
//!    │    └── held ──▶ waiting ── go ──▶ capturing
//!    │                   └────── stop ──▶ releasing ── released ──▶ undone
//!    └── refused ──▶ undone   capturing ── the hold is gone ──▶ undone
//! ```
//!
//! Reserved, it is decided and counted; nothing is in the ledger. What the ledger does is remembered here
//! before the next step is asked for, and each step may be asked for again: whoever finds a payment that
//! nobody goes on with, goes on from its state. A hold that is not remembered here is never captured, and
//! ends by itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PaymentState)]
pub enum State {
    /// Decided and counted.
    Reserved,
    /// The tokens are held until somebody decides.
    Waiting,
    /// The tokens are held, and are to be paid.
    Capturing,
    /// The tokens are held, and are to be free again.
    Releasing,
    /// For good.
    Paid,
    /// For good: nothing was paid, and nothing counts.
    Undone,
}

/// What may happen to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The ledger holds the tokens; they are to be paid at once, or when somebody decides so.
    Held {
        /// Whether somebody decides first.
        wait: bool,
    },
    /// The ledger refused to hold them.
    Refused,
    /// Somebody decided that it is paid.
    Go,
    /// Somebody decided that it is not.
    Stop,
    /// The ledger has paid it.
    Captured,
    /// The ledger holds the tokens no more.
    Gone,
}

/// What is to be asked of the ledger next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To hold the tokens.
    Hold,
    /// To pay what is held.
    Capture,
    /// To free what is held.
    Release,
    /// Nothing: it waits for a decision, or has ended.
    Nothing,
}

// === impl State ===

impl State {
    /// Where it is after something happened; none, where that cannot happen (any more).
    pub fn after(self, act: Act) -> Option<Self> {
        match (self, act) {
            (Self::Reserved, Act::Held { wait: true }) => Some(Self::Waiting),
            (Self::Reserved, Act::Held { wait: false }) | (Self::Waiting, Act::Go) => {
                Some(Self::Capturing)
            }
            // Nothing is held yet: whoever is about to learn of a hold frees it.
            (Self::Reserved, Act::Stop | Act::Refused) => Some(Self::Undone),
            (Self::Waiting, Act::Stop) => Some(Self::Releasing),
            (Self::Capturing, Act::Captured) => Some(Self::Paid),
            (Self::Capturing | Self::Releasing, Act::Gone) => Some(Self::Undone),
            _ => None,
        }
    }

    /// What is to be done now.
    pub fn next(self) -> Next {
        match self {
            Self::Reserved => Next::Hold,
            Self::Capturing => Next::Capture,
            Self::Releasing => Next::Release,
            Self::Waiting | Self::Paid | Self::Undone => Next::Nothing,
        }
    }

    /// Whether it is for good.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Paid | Self::Undone)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    /// The ledger: which holds there are, and what became of them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Hold {
        Open,
        Captured,
        Free,
    }

    /// Somebody who goes on with the payment, and may be gone after any step.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Reads it, asks the ledger, and remembers what it answered.
        Whole,
        /// The same, but dies before it is remembered.
        Dies,
        /// The ledger refuses whatever is asked.
        Refused,
        Decide(bool),
        /// All open holds end.
        HoldsExpire,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Whole),
            3 => Just(Step::Dies),
            1 => Just(Step::Refused),
            2 => any::<bool>().prop_map(Step::Decide),
            1 => Just(Step::HoldsExpire),
        ]
    }

    /// Asks the ledger, and says what came of it.
    fn ask(
        next: Next,
        wait: bool,
        hold: Option<usize>,
        ledger: &mut Vec<Hold>,
    ) -> (Option<Act>, Option<usize>) {
        match next {
            Next::Nothing => (None, hold),
            Next::Hold => {
                ledger.push(Hold::Open);
                (Some(Act::Held { wait }), Some(ledger.len() - 1))
            }
            Next::Capture | Next::Release => {
                let of = &mut ledger[hold.unwrap()];
                let act = match (next, *of) {
                    (Next::Capture, Hold::Open | Hold::Captured) => {
                        *of = Hold::Captured;
                        Act::Captured
                    }
                    (Next::Release, Hold::Captured) => unreachable!("what is paid is not freed"),
                    _ => {
                        *of = Hold::Free;
                        Act::Gone
                    }
                };
                (Some(act), hold)
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        /// Wherever whoever goes on dies: in the end it is paid once or not at all, and what is remembered is
        /// what the ledger did.
        #[test]
        fn a_payment_is_paid_once_or_undone(wait in any::<bool>(), steps in proptest::collection::vec(step(), 0..40)) {
            let (mut state, mut hold, mut ledger) = (State::Reserved, None, Vec::new());
            let rest = [Step::Whole, Step::Decide(true), Step::Whole, Step::Whole];
            for step in steps.into_iter().chain(rest) {
                let before = state;
                match step {
                    Step::Whole | Step::Dies => {
                        let (act, of) = ask(state.next(), wait, hold, &mut ledger);
                        if matches!(step, Step::Whole) && let Some(act) = act {
                            state = state.after(act).unwrap();
                            hold = of;
                        }
                    }
                    Step::Refused if state.next() == Next::Hold => state = state.after(Act::Refused).unwrap(),
                    Step::Refused => {}
                    Step::Decide(go) => {
                        let act = if go { Act::Go } else { Act::Stop };
                        state = state.after(act).unwrap_or(state);
                    }
                    Step::HoldsExpire => {
                        let open = ledger.iter_mut().filter(|hold| **hold == Hold::Open);
                        open.for_each(|hold| *hold = Hold::Free);
                    }
                }
                prop_assert!(!before.is_ended() || state == before);
                let captured = ledger.iter().filter(|hold| **hold == Hold::Captured).count();
                prop_assert!(captured <= 1);
                // Only what is remembered is captured.
                prop_assert!(captured == 0 || ledger[hold.unwrap()] == Hold::Captured);
            }
            prop_assert!(state.is_ended());
            let captured = ledger.iter().filter(|hold| **hold == Hold::Captured).count();
            prop_assert_eq!(captured, usize::from(state == State::Paid));
        }
    }
}
