//! The framework's core: from a scenario to a verdict, in whatever world.
//!
//! ```text
//!  scenario ──► runner ──► world          a world is anything that implements `World`
//!     │           │           │
//!     │           └─ recorder ◄           every event is written as it happens
//!     │                 │
//!     │              history ── record    the timeline, indexed; the same on disk
//!     ▼                 │
//!   judge ◄─────────────┘                 claims and invariants are folds over it
//!     │
//!  verdict                                held, violated, inconclusive; on three axes
//! ```
//!
//! Start reading at [`scenario`] (what can be said), then [`event`] (what can happen), then [`judge`]
//! (what follows). [`runner`] is the only part that acts, and it knows nothing but [`world::World`].
//!
//! | module | its one idea |
//! |---|---|
//! | [`scenario`] | what breaks, what must hold, by when: the file, its check, the model, the builder |
//! | [`vocabulary`] | the words a system's scenarios may use |
//! | [`fault`] | what can be broken |
//! | [`world`] | where a system runs and how its parts are broken there |
//! | [`runner`] | steady state → steps → heal → recovery → clean-up, interruptible at any point |
//! | [`event`], [`recorder`], [`history`], [`record`] | the timeline: its entries, its pen, its index, its file |
//! | [`judge`], [`invariant`], [`verdict`] | from a timeline to verdicts |
//! | [`checkers`] | histories of concurrent callers: linearizable, exclusive, fenced |
//! | [`journal`], [`owner`] | undo before do; whose things these are |
//! | [`time`] | instants, their uncertainty, durations |

pub mod checkers;
pub mod event;
pub mod fault;
pub mod history;
pub mod invariant;
pub mod journal;
pub mod judge;
pub mod owner;
pub mod record;
pub mod recorder;
pub mod runner;
pub mod scenario;
pub mod time;
pub mod verdict;
pub mod vocabulary;
pub mod world;
