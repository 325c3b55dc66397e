//! What a newcomer does first.

use std::time::Duration;

use crate::bench::{Bench, now};

#[test]
fn the_tour_takes_less_than_a_minute_and_names_its_reports() {
    let bench = Bench::new();
    let mut began = now();
    let mut ended = bench.run(&["run"]);
    if ended.code == 2 {
        // A machine that was too busy to tell is asked once more; a verdict never is.
        began = now();
        ended = bench.run(&["run"]);
    }
    let ended = ended.code(0);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(ended.out.contains("2 held, 0 violated, 0 inconclusive"), "{}", ended.out);
    let reports: Vec<_> = ended.out.lines().filter(|line| line.starts_with("  out/")).collect();
    assert_eq!(reports.len(), 2, "{}", ended.out);
    assert!(reports.iter().all(|report| bench.path(report.trim()).is_file()));
    bench.assert_clean();
}
