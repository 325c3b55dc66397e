//! The judge against an oracle that tries every reading of a timeline.
//!
//! A drawn timeline is what was recorded of something that truly happened: every instant is known only
//! as a span, some changes were hidden by blind spots. The oracle (`oracle.rs`) enumerates all instants
//! that the spans allow and evaluates the claim for each by its plain definition. Then:
//!
//! - *held* must be true, and *violated* false, for every reading;
//! - where every instant is known exactly and nothing was hidden, the judge must know, too;
//! - blind spots and stalls may only turn an answer into *inconclusive*;
//! - what is decided while events come in, late and out of order, must stay decided.

mod draw;
mod edges;
mod events;
mod live;
mod oracle;
mod sound;
mod stalls;
