//! The tables, and how they come to be.

use super::dialect::Dialect;

/// The schema that this program knows.
pub(super) const KNOWN: u32 = 2;

/// Where its version is written.
pub(super) const VERSIONS: &str = "schema_versions";

/// The steps, each from one version to the next. A step that was ever released is never changed.
const STEPS: [&str; KNOWN as usize] = [FIRST, SECOND];

/// The statements that lead on from version `from`.
pub(super) fn steps(dialect: Dialect, from: u32) -> Vec<String> {
    let steps = STEPS.iter().skip(from as usize);
    let statements = steps.flat_map(|step| step.split(';')).map(str::trim).filter(|text| !text.is_empty());
    statements.map(|text| text.replace("{numbered}", dialect.numbered())).collect()
}

/// Integers are milliseconds since 1970 where they are times; composite values are JSON.
///
/// `deployment_locks` has the one row of an instance that each write for it locks, so it has the instance's
/// counters, too: a number given out is never given out again, whatever is removed.
const FIRST: &str = "
create table sessions (issued bigint not null);
insert into sessions (issued) values (0);

create table deployment_locks (
  instance text primary key,
  issued bigint not null default 0,
  held text,
  intents_issued bigint not null default 0,
  checkpoints_issued bigint not null default 0
);

create table state_transitions (
  instance text not null,
  seq bigint not null,
  from_state text not null,
  to_state text not null,
  at bigint not null,
  token bigint not null,
  why text not null,
  primary key (instance, seq)
);

create view deployment_states as
  select t.instance, t.to_state as state, t.at as since from state_transitions t
  where t.seq = (select max(n.seq) from state_transitions n where n.instance = t.instance);

create table deployment_steps (
  instance text not null,
  seq bigint not null,
  phase text not null,
  began bigint not null,
  ended bigint,
  failure text,
  primary key (instance, seq)
);

create table intents (
  instance text not null,
  seq bigint not null,
  phase text not null,
  resource text not null,
  primary key (instance, seq)
);

create table checkpoints (
  instance text not null,
  phase text not null,
  checkpoint text not null,
  primary key (instance, phase)
);

create table circuit_breakers (
  operation text primary key,
  state text not null,
  failures bigint not null,
  generation bigint not null
);

create table port_slots (
  code text primary key,
  slot bigint not null unique
);

create table orchestration_errors (
  instance text not null,
  seq bigint not null,
  at bigint not null,
  error text not null,
  primary key (instance, seq)
);

create table orchestration_metrics (
  id {numbered},
  service text not null,
  at bigint not null,
  took_ns bigint not null
);

create table federation_links (
  from_instance text not null,
  to_instance text not null,
  verified bigint not null,
  at bigint not null,
  primary key (from_instance, to_instance)
);

create table audit (
  id {numbered},
  host text not null,
  pid bigint not null,
  action text not null,
  at bigint not null
);
";

/// Whose start it was. Of those written down before, it is not known.
const SECOND: &str = "alter table orchestration_metrics add column instance text";
