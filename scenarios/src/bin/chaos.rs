//! The `chaos` command. One binary serves every role: the harness, the node, the stand-ins, the reaper.

use std::process::ExitCode;

fn main() -> ExitCode {
    scenarios::chaos::main()
}
