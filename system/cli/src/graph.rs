//! `dive orch-db graph`: the states and the services as graphs, drawn from the tables the program decides by.

use std::fmt::{self, Display, Write as _};

use dive_orchestrator::{DeploymentState, Instance, Service, levels};

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Subject {
    /// Which state of a deployment may follow which
    States,
    /// Which service needs which before it is started, by levels
    Services,
}

/// In which language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Graphviz
    Dot,
    /// Mermaid in Markdown
    Mermaid,
}

/// The graphs of `subject`, of both without one.
pub(crate) fn graph(subject: Option<Subject>, language: Language) -> String {
    let subjects = subject.map_or(vec![Subject::States, Subject::Services], |one| vec![one]);
    let mut text = String::new();
    for subject in subjects {
        let drawn = match (subject, language) {
            (Subject::States, Language::Dot) => states_in_dot(&mut text),
            (Subject::States, Language::Mermaid) => states_in_mermaid(&mut text),
            (Subject::Services, Language::Dot) => services_in_dot(&mut text),
            (Subject::Services, Language::Mermaid) => services_in_mermaid(&mut text),
        };
        drawn.expect("a string takes all that is written");
    }
    text
}

fn transitions() -> impl Iterator<Item = (DeploymentState, DeploymentState)> {
    DeploymentState::ALL.into_iter().flat_map(|from| from.successors().iter().map(move |to| (from, *to)))
}

/// The hub's: a spoke's are among them.
fn needs() -> impl Iterator<Item = (Service, Service)> {
    Service::of(&Instance::Hub)
        .into_iter()
        .flat_map(|service| service.needs().iter().map(move |needed| (service, *needed)))
}

/// What a service's node says.
struct Label(Service);

impl Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let where_ = if self.0.is_at_hub_only() { ", hub only" } else { "" };
        write!(f, "{} ({} s{where_})", self.0, self.0.start_timeout().as_secs())
    }
}

fn states_in_dot(text: &mut String) -> fmt::Result {
    writeln!(text, "digraph states {{\n  node [shape=box];")?;
    for state in DeploymentState::ALL.into_iter().filter(|state| !state.needs_a_holder()) {
        writeln!(text, "  {state} [style=bold];")?;
    }
    for (from, to) in transitions() {
        writeln!(text, "  {from} -> {to};")?;
    }
    writeln!(text, "}}")
}

fn states_in_mermaid(text: &mut String) -> fmt::Result {
    writeln!(text, "```mermaid\nstateDiagram-v2\n  [*] --> {}", DeploymentState::Unknown)?;
    for (from, to) in transitions() {
        writeln!(text, "  {from} --> {to}")?;
    }
    writeln!(text, "```")
}

fn services_in_dot(text: &mut String) -> fmt::Result {
    writeln!(text, "digraph services {{\n  rankdir=RL;\n  node [shape=box];")?;
    for (number, level) in levels::of_instance(&Instance::Hub).iter().enumerate() {
        writeln!(text, "  subgraph level_{number} {{\n    rank=same;")?;
        for service in level {
            writeln!(text, "    \"{service}\" [label=\"{}\"];", Label(*service))?;
        }
        writeln!(text, "  }}")?;
    }
    for (service, needed) in needs() {
        writeln!(text, "  \"{service}\" -> \"{needed}\";")?;
    }
    writeln!(text, "}}")
}

fn services_in_mermaid(text: &mut String) -> fmt::Result {
    writeln!(text, "```mermaid\nflowchart RL")?;
    for (number, level) in levels::of_instance(&Instance::Hub).iter().enumerate() {
        writeln!(text, "  subgraph level_{number}[\"level {number}\"]")?;
        for service in level {
            writeln!(text, "    {service}[\"{}\"]", Label(*service))?;
        }
        writeln!(text, "  end")?;
    }
    for (service, needed) in needs() {
        writeln!(text, "  {service} --> {needed}")?;
    }
    writeln!(text, "```")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_and_every_need_is_drawn_once_in_either_language() {
        for (language, arrow) in [(Language::Dot, " -> "), (Language::Mermaid, " --> ")] {
            let bare = |subject| graph(Some(subject), language).replace('"', "");
            let states = bare(Subject::States);
            for from in DeploymentState::ALL {
                for to in DeploymentState::ALL {
                    let drawn = states
                        .lines()
                        .filter(|line| line.trim().trim_end_matches(';') == format!("{from}{arrow}{to}"));
                    assert_eq!(drawn.count(), usize::from(from.may_become(to)), "{from} {to}");
                }
            }
            let services = bare(Subject::Services);
            for (service, needed) in needs() {
                let edge = format!("{service}{arrow}{needed}");
                assert_eq!(services.matches(&edge).count(), 1, "{edge}");
            }
            assert_eq!(services.matches(arrow).count(), needs().count());
            assert_eq!(
                graph(None, language),
                [Subject::States, Subject::Services].map(|s| graph(Some(s), language)).concat()
            );
        }
    }

    #[test]
    fn graphs_read_well() {
        insta::assert_snapshot!("dot", graph(None, Language::Dot));
        insta::assert_snapshot!("mermaid", graph(None, Language::Mermaid));
    }
}
