//! `chaos report` and `chaos compare`.

use std::path::{Path, PathBuf};

use harness_core::judge::judge_record;
use harness_core::record::Record;
use harness_core::verdict::{Judgement, Verdict};
use miette::Report;

use super::args;
use super::complaint::Complaint;
use super::exit::Exit;
use super::out::{self, note, out};
use crate::binding::invariants;
use crate::folders;

pub(super) fn report(args: &args::Report) -> Result<Exit, Report> {
    let root = folders::reports(args.report_dir.as_deref());
    let named = !args.runs.is_empty();
    let runs = if named { args.runs.clone() } else { stored(&root)? };
    if runs.is_empty() {
        let none = format!("no runs are stored in {}", root.display());
        return Err(Complaint::usage(none).help("make one: cargo chaos run").into());
    }
    let mut worst = Verdict::Held;
    let mut told = Vec::new();
    for run in &runs {
        match judged(run) {
            Ok((record, judgement)) => {
                let folder = folders::record(run).parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
                let written = reports::write_all(&folder, &record, &judgement).map_err(Complaint::from)?;
                let verdict = reports::verdict(&record, &judgement);
                worst = worst.max(verdict);
                let cut = if record.cut { ", its record was cut short" } else { "" };
                out!("{verdict}{cut}: {} ({})", record.header.run, written.html.display())?;
                let link = written.html.strip_prefix(&root).ok().map(|link| link.display().to_string());
                told.push(reports::Entry::of(&record, &judgement, link.as_deref()));
            }
            // One damaged record among many must not hide the others.
            Err(error) if !named => note(format_args!("left out: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
    if !named {
        let path = root.join("index.html");
        reports::write_page(&path, &reports::catalogue(&told, &reports::Goal::common()))
            .map_err(Complaint::from)?;
        out!("catalogue: {}", path.display())?;
    }
    Ok(Exit::Verdict(worst))
}

pub(super) fn compare(args: &args::Compare) -> Result<Exit, Report> {
    let (before, after) = (judged(&args.before)?, judged(&args.after)?);
    let comparison =
        reports::compare((&before.0, &before.1), (&after.0, &after.1)).map_err(Complaint::from)?;
    out::text(format_args!("{}", comparison.text(out::terminal_width())))?;
    if let Some(path) = &args.html {
        reports::write_page(path, &comparison.html()).map_err(Complaint::from)?;
        out!("\npage: {}", path.display())?;
    }
    Ok(Exit::Done)
}

fn judged(run: &Path) -> Result<(Record, Judgement), Complaint> {
    let record = Record::read(&folders::record(run))?;
    let judgement = judge_record(&record, invariants::of(&record.header.scenario.topology));
    Ok((record, judgement))
}

fn stored(root: &Path) -> Result<Vec<PathBuf>, Complaint> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Complaint::at(root, &error)),
    };
    let mut runs: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.join(folders::RECORD).is_file())
        .collect();
    runs.sort();
    Ok(runs)
}
