//! Commands.

use super::{
    nearest::suggest,
    report::ConfigError,
    source::{Token, tokens},
};

/// What the process is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Serve. What is done when nothing is asked for.
    Server,
    /// Serve with a scripted provider.
    Demo,
    /// Create, list and revoke tokens.
    Tokens,
    /// Manage users.
    Users,
    /// Look at and undo what users linked.
    ExternalAuth,
    /// Look at records.
    Interceptions,
    /// Say what the configuration is understood to mean.
    Check,
    /// Say which version this is.
    Version,
    /// Say what can be asked for.
    Help,
}

impl Command {
    /// The commands by name, with what `--help` says of them.
    pub(super) const ALL: [(&'static str, Command, &'static str); 9] = [
        ("server", Command::Server, "serve (the default)"),
        ("demo", Command::Demo, "serve with a scripted provider, and print client settings to try it with"),
        ("tokens", Command::Tokens, "create, list and revoke gateway tokens"),
        ("users", Command::Users, "manage users"),
        ("external-auth", Command::ExternalAuth, "look at and undo what users linked"),
        ("interceptions", Command::Interceptions, "look at records"),
        ("check", Command::Check, "read the configuration and print what is understood, secrets masked"),
        ("version", Command::Version, "print the version"),
        ("help", Command::Help, "print this"),
    ];

    /// Whether the command has arguments and flags of its own.
    fn has_arguments(self) -> bool {
        matches!(self, Command::Tokens | Command::Users | Command::ExternalAuth | Command::Interceptions)
    }
}

/// A command line, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Split {
    /// The command.
    pub(crate) command: Command,
    /// The flags of options, for [`super::Config::load`]. They may stand before and after the command.
    pub(crate) options: Vec<String>,
    /// For commands with arguments of their own: everything else behind the command, in order.
    pub(crate) rest: Vec<String>,
}

/// Takes the arguments behind the program's name apart.
///
/// # Errors
/// The command is not known. It is not quoted: it may be a secret whose flag was mistyped.
pub(crate) fn split(arguments: &[String]) -> Result<Split, ConfigError> {
    let mut command = None;
    let mut options = Vec::new();
    let mut rest = Vec::new();
    for token in tokens(arguments) {
        let own = command.is_some_and(Command::has_arguments);
        match token {
            Token::Known { arguments, .. } => options.extend(arguments),
            Token::Unknown { arguments, .. } if own => rest.extend(arguments),
            Token::Unknown { spelling, .. } if matches!(spelling.as_str(), "--help" | "-h") => {
                command = Some(Command::Help);
                break;
            }
            Token::Unknown { spelling, .. } if matches!(spelling.as_str(), "--version" | "-V") => {
                command = Some(Command::Version);
                break;
            }
            Token::Unknown { arguments, .. } => options.extend(arguments),
            Token::Word { word, .. } if own => rest.push(word),
            Token::Word { position, word } if command.is_none() => {
                let known = Command::ALL.iter().find(|(name, ..)| *name == word);
                command = Some(known.map(|(_, command, _)| *command).ok_or_else(|| unknown(position, &word))?);
            }
            Token::Word { word, .. } => options.push(word),
        }
    }
    Ok(Split { command: command.unwrap_or(Command::Server), options, rest })
}

fn unknown(position: usize, word: &str) -> ConfigError {
    let names = || Command::ALL.iter().map(|(name, ..)| (*name).to_owned());
    let all: Vec<String> = names().collect();
    ConfigError {
        option: format!("argument {position}"),
        problem: format!("is not a command; use one of {}{}", all.join(", "), suggest(word, names())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_line(line: &str) -> Split {
        split(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .unwrap_or_else(|why| panic!("{line}: {why}"))
    }

    #[test]
    fn server_is_what_no_command_means() {
        assert_eq!(split_line("").command, Command::Server);
        let split = split_line("--aibridge-retention 90d --aibridge-enabled");
        assert_eq!((split.command, split.options.len()), (Command::Server, 3));
    }

    #[test]
    fn options_may_stand_before_and_after_the_command() {
        let line = "--aibridge-structured-logging --data-dir d tokens create --name ci --http-address=:1 --expires 30d";
        let split = split_line(line);
        assert_eq!(split.command, Command::Tokens);
        assert_eq!(split.options, ["--aibridge-structured-logging", "--data-dir", "d", "--http-address=:1"]);
        assert_eq!(split.rest, ["create", "--name", "ci", "--expires", "30d"]);
    }

    #[test]
    fn a_switch_takes_only_a_truth_value_as_its_own() {
        let split = split_line("--aibridge-enabled check");
        assert_eq!((split.command, split.options), (Command::Check, vec!["--aibridge-enabled".to_owned()]));
        let split = split_line("--aibridge-enabled false check");
        assert_eq!((split.command, split.options.len()), (Command::Check, 2));
    }

    #[test]
    fn help_and_version_are_flags_too_unless_the_command_has_its_own() {
        assert_eq!(split_line("server --help").command, Command::Help);
        assert_eq!(split_line("-h").command, Command::Help);
        assert_eq!(split_line("--version").command, Command::Version);
        let split = split_line("tokens --help");
        assert_eq!((split.command, split.rest), (Command::Tokens, vec!["--help".to_owned()]));
    }

    #[test]
    fn an_unknown_command_is_not_quoted() {
        let error = split(&["sk-canary".to_owned()]).err().expect("unknown").to_string();
        assert!(error.contains("argument 1") && !error.contains("canary"), "{error}");
        let error = split(&["tokns".to_owned()]).err().expect("unknown").to_string();
        assert!(error.ends_with("did you mean tokens?"), "{error}");
    }

    #[test]
    fn what_a_command_does_not_take_is_left_for_the_options_to_refuse() {
        assert_eq!(split_line("server now").options, ["now"]);
        assert_eq!(split_line("--aibridge-retension 90d server").options, ["--aibridge-retension", "90d"]);
    }
}
