//! What a newcomer does first.

use std::time::Duration;

use crate::bench::{Bench, held, now};

#[test]
fn the_tour_takes_less_than_a_minute_and_names_its_reports() {
    let bench = Bench::new();
    let mut began = now();
    let ended = held(|| {
        began = now();
        bench.run(&["run"])
    });
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(ended.out.contains("2 held, 0 violated, 0 inconclusive"), "{}", ended.out);
    let reports: Vec<_> = ended.out.lines().filter(|line| line.starts_with("  out/")).collect();
    assert_eq!(reports.len(), 2, "{}", ended.out);
    assert!(reports.iter().all(|report| bench.path(report.trim()).is_file()));
    bench.assert_clean();
}
