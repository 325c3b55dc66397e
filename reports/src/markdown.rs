//! A run as Markdown: short enough for the summary of a CI step.

use std::fmt::Write;

use harness_core::verdict::{Finding, Verdict};

use crate::story::Story;
use crate::story::headline::{axes, sentence};
use crate::words;

pub(crate) fn summary(story: &Story<'_>) -> String {
    let header = &story.record.header;
    let mut out = String::new();
    let title = if header.scenario.title.is_empty() { &header.scenario.id } else { &header.scenario.title };
    write(&mut out, format_args!("## {} {}\n\n", sign(Some(story.verdict)), text(title)));
    write(
        &mut out,
        format_args!("**{}.** {}\n\n", words::capital(&story.verdict.to_string()), text(&sentence(story))),
    );

    let parts: Vec<String> = axes(story.judgement)
        .iter()
        .map(|result| {
            format!(
                "{} {} {} ({})",
                sign(result.verdict),
                words::capital(&result.axis.to_string()),
                result.word(),
                result.tally()
            )
        })
        .collect();
    write(&mut out, format_args!("{}\n\n", parts.join(" · ")));

    if !story.judgement.findings.is_empty() {
        out.push_str("| | claim | measured | bound | margin | why |\n|---|---|---|---|---|---|\n");
        for finding in &story.judgement.findings {
            row(&mut out, finding);
        }
        out.push('\n');
    }

    let started = if header.started.is_empty() {
        String::new()
    } else {
        format!(", started {}", text(&header.started))
    };
    write(
        &mut out,
        format_args!(
            "<sub>{} · {} world · seed {} · speed {}× · {} over {}{started}</sub>\n\n",
            text(&header.scenario.id),
            header.world,
            header.seed,
            header.speed,
            words::counted(story.record.events.len(), "event"),
            words::duration(story.end.since_start()),
        ),
    );
    write(&mut out, format_args!("{}\n", fenced(&header.replay)));
    out
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing into a string does not fail");
}

fn row(out: &mut String, finding: &Finding) {
    let measured = finding
        .measured
        .map(|m| m.elapsed.map_or_else(|| "never".into(), words::elapsed))
        .unwrap_or_default();
    let bound = finding.measured.map(|m| words::duration(m.within)).unwrap_or_default();
    let margin = finding.measured.and_then(|m| m.margin()).map(words::duration).unwrap_or_default();
    let cells = [
        sign(Some(finding.verdict)).to_owned(),
        text(&finding.claim),
        measured,
        bound,
        margin,
        text(&finding.why),
    ];
    write(out, format_args!("| {} |\n", cells.join(" | ")));
}

const fn sign(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Held) => "✅",
        Some(Verdict::Violated) => "❌",
        Some(Verdict::Inconclusive) => "❓",
        None => "➖",
    }
}

/// Text of a record, with everything escaped that Markdown or HTML would read as more than text.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in words::printable(raw).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// A code block that its content can't end.
fn fenced(code: &str) -> String {
    let code = words::printable(code);
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{code}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn held() {
        let (record, judgement) = fixtures::held();
        insta::assert_snapshot!(crate::markdown(&record, &judgement));
    }

    #[test]
    fn violated() {
        let (record, judgement) = fixtures::violated();
        insta::assert_snapshot!(crate::markdown(&record, &judgement));
    }

    #[test]
    fn cut_short() {
        let (record, judgement) = fixtures::cut_short();
        insta::assert_snapshot!(crate::markdown(&record, &judgement));
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(text("a|b <img> `x`\n# y"), "a\\|b &lt;img&gt; \\`x\\` \\# y");
        assert_eq!(fenced("x ``` y"), "````sh\nx ``` y\n````");
    }
}
