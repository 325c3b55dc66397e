//! A tree on a terminal: its lines change in place, what is worth keeping stays above them.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tree::{Line, Mark};

/// How long one picture of what is at work stands.
const FRAME: Duration = Duration::from_millis(120);
const FRAMES: [char; 4] = ['◐', '◓', '◑', '◒'];

/// Where a tree is drawn.
pub(super) struct Screen {
    all: MultiProgress,
    lines: Vec<ProgressBar>,
}

fn style(mark: Mark) -> ProgressStyle {
    let template = match mark {
        Mark::Head => "{wide_msg:.bold}",
        Mark::Runs => "{prefix:.cyan} {wide_msg}",
        Mark::Done => "{prefix:.green} {wide_msg}",
        Mark::Failed => "{prefix:.red} {wide_msg}",
    };
    ProgressStyle::with_template(template).expect("the template is one")
}

impl Screen {
    pub(super) fn new(target: ProgressDrawTarget) -> Self {
        Self { all: MultiProgress::with_draw_target(target), lines: Vec::new() }
    }

    /// Says a line above the tree.
    pub(super) fn keep(&self, line: &str) {
        // A terminal that has gone away shows nothing.
        let _ = self.all.println(line);
    }

    /// Draws the tree in the place of what was drawn last.
    pub(super) fn draw(&mut self, now: Duration, lines: &[Line]) {
        for surplus in self.lines.drain(lines.len().min(self.lines.len())..) {
            surplus.finish_and_clear();
            self.all.remove(&surplus);
        }
        while self.lines.len() < lines.len() {
            self.lines.push(self.all.add(ProgressBar::new_spinner()));
        }
        let frame = now.as_millis() / FRAME.as_millis() % FRAMES.len() as u128;
        let frame = usize::try_from(frame).map_or(FRAMES[0], |frame| FRAMES[frame]);
        for (bar, line) in self.lines.iter().zip(lines) {
            let mark = match line.mark {
                Mark::Head => ' ',
                Mark::Runs => frame,
                Mark::Done => '✔',
                Mark::Failed => '✘',
            };
            bar.set_style(style(line.mark));
            bar.set_prefix(format!("{}{mark}", if line.is_inner { "  " } else { "" }));
            bar.set_message(line.text.clone());
        }
    }

    /// Leaves what was drawn last; whether anything was.
    pub(super) fn leave(self) -> bool {
        for bar in &self.lines {
            bar.abandon();
        }
        !self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::super::tree::Tree;
    use super::super::tree::tests::under_way;
    use super::*;

    /// A terminal of 80 columns, and a screen on it.
    fn screen() -> (InMemoryTerm, Screen) {
        let terminal = InMemoryTerm::new(24, 80);
        // As often as it is told to: what is looked at is what was drawn last.
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        (terminal, Screen::new(target))
    }

    #[test]
    fn a_run_is_legible_on_eighty_columns_from_its_first_line_to_its_last() {
        let (terminal, mut screen) = screen();
        let mut tree = Tree::new("hub", Duration::ZERO);
        for (at, event) in under_way() {
            let now = Duration::from_millis(at);
            if let Some(line) = tree.see(now, &event) {
                screen.keep(&line);
            }
            screen.draw(now, &tree.lines(now));
        }
        screen.keep("warning: going on without realm object fra/users/x: 1305: it is not answered");
        let now = Duration::from_secs(22);
        screen.draw(now, &tree.lines(now));
        assert!(screen.leave());
        let drawn = terminal.contents();
        insta::assert_snapshot!(drawn);
        assert!(drawn.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn lines_that_are_gone_leave_nothing_behind() {
        let (terminal, mut screen) = screen();
        let line = |text: &str| Line { is_inner: false, mark: Mark::Done, text: text.to_owned() };
        screen.draw(Duration::ZERO, &[line("one"), line("two"), line("three")]);
        screen.draw(FRAME, &[line("four")]);
        assert!(screen.leave());
        assert_eq!(terminal.contents().trim_end(), "✔ four");
    }
}
