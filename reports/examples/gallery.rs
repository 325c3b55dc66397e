//! Writes the made-up runs as reports, to look at while working on them: `cargo run -p reports --example gallery <folder>`.

use std::path::PathBuf;

#[path = "../src/fixtures.rs"]
mod fixtures;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder to write into")?);
    for (record, judgement) in [fixtures::held(), fixtures::violated(), fixtures::cut_short()] {
        let written = reports::write_all(&folder, &record, &judgement)?;
        println!("{}\n{}", reports::terminal(&record, &judgement, 100, true), written.html.display());
    }
    Ok(())
}
