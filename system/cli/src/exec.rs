//! `dive hub exec`, `dive spoke exec`: an operator's command in a service's container, written to the audit first.

use std::io::{self, Write};

use dive_orchestrator::{Instance, Service};

use crate::complaint::Complaint;
use crate::containers::{DockerPlatform, Output};
use crate::deployment;
use crate::exit::Exit;
use crate::out::note;
use crate::place::{Place, myself};

/// The longest piece of a command's words that is written down, characters.
const LONGEST: usize = 200;

/// Runs `command` in the container of a service, and ends as it does.
pub(crate) async fn exec(
    place: &Place,
    instance: &Instance,
    service: &str,
    command: &[String],
) -> Result<Exit, Complaint> {
    let service: Service = service.parse()?;
    let (engine, site) = deployment::deployed(place, instance).await?;
    // Before it is run: what can't be written down is not done.
    engine.store.audit(&myself(), &format!("exec {instance} {service}: {}", audited(command))).await?;
    let containers = DockerPlatform::new(&place.home()?, 0, None)?;
    let show = |written: Output<'_>| {
        // A reader that has gone away ends nothing.
        let _ = match written {
            Output::Out(bytes) => to(&mut io::stdout().lock(), bytes),
            Output::Err(bytes) => to(&mut io::stderr().lock(), bytes),
        };
    };
    let Some(code) = containers.exec(&site, service, command, show).await? else {
        note(format_args!("the command ended without an exit code"));
        return Ok(Exit::NotWell);
    };
    Ok(Exit::AsTheCommand(u8::try_from(code).unwrap_or(u8::MAX)))
}

fn to(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).and_then(|()| stream.flush())
}

/// A command as it is written down: the program and the names of its options. Any other word may be a secret, or
/// hold one, and nobody can tell which.
fn audited(command: &[String]) -> String {
    let word = |(number, word): (usize, &String)| {
        let is_short = word.len() == 2 && word.starts_with('-');
        match word.split_once('=') {
            _ if number == 0 || is_short => word.clone(),
            Some((option, _)) if option.starts_with("--") => format!("{option}=…"),
            None if word.starts_with("--") => word.clone(),
            _ => "…".to_owned(),
        }
    };
    let words: Vec<String> = command.iter().enumerate().map(word).collect();
    words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(command: &[&str]) -> String {
        audited(&command.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_program_and_its_options_are_written_down_and_no_value() {
        for (command, written) in [
            (&["psql", "-U", "postgres", "--command", "select 1"][..], "psql -U … --command …"),
            (&["redis-cli", "-a", "hunter2", "ping"], "redis-cli -a … …"),
            (&["mysql", "-phunter2", "--password=hunter2"], "mysql … --password=…"),
            (&["sh", "-c", "echo hunter2"], "sh -c …"),
            (&["env", "PASSWORD=hunter2", "true"], "env … …"),
            (&["date"], "date"),
        ] {
            assert_eq!(of(command), written);
        }
    }

    proptest! {
        #[test]
        fn a_words_value_is_never_written_down_and_the_line_is_bounded(
            words in prop::collection::vec("(--?[a-z]+=)?hunter2[ -~]{0,20}", 0..40),
        ) {
            let command: Vec<String> = std::iter::once("sh".to_owned()).chain(words).collect();
            let written = audited(&command);
            prop_assert!(!written.contains("hunter2"), "{}", written);
            prop_assert!(written.chars().count() <= LONGEST && written.lines().count() == 1);
        }
    }
}
