//! `cargo xtask`: build, run, test and measure the whole project with one short command each.
//!
//! It is the first thing that is compiled on a new machine, so it has one small dependency and none of the host's.

mod bundle;
mod checks;
mod cli;
mod guests;
mod host;
mod manifest;
mod nearest;
mod peers;
mod process;
mod summary;
mod toolchains;
mod wasm_target;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = cli::parse(&arguments);
    match outcome.and_then(cli::Request::carry_out) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
