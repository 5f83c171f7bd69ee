//! What `--help` and `version` print.

use std::fmt::Write as _;

use super::{
    cli::Command,
    definition::{Definition, Group},
    later::{self, Later},
    names::member_flag,
    table::{FAMILIES, OPTIONS},
};

/// `aibridge-gateway 0.1.0`
pub(crate) fn version() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

/// Every command and every option, in the groups of the documentation.
pub(crate) fn help() -> String {
    let mut text = format!(
        "An LLM gateway for coding agents.\n\nUsage: {} [COMMAND] [FLAGS]\n\nCommands:\n",
        env!("CARGO_PKG_NAME")
    );
    for (name, _, what) in Command::ALL {
        _ = writeln!(text, "  {name:<14} {what}");
    }
    text.push_str(
        "\nEvery option can be a flag, an environment variable or a key of the YAML file; the first of them wins.\n\
         --ai-gateway-x, CODER_AI_GATEWAY_X and ai_gateway: mean the same as --aibridge-x, CODER_AIBRIDGE_X and \
         aibridge:.\nA secret can also be in a file, whose path is given with -file or _FILE behind the name.\n\
         SIGHUP reads the YAML file and secrets in files again, and takes over the providers.\n",
    );
    for group in Group::ALL {
        _ = writeln!(text, "\n{}:", group.title());
        for option in OPTIONS.iter().filter(|option| option.group == group) {
            let yaml =
                if option.name == "CONFIG_PATH" { String::new() } else { format!(", {}", option.yaml_paths()[0]) };
            entry(&mut text, &option.flags()[0], option, &format!("{}{yaml}", option.variables()[0]));
        }
        for family in FAMILIES.iter().filter(|family| family.group == group) {
            let (variable, yaml) = (family.scope.prefixes()[0], family.scope.yaml_prefixes()[0]);
            _ = writeln!(
                text,
                "\n  {variable}{}_<N>_..., N from 0, or the list {yaml}{} with these fields in lower case:",
                family.name, family.list,
            );
            for field in family.fields {
                entry(
                    &mut text,
                    &member_flag(family, field),
                    field,
                    &format!("{variable}{}_<N>_{}", family.name, field.name),
                );
            }
        }
    }
    text
}

/// Said of what is understood and not acted on.
fn not_yet(later: bool) -> &'static str {
    if later { " (not in this version yet)" } else { "" }
}

fn entry(text: &mut String, flag: &str, option: &Definition, others: &str) {
    let later = later::LATER.iter().any(|later| match *later {
        Later::Option(name) | Later::Refused(name, _) => name == option.name,
    });
    let default = match option.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let (placeholder, help, later) = (option.kind.placeholder(), option.help, not_yet(later));
    _ = writeln!(text, "  {flag} <{placeholder}>\n      {help}{default}{later}\n      [{others}]");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_option_in_every_spelling_and_every_command() {
        let help = help();
        for option in OPTIONS {
            for spelling in [option.variables().swap_remove(0), option.flags().swap_remove(0)] {
                assert!(help.contains(&spelling), "{spelling}");
            }
            assert!(option.name == "CONFIG_PATH" || help.contains(&option.yaml_paths()[0]), "{}", option.name);
            assert!(help.contains(option.help), "{}", option.name);
        }
        for field in FAMILIES.iter().flat_map(|family| family.fields) {
            assert!(help.contains(&format!("_<N>_{}]", field.name)), "{}", field.name);
        }
        for (name, ..) in Command::ALL {
            assert!(help.contains(&format!("\n  {name} ")), "{name}");
        }
        assert!(help.contains("--aibridge-provider-<N>-base-url <url>"));
    }

    #[test]
    fn groups_follow_the_documentation() {
        let help = help();
        let at = |group: Group| help.find(&format!("\n{}:\n", group.title())).expect("every group has its heading");
        assert!(Group::ALL.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
    }
}
