//! What somebody else says in the place of a part of the machine.

use std::collections::BTreeMap;

use dive_orchestrator::deploy::{Done, Failure};
use dive_orchestrator::{ErrorCode, Instance, Service};

use super::calls::{Answered, Asked, Call};

/// What is heard when `said` is the answer to a call.
pub(in crate::worlds) fn answer(call: &Call, said: &str) -> Done<Answered> {
    let needed = if call.asked == Asked::Needs { needs(&call.instance, said) } else { None };
    needed.ok_or_else(|| failure(said))
}

/// The number of an error code, and words.
fn failure(said: &str) -> Failure {
    let (number, words) = said.split_once(' ').unwrap_or((said, "as an imposter says"));
    let code = number.parse().ok().and_then(|number: u16| ErrorCode::try_from(number).ok());
    Failure::new(code.unwrap_or(ErrorCode::Unknown), if code.is_some() { words } else { said })
}

/// What a site's services need: `keycloak needs backend`, beside what they need by their own table. Nothing, where it is
/// not about that.
fn needs(instance: &Instance, said: &str) -> Option<Answered> {
    let (of, needed) = said.split_once(" needs ")?;
    let (of, needed): (Service, Service) = (of.parse().ok()?, needed.parse().ok()?);
    let services = Service::of(instance).into_iter();
    let mut needs: BTreeMap<_, _> = services.map(|service| (service, service.needs().to_vec())).collect();
    needs.entry(of).or_default().push(needed);
    Some(Answered::Needs(needs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imposter_may_say_any_error_and_what_is_none_is_unknown() {
        let told = |said| {
            let failure = failure(said);
            (failure.code, failure.detail)
        };
        assert_eq!(told("1106 no space left"), (ErrorCode::Folder, "no space left".to_owned()));
        assert_eq!(told("9999 what"), (ErrorCode::Unknown, "9999 what".to_owned()));
        assert_eq!(told("oops"), (ErrorCode::Unknown, "oops".to_owned()));
    }
}
