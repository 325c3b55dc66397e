//! The verbs that wait for the federation: until hub and spokes know of each other there is nothing that they could do.

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use dive_orchestrator::ErrorCode;

use crate::args::Cli;
use crate::complaint::Complaint;

const VERBS: [&str; 12] = [
    "federation",
    "hub spokes",
    "onboard",
    "policy",
    "spoke audit-status",
    "spoke failover",
    "spoke heartbeat",
    "spoke maintenance",
    "spoke policy",
    "spoke register",
    "spoke token-refresh",
    "spoke unregister",
];

/// What is said of a command line that could not be read, when it asks for one of them.
pub(crate) fn awaited(error: &clap::Error, words: impl IntoIterator<Item = String>) -> Option<Complaint> {
    let unknown = error.get(ContextKind::InvalidSubcommand);
    let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(unknown))) = (error.kind(), unknown) else {
        return None;
    };
    let all = Cli::command();
    let of =
        words.into_iter().take_while(|word| word != unknown).find(|word| all.find_subcommand(word).is_some());
    let asked = of.map_or_else(|| unknown.clone(), |of| format!("{of} {unknown}"));
    VERBS.contains(&asked.as_str()).then(|| {
        Complaint::usage(
            ErrorCode::FederationSetup,
            format!("`dive {asked}` waits for the federation: each instance stands by itself so far"),
            "see what there is: `dive --help`",
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::exit::Exit;

    fn said(line: &str) -> Option<Complaint> {
        let words = || line.split(' ').map(str::to_owned);
        awaited(&Cli::try_parse_from(words()).unwrap_err(), words())
    }

    #[test]
    fn a_verb_that_waits_for_the_federation_says_so() {
        for verb in VERBS {
            for line in [format!("dive {verb}"), format!("dive --home /h {verb} status --force")] {
                let complaint = said(&line).unwrap_or_else(|| panic!("{line}"));
                assert!(complaint.what().contains(&format!("`dive {verb}` waits")), "{complaint}");
                assert_eq!(complaint.exit(), Exit::Usage);
            }
        }
    }

    #[test]
    fn what_will_never_be_a_verb_is_told_as_ever() {
        for line in [
            "dive polic",
            "dive hub policy",
            "dive spoke federation",
            "dive nuke policy",
            "dive hub deploy -x",
        ] {
            assert!(said(line).is_none(), "{line}");
        }
    }
}
