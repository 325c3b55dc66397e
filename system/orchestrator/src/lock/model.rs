//! Exhaustive exploration: contenders for one lock, their pauses and lost connections, writes that are on
//! their way for as long as they like, and time.
//!
//! Two states are the same when the future can't tell them apart: instants count by their distance from now,
//! tokens by how many holdings ago they were given out, contenders as a multiset. So the space is finite although neither time nor the
//! number of holdings is bounded. The number of states is asserted, so that a model that silently became
//! smaller shows; each rule is shown to bite by a defect that breaks it.

use std::hash::{Hash, Hasher};

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::*;

/// Half a lease: two ticks without a renewal end it.
const TICK: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rule {
    OneHolder,
    FreeWhenOver,
    OnlyTheLiveHolderWrites,
    WritesInTokenOrder,
    LiveHolderIsNeverRefused,
    TheForsakenAreNamed,
}

impl Rule {
    const fn name(self) -> &'static str {
        match self {
            Self::OneHolder => "one holder",
            Self::FreeWhenOver => "free when over",
            Self::OnlyTheLiveHolderWrites => "only the live holder writes",
            Self::WritesInTokenOrder => "writes in the order of tokens",
            Self::LiveHolderIsNeverRefused => "the live holder is never refused",
            Self::TheForsakenAreNamed => "who did not give it back is named",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    /// The lock is taken on a connection that ends at once; its taker believes it holds it.
    TakenInAClientThatExits,
    /// Writes carry no token: whoever believes it holds the lock writes.
    NoFencing,
    /// A holding counts as stale by its age, renewed or not, and is taken over.
    StaleByAge,
    /// The row of a dead session keeps the lock until its lease is over.
    SessionEndUnnoticed,
    /// Each holding gets the same token.
    TokensRepeat,
    /// A release frees the lock, whoever holds it by now.
    ReleaseFreesAnyones,
    /// A holding that ended with its session counts as given back.
    SessionEndForgets,
    /// Only who held it last is handed on, and not those he would have waited for.
    OnlyTheLastIsNamed,
}

/// What a contender believes and does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Contender {
    holds: Option<FencingToken>,
    paused: bool,
    /// A write under way: decided while holding this token, not yet arrived.
    write: Option<FencingToken>,
}

/// What an onlooker who sees everything knows of the newest holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    contender: usize,
    token: FencingToken,
    renewed: Stamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Situation {
    Ordinary,
    LateWriteRefused,
    TakenFromThePaused,
    FreedByTheSessionsEnd,
    Contended,
    AfterTheForsaken,
    AfterSeveral,
}

#[derive(Clone, Debug)]
struct World {
    row: LockRow,
    now: Stamp,
    contenders: [Contender; 3],
    owner: Option<Owner>,
    /// The newest holding unless it was given back: whose, and when it was last renewed.
    newest: Option<(usize, Stamp)>,
    /// Those before it, one a contender.
    forsaken: Vec<(usize, Stamp)>,
    last_write: FencingToken,
    situation: Situation,
    broken: Option<Rule>,
    /// Whether the age of a holding matters, as it does to one defect.
    by_age: bool,
}

impl World {
    fn essence(&self) -> impl Hash + PartialEq + use<> {
        let ticks = |at: Stamp| (self.now.saturating_since(at).as_secs() / TICK.as_secs()).min(2);
        let ago = |token: FencingToken| (self.row.issued.saturating_sub(token.number())).min(3);
        let held = self.row.held.as_ref();
        let row =
            held.map(|h| (ticks(h.renewed), self.by_age.then(|| ticks(h.since)), ago(h.token), h.is_cut));
        let mut contenders = [0, 1, 2].map(|who| {
            let Contender { holds, paused, write } = self.contenders[who];
            let is_owner = self.owner.is_some_and(|owner| owner.contender == who);
            let is_in_row = held.is_some_and(|held| held.session == SessionId(who as u64));
            let left = |renewed: Stamp| Some(ticks(renewed)).filter(|ticks| *ticks < 2);
            let its = |all: &[(usize, Stamp)]| {
                all.iter().find(|(whose, _)| *whose == who).and_then(|(_, renewed)| left(*renewed))
            };
            let after = held.and_then(|held| held.after.iter().find(|before| before.by == holder(who)));
            let known = (self.newest.map(|newest| its(&[newest])), its(&self.forsaken));
            let written = after.and_then(|before| left(before.renewed));
            (holds.map(ago), paused, write.map(ago), is_owner, is_in_row, known, written)
        });
        contenders.sort_unstable();
        let owner = self.owner.map(|owner| (ago(owner.token), ticks(owner.renewed)));
        let late = self.row.issued.saturating_sub(self.last_write.number()).min(3);
        (row, contenders, owner, late, self.situation, self.broken)
    }

    /// The holding that is live, by the onlooker's own account.
    fn live(&self) -> Option<Owner> {
        self.owner.filter(|owner| self.now.saturating_since(owner.renewed) < LEASE)
    }

    /// The lock is taken: who is to be told, by the onlooker's own account.
    fn is_taken(&mut self, who: usize) -> Vec<Forsaken> {
        if let Some(newest) = self.newest.replace((who, self.now)) {
            self.forsaken.retain(|(whose, _)| *whose != newest.0);
            self.forsaken.push(newest);
        }
        self.forsaken.retain(|(_, renewed)| self.now < *renewed + LEASE);
        let left = |renewed: Stamp| (renewed + LEASE).saturating_since(self.now);
        self.forsaken
            .iter()
            .map(|(who, renewed)| Forsaken { by: holder(*who), left: left(*renewed) })
            .collect()
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.essence().hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.essence() == other.essence()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Tick,
    Acquire(usize),
    Renew(usize),
    Decide(usize),
    Arrive(usize),
    Release(usize),
    Pause(usize),
    Wake(usize),
    /// The connection is lost; the contender doesn't know.
    Cut(usize),
    /// The process ends; what it sent is still on its way.
    Crash(usize),
}

struct Exploration(Defect);

fn holder(who: usize) -> Holder {
    Holder { host: String::new(), pid: who as u32 }
}

impl Exploration {
    fn acquire(&self, world: &mut World, who: usize) {
        let session = SessionId(who as u64);
        let was = world.live();
        if self.0 == Defect::StaleByAge
            && world.row.held.as_ref().is_some_and(|h| world.now.saturating_since(h.since) >= LEASE)
        {
            world.row.leave(FencingToken(world.row.issued));
        }
        if self.0 == Defect::TokensRepeat {
            world.row.issued = world.row.issued.min(1).saturating_sub(1);
        }
        if let Ok(Taken { token, after }) = world.row.acquire(world.now, session, holder(who)) {
            let paused =
                was.is_none() && world.owner.is_some_and(|owner| world.contenders[owner.contender].paused);
            world.situation = match () {
                () if paused => Situation::TakenFromThePaused,
                () if after.len() > 1 => Situation::AfterSeveral,
                () if !after.is_empty() => Situation::AfterTheForsaken,
                () => Situation::Ordinary,
            };
            world.broken = match (was, after == world.is_taken(who)) {
                (Some(_), _) => Some(Rule::OneHolder),
                (None, false) => Some(Rule::TheForsakenAreNamed),
                (None, true) => None,
            };
            world.owner = Some(Owner { contender: who, token, renewed: world.now });
            world.contenders[who].holds = Some(token);
            match self.0 {
                Defect::TakenInAClientThatExits => world.row.session_ended(session),
                Defect::OnlyTheLastIsNamed => world.row.held.iter_mut().for_each(|held| held.after.clear()),
                _ => {}
            }
        } else {
            world.situation = Situation::Contended;
            world.broken = was.is_none().then_some(Rule::FreeWhenOver);
        }
    }

    fn arrive(&self, world: &mut World, who: usize) -> Option<()> {
        let token = world.contenders[who].write.take()?;
        let live = world.live().is_some_and(|owner| owner.token == token && owner.contender == who);
        let unchecked = matches!(self.0, Defect::NoFencing | Defect::TakenInAClientThatExits);
        let accepted = unchecked || world.row.check(world.now, token).is_ok();
        if !accepted {
            world.situation = Situation::LateWriteRefused;
            world.broken = live.then_some(Rule::LiveHolderIsNeverRefused);
        } else if !live {
            world.broken = Some(Rule::OnlyTheLiveHolderWrites);
        } else if token < world.last_write {
            world.broken = Some(Rule::WritesInTokenOrder);
        } else {
            world.last_write = token;
        }
        Some(())
    }

    fn end_session(&self, world: &mut World, who: usize) {
        match self.0 {
            Defect::SessionEndUnnoticed => {}
            Defect::SessionEndForgets => {
                world.row.held.take_if(|held| held.session == SessionId(who as u64));
            }
            _ => world.row.session_ended(SessionId(who as u64)),
        }
        if world.owner.is_some_and(|owner| owner.contender == who) {
            world.owner = None;
            world.situation = Situation::FreedByTheSessionsEnd;
        }
    }
}

/// That a rule is never broken.
macro_rules! never {
    ($rule:ident) => {
        Property::always(Rule::$rule.name(), |_, world: &World| world.broken != Some(Rule::$rule))
    };
}

/// That a situation is met.
macro_rules! sometimes {
    ($situation:ident, $name:literal) => {
        Property::sometimes($name, |_, world: &World| world.situation == Situation::$situation)
    };
}

impl Model for Exploration {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            row: LockRow::default(),
            now: Stamp::from_millis(1_000_000_000),
            contenders: [Contender::default(); 3],
            owner: None,
            newest: None,
            forsaken: Vec::new(),
            last_write: FencingToken(0),
            situation: Situation::Ordinary,
            broken: None,
            by_age: self.0 == Defect::StaleByAge,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        actions.push(Action::Tick);
        for (who, contender) in world.contenders.iter().enumerate() {
            if contender.write.is_some() {
                actions.push(Action::Arrive(who));
            }
            if contender.paused {
                actions.extend([Action::Wake(who), Action::Cut(who)]);
                continue;
            }
            if contender.holds.is_some() {
                actions.extend([Action::Renew(who), Action::Release(who), Action::Pause(who)]);
                actions.extend([Action::Cut(who), Action::Crash(who)]);
                if contender.write.is_none() {
                    actions.push(Action::Decide(who));
                }
            } else {
                actions.push(Action::Acquire(who));
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        world.situation = Situation::Ordinary;
        match action {
            Action::Tick => world.now = world.now + TICK,
            Action::Acquire(who) => self.acquire(&mut world, who),
            Action::Renew(who) => {
                let token = world.contenders[who].holds?;
                if world.row.renew(world.now, token).is_ok() {
                    let owner = world.owner.as_mut()?;
                    owner.renewed = world.now;
                    world.newest = Some((who, world.now));
                } else {
                    world.contenders[who].holds = None;
                }
            }
            Action::Decide(who) => world.contenders[who].write = world.contenders[who].holds,
            Action::Arrive(who) => self.arrive(&mut world, who)?,
            Action::Release(who) => {
                let token = world.contenders[who].holds.take()?;
                if token.number() == world.row.issued {
                    world.newest = None;
                    world.forsaken.clear();
                }
                match self.0 {
                    Defect::ReleaseFreesAnyones => world.row.held = None,
                    _ => world.row.release(token),
                }
                world.owner = world.owner.filter(|owner| owner.contender != who);
            }
            Action::Pause(who) => world.contenders[who].paused = true,
            Action::Wake(who) => world.contenders[who].paused = false,
            Action::Cut(who) => self.end_session(&mut world, who),
            Action::Crash(who) => {
                self.end_session(&mut world, who);
                world.contenders[who].holds = None;
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            never!(OneHolder),
            never!(FreeWhenOver),
            never!(OnlyTheLiveHolderWrites),
            never!(WritesInTokenOrder),
            never!(LiveHolderIsNeverRefused),
            never!(TheForsakenAreNamed),
            sometimes!(LateWriteRefused, "a late write is refused"),
            sometimes!(TakenFromThePaused, "a paused holder's lock is taken"),
            sometimes!(FreedByTheSessionsEnd, "a session's end frees the lock"),
            sometimes!(Contended, "a contender is turned away"),
            sometimes!(AfterTheForsaken, "a lock that was not given back is taken"),
            sometimes!(AfterSeveral, "one is taken that several before did not give back"),
        ]
    }
}

#[test]
fn every_rule_holds_in_every_reachable_state() {
    let checker = Exploration(Defect::None).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert_eq!(checker.unique_state_count(), 455_398);
}

#[test]
fn each_defect_is_seen_as_the_rule_it_breaks() {
    for (defect, rule) in [
        (Defect::TakenInAClientThatExits, Rule::OneHolder),
        (Defect::NoFencing, Rule::OnlyTheLiveHolderWrites),
        (Defect::StaleByAge, Rule::OneHolder),
        (Defect::SessionEndUnnoticed, Rule::FreeWhenOver),
        (Defect::TokensRepeat, Rule::OnlyTheLiveHolderWrites),
        (Defect::ReleaseFreesAnyones, Rule::OneHolder),
        (Defect::SessionEndForgets, Rule::TheForsakenAreNamed),
        (Defect::OnlyTheLastIsNamed, Rule::TheForsakenAreNamed),
    ] {
        let enough = HasDiscoveries::AllOf([rule.name()].into());
        let checker = Exploration(defect).checker().finish_when(enough).spawn_bfs().join();
        assert!(checker.discovery(rule.name()).is_some(), "{defect:?}");
    }
}
