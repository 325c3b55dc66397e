//! What times are counted from, and the windows between.

use serde_saphyr::{Location, Spanned};

use super::Checker;
use super::names::unknown;
use crate::scenario::diagnostics::Problem;
use crate::scenario::source::ExpectSource;
use crate::scenario::{Anchor, Until, Window};

impl Checker<'_> {
    pub(super) fn window(&mut self, source: &ExpectSource, at: Location) -> Option<Window> {
        let from = source.from.as_ref().map_or(Some(Anchor::Start), |from| self.anchor(from))?;
        let until = match (&source.until, &source.lasting) {
            (Some(until), Some(_)) => {
                let problem = Problem::at(until.referenced, "`until` and `for` both end the window");
                self.problem(problem.help("keep one"));
                return None;
            }
            (None, None) => Until::Anchor(Anchor::End),
            (Some(until), None) => Until::Anchor(self.later_anchor(until)?),
            (None, Some(lasting)) => {
                let given = self.given(lasting)?;
                if given.0.is_zero() {
                    self.problem(Problem::at(lasting.referenced, "a window of no length shows nothing"));
                    return None;
                }
                Until::Lasting(given.0)
            }
        };
        if let Until::Anchor(end) = &until {
            let order = |anchor: &Anchor| self.acts.iter().position(|act| act == anchor);
            let problem = if *end == from {
                Some("the window ends where it begins")
            } else if *end == Anchor::Start {
                Some("nothing comes before the start")
            } else if order(end).is_some_and(|end| order(&from).is_some_and(|from| end < from)) {
                Some("the window ends before it begins")
            } else {
                None
            };
            if let Some(problem) = problem {
                let place = source.until.as_ref().map_or(at, |until| until.referenced);
                self.problem(Problem::at(place, problem));
                return None;
            }
        }
        Some(Window { from, until })
    }

    /// An anchor that must have come by the time of this step.
    pub(super) fn anchor(&mut self, text: &Spanned<String>) -> Option<Anchor> {
        let (name, at) = (text.value.as_str(), text.referenced);
        if let Some(sent) = name.strip_prefix("answered ").map(str::trim) {
            let answered = Anchor::Answered(sent.into());
            if self.acts.contains(&answered) {
                return Some(answered);
            }
            let names = self.acts.iter().filter_map(|act| match act {
                Anchor::Answered(sent) => Some(sent.as_str()),
                _ => None,
            });
            let problem = unknown("earlier send", sent, at, &names.collect::<Vec<_>>());
            self.problem(problem);
            return None;
        }
        let problem = match name.strip_prefix("healed ").map(str::trim) {
            Some(fault) => {
                let healed = Anchor::Healed(fault.into());
                if self.acts.contains(&healed) {
                    return Some(healed);
                } else if self.faults.contains_key(fault) {
                    Problem::at(at, format!("`{fault}` is not healed before this step"))
                        .help("move the step below the heal")
                } else {
                    unknown("fault", fault, at, &self.fault_names())
                }
            }
            None => match name {
                "start" => return Some(Anchor::Start),
                "end" => Problem::at(at, "nothing can be counted from the end"),
                _ if self.met.contains(name) => return Some(Anchor::Met(name.into())),
                _ => {
                    let acts = [Anchor::InEffect(name.into()), Anchor::Struck(name.into())];
                    if let Some(act) = acts.into_iter().find(|act| self.acts.contains(act)) {
                        return Some(act);
                    } else if self.faults.contains_key(name) {
                        Problem::at(at, format!("this expectation comes before its fault `{name}`"))
                            .help("move it below the `fault` step")
                    } else {
                        let mut known = self.fault_names();
                        known.extend(self.met.iter().map(String::as_str));
                        known.push("start");
                        unknown("anchor", name, at, &known)
                    }
                }
            },
        };
        self.problem(problem);
        None
    }

    /// An anchor that may still come: the end of a window.
    fn later_anchor(&mut self, text: &Spanned<String>) -> Option<Anchor> {
        let name = text.value.as_str();
        match name.strip_prefix("healed ").map(str::trim) {
            None if name == "end" => Some(Anchor::End),
            Some(fault) if self.faults.contains_key(fault) => Some(Anchor::Healed(fault.into())),
            None if self.faults.contains_key(name) && !self.acts.contains(&Anchor::InEffect(name.into())) => {
                Some(Anchor::InEffect(name.into()))
            }
            _ => self.anchor(text),
        }
    }
}
