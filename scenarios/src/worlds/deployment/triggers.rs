//! How a database tells what happens to it: the table in which it does, and the triggers that fill it.

/// The language of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// What is told of, and how.
struct Trigger {
    name: &'static str,
    event: &'static str,
    when: &'static str,
    kind: &'static str,
    instance: &'static str,
    before: &'static str,
    after: &'static str,
}

const TRIGGERS: [Trigger; 9] = [
    Trigger {
        name: "first_lock",
        event: "after insert on deployment_locks",
        when: "new.held is not null",
        kind: "lock",
        instance: "new.instance",
        before: "null",
        after: "new.held",
    },
    Trigger {
        name: "lock",
        event: "after update of held on deployment_locks",
        when: "old.held is distinct from new.held",
        kind: "lock",
        instance: "new.instance",
        before: "old.held",
        after: "new.held",
    },
    Trigger {
        name: "state",
        event: "after insert on state_transitions",
        when: "true",
        kind: "state",
        instance: "new.instance",
        before: "null",
        after: "cast({json_object}('seq', new.seq, 'from', new.from_state, 'to', new.to_state, 'at', new.at, \
                'token', new.token, 'why', new.why) as text)",
    },
    Trigger {
        name: "phase",
        event: "after insert on deployment_steps",
        when: "true",
        kind: "phase-began",
        instance: "new.instance",
        before: "null",
        after: "new.phase",
    },
    Trigger {
        name: "phase_end",
        event: "after update of ended on deployment_steps",
        when: "new.failure is null",
        kind: "phase-done",
        instance: "new.instance",
        before: "new.phase",
        after: "cast(new.ended - new.began as text)",
    },
    Trigger {
        name: "phase_failure",
        event: "after update of ended on deployment_steps",
        when: "new.failure is not null",
        kind: "phase-failed",
        instance: "new.instance",
        before: "new.phase",
        after: "new.failure",
    },
    Trigger {
        name: "intent",
        event: "after insert on intents",
        when: "true",
        kind: "written",
        instance: "new.instance",
        before: "null",
        after: "new.resource",
    },
    Trigger {
        name: "undone",
        event: "after delete on intents",
        when: "true",
        kind: "struck-out",
        instance: "old.instance",
        before: "old.resource",
        after: "null",
    },
    Trigger {
        name: "error",
        event: "after insert on orchestration_errors",
        when: "true",
        kind: "error",
        instance: "new.instance",
        before: "null",
        after: "new.error",
    },
];

impl Dialect {
    /// What each connection is told first. What is told is of no use after a power cut, and a reader is in nobody's way.
    pub(super) const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => {
                &["pragma busy_timeout = 10000", "pragma journal_mode = wal", "pragma synchronous = off"]
            }
            Self::Postgres => &["set application_name = 'witness'", "set synchronous_commit = off"],
        }
    }

    /// The table. Times are real microseconds since 1970, as exactly as the database says them.
    pub(super) fn table(self) -> String {
        let (numbered, now) = match self {
            Self::Sqlite => {
                ("integer primary key autoincrement", "(cast(unixepoch('subsec') * 1000 as integer) * 1000)")
            }
            Self::Postgres => (
                "bigint generated always as identity primary key",
                "((extract(epoch from clock_timestamp()) * 1000000)::bigint)",
            ),
        };
        format!(
            "create table if not exists witnessed (seq {numbered}, at bigint not null default {now}, \
             kind text not null, instance text not null default '', before text, after text);"
        )
    }

    /// The triggers, whether or not they are there already.
    pub(super) fn triggers(self) -> String {
        TRIGGERS.iter().map(|trigger| self.trigger(trigger)).collect()
    }

    fn trigger(self, trigger: &Trigger) -> String {
        let Trigger { name, event, when, kind, instance, before, after } = trigger;
        let json_object = match self {
            Self::Sqlite => "json_object",
            Self::Postgres => "json_build_object",
        };
        let after = after.replace("{json_object}", json_object);
        let insert = format!(
            "insert into witnessed (kind, instance, before, after) values ('{kind}', {instance}, {before}, {after});"
        );
        match self {
            Self::Sqlite => {
                format!(
                    "create trigger if not exists witness_{name} {event} when {when} begin {insert} end;\n"
                )
            }
            Self::Postgres => format!(
                "create or replace function witness_{name}() returns trigger language plpgsql as \
                 $$ begin if {when} then {insert} end if; return null; end $$;\n\
                 create or replace trigger witness_{name} {event} \
                 for each row execute function witness_{name}();\n"
            ),
        }
    }
}
