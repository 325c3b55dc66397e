//! Bodies for the proxy's API, one in a line: what they create and change is shown as it can be said again, and
//! bytes that pass it keep their order.

#![no_main]

use harness_proxy::{Toxic, fuzzing};
use libfuzzer_sys::fuzz_target;

/// Toxics on one edge.
const MOST: usize = 6;

fuzz_target!(|bytes: &[u8]| {
    let mut toxics: Vec<Toxic> = Vec::new();
    for body in bytes.split(|byte| *byte == b'\n') {
        fuzzing::about_proxies(body);
        for toxic in &mut toxics {
            if let Some(updated) = fuzzing::updated(toxic, body) {
                *toxic = updated;
            }
        }
        toxics.extend(fuzzing::created(body).filter(|_| toxics.len() < MOST));
    }
    fuzzing::passed(&toxics, bytes, bytes.len() as u64);
});
