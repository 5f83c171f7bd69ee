//! Commands that look at the store or change accounts. They work beside a running gateway.

mod external_auth;
mod interceptions;
mod table;
mod tokens;
mod users;

use clap::Parser;

pub(crate) use external_auth::run as external_auth;
pub(crate) use interceptions::run as interceptions;
pub(crate) use tokens::run as tokens;
pub(crate) use users::run as users;

/// Parses the arguments of a command; prints help and exits when it was asked for or something is wrong.
fn parse<A: Parser>(name: &str, arguments: &[String]) -> A {
    let name = format!("aibridge-gateway {name}");
    A::parse_from(std::iter::once(name.as_str()).chain(arguments.iter().map(String::as_str)))
}

/// Prints `value` as JSON, with line breaks.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
