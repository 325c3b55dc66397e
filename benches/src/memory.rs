//! How much memory this process holds, over time.

use std::fs;

/// What may come on top of the share below: pages come and go in lumps.
const LUMPS: u64 = 4 << 10;

/// Resident memory of this process, KiB; `None` where it is not told.
pub fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// Whether a series of readings grew: whether the median of its last third lies above that of its second third by
/// more than a twentieth. In the first third caches fill.
pub fn grew(series: &[u64]) -> bool {
    let third = series.len() / 3;
    let median = |readings: &[u64]| {
        let mut sorted = readings.to_vec();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    };
    let (before, after) = (median(&series[third..2 * third]), median(&series[series.len() - third..]));
    after > before + before / 20 + LUMPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_what_it_touches() {
        let before = resident().unwrap();
        let held = vec![1_u8; 64 << 20];
        assert!(resident().unwrap() > before + (48 << 10), "of {} bytes", held.len());
    }

    #[test]
    fn filling_caches_is_no_growth_and_a_leak_is() {
        let mib = |values: [u64; 10]| values.map(|value| value << 10);
        assert!(!grew(&mib([20, 40, 60, 61, 60, 62, 61, 60, 62, 61])));
        assert!(!grew(&mib([60, 60, 60, 60, 60, 60, 60, 60, 90, 60])));
        assert!(grew(&mib([20, 30, 40, 43, 46, 49, 52, 55, 58, 61])));
        assert!(!grew(&[]));
    }
}
