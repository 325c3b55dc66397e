//! The callers' side of one run: who has which token by now, and what they ask next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coalition::HUB_TENANT;
use coalition::realms::{DIRECT_CLIENT, realm_name};
use dive_authz::Check;
use dive_authz::ztdf::key_wrap::PrivateKey;
use dive_kas::protocol::{KeyRequest, REQUEST_KEY};
use harness_core::event::Answer;
use parking_lot::Mutex;

use super::asked::{Asked, Party};
use super::callers::{COMMUTER, LEAVER, Pair};
use super::kit::Kit;
use super::requests::{Class, Kind};
use super::sealed::{TAMPERED_PAYLOAD, TAMPERED_POLICY};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The callers of one run.
pub struct Session {
    kit: Arc<Kit>,
    sent: AtomicU64,
    /// Tokens handed out by the identity provider. Who has none has the coalition's own.
    tokens: Mutex<BTreeMap<&'static str, Token>>,
}

#[derive(Clone, Default)]
struct Token {
    text: String,
    /// The how-manieth login of its user it comes from.
    number: u64,
}

impl Session {
    /// Nobody has logged in yet.
    pub fn new(kit: Arc<Kit>) -> Self {
        Self { kit, sent: AtomicU64::new(0), tokens: Mutex::default() }
    }

    /// The kit these callers are of.
    pub fn kit(&self) -> &Arc<Kit> {
        &self.kit
    }

    /// The request of that kind and number.
    pub fn ask(&self, kind: Kind, number: u64) -> Asked {
        let id = format!("r{}", self.sent.fetch_add(1, Ordering::Relaxed));
        let ask = |to, path: String, content_type, body: String| Asked {
            id: id.clone(),
            to,
            path,
            token: None,
            content_type,
            body,
            patience: kind.patience(),
            kind,
            bearer: None,
        };
        match kind {
            // Several exchanges: see `open`.
            Kind::Open => ask(Party::Kas, String::new(), JSON, String::new()),
            Kind::Login | Kind::Return => {
                let user = if kind == Kind::Login { COMMUTER } else { LEAVER };
                let realm = realm_name(HUB_TENANT);
                let path = format!("/realms/{realm}/protocol/openid-connect/token");
                ask(Party::Keycloak, path, FORM, self.credentials(user))
            }
            Kind::RotateKeys => {
                let path = format!("/standin/rotate?realm={}", realm_name(HUB_TENANT));
                ask(Party::KeycloakManagement, path, FORM, String::new())
            }
            Kind::Leave => {
                let body = format!(r#"{{"uniqueID":"{LEAVER}"}}"#);
                self.by(LEAVER, ask(Party::Hub, "/api/auth/revoke".into(), JSON, body))
            }
            Kind::RevokeForged => {
                let body = format!(r#"{{"uniqueID":"{LEAVER}"}}"#);
                let forged = Some(self.kit.callers().forged().to_owned());
                Asked { token: forged, ..ask(Party::Hub, "/api/auth/revoke".into(), JSON, body) }
            }
            Kind::Logout => {
                self.by(COMMUTER, ask(Party::Hub, "/api/auth/logout".into(), JSON, String::new()))
            }
            Kind::KeyAsCommuter => {
                let body = self.key_request(&id);
                self.by(COMMUTER, ask(Party::Kas, REQUEST_KEY.into(), JSON, body))
            }
            Kind::ReadTampered => {
                let resource = [TAMPERED_PAYLOAD, TAMPERED_POLICY][number as usize % 2];
                // Somebody who may have what it was made from.
                let objects = &self.kit.sealed().objects;
                let (user, _) = self
                    .pair(true, number, |(user, resource)| ordinary(user) && objects.contains_key(resource));
                let body = question(resource, &format!("read {id}"));
                self.by(user, ask(Party::Hub, AUTHORIZE.into(), JSON, body))
            }
            Kind::ReadWithUnknownKey | Kind::ReadAsStranger => {
                let callers = self.kit.callers();
                let unknown = kind == Kind::ReadWithUnknownKey;
                let token = if unknown { callers.forged() } else { callers.strange() };
                let (_, resource) = self.pair(true, number, |(of, _)| *of == COMMUTER);
                let body = question(resource, &format!("read {id}"));
                Asked { token: Some(token.to_owned()), ..ask(Party::Hub, AUTHORIZE.into(), JSON, body) }
            }
            Kind::Read | Kind::ReadAgain | Kind::ReadForbidden | Kind::ReadImpatient => {
                let (user, resource) = self.pair(kind != Kind::ReadForbidden, number, |(of, _)| ordinary(of));
                let operation = if kind == Kind::ReadAgain { "read".into() } else { format!("read {id}") };
                self.by(user, ask(Party::Hub, AUTHORIZE.into(), JSON, question(resource, &operation)))
            }
            Kind::ReadAsCommuter | Kind::ReadAsLeaver => {
                let user = if kind == Kind::ReadAsCommuter { COMMUTER } else { LEAVER };
                let (_, resource) = self.pair(true, number, |(of, _)| *of == user);
                let body = question(resource, &format!("read {id}"));
                self.by(user, ask(Party::Hub, AUTHORIZE.into(), JSON, body))
            }
        }
    }

    /// The form by which a user asks the identity provider for a token.
    pub fn credentials(&self, user: &str) -> String {
        // Letters and digits only, all of them.
        let password = self.kit.coalition().password(user).unwrap_or_default();
        format!("grant_type=password&client_id={DIRECT_CLIENT}&username={user}&password={password}")
    }

    /// Somebody's token, and an encrypted resource that they may have.
    pub(super) fn encrypted(&self, number: u64) -> Option<(String, String)> {
        let objects = &self.kit.sealed().objects;
        let (user, resource) =
            self.pair(true, number, |(user, resource)| ordinary(user) && objects.contains_key(resource));
        let token = self.token(user).0;
        (!resource.is_empty()).then(|| (token, resource.to_owned()))
    }

    /// What came of a request, once its answer is there.
    pub fn read(&self, asked: &Asked, status: u16, body: &[u8]) -> Answer {
        let answer = asked.answered(status);
        match asked.kind {
            // Denied, and for the reason that it should be denied for.
            Kind::ReadTampered if status == 403 && reason(body).as_deref() != Some(Check::Ztdf.name()) => {
                let why = format!("denied for another reason: {:?}", reason(body));
                return Answer { class: Class::Error.name().to_owned(), ..answer }.with("error", why);
            }
            Kind::Login if status == 200 => self.log_in(COMMUTER, body),
            Kind::Return if status == 200 => self.log_in(LEAVER, body),
            _ => {}
        }
        answer
    }

    /// Takes the token out of the identity provider's answer to a login.
    pub fn log_in(&self, user: &'static str, answer: &[u8]) {
        let answer: Option<serde_json::Value> = serde_json::from_slice(answer).ok();
        let text =
            answer.as_ref().and_then(|answer| answer.get("access_token")?.as_str()).unwrap_or_default();
        let mut tokens = self.tokens.lock();
        let token = tokens.entry(user).or_default();
        *token = Token { text: text.to_owned(), number: token.number + 1 };
    }

    /// What one of those who may have it (or may not) asks for.
    fn pair(&self, allowed: bool, number: u64, of: impl Fn(&&Pair) -> bool) -> (&'static str, &str) {
        let pairs = self.kit.callers().pairs(allowed);
        let count = pairs.iter().filter(&of).count().max(1);
        let pair = pairs.iter().filter(&of).nth(number as usize % count);
        pair.map_or(("", ""), |(user, resource)| (*user, resource.as_str()))
    }

    /// The body of a request for the key of an encrypted resource that the commuter may have.
    fn key_request(&self, id: &str) -> String {
        let callers = self.kit.callers();
        let objects = &self.kit.sealed().objects;
        let (_, resource) =
            self.pair(true, 0, |(user, resource)| *user == COMMUTER && objects.contains_key(resource));
        // Whether what comes can be unwrapped is not looked at: a fixed key will do.
        let own = PrivateKey::from_bytes([7; 32]);
        let began = jiff::Timestamp::from_second(callers.now()).unwrap_or_default();
        let request = KeyRequest {
            resource_id: resource.to_owned(),
            kao_id: format!("kao-{resource}"),
            client_public_key: own.public_key(),
            nonce: format!("commuter-{id:0>16}"),
            timestamp: began.to_string(),
        };
        serde_json::to_string(&request).unwrap_or_default()
    }

    fn by(&self, user: &str, asked: Asked) -> Asked {
        let (text, number) = self.token(user);
        Asked { token: Some(text), bearer: Some(format!("{user}/{number}")), ..asked }
    }

    /// A user's token, and the how-manieth of theirs it is.
    fn token(&self, user: &str) -> (String, u64) {
        match self.tokens.lock().get(user) {
            Some(token) => (token.text.clone(), token.number),
            None => (self.kit.callers().token(user).to_owned(), 0),
        }
    }
}

const AUTHORIZE: &str = "/api/authorize";

/// Whether somebody neither comes nor goes while others work.
fn ordinary(user: &str) -> bool {
    ![COMMUTER, LEAVER].contains(&user)
}

/// The reason that an answer gives.
fn reason(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(answer.get("reason")?.as_str()?.to_owned())
}

fn question(resource: &str, operation: &str) -> String {
    format!(r#"{{"resourceId":"{resource}","operation":"{operation}"}}"#)
}
