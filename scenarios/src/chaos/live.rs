//! The timeline as it grows, for the person in front of it.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_core::event::{Event, Phase, Stage, What};
use harness_core::record::Sink;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Prints what matters of each event, over a line that tells the time and how the requests fare.
pub(super) struct Live {
    bar: ProgressBar,
    phase: &'static str,
    answers: BTreeMap<String, u64>,
}

impl Live {
    /// A live view of the run of that name. Without a terminal the lines are plain and the bar is left out.
    pub(super) fn new(name: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner:.dim} {prefix:.bold} {msg:.dim}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, phase: "", answers: BTreeMap::new() }
    }

    fn say(&self, event: &Event, mark: &str, text: &str) {
        let line = format!("{:>9.2}s  {mark} {text}", event.at.hi.since_start().as_secs_f64());
        if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
    }

    fn refresh(&self, event: &Event) {
        let answers: Vec<String> = self.answers.iter().map(|(class, count)| format!("{count} {class}")).collect();
        let time = event.at.hi.since_start().as_secs();
        self.bar.set_message(format!("{} · {time} s · {}", self.phase, answers.join(", ")));
    }
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
                self.say(event, "─", self.phase);
            }
            What::Fault { name, fault, stage, detail } => match stage {
                Stage::InEffect => self.say(event, "✗", &format!("{name}: {fault} ({detail})")),
                Stage::Unproven => self.say(event, "?", &format!("{name}: {fault}, but no effect of it was seen")),
                Stage::Healed => self.say(event, "✓", &format!("{name} healed ({detail})")),
                Stage::Failed => self.say(event, "!", &format!("{name}: {detail}")),
                Stage::Injecting | Stage::Healing => {}
            },
            What::Strike { strike, evidence, .. } => {
                self.say(event, "✗", &format!("{strike} ({})", evidence.as_deref().unwrap_or("no effect seen")));
            }
            What::Signal { signal, value, was: Some(was) } => self.say(event, "·", &format!("{signal}: {was} → {value}")),
            What::Signal { signal, value, was: None } => self.say(event, "·", &format!("{signal}: {value}")),
            What::Reached { signal, value, in_time: false, .. } => {
                self.say(event, "!", &format!("{signal} did not come to be {value}"));
            }
            What::Request { answer, .. } => {
                *self.answers.entry(answer.class.clone()).or_default() += 1;
            }
            What::Note { text } => self.say(event, "!", text),
            What::Stall => self.say(event, "!", &format!("the machine stalled for {:?}", event.at.width())),
            What::TornDown { leftovers } if !leftovers.is_empty() => {
                self.say(event, "!", &format!("left behind: {}", leftovers.join("; ")));
            }
            What::End { interrupted: Some(why) } => self.say(event, "!", why),
            _ => {}
        }
        self.refresh(event);
        if matches!(event.what, What::End { .. }) {
            self.bar.finish_and_clear();
        }
    }
}
