//! The timeline as it grows, for the person in front of it.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use harness_core::event::{Event, Phase, Stage, What};
use harness_core::record::Sink;
use harness_core::time::seconds;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::out::{note, terminal_width};

/// Where the text of a line begins: after its time and its mark.
const MARGIN: usize = 14;

/// What a line is about.
#[derive(Clone, Copy)]
enum Mark {
    Phase,
    Broken,
    Mended,
    Change,
    Warning,
}

impl Mark {
    fn sign(self) -> &'static str {
        match self {
            Self::Phase => "─",
            Self::Broken => "✗",
            Self::Mended => "✓",
            Self::Change => "·",
            Self::Warning => "!",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Phase => Style::new().bold(),
            Self::Broken => AnsiColor::Red.on_default(),
            Self::Mended => AnsiColor::Green.on_default(),
            Self::Change => Style::new(),
            Self::Warning => AnsiColor::Yellow.on_default(),
        }
    }
}

/// Prints what matters of each event, over a line that tells the time and how the requests fare.
pub(super) struct Live {
    bar: ProgressBar,
    /// How wide a line may be; without a terminal it is not broken.
    width: Option<usize>,
    colour: bool,
    phase: &'static str,
    answers: BTreeMap<String, u64>,
}

impl Live {
    /// A live view of the run of that name. Without a terminal the lines are plain and the bar is left out.
    pub(super) fn new(name: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner:.dim} {prefix:.bold} {msg:.dim}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(name.to_owned());
        if terminal {
            bar.enable_steady_tick(Duration::from_millis(120));
        } else {
            note(format_args!("{name}"));
        }
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        Self { bar, width: terminal.then(terminal_width), colour, phase: "", answers: BTreeMap::new() }
    }

    fn say(&self, event: &Event, mark: Mark, text: &str) {
        let line = line(event.at.hi.since_start(), mark, text, self.width, self.colour);
        if self.bar.is_hidden() { note(format_args!("{line}")) } else { self.bar.println(line) }
    }

    fn refresh(&self, event: &Event) {
        let answers: Vec<String> =
            self.answers.iter().map(|(class, count)| format!("{count} {class}")).collect();
        let time = event.at.hi.since_start().as_secs();
        let parts = [self.phase.to_owned(), format!("{time} s"), answers.join(", ")];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        self.bar.set_message(parts.join(" · "));
    }
}

/// One line of the timeline, broken at `width` and then continued under its text.
fn line(at: Duration, mark: Mark, text: &str, width: Option<usize>, colour: bool) -> String {
    let style = if colour { mark.style() } else { Style::new() };
    let text = match width {
        None => text.to_owned(),
        Some(width) => {
            let options = textwrap::Options::new(width.saturating_sub(MARGIN).max(20))
                .word_splitter(textwrap::WordSplitter::NoHyphenation);
            textwrap::wrap(text, options).join("\n")
        }
    };
    let text = text.replace('\n', &format!("\n{:MARGIN$}", ""));
    format!("{:>8.2} s  {style}{} {text}{style:#}", at.as_secs_f64(), mark.sign())
}

impl Sink for Live {
    fn write(&mut self, event: &Event) {
        match &event.what {
            What::Phase { phase } => {
                self.phase = match phase {
                    Phase::SetUp => "setting up",
                    Phase::Steady => "showing the steady state",
                    Phase::Experiment => "breaking things",
                    Phase::Recovery => "waiting for recovery",
                    Phase::CleanUp => "cleaning up",
                };
                self.say(event, Mark::Phase, self.phase);
            }
            What::Fault { name, fault, stage, detail } => match stage {
                Stage::InEffect => self.say(event, Mark::Broken, &format!("{name}: {fault} ({detail})")),
                Stage::Unproven => {
                    self.say(event, Mark::Warning, &format!("{name}: {fault}, but no effect of it was seen"));
                }
                Stage::Healed => self.say(event, Mark::Mended, &format!("{name} healed ({detail})")),
                Stage::Failed => self.say(event, Mark::Warning, &format!("{name}: {detail}")),
                Stage::Injecting | Stage::Healing => {}
            },
            What::Strike { strike, evidence, .. } => {
                let seen = evidence.as_deref().unwrap_or("no effect seen");
                self.say(event, Mark::Broken, &format!("{strike} ({seen})"));
            }
            What::Signal { signal, value, was: Some(was) } => {
                self.say(event, Mark::Change, &format!("{signal}: {was} → {value}"));
            }
            What::Signal { signal, value, was: None } => {
                self.say(event, Mark::Change, &format!("{signal}: {value}"));
            }
            What::Reached { signal, value, in_time: false, .. } => {
                self.say(event, Mark::Warning, &format!("{signal} did not come to be {value}"));
            }
            What::Request { answer, .. } => {
                *self.answers.entry(answer.class.clone()).or_default() += 1;
            }
            What::Note { text } => self.say(event, Mark::Warning, text),
            What::Stall => {
                self.say(
                    event,
                    Mark::Warning,
                    &format!("the machine stalled for {}", seconds(event.at.width())),
                );
            }
            What::TornDown { leftovers } if !leftovers.is_empty() => {
                self.say(event, Mark::Warning, &format!("left behind: {}", leftovers.join("; ")));
            }
            What::End { interrupted: Some(why) } => {
                self.say(event, Mark::Warning, &format!("ended early: {why}"));
            }
            _ => {}
        }
        self.refresh(event);
        if matches!(event.what, What::End { .. }) {
            self.bar.finish_and_clear();
            // The verdict follows.
            note(format_args!(""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_under_its_text_and_only_where_there_is_a_width() {
        let at = Duration::from_millis(3_850);
        let text = "outage: opa stopped (ended by SIGTERM; connection refused)";
        assert_eq!(line(at, Mark::Broken, text, None, false), format!("    3.85 s  ✗ {text}"));
        let narrow = line(at, Mark::Broken, text, Some(54), false);
        let lines: Vec<_> = narrow.lines().collect();
        assert_eq!(
            lines,
            ["    3.85 s  ✗ outage: opa stopped (ended by SIGTERM;", "              connection refused)"]
        );
        assert!(lines.iter().all(|line| textwrap::core::display_width(line) <= 54));
        assert_eq!(line(at, Mark::Warning, "a\nb", None, false), "    3.85 s  ! a\n              b");
    }
}
