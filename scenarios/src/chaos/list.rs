//! `chaos list` and `chaos check`.

use harness_core::world::WorldKind;
use miette::Report;

use super::args::{Check, List};
use super::exit::Exit;
use super::out::{note, out};
use crate::{binding, catalogue};

pub(super) fn list(args: &List) -> Result<Exit, Report> {
    let vocabulary = binding::vocabulary();
    let mut entries = catalogue::select(args.word.as_deref().unwrap_or("all"), &vocabulary)?;
    entries.retain(|entry| args.world.is_none_or(|world| entry.scenario.worlds.contains(&world)));
    if args.json {
        for entry in &entries {
            let line = serde_json::json!({
                "id": entry.scenario.id, "title": entry.scenario.title, "tags": entry.scenario.tags,
                "worlds": entry.scenario.worlds, "why": entry.scenario.why.trim(),
            });
            out!("{line}")?;
        }
        return Ok(Exit::Done);
    }
    let width = entries.iter().map(|entry| entry.scenario.id.len()).max().unwrap_or(0);
    for entry in &entries {
        let worlds: String = WorldKind::ALL
            .iter()
            .map(|world| {
                if entry.scenario.worlds.contains(world) {
                    world.name()[..1].to_uppercase()
                } else {
                    "·".into()
                }
            })
            .collect();
        out!("{:width$}  {worlds}  {}", entry.scenario.id, entry.scenario.title)?;
    }
    let many =
        if entries.len() == 1 { "1 scenario".to_owned() } else { format!("{} scenarios", entries.len()) };
    out!("\n{many} · V virtual, L local, D docker · `chaos run <id>`")?;
    Ok(Exit::Done)
}

pub(super) fn check(args: &Check) -> Result<Exit, Report> {
    if args.schema {
        out!("{:#}", harness_core::scenario::source::File::json_schema())?;
        return Ok(Exit::Done);
    }
    let vocabulary = binding::vocabulary();
    if args.files.is_empty() {
        let entries = catalogue::all(&vocabulary)?;
        out!("{} scenarios, nothing wrong", entries.len())?;
        return Ok(Exit::Done);
    }
    let mut wrong = 0;
    for file in &args.files {
        match catalogue::read(file, &vocabulary) {
            Ok(entry) => out!("{}: {}", entry.path, entry.scenario.title)?,
            Err(error) => {
                wrong += 1;
                note(format_args!("{:?}", Report::new(error)));
            }
        }
    }
    Ok(if wrong == 0 { Exit::Done } else { Exit::Usage })
}
