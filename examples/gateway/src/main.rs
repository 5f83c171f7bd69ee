//! The full gateway: configuration, accounts, recording, wiring.

#![expect(dead_code, unused_imports, reason = "what reads the configuration is wired by the rest of the gateway")]

mod config;

use std::process::ExitCode;

use config::{Config, check, cli};

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let split = match cli::split(&arguments) {
        Ok(split) => split,
        Err(error) => {
            eprint!("{}", check::refusal(&[error]));
            return ExitCode::FAILURE;
        }
    };
    match split.command {
        cli::Command::Help => print!("{}", config::help()),
        cli::Command::Version => println!("{}", config::version()),
        _ => match Config::load(&split.options, config::environment(), &config::read_file) {
            Ok((config, warnings)) => print!("{}", check::report(&config, &warnings)),
            Err(errors) => {
                eprint!("{}", check::refusal(&errors));
                return ExitCode::FAILURE;
            }
        },
    }
    ExitCode::SUCCESS
}
