//! One toxic, one file: its attributes, their ranges, its behaviour, its tests.
//!
//! The first seven are Toxiproxy's, with its names, units and defaults; the others it does not have.

pub(crate) mod answer;
pub(crate) mod bandwidth;
pub(crate) mod black_hole;
pub(crate) mod half_open;
pub(crate) mod latency;
pub(crate) mod limit_data;
pub(crate) mod reset_peer;
pub(crate) mod slicer;
pub(crate) mod slow_close;
pub(crate) mod stall;
pub(crate) mod timeout;

#[cfg(test)]
pub(crate) mod bench_stage;

use crate::effect::InvalidToxic;

/// Refuses a value outside `low..=high`, in the attribute's own unit.
pub(crate) fn within(attribute: &'static str, value: u64, low: u64, high: u64) -> Result<(), InvalidToxic> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(InvalidToxic::OutOfRange { attribute, value: value.to_string(), allowed: format!("{low} to {high}") })
}
