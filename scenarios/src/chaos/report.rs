//! `chaos report` and `chaos compare`.

use std::path::{Path, PathBuf};

use harness_core::judge::judge_record;
use harness_core::record::Record;
use harness_core::verdict::{Judgement, Verdict};
use miette::{IntoDiagnostic as _, Report, miette};

use super::args;
use super::exit::Exit;
use crate::binding::invariants;
use crate::folders;

pub(super) fn report(args: &args::Report) -> Result<Exit, Report> {
    let root = folders::reports(args.report_dir.as_deref());
    let named = !args.runs.is_empty();
    let runs = if named { args.runs.clone() } else { stored(&root)? };
    if runs.is_empty() {
        return Err(miette!(help = "make one: cargo chaos run", "no runs are stored in {}", root.display()));
    }
    let mut worst = Verdict::Held;
    let mut told = Vec::new();
    for run in &runs {
        match judged(run) {
            Ok((record, judgement)) => {
                let folder = folders::record(run).parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
                let written = reports::write_all(&folder, &record, &judgement).into_diagnostic()?;
                let verdict = reports::verdict(&record, &judgement);
                worst = worst.max(verdict);
                println!("{verdict}: {} ({})", record.header.run, written.html.display());
                let link = written.html.strip_prefix(&root).ok().map(|link| link.display().to_string());
                told.push(reports::Entry::of(&record, &judgement, link.as_deref()));
            }
            // One damaged record among many must not hide the others.
            Err(error) if !named => eprintln!("left out: {error}"),
            Err(error) => return Err(error),
        }
    }
    if !named {
        let path = root.join("index.html");
        reports::write_page(&path, &reports::catalogue(&told, &reports::Goal::common())).into_diagnostic()?;
        println!("catalogue: {}", path.display());
    }
    Ok(Exit::Verdict(worst))
}

pub(super) fn compare(args: &args::Compare) -> Result<Exit, Report> {
    let (before, after) = (judged(&args.before)?, judged(&args.after)?);
    let comparison = reports::compare((&before.0, &before.1), (&after.0, &after.1)).into_diagnostic()?;
    print!("{}", comparison.text(super::run::terminal_width()));
    if let Some(path) = &args.html {
        reports::write_page(path, &comparison.html()).into_diagnostic()?;
        println!("\npage: {}", path.display());
    }
    Ok(Exit::Done)
}

fn judged(run: &Path) -> Result<(Record, Judgement), Report> {
    let record = Record::read(&folders::record(run)).into_diagnostic()?;
    let judgement = judge_record(&record, &invariants::all());
    Ok((record, judgement))
}

fn stored(root: &Path) -> Result<Vec<PathBuf>, Report> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(miette!("{}: {error}", root.display())),
    };
    let mut runs: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.join(folders::RECORD).is_file()).collect();
    runs.sort();
    Ok(runs)
}
