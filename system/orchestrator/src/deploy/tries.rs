//! What follows a failed try.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::threshold::{Consequence, Tally};
use crate::{ErrorCode, Operation, Remedy};

/// What to do after a failed try.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// Do what helps, if anything does, wait, and try again.
    Again {
        /// What helps.
        remedy: Option<Remedy>,
        /// How long to wait.
        wait: Duration,
    },
    /// Go on without it.
    GoOn,
    /// The phase fails.
    End,
}

/// The tries of one piece of work.
///
/// # Rules
/// - The first error of each code is held to the rules of [`Tally`]: it may end the run at once, be helped
///   against, or be worth trying again.
/// - Trying again waits by the operation's row of the retry matrix, and ends with that row.
/// - An error that is still there then is met once more, and ends the run or is gone on from, by its severity.
#[derive(Clone, Debug)]
pub(super) struct Tries {
    operation: Operation,
    /// How often it was tried again.
    again: u32,
    met: BTreeSet<ErrorCode>,
}

impl Tries {
    pub(super) const fn new(operation: Operation) -> Self {
        Self { operation, again: 0, met: BTreeSet::new() }
    }

    /// A try failed.
    pub(super) fn failed(&mut self, tally: &mut Tally, code: ErrorCode, subject: &str, chance: f64) -> Next {
        let mut remedy = None;
        if self.met.insert(code) {
            match tally.meet(code, subject) {
                Consequence::End => return Next::End,
                Consequence::GoOn => return Next::GoOn,
                Consequence::TryAgain => {}
                Consequence::Recover(what) => remedy = Some(what),
            }
        }
        match self.operation.wait(self.again + 1, chance) {
            Some(wait) => {
                self.again += 1;
                Next::Again { remedy, wait }
            }
            None if tally.meet(code, subject) == Consequence::GoOn => Next::GoOn,
            None => Next::End,
        }
    }

    /// How often it was tried again.
    pub(super) const fn again(&self) -> u32 {
        self.again
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Class, Severity};

    proptest! {
        #[test]
        fn an_error_that_stays_is_tried_again_exactly_by_its_operations_row(
            operation in prop::sample::select(Operation::ALL.to_vec()),
            code in prop::sample::select(ErrorCode::ALL.to_vec()),
            chance in 0.0f64..1.0,
        ) {
            let (mut tries, mut tally) = (Tries::new(operation), Tally::default());
            let mut waits = Vec::new();
            let mut remedies = Vec::new();
            let end = loop {
                match tries.failed(&mut tally, code, "kas", chance) {
                    Next::Again { remedy, wait } => {
                        waits.push(wait);
                        remedies.extend(remedy);
                    }
                    end => break end,
                }
                prop_assert!(waits.len() <= 5, "it ends");
            };
            let row: Vec<_> = (1..).map_while(|n| operation.wait(n, chance)).collect();
            let helped = matches!(code.class(), Class::Transient | Class::Recoverable);
            prop_assert_eq!(waits, if helped { row } else { Vec::new() });
            prop_assert_eq!(remedies, Vec::from_iter(code.remedy()), "once, and before the first new try");
            let is_grave = code.severity() >= Severity::High;
            prop_assert_eq!(end, if is_grave { Next::End } else { Next::GoOn });
        }
    }

    #[test]
    fn each_code_is_helped_against_once_while_the_row_goes_on() {
        let (mut tries, mut tally) = (Tries::new(Operation::Containers), Tally::default());
        let mut meet = |code| tries.failed(&mut tally, code, "kas", 0.0);
        let again = |remedy, seconds| Next::Again { remedy, wait: Duration::from_secs(seconds) };
        assert_eq!(meet(ErrorCode::ContainerStart), again(Some(Remedy::RestartContainer), 5));
        assert_eq!(meet(ErrorCode::Network), again(Some(Remedy::RecreateNetwork), 10));
        assert_eq!(meet(ErrorCode::Network), again(None, 20));
        assert_eq!(meet(ErrorCode::ContainerStart), Next::End);
    }
}
