//! The `dive` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    dive_cli::main()
}
