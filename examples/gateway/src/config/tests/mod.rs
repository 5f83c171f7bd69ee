//! The configuration as a whole: from what an operator writes to what the gateway gets, or is told.

mod errors;
mod instance_errors;
mod later;
mod mcp;
mod precedence;
mod providers;
mod secrets;
mod seeds;
mod spellings;
mod typed;

use std::{collections::HashMap, io, path::Path};

use super::{Config, ConfigError, Warning};

/// What an operator gives.
#[derive(Clone, Default)]
struct Given {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    files: HashMap<String, String>,
}

fn flags(line: &str) -> Given {
    Given::default().and_flags(line)
}

fn env(variables: &str) -> Given {
    Given::default().and_env(variables)
}

fn yaml(text: &str) -> Given {
    Given::default().and_yaml(text)
}

impl Given {
    /// Flags, separated by blanks.
    fn and_flags(mut self, line: &str) -> Given {
        self.arguments.extend(line.split_whitespace().map(str::to_owned));
        self
    }

    /// `NAME=value`, one in each line.
    fn and_env(mut self, variables: &str) -> Given {
        for line in variables.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=').expect("NAME=value");
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// A YAML file at `/config.yaml`, named by the environment.
    fn and_yaml(self, text: &str) -> Given {
        self.and_env("CODER_CONFIG_PATH=/config.yaml").and_file("/config.yaml", text)
    }

    fn and_file(mut self, path: &str, content: &str) -> Given {
        self.files.insert(path.to_owned(), content.to_owned());
        self
    }

    fn load(&self) -> Result<(Config, Vec<Warning>), Vec<ConfigError>> {
        let read_file = |path: &Path| match path.to_str().and_then(|path| self.files.get(path)) {
            Some(content) => Ok(content.clone()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        Config::load(&self.arguments, self.environment.clone(), &read_file)
    }

    #[track_caller]
    fn config(&self) -> Config {
        self.load().unwrap_or_else(|errors| panic!("{errors:#?}")).0
    }

    #[track_caller]
    fn warnings(&self) -> Vec<String> {
        self.load().unwrap_or_else(|errors| panic!("{errors:#?}")).1.iter().map(Warning::to_string).collect()
    }

    #[track_caller]
    fn errors(&self) -> Vec<String> {
        match self.load() {
            Ok(_) => panic!("the configuration is accepted"),
            Err(errors) => errors.iter().map(ConfigError::to_string).collect(),
        }
    }
}

/// Checks that this, and nothing else, is reported.
#[track_caller]
fn refused(given: Given, errors: &[&str]) {
    assert_eq!(given.errors(), errors);
}
