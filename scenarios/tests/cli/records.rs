//! Stored runs: rendered again, cut, foreign, replayed, compared. And what is printed for programs.

use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use crate::bench::{Bench, OUTAGE, text};

/// A bench with one run of the virtual world on it.
fn with_a_run() -> Bench {
    let bench = Bench::new();
    let file = bench.file("edge.yaml", OUTAGE);
    bench.run(&["run", file, "--world=virtual", "--seed=7"]).code(0);
    bench
}

fn timeline(run: &Path) -> String {
    let record = fs::read_to_string(run.join("run.jsonl")).unwrap();
    record.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn a_record_is_rendered_again_as_it_was() {
    let bench = with_a_run();
    let run = bench.the_run();
    let page = fs::read_dir(&run)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "html"));
    let page = page.unwrap();
    let before = fs::read(&page).unwrap();
    fs::remove_file(&page).unwrap();
    for named in [text(&run), text(&run.join("run.jsonl"))] {
        let ended = bench.run(&["report", named]).code(0);
        assert!(ended.out.starts_with("held: "), "{}", ended.out);
        assert_eq!(fs::read(&page).unwrap(), before);
    }
    let ended = bench.run(&["report"]).code(0);
    assert!(
        ended.out.contains("catalogue: ") && bench.reports().join("index.html").is_file(),
        "{}",
        ended.out
    );
}

#[test]
fn a_record_cut_at_any_byte_is_rendered_as_what_it_is() {
    let bench = with_a_run();
    let path = bench.the_run().join("run.jsonl");
    let whole = fs::read(&path).unwrap();
    let header = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut chance = StdRng::seed_from_u64(3);
    let cuts = (0..6).map(|_| chance.random_range(header..whole.len())).chain([header, whole.len() - 1]);
    for cut in cuts {
        fs::write(&path, &whole[..cut]).unwrap();
        let ended = bench.run(&["report", text(&bench.the_run())]).code(2);
        assert!(ended.out.contains("inconclusive, its record was cut short"), "at byte {cut}: {}", ended.out);
    }
    // Without its header it is no record.
    for cut in [0, 1, header - 2] {
        fs::write(&path, &whole[..cut]).unwrap();
        bench.run(&["report", text(&bench.the_run())]).code(64).says(&["not a run record", "help:"]);
    }
    bench.assert_clean();
}

#[test]
fn a_foreign_file_is_refused_by_every_verb_that_reads_records() {
    let bench = Bench::new();
    bench.file("foreign", "{\"format\": \"something-else/3\"}\n");
    bench.file("text", "hello\n");
    for (file, why) in [
        ("foreign", "its format is something-else/3"),
        ("text", "not a run record"),
        ("nosuch", "No such file"),
        (".", "run.jsonl: No such file"),
    ] {
        for arguments in [["report", file].as_slice(), &["replay", file], &["compare", file, file]] {
            bench.run(arguments).code(64).silent().says(&[why]);
        }
    }
    assert!(!bench.reports().exists());
}

#[test]
fn a_record_damaged_in_its_middle_is_told_with_its_line_and_hides_no_other() {
    let bench = with_a_run();
    let record = fs::read_to_string(bench.the_run().join("run.jsonl")).unwrap();
    let damaged = bench.reports().join("damaged");
    fs::create_dir(&damaged).unwrap();
    let mut lines: Vec<&str> = record.lines().collect();
    lines[4] = "rubbish";
    fs::write(damaged.join("run.jsonl"), lines.join("\n") + "\n").unwrap();
    bench.run(&["report", text(&damaged)]).code(64).says(&["run.jsonl:5: not an event", "help:"]);
    let all = bench.run(&["report"]).code(0).says(&["left out: "]);
    assert!(all.out.contains("held: "), "{}", all.out);
}

#[test]
fn a_folder_without_runs_says_how_to_make_one() {
    let bench = Bench::new();
    bench.run(&["report"]).code(64).says(&["no runs are stored", "cargo chaos run"]);
}

#[test]
fn a_virtual_run_replayed_has_the_same_timeline_byte_for_byte() {
    let bench = with_a_run();
    let first = bench.the_run();
    // The scenario is in the record: its file is not needed, nor is the place it was run from.
    fs::remove_file(bench.path("edge.yaml")).unwrap();
    let ended = bench.run(&["replay", text(&first)]).code(0);
    assert!(
        ended.out.contains(&format!("replay: cargo chaos replay {}", text(&bench.reports()))),
        "{}",
        ended.out
    );
    let second = bench.runs().into_iter().find(|run| *run != first).unwrap();
    assert_eq!(timeline(&first), timeline(&second));
    assert!(timeline(&first).lines().count() > 100);
}

#[test]
fn runs_of_one_scenario_are_compared_and_others_are_not() {
    let bench = with_a_run();
    let file = bench.file("slow.yaml", OUTAGE);
    bench.run(&["run", file, "--world=virtual", "--set=breaker.opa.failures=8"]).code(0);
    bench.run(&["run", "circuit/steady", "--world=virtual"]).code(0);
    let runs = bench.runs();
    // In the order of their names: the steady one first.
    let [other, first, second] = [0, 1, 2].map(|run| text(&runs[run]));
    let ended = bench.run(&["compare", first, second, "--html", "compared.html"]).code(0);
    assert!(ended.out.contains("becomes OPEN") && ended.out.contains("page: compared.html"), "{}", ended.out);
    assert!(bench.path("compared.html").is_file());
    bench.run(&["compare", first, other]).code(64).silent().says(&["different scenarios"]);
}

#[test]
fn what_programs_read_is_json() {
    let bench = Bench::new();
    let list = bench.run(&["list", "--json"]).code(0);
    let listed: Vec<Value> = list.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        listed.len() > 10 && listed.iter().all(|entry| entry["id"].is_string() && entry["worlds"].is_array())
    );

    let schema: Value = serde_json::from_str(&bench.run(&["check", "--schema"]).code(0).out).unwrap();
    assert!(schema["properties"]["steps"].is_object());

    let doctor = bench.run(&["doctor", "--json"]).code(0);
    let looked: Vec<Value> = doctor.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(looked.iter().all(|check| check["ok"] == true || check["needed"] == false), "{}", doctor.out);
}

#[test]
fn doctor_names_what_must_be_mended() {
    let bench = Bench::new();
    bench.file("taken", "");
    let mut command = bench.chaos(&["doctor"]);
    command.env("CHAOS_REPORT_DIR", bench.path("taken"));
    let ended = crate::bench::Running::start(&mut command).ended().code(70);
    assert!(ended.out.contains("✗ report folder") && ended.out.contains("--report-dir"), "{}", ended.out);
}
