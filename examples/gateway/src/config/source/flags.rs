use super::{Given, Level};
use crate::config::{
    definition::Kind,
    names::{self, Found},
    report::Report,
    value,
};

/// A piece of a command line, made of one or two arguments.
pub(in crate::config) enum Token {
    /// A flag that is in the table. Without a value if one is missing.
    Known { found: Found, spelling: String, text: Option<String>, arguments: Vec<String> },
    /// A flag that is not. An argument behind it that is no flag counts as its value.
    Unknown { spelling: String, arguments: Vec<String> },
    /// Neither: the argument at this position, counted from 1.
    Word { position: usize, word: String },
}

/// Takes a command line apart: `--flag value`, `--flag=value`, and `--flag` alone for switches.
pub(in crate::config) fn tokens(arguments: &[String]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = arguments.iter().enumerate().peekable();
    while let Some((at, argument)) = rest.next() {
        if !argument.starts_with('-') {
            tokens.push(Token::Word { position: at + 1, word: argument.clone() });
            continue;
        }
        let (spelling, text) = match argument.split_once('=') {
            Some((spelling, text)) => (spelling, Some(text.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut taken = vec![argument.clone()];
        let Some(found) = names::flag(spelling) else {
            if text.is_none()
                && let Some((_, next)) = rest.next_if(|(_, next)| !next.starts_with('-'))
            {
                taken.push(next.clone());
            }
            tokens.push(Token::Unknown { spelling: spelling.to_owned(), arguments: taken });
            continue;
        };
        let is_switch = found.slot.definition.kind == Kind::Switch;
        let text = text.or_else(|| {
            let is_value = |next: &str| if is_switch { value::switch(next).is_some() } else { !next.starts_with("--") };
            match rest.next_if(|(_, next)| is_value(next)) {
                Some((_, next)) => {
                    taken.push(next.clone());
                    Some(next.clone())
                }
                None => is_switch.then(|| "true".to_owned()),
            }
        });
        tokens.push(Token::Known { found, spelling: spelling.to_owned(), text, arguments: taken });
    }
    tokens
}

/// Picks the options out of a command line. Of a flag that is repeated, the last stays.
pub(in crate::config) fn read(arguments: &[String], report: &mut Report) -> Vec<Given> {
    let mut given: Vec<Given> = Vec::new();
    for token in tokens(arguments) {
        match token {
            Token::Known { found, spelling, text: Some(text), .. } => {
                given.retain(|earlier| earlier.spelling != spelling);
                given.push(Given { found, level: Level::Flag, spelling, line: None, text });
            }
            Token::Known { found, spelling, text: None, .. } => {
                let kind = found.slot.definition.kind.placeholder();
                report.error(&spelling, format!("has no value; write {spelling}=<{kind}>"));
            }
            Token::Unknown { spelling, .. } => {
                let advice = match names::nearest_flag(&spelling) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "see --help for the flags there are".to_owned(),
                };
                report.error(spelling, format!("is not a known flag; {advice}"));
            }
            // It may be a secret whose flag was mistyped, so that it is not shown.
            Token::Word { position, .. } => {
                report.error(
                    format!("argument {position}"),
                    "is not expected; flags begin with --, and see --help for the commands there are",
                );
            }
        }
    }
    given
}
