//! The full gateway: configuration, accounts, recording, wiring.

mod accounts;
mod command;
mod config;
mod demo;
mod external_auth;
mod identity;
mod logging;
mod mcp;
mod reload;
mod retention;
mod serve;
mod server;

use std::process::ExitCode;

use config::{
    Config, Warning, check,
    cli::{self, Command, Split},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        Command::Help => print!("{}", config::help()),
        Command::Version => println!("{}", config::version()),
        command => match Config::load(&split.options, config::environment(), &config::read_file) {
            Ok((config, warnings)) => return run(command, config, warnings, &split),
            Err(errors) => {
                eprint!("{}", check::refusal(&errors));
                return ExitCode::FAILURE;
            }
        },
    }
    ExitCode::SUCCESS
}

fn run(command: Command, config: Config, warnings: Vec<Warning>, split: &Split) -> ExitCode {
    // Requests are served by threads of their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let arguments = &split.rest;
    let done = runtime.block_on(async {
        match command {
            Command::Server => server::run(config, warnings, Some(split.options.clone())).await,
            Command::Demo => server::run(config, warnings, None).await,
            Command::Tokens => command::tokens(&config, arguments).await,
            Command::Users => command::users(&config, arguments).await,
            Command::ExternalAuth => command::external_auth(&config, arguments).await,
            Command::Interceptions => command::interceptions(&config, arguments).await,
            Command::Check | Command::Help | Command::Version => {
                print!("{}", check::report(&config, &warnings));
                Ok(())
            }
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aibridge-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
