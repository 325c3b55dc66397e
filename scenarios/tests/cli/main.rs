//! The `chaos` command as its users meet it: the built binary, its messages, its exit codes, what it leaves.
//!
//! | file | what is tried |
//! |---|---|
//! | `bench` | a place of its own for each test, and what may be left there: nothing |
//! | `scenario_files` | files that are no scenarios |
//! | `usage` | command lines that ask for what is not |
//! | `ground` | no engine, no room, no folder, no reader |
//! | `records` | report, replay, compare on good, cut and foreign records; what is printed as JSON |
//! | `journals` | heal on journals of the living and the dead, whole and cut |
//! | `serve` | roles that can't begin |
//! | `virtual_runs` | runs in the virtual world, interrupted ones too |
//! | `local` | the same with processes: Ctrl-C and SIGKILL at any instant, runs side by side, the tour |
//! | `docker` | the engine dies under a run; the run dies over its containers |

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod bench;
mod docker;
mod ground;
mod journals;
mod local;
mod records;
mod scenario_files;
mod serve;
mod usage;
mod virtual_runs;
