//! What parts of the system promise, held against real components, through faults, by the harness' checkers.
//!
//! The system knows nothing of the harness, not even in its tests. A contract that needs both has its suite here:
//!
//! | test | what it holds to one contract |
//! |---|---|
//! | `stores` | the stores of deployments: in memory, in a SQLite file, in PostgreSQL |
