//! The live tree: a line per phase, under DEPLOYMENT a line per service, and how long is left.

use std::collections::BTreeMap;
use std::time::Duration;

use dive_orchestrator::Service;
use dive_orchestrator::deploy::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::moment::span;

const TICK: Duration = Duration::from_millis(120);

/// Lines that change in place; what is worth keeping stays above them.
pub(super) struct Tree {
    lines: MultiProgress,
    phase: Option<ProgressBar>,
    services: BTreeMap<Service, ProgressBar>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { lines: MultiProgress::new(), phase: None, services: BTreeMap::new() }
    }

    fn line(&self, indent: &str, name: &str) -> ProgressBar {
        let bar = self.lines.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template(&format!(
            "{indent}{{spinner}} {{prefix:16}} {{elapsed:>4}} {{wide_msg}}"
        ));
        bar.set_style(style.expect("the template is one").tick_chars("◐◓◑◒✔"));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(TICK);
        bar
    }

    fn keep(&self, line: String) {
        // A terminal that has gone away shows nothing.
        let _ = self.lines.println(line);
    }

    pub(super) fn show(&mut self, event: &Event) {
        match event {
            Event::PhaseBegan { phase, remaining, .. } => {
                let line = self.line("", phase.as_str());
                if let Some(remaining) = remaining {
                    line.set_message(format!("about {} to go", span(*remaining)));
                }
                self.phase = Some(line);
            }
            Event::PhaseEnded { phase, took, failure } => {
                for (_, line) in std::mem::take(&mut self.services) {
                    line.finish_and_clear();
                }
                if let Some(line) = self.phase.take() {
                    line.finish_and_clear();
                }
                let mark = if failure.is_some() { '✘' } else { '✔' };
                self.keep(format!("{mark} {:16} {:>8}", phase.as_str(), span(*took)));
            }
            Event::Started { service, timeout } => {
                let line = self.line("  ", service.as_str());
                line.set_message(format!("has {}", span(timeout.limit)));
                if let Some(before) = self.services.insert(*service, line) {
                    before.finish_and_clear();
                }
            }
            Event::Waits { service, rung, why } => {
                if let Some(line) = self.services.get(service) {
                    line.set_message(format!("{rung}: {why}"));
                }
            }
            Event::Healthy { service, took } => {
                if let Some(line) = self.services.remove(service) {
                    line.finish_and_clear();
                }
                self.keep(format!("  ✔ {:16} {:>8}", service.as_str(), span(*took)));
            }
            Event::Made(_) | Event::Checked(_) | Event::Unmade(_) | Event::WaitingForHub { .. } => {
                match &self.phase {
                    Some(line) => line.set_message(event.to_string()),
                    None => self.keep(event.to_string()),
                }
            }
            Event::Level { .. } | Event::Ended(_) => {}
            _ => self.keep(event.to_string()),
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = self.lines.clear();
    }
}
