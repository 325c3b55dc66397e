//! Ground that does not bear: no engine, a folder that can't be written, a full disk, a reader that has gone.

use std::process::Command;

use crate::bench::{Bench, OUTAGE, Running, text};

#[test]
fn without_an_engine_the_docker_world_says_where_it_looked_and_what_to_do() {
    let bench = Bench::new();
    let file = bench.file("edge.yaml", OUTAGE);
    for arguments in [["run", file, "--world=docker"].as_slice(), &["images"]] {
        let mut command = bench.chaos(arguments);
        command.env("DOCKER_HOST", "unix:///nonexistent");
        Running::start(&mut command).ended().code(70).silent().says(&[
            "no Docker engine at unix:///nonexistent",
            "help:",
            "apt-get install docker.io",
            "DOCKER_HOST",
        ]);
    }
    assert!(!bench.reports().exists());
    bench.assert_clean();

    // What needs no engine does without.
    for arguments in [["heal"], ["doctor"]] {
        let mut command = bench.chaos(&arguments);
        command.env("DOCKER_HOST", "unix:///nonexistent");
        Running::start(&mut command).ended().code(0);
    }
}

#[test]
fn a_report_folder_that_is_none_is_named() {
    let bench = Bench::new();
    let file = bench.file("edge.yaml", OUTAGE);
    bench.file("taken", "");
    for folder in ["taken", "/dev/full/runs", "/proc/runs"] {
        bench.run(&["run", file, "--world=virtual", "--report-dir", folder]).code(70).silent().says(&[
            folder,
            "help:",
            "--report-dir",
        ]);
    }
    bench.assert_clean();
}

/// What the disk is for: the reports, or what is temporary.
const REPORTS: &str = "export CHAOS_REPORT_DIR=\"$DISK\";";
const SCRATCH: &str = "export TMPDIR=\"$DISK\";";

/// The command within a namespace of its own, where a file system with these options is
/// mounted at the bench's `disk`. `None`,
/// told loudly, where this machine lets nobody mount.
fn on_a_disk(bench: &Bench, mounted: &str, script: &str, arguments: &[&str]) -> Option<Command> {
    let disk = bench.path("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let unshare = |script: &str| {
        let mut command = bench.command("unshare");
        command.arg("--mount");
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["sh", "-ec", script, "sh"]);
        command
    };
    let mount = format!("mount -t tmpfs -o {mounted} tmpfs '{}'", text(&disk));
    if !unshare(&mount).output().is_ok_and(|output| output.status.success()) {
        eprintln!(
            "\n*** SKIPPED: nobody may mount a file system here, so a full and a read-only disk were not tried ***\n"
        );
        return None;
    }
    let mut command = unshare(&format!("{mount}\n{script} exec \"$@\""));
    command.env("DISK", &disk).arg(env!("CARGO_BIN_EXE_chaos")).args(arguments);
    Some(command)
}

#[test]
fn a_read_only_report_folder_is_named() {
    for world in ["--world=virtual", "--world=local"] {
        let bench = Bench::new();
        let file = bench.file("edge.yaml", OUTAGE);
        let Some(mut command) = on_a_disk(&bench, "ro", REPORTS, &["run", file, world]) else { return };
        Running::start(&mut command).ended().code(70).silent().says(&[
            text(&bench.path("disk")),
            "Read-only file system",
            "help:",
            "--report-dir",
        ]);
        bench.assert_clean();
    }
}

/// Full before the run, full during it, full when its reports are written.
#[test]
fn a_full_disk_is_named_whenever_it_fills_up() {
    let roomy = Bench::new();
    let file = roomy.file("edge.yaml", OUTAGE);
    roomy.run(&["run", file, "--world=virtual"]).code(0);
    let record = std::fs::metadata(roomy.the_run().join("run.jsonl")).unwrap().len();
    let room_for_the_record = format!("{}k", record / 1024 + 12);
    for (size, world) in [
        ("4k", "virtual"),
        ("4k", "local"),
        ("24k", "virtual"),
        ("24k", "local"),
        (&room_for_the_record, "virtual"),
    ] {
        let bench = Bench::new();
        let file = bench.file("edge.yaml", OUTAGE);
        let (mounted, world) = (format!("size={size}"), format!("--world={world}"));
        // The mount is gone with its process: what is left there is listed before.
        let Some(mut command) = on_a_disk(&bench, &mounted, REPORTS, &["run", file, &world, "--speed=30"])
        else {
            return;
        };
        let ended = Running::start(&mut command).ended().code(70);
        let ended = ended.says(&[text(&bench.path("disk")), "help:", "make room", "--report-dir"]);
        assert!(
            ended.err.contains("No space left on device") || ended.err.contains("the disk is full"),
            "{}",
            ended.err
        );
        bench.assert_clean();
    }
}

#[test]
fn a_full_disk_under_the_temporary_folder_ends_the_run_before_anything_is_broken() {
    let bench = Bench::new();
    let file = bench.file("edge.yaml", OUTAGE);
    let Some(mut command) = on_a_disk(&bench, "size=8k", SCRATCH, &["run", file, "--world=local"]) else {
        return;
    };
    let ended = Running::start(&mut command).ended().code(2);
    assert!(ended.out.contains("No space left on device"), "{}{}", ended.err, ended.out);
    bench.assert_clean();
}

#[test]
fn standard_output_that_is_full_is_an_error_and_one_that_nobody_reads_is_none() {
    let bench = Bench::new();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in
        [["list"].as_slice(), &["check", "--schema"], &["run", "circuit/steady", "--world=virtual"]]
    {
        let mut command = bench.chaos(arguments);
        command.stdout(full());
        Running::start(&mut command).ended().code(70).says(&[
            "standard output",
            "No space left on device",
            "help:",
        ]);

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = bench.chaos(arguments);
        command.stdout(writer);
        Running::start(&mut command).ended().code(0);
    }
    bench.assert_clean();
}
