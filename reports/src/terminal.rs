//! A run for a terminal: the verdict in words, every claim, and the timeline in a few lines.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use harness_core::history::Change;
use harness_core::time::At;
use harness_core::verdict::{Finding, Verdict};
use textwrap::core::display_width;

use crate::story::Story;
use crate::story::headline::{axes, sentence};
use crate::tone::Tone;
use crate::words;

/// Narrower than this nothing can be laid out; text wraps as if it were this wide.
const NARROWEST: usize = 40;
/// Lines longer than this are hard to read.
const WIDEST: usize = 120;
/// The most lines of the timeline.
const LANES: usize = 8;

pub(crate) fn summary(story: &Story<'_>, width: usize, colour: bool) -> String {
    let page = Page { width: width.clamp(NARROWEST, WIDEST), colour };
    let header = &story.record.header;
    let mut out = String::new();

    let title =
        if header.scenario.title.is_empty() { String::new() } else { format!(": {}", header.scenario.title) };
    out.push_str(&page.wrapped(
        &words::printable(&format!("{} [{}]{title}", header.scenario.id, header.world)),
        "",
        "",
    ));
    let word = page.paint(&story.verdict.to_string().to_uppercase(), of_verdict(story.verdict).bold());
    let said = page.wrapped(&sentence(story), &" ".repeat(story.verdict.to_string().len() + 2), "  ");
    line(&mut out, format_args!("{word}  {}", said.trim_start().trim_end()));
    let parts: Vec<String> =
        axes(story.judgement).iter().map(|r| format!("{} {} ({})", r.axis, r.word(), r.tally())).collect();
    out.push_str(&page.wrapped(&parts.join(" · "), "  ", "  "));
    out.push('\n');

    for finding in &story.judgement.findings {
        out.push_str(&page.finding(finding));
    }
    let lanes = page.lanes(story);
    if !lanes.is_empty() {
        out.push('\n');
        out.push_str(&lanes);
    }
    out.push('\n');
    line(&mut out, format_args!("replay: {}", words::printable(&header.replay)));
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing into a string does not fail");
}

struct Page {
    width: usize,
    colour: bool,
}

impl Page {
    fn paint(&self, text: &str, style: Style) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn wrapped(&self, text: &str, first: &str, next: &str) -> String {
        let options = textwrap::Options::new(self.width)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .initial_indent(first)
            .subsequent_indent(next);
        let mut out = textwrap::fill(&words::printable(text), options);
        out.push('\n');
        out
    }

    /// A claim on its line, its measure at the right edge; the reason below unless it only repeats that.
    fn finding(&self, finding: &Finding) -> String {
        let sign = match finding.verdict {
            Verdict::Held => "✓",
            Verdict::Violated => "✕",
            Verdict::Inconclusive => "?",
        };
        let measured = finding.measured.map(|measured| {
            let got = measured.elapsed.map_or_else(|| "never".into(), words::elapsed);
            format!("{got} of {}", words::duration(measured.within))
        });
        let measured = measured.unwrap_or_default();
        let room = self.width.saturating_sub(4 + display_width(&measured) + 2);
        let claim = words::printable(&finding.claim);
        let painted = self.paint(sign, of_verdict(finding.verdict));
        let mut out = String::new();
        if display_width(&claim) <= room {
            let gap =
                " ".repeat(self.width.saturating_sub(4 + display_width(&claim) + display_width(&measured)));
            line(
                &mut out,
                format_args!("  {painted} {claim}{}{measured}", if measured.is_empty() { "" } else { &gap }),
            );
        } else {
            let text = self.wrapped(&claim, "    ", "    ");
            line(&mut out, format_args!("  {painted} {}", text.trim_start().trim_end()));
            if !measured.is_empty() {
                line(&mut out, format_args!("    {measured}"));
            }
        }
        if finding.verdict != Verdict::Held && !finding.why.is_empty() {
            out.push_str(&self.wrapped(&finding.why, "      ", "      "));
        }
        out
    }

    /// Faults and the signals that changed, a character per share of the run.
    fn lanes(&self, story: &Story<'_>) -> String {
        let changed: Vec<(&str, &[Change])> =
            story.history.signals().filter(|(_, changes)| changes.len() > 1).collect();
        let mut names: Vec<String> = Vec::new();
        for outage in &story.outages {
            let name = words::printable(&outage.what);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let faults = names.len();
        names.extend(changed.iter().map(|(signal, _)| words::printable(signal)));
        let shown = names.len().min(LANES);
        let label =
            names.iter().take(shown).map(|name| display_width(name)).max().unwrap_or(0).min(self.width / 3);
        let cells = self.width.saturating_sub(label + 4).min(72);
        let mut out = String::new();
        for (index, name) in names.iter().take(shown).enumerate() {
            let tones: Vec<Option<Tone>> = (0..cells)
                .map(|cell| {
                    let at = |share: usize| {
                        At::from_start(story.end.since_start().mul_f64(share as f64 / cells as f64))
                    };
                    let (from, until) = (at(cell), at(cell + 1));
                    if index < faults {
                        fault_tone(story, name, from, until)
                    } else {
                        worst(changed[index - faults].1, from, until)
                    }
                })
                .collect();
            let marks: String = tones
                .chunk_by(|a, b| a == b)
                .map(|run| {
                    let (mark, style) = of_tone(run[0]);
                    self.paint(&mark.repeat(run.len()), style)
                })
                .collect();
            let name = shortened(name, label);
            let pad = " ".repeat(label.saturating_sub(display_width(&name)));
            line(&mut out, format_args!("  {name}{pad}  {}", marks.trim_end()));
        }
        if shown > 0 {
            let end = words::instant(story.end);
            let gap = " ".repeat(cells.saturating_sub(3 + display_width(&end)));
            line(&mut out, format_args!("  {}  0 s{gap}{end}", " ".repeat(label)));
        }
        if names.len() > shown {
            line(&mut out, format_args!("  {} not shown", words::counted(names.len() - shown, "more line")));
        }
        out
    }
}

fn shortened(name: &str, width: usize) -> String {
    if display_width(name) <= width {
        return name.to_owned();
    }
    let mut out = String::new();
    for c in name.chars() {
        if display_width(&out) + 1 >= width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

fn fault_tone(story: &Story<'_>, what: &str, from: At, until: At) -> Option<Tone> {
    story
        .outages
        .iter()
        .filter(|outage| words::printable(&outage.what) == what)
        .any(|outage| outage.from() < until && outage.until().unwrap_or(story.end) > from)
        .then_some(Tone::Bad)
}

/// The gravest value a signal had in a stretch of time; nothing before it was first seen.
fn worst(changes: &[Change], from: At, until: At) -> Option<Tone> {
    let before = changes.iter().rev().find(|change| change.at.hi <= from);
    let within = changes.iter().filter(|change| change.at.hi > from && change.at.hi < until);
    let rank = |tone: &Tone| match tone {
        Tone::Bad => 3,
        Tone::Warn => 2,
        Tone::Good | Tone::Refused => 1,
        Tone::Plain => 0,
    };
    before.into_iter().chain(within).map(|change| Tone::of_value(&change.value)).max_by_key(rank)
}

const fn of_tone(tone: Option<Tone>) -> (&'static str, Style) {
    match tone {
        Some(Tone::Good | Tone::Refused) => {
            ("─", Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green))))
        }
        Some(Tone::Warn) => ("▒", Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)))),
        Some(Tone::Bad) => ("█", Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)))),
        Some(Tone::Plain) => ("·", Style::new()),
        None => (" ", Style::new()),
    }
}

fn of_verdict(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Held => AnsiColor::Green,
        Verdict::Violated => AnsiColor::Red,
        Verdict::Inconclusive => AnsiColor::Yellow,
    };
    Style::new().fg_color(Some(colour.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn held() {
        let (record, judgement) = fixtures::held();
        insta::assert_snapshot!(crate::terminal(&record, &judgement, 100, false));
    }

    #[test]
    fn violated() {
        let (record, judgement) = fixtures::violated();
        insta::assert_snapshot!(crate::terminal(&record, &judgement, 80, false));
    }

    #[test]
    fn cut_short() {
        let (record, judgement) = fixtures::cut_short();
        insta::assert_snapshot!(crate::terminal(&record, &judgement, 60, false));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for (record, judgement) in [fixtures::held(), fixtures::violated(), fixtures::cut_short()] {
            for width in [40, 57, 80, 100] {
                let text = crate::terminal(&record, &judgement, width, false);
                // The replay command stays on one line, to be copied.
                for line in text.lines().filter(|line| !line.starts_with("replay:")) {
                    assert!(display_width(line) <= width, "{width}: {line:?}");
                }
            }
        }
    }

    #[test]
    fn a_record_can_not_steer_the_terminal() {
        let (mut record, mut judgement) = fixtures::violated();
        record.header.scenario.title = "\x1b]0;owned\x07".into();
        judgement.findings[0].why = "\x1b[2J".into();
        assert!(!crate::terminal(&record, &judgement, 80, false).contains('\x1b'));
        assert!(crate::terminal(&record, &judgement, 80, true).contains("\x1b["), "colour is ours alone");
    }
}
