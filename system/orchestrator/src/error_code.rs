//! Every way a deployment can fail, as a code with a class, a severity and what to do about it.
//!
//! The documentation of the codes is written from these tables, so what is here is what operators read.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What helps against an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Class {
    /// Trying again.
    Transient,
    /// A remedy that needs nobody, then trying again.
    Recoverable,
    /// Nothing: it stops.
    Permanent,
    /// A person.
    Manual,
}

/// What an error does to the run it happens in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// It is logged.
    Low,
    /// It is warned about.
    Medium,
    /// One recovery is tried; when it fails or the error comes back, the run stops.
    High,
    /// The run stops.
    Critical,
}

/// What is done against an error without a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// The network is made anew, its containers joined to it again.
    RecreateNetwork,
    /// The secret is read from its store again.
    ReloadSecret,
    /// The certificate is issued again.
    ReissueCertificate,
    /// The folder is made, with its owner and mode.
    RecreateFolder,
    /// The container is restarted.
    RestartContainer,
    /// The container that an earlier run left is removed.
    RemoveStaleContainer,
    /// The federation is set up again from its first step.
    RedoFederation,
    /// The token of the policy channel is issued again.
    ReissuePolicyToken,
    /// The state is read again, and the step decided anew.
    RereadState,
    /// Nothing but trying once more: the cause is not known.
    TryOnceMore,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $class:ident, $severity:ident, $remedy:expr, $next:literal;)+) => {
        /// An error code of the orchestration. The hundreds say where: 10 preflight, 11 initialization,
        /// 12 containers, 13 federation, 14 verification, 15 anywhere.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ErrorCode {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The number an operator sees.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)+ }
            }

            /// What helps against it.
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)+ }
            }

            /// What it does to its run.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// What is done against it without a person: something for every recoverable code, and for no
            /// other.
            pub const fn remedy(self) -> Option<Remedy> {
                match self { $(Self::$name => $remedy,)+ }
            }

            /// What happened, in one sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// What a person does next, in one line.
            pub const fn next_step(self) -> &'static str {
                match self { $(Self::$name => $next,)+ }
            }
        }
    };
}

codes! {
    /// There is no hub to join.
    HubNotFound = 1001, Permanent, Critical, None, "deploy the hub first: `dive hub deploy`";
    /// The hub is there but not healthy.
    HubUnhealthy = 1002, Transient, High, None, "look at `dive hub status`, then resume";
    /// The shared network is missing or not usable.
    Network = 1003, Recoverable, High, Some(Remedy::RecreateNetwork), "look for another network with this name: `docker network inspect dive-shared`";
    /// A secret could not be read from its store.
    SecretLoad = 1004, Recoverable, High, Some(Remedy::ReloadSecret), "see that its store answers and the instance's folder may be read and written, then resume";
    /// A secret is there but not one of its kind.
    SecretInvalid = 1005, Manual, Critical, None, "put the secret named back as it was, then resume";
    /// The dependencies of the services form a cycle.
    DependencyCycle = 1006, Permanent, Critical, None, "take one of the named services out of the cycle";
    /// Something else is or runs under this instance's name, lock or ports.
    InstanceConflict = 1007, Manual, Critical, None, "wait for the holder named, or end it; a stranger's container must be renamed by its owner";
    /// A certificate could not be issued.
    Certificate = 1101, Recoverable, High, Some(Remedy::ReissueCertificate), "see that the instance's folder may be written, then resume";
    /// A certificate could not be put where its service reads it.
    CertificateCopy = 1102, Manual, High, None, "see that the instance's folder may be written, then resume";
    /// The instance's definition could not be written or read.
    Definition = 1105, Manual, Critical, None, "correct the definition at the place named, then resume";
    /// The instance's folder could not be made.
    Folder = 1106, Recoverable, Medium, Some(Remedy::RecreateFolder), "see that the parent folder may be written";
    /// The configuration is not valid.
    Configuration = 1107, Manual, Critical, None, "correct the setting named";
    /// A container did not start.
    ContainerStart = 1201, Recoverable, High, Some(Remedy::RestartContainer), "read its log";
    /// A container started but is not healthy.
    ContainerUnhealthy = 1202, Recoverable, High, Some(Remedy::RestartContainer), "read its log";
    /// What a service stands on is not there.
    Dependency = 1203, Manual, Critical, None, "bring up the service named first, then resume";
    /// A container was not healthy in its time.
    ContainerTimeout = 1204, Transient, High, None, "see what it waits for in its log, then resume";
    /// A volume could not be made or used.
    Volume = 1205, Manual, Critical, None, "see that the disk has room and the volume is not a stranger's";
    /// A level of services did not come up; the next level was not started.
    GroupStart = 1206, Manual, Critical, None, "look at the first failed service named, then resume";
    /// A container of an earlier run is in the way.
    StaleContainer = 1207, Recoverable, Low, Some(Remedy::RemoveStaleContainer), "remove it, then resume";
    /// The federation could not be set up.
    FederationSetup = 1301, Recoverable, High, Some(Remedy::RedoFederation), "resume from CONFIGURATION: `--from-phase configuration`";
    /// The spoke could not be registered with the hub.
    FederationRegister = 1302, Recoverable, High, Some(Remedy::RedoFederation), "see whether the hub lists the spoke, then resume";
    /// The federation was set up but is not seen to work yet.
    FederationVerify = 1303, Recoverable, Medium, Some(Remedy::RedoFederation), "see which step is not seen to work yet";
    /// The two sides hold different secrets.
    SecretSync = 1304, Manual, High, None, "give both sides the same secret, then resume";
    /// Keycloak could not be configured.
    KeycloakConfiguration = 1305, Manual, High, None, "look at Keycloak's log, correct the realm, then resume";
    /// A client's secret could not be read or set.
    ClientSecret = 1306, Manual, High, None, "set the client's secret anew, then resume";
    /// The claims could not be mapped.
    Mappers = 1307, Manual, High, None, "compare the mappers named with the partner's claims";
    /// The policy channel refused its token.
    PolicyChannelToken = 1308, Recoverable, Medium, Some(Remedy::ReissuePolicyToken), "give the spoke a new token, then resume";
    /// The health check failed.
    VerifyHealth = 1401, Recoverable, High, Some(Remedy::RestartContainer), "see which service it is: `dive status`";
    /// A connection that must be possible is not.
    VerifyConnectivity = 1402, Recoverable, High, Some(Remedy::RecreateNetwork), "see which connection it is, then resume";
    /// Nobody can log in.
    VerifyLogin = 1403, Manual, High, None, "look at Keycloak's log for the login named";
    /// The federation does not work from end to end.
    VerifyFederation = 1404, Manual, High, None, "see which step fails";
    /// The API does not answer as it should.
    VerifyApi = 1405, Manual, High, None, "look at the backend's log for the request named";
    /// A database, or the orchestration's own, does not answer.
    Database = 1406, Manual, Critical, None, "bring the database back, then resume";
    /// Something failed for which there is no code.
    Unknown = 1501, Recoverable, High, Some(Remedy::TryOnceMore), "read the message, then resume";
    /// Something took longer than it may.
    Timeout = 1502, Transient, High, None, "resume; when it comes back, look at the service named";
    /// The operator stopped it.
    Cancelled = 1503, Manual, Critical, None, "resume with `--resume`, or roll it back";
    /// Undoing failed.
    RollbackFailed = 1504, Manual, Critical, None, "correct what the message names, then roll back again: it goes on where it stopped";
    /// The deployment is not in a state in which this is possible.
    InvalidState = 1505, Recoverable, High, Some(Remedy::RereadState), "look at `dive status`";
}

/// A number that is no error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no error code")]
pub struct NoCodeOfThisNumber(pub u16);

impl TryFrom<u16> for ErrorCode {
    type Error = NoCodeOfThisNumber;

    fn try_from(number: u16) -> Result<Self, NoCodeOfThisNumber> {
        Self::ALL.iter().copied().find(|code| code.number() == number).ok_or(NoCodeOfThisNumber(number))
    }
}

impl From<ErrorCode> for u16 {
    fn from(code: ErrorCode) -> Self {
        code.number()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(class: Class) -> Vec<u16> {
        ErrorCode::ALL.iter().filter(|code| code.class() == class).map(|code| code.number()).collect()
    }

    #[test]
    fn each_code_is_of_its_class() {
        assert_eq!(of(Class::Transient), [1002, 1204, 1502]);
        let recoverable =
            [1003, 1004, 1101, 1106, 1201, 1202, 1207, 1301, 1302, 1303, 1308, 1401, 1402, 1501, 1505];
        assert_eq!(of(Class::Recoverable), recoverable);
        assert_eq!(of(Class::Permanent), [1001, 1006]);
        let manual = [
            1005, 1007, 1102, 1105, 1107, 1203, 1205, 1206, 1304, 1305, 1306, 1307, 1403, 1404, 1405, 1406,
            1503, 1504,
        ];
        assert_eq!(of(Class::Manual), manual);
    }

    #[test]
    fn every_recoverable_code_has_a_remedy_and_no_other_has() {
        for code in ErrorCode::ALL {
            assert_eq!(code.remedy().is_some(), code.class() == Class::Recoverable, "{code}");
        }
        for (number, remedy) in [
            (1202, Remedy::RestartContainer),
            (1004, Remedy::ReloadSecret),
            (1301, Remedy::RedoFederation),
            (1302, Remedy::RedoFederation),
            (1303, Remedy::RedoFederation),
            (1003, Remedy::RecreateNetwork),
            (1207, Remedy::RemoveStaleContainer),
        ] {
            assert_eq!(ErrorCode::try_from(number).unwrap().remedy(), Some(remedy), "{number}");
        }
    }

    #[test]
    fn what_nothing_helps_against_stops_the_run() {
        for code in ErrorCode::ALL.iter().filter(|code| code.class() == Class::Permanent) {
            assert_eq!(code.severity(), Severity::Critical, "{code}");
        }
        let without_a_way_on =
            |code: &ErrorCode| code.class() == Class::Manual && code.severity() < Severity::High;
        assert_eq!(ErrorCode::ALL.iter().copied().find(without_a_way_on), None);
    }

    #[test]
    fn numbers_ascend_read_back_and_say_what_happened_and_what_to_do() {
        assert!(ErrorCode::ALL.is_sorted_by(|a, b| a.number() < b.number()));
        for number in 0..=u16::MAX {
            if let Ok(code) = ErrorCode::try_from(number) {
                assert_eq!(code.number(), number);
                assert_eq!(serde_json::to_value(code).unwrap(), number);
                assert!(code.about().ends_with('.') && !code.about().starts_with(' '), "{}", code.about());
                assert!(!code.next_step().is_empty() && !code.next_step().contains('\n'));
            }
        }
        assert_eq!(ErrorCode::ALL.len(), 38);
    }
}
