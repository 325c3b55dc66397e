//! When a run that meets errors goes on, helps itself, or ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Class, ErrorCode, Remedy, Severity};

/// What an error means for the run it happened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// It goes on; the error is logged or warned about.
    GoOn,
    /// The step is tried again, by its row of the retry matrix.
    TryAgain,
    /// This is done, then the step is tried again.
    Recover(Remedy),
    /// The run ends.
    End,
}

/// The errors of one run.
///
/// # Rules
/// - A CRITICAL error ends it.
/// - A HIGH error ends it when no remedy and no new try helps against it (its class is PERMANENT or MANUAL),
///   or when it comes back for the same subject after its one recovery.
/// - The third MEDIUM error and the tenth LOW error end it, whatever they were.
/// - A remedy is used once for one error of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<Severity, u32>,
    recovered: BTreeSet<(ErrorCode, String)>,
}

impl Tally {
    /// A run met an error: for the first time at a piece of work, or once more after all its tries. `subject` is
    /// what it is about: a service, a secret, a partner.
    pub fn meet(&mut self, code: ErrorCode, subject: &str) -> Consequence {
        let severity = code.severity();
        let count = self.counts.entry(severity).or_default();
        *count += 1;
        let ends_at = match severity {
            Severity::Critical => 1,
            Severity::High => u32::MAX,
            Severity::Medium => 3,
            Severity::Low => 10,
        };
        if *count >= ends_at {
            return Consequence::End;
        }
        let first = self.recovered.insert((code, subject.to_owned()));
        match (code.class(), code.remedy()) {
            (Class::Recoverable, Some(remedy)) if first => Consequence::Recover(remedy),
            (Class::Transient, _) if first => Consequence::TryAgain,
            _ if severity == Severity::High => Consequence::End,
            _ => Consequence::GoOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_run_ends_exactly_when_the_rules_say(
            met in prop::collection::vec((prop::sample::select(ErrorCode::ALL.to_vec()), "[ab]"), 1..40)
        ) {
            let mut tally = Tally::default();
            let mut before: Vec<(ErrorCode, String)> = Vec::new();
            for (code, subject) in met {
                let consequence = tally.meet(code, &subject);
                let of = |severity| before.iter().filter(|(code, _)| code.severity() == severity).count();
                let again = before.contains(&(code, subject.clone()));
                let helped = matches!(code.class(), Class::Transient | Class::Recoverable) && !again;
                let ends = match code.severity() {
                    Severity::Critical => true,
                    Severity::High => !helped,
                    Severity::Medium => of(Severity::Medium) >= 2,
                    Severity::Low => of(Severity::Low) >= 9,
                };
                prop_assert_eq!(consequence == Consequence::End, ends, "{}", code);
                if let Consequence::Recover(remedy) = consequence {
                    prop_assert!(!again, "a remedy is used once");
                    prop_assert_eq!(Some(remedy), code.remedy());
                }
                if ends { break }
                before.push((code, subject));
            }
        }
    }

    #[test]
    fn one_recovery_then_the_end() {
        let mut tally = Tally::default();
        let restart = Consequence::Recover(Remedy::RestartContainer);
        assert_eq!(tally.meet(ErrorCode::ContainerUnhealthy, "kas"), restart);
        assert_eq!(tally.meet(ErrorCode::ContainerUnhealthy, "opa"), restart);
        assert_eq!(tally.meet(ErrorCode::ContainerUnhealthy, "kas"), Consequence::End);
    }
}
