//! What a run tells of itself while it is at work.

use std::fmt;
use std::time::Duration;

use super::{Failure, Subject, Thing};
use crate::ladder::Rung;
use crate::pipeline::Ending;
use crate::timeouts::{Source, StartTimeout};
use crate::{DeploymentState, FencingToken, Holder, Operation, Phase, Remedy, Service};

/// One thing that happened. Its text is a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The lock is ours.
    Locked(FencingToken),
    /// What the holder before had asked for is waited out: he did not give the lock back.
    Settling {
        /// Who he was.
        after: Holder,
        /// For this long.
        left: Duration,
    },
    /// The deployment's state changed.
    Entered(DeploymentState),
    /// A phase began.
    PhaseBegan {
        /// Which.
        phase: Phase,
        /// How long it took the other times; `None` where there was none.
        expected: Option<Duration>,
        /// How long it and all phases after it took the other times.
        remaining: Option<Duration>,
    },
    /// A phase ended.
    PhaseEnded {
        /// Which.
        phase: Phase,
        /// After how long.
        took: Duration,
        /// Why it failed, if it did.
        failure: Option<Failure>,
    },
    /// A spoke waits for its hub.
    WaitingForHub {
        /// For at most this much longer.
        left: Duration,
    },
    /// A level of services is brought up.
    Level {
        /// Which, from 0.
        level: usize,
        /// What is in it.
        services: Vec<Service>,
    },
    /// Something was made, or was found to be as it should.
    Made(Thing),
    /// Something was seen to be so.
    Checked(String),
    /// A service was started.
    Started {
        /// Which.
        service: Service,
        /// How long it may take, and why that long.
        timeout: StartTimeout,
    },
    /// A service waits on a rung of its ladder.
    Waits {
        /// Which.
        service: Service,
        /// The lowest rung that doesn't hold.
        rung: Rung,
        /// Why it doesn't.
        why: String,
    },
    /// A service is healthy.
    Healthy {
        /// Which.
        service: Service,
        /// How long after its start.
        took: Duration,
    },
    /// A try failed.
    Failed {
        /// At what.
        subject: Subject,
        /// How.
        failure: Failure,
    },
    /// Something is done against a failure.
    Remedied {
        /// Against a failure of what.
        subject: Subject,
        /// What.
        remedy: Remedy,
        /// Why it could not be done, if it couldn't.
        failure: Option<Failure>,
    },
    /// Something is tried again after a wait.
    TriesAgain {
        /// What.
        subject: Subject,
        /// After how long.
        wait: Duration,
        /// For which time, from 1.
        again: u32,
    },
    /// The run goes on without something.
    GoesOn {
        /// Without what.
        subject: Subject,
        /// Why it failed.
        failure: Failure,
    },
    /// An operation failed too often, here or elsewhere, and is not tried for a while.
    Held {
        /// Which.
        operation: Operation,
        /// For at most this long.
        left: Duration,
    },
    /// Something was undone.
    Unmade(Thing),
    /// A service was stopped.
    Stopped(Service),
    /// Earlier checkpoints can't be read; they count as not there.
    Distrusted(String),
    /// It is over.
    Ended(Ending),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(token) => write!(f, "lock taken, {token}"),
            Self::Settling { after, left } => {
                write!(
                    f,
                    "{after} ended in the middle; what it had begun has {} to come to its end",
                    Secs(*left)
                )
            }
            Self::Entered(state) => write!(f, "{}", state.as_str()),
            Self::PhaseBegan { phase, remaining: None, .. } => write!(f, "{phase} begins"),
            Self::PhaseBegan { phase, remaining: Some(remaining), .. } => {
                write!(f, "{phase} begins; about {} s to go", remaining.as_secs())
            }
            Self::PhaseEnded { phase, took, failure: None } => write!(f, "{phase} done in {}", Secs(*took)),
            Self::PhaseEnded { phase, took, failure: Some(failure) } => {
                write!(f, "{phase} failed after {}: {failure}", Secs(*took))
            }
            Self::WaitingForHub { left } => {
                write!(f, "the hub is being deployed; waiting for at most {}", Secs(*left))
            }
            Self::Level { level, services } => {
                write!(f, "level {level}:")?;
                services.iter().try_for_each(|service| write!(f, " {service}"))
            }
            Self::Made(thing) => write!(f, "made {thing}"),
            Self::Checked(what) => write!(f, "seen: {what}"),
            Self::Started { service, timeout } => {
                write!(f, "{service} started; it has {}", Secs(timeout.limit))?;
                match timeout.from {
                    Source::Table { samples } => write!(f, " (by the table: {samples} earlier starts)"),
                    Source::Learnt { samples, p95 } => {
                        write!(f, " (95 % of {samples} starts stayed within {})", Secs(p95))
                    }
                }
            }
            Self::Waits { service, rung, why } => write!(f, "{service} waits for {rung}: {why}"),
            Self::Healthy { service, took } => write!(f, "{service} is healthy after {}", Secs(*took)),
            Self::Failed { subject, failure } => write!(f, "{subject} failed: {failure}"),
            Self::Remedied { subject, remedy, failure: None } => write!(f, "{subject}: {remedy:?} done"),
            Self::Remedied { subject, remedy, failure: Some(failure) } => {
                write!(f, "{subject}: {remedy:?} failed: {failure}")
            }
            Self::TriesAgain { subject, wait, again } => {
                write!(f, "{subject} is tried again in {} (try {})", Secs(*wait), again + 1)
            }
            Self::GoesOn { subject, failure } => write!(f, "warning: going on without {subject}: {failure}"),
            Self::Held { operation, left } => {
                write!(f, "{operation} failed too often and is not tried for {}", Secs(*left))
            }
            Self::Unmade(thing) => write!(f, "removed {thing}"),
            Self::Stopped(service) => write!(f, "{service} stopped"),
            Self::Distrusted(why) => write!(f, "warning: checkpoints are not used: {why}"),
            Self::Ended(ending) => write!(f, "{ending:?}"),
        }
    }
}

/// Seconds with one digit.
struct Secs(Duration);

impl fmt::Display for Secs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}

/// Who is told. It is called in the middle of the work and must not block: whoever shows events somewhere slow
/// puts them into a bounded queue, and drops what doesn't fit.
pub trait Observer: Send + Sync {
    /// This happened.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}
