//! Writes the made-up runs as reports, to look at while working on them:
//! `cargo run -p reports --example gallery <folder>`.

use std::path::PathBuf;

use reports::{Entry, Goal};

#[path = "../src/fixtures.rs"]
mod fixtures;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder to write into")?);
    let runs = [fixtures::held(), fixtures::violated(), fixtures::cut_short(), fixtures::crowded()];
    let mut entries = Vec::new();
    for (record, judgement) in &runs {
        let written = reports::write_all(&folder, record, judgement)?;
        println!("{}\n{}\n", reports::terminal(record, judgement, 100, true), written.html.display());
        let link = written.html.file_name().map(|name| name.to_string_lossy().into_owned());
        entries.push(Entry::of(record, judgement, link.as_deref()));
    }
    entries.extend([entries[0].clone(), entries[0].clone()]);
    reports::write_page(&folder.join("catalogue.html"), &reports::catalogue(&entries, &Goal::common()))?;

    let [first, second, ..] = &runs;
    let comparison = reports::compare((&first.0, &first.1), (&second.0, &second.1))?;
    println!("{}", comparison.text(100));
    reports::write_page(&folder.join("comparison.html"), &comparison.html())?;
    Ok(())
}
