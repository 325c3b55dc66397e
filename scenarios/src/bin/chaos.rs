//! The `chaos` command. One binary serves every role: the harness, the node, the stand-ins, the reaper.

use std::process::ExitCode;

/// An eighth of a virtual run would otherwise go to the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    scenarios::chaos::main()
}
