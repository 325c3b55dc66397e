//! A comparison for a terminal.

use std::fmt::Write;

use harness_core::verdict::{Finding, Verdict};

use super::{Change, Comparison};
use crate::words;

pub(crate) fn text(comparison: &Comparison<'_>, width: usize) -> String {
    let width = width.clamp(40, 120);
    let mut out = String::new();
    let wrap = |text: &str, indent: &str| {
        textwrap::fill(
            &words::printable(text),
            textwrap::Options::new(width)
                .word_splitter(textwrap::WordSplitter::NoHyphenation)
                .initial_indent(indent)
                .subsequent_indent(indent),
        )
    };
    let (first, second) = (&comparison.first.record.header, &comparison.second.record.header);
    let mut say = |text: String| writeln!(out, "{text}").expect("writing into a string does not fail");
    say(wrap(&first.scenario.id, ""));
    say(wrap(&format!("first:  {} [{}] {}", first.run, first.world, comparison.first.verdict), "  "));
    say(wrap(&format!("second: {} [{}] {}", second.run, second.world, comparison.second.verdict), "  "));
    say(wrap(&comparison.sentence(), ""));
    if !comparison.circumstances.is_empty() {
        say(String::new());
        for fact in &comparison.circumstances {
            say(wrap(&format!("{}: {} → {}", fact.name, fact.first, fact.second), "  "));
        }
    }
    say(String::new());
    for pair in &comparison.claims {
        let change = pair.change();
        let sign = match change {
            Change::Same => " ",
            Change::Verdict(from, to) if to > from => "✕",
            Change::Verdict(..) => "✓",
            _ => "±",
        };
        let claim = wrap(pair.claim, "    ");
        say(format!("  {sign} {}", claim.trim_start()));
        let measured = [pair.first, pair.second].map(|finding| finding.map_or_else(|| "–".into(), reading));
        let line = if measured[0] == measured[1] { measured[0].clone() } else { measured.join(" → ") };
        let said = match change {
            Change::Same | Change::Verdict(..) => line,
            other => format!("{line}: {}", other.words()),
        };
        say(wrap(&said, "      "));
    }
    out
}

fn reading(finding: &Finding) -> String {
    let elapsed = finding.measured.and_then(|measured| measured.elapsed).map(words::elapsed);
    match (finding.verdict, elapsed) {
        (verdict, Some(elapsed)) => format!("{verdict} ({elapsed})"),
        (Verdict::Held, None) => "held".into(),
        (verdict, None) => verdict.to_string(),
    }
}
