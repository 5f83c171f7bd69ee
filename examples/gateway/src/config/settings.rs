//! Every option with the value that counts, and where it comes from.

use std::{net::SocketAddr, path::Path, time::Duration};

use aibridge_providers::provider::{BaseUrl, Secret};
use regex::Regex;
use url::Url;

use super::{
    definition::{Definition, Family, Kind},
    names::Found,
    source::{Given, Level},
    value::Value,
};

/// An option's value and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The option.
    pub(crate) definition: &'static Definition,
    /// The value that counts; the default if what was given is wrong.
    pub(crate) value: Value,
    /// Where it was given, if it was.
    pub(crate) origin: Option<Origin>,
    /// Whether what was given is wrong; the report says how.
    pub(super) wrong: bool,
}

/// Where an option was given.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The place.
    pub(crate) level: Level,
    /// How it was spelt, and for YAML in which line.
    pub(crate) name: String,
    spelling: String,
    found: Found,
}

impl Origin {
    pub(super) fn of(given: &Given) -> Origin {
        Origin { level: given.level, name: given.name(), spelling: given.spelling.clone(), found: given.found }
    }
}

/// One member of a family: the fields that were given.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) family: &'static Family,
    pub(super) index: u64,
    pub(super) fields: Vec<Setting>,
}

/// Every option, with the value that counts.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The options, in the order of the table.
    pub(crate) options: Vec<Setting>,
    /// The members of families, by family and index.
    pub(super) members: Vec<Member>,
}

impl Settings {
    /// The option of that name, which must be in the table.
    pub(super) fn option(&self, name: &str) -> &Setting {
        self.options.iter().find(|setting| setting.definition.name == name).expect("the option is in the table")
    }

    /// Where the option was given anything but nothing, even if that is wrong.
    pub(super) fn given(&self, name: &str) -> Option<&Origin> {
        let setting = self.option(name);
        setting.origin.as_ref().filter(|_| setting.wrong || setting.value != Value::Empty)
    }

    /// Where the option was given anything but its default, even if that is wrong.
    pub(super) fn changed(&self, name: &str) -> Option<&Origin> {
        let setting = self.option(name);
        self.given(name).filter(|_| setting.wrong || setting.differs())
    }

    pub(super) fn switch(&self, name: &str) -> bool {
        matches!(self.option(name).value, Value::Switch(true))
    }

    pub(super) fn duration(&self, name: &str) -> Duration {
        let Value::Duration(duration) = self.option(name).value else { unreachable!("{name} is a duration") };
        duration
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        let Value::Number(number) = self.option(name).value else { unreachable!("{name} is a number") };
        number
    }

    pub(super) fn address(&self, name: &str) -> SocketAddr {
        let Value::Address(address) = self.option(name).value else { unreachable!("{name} is an address") };
        address
    }

    pub(super) fn base_url(&self, name: &str) -> Option<&BaseUrl> {
        if let Value::BaseUrl(url) = &self.option(name).value { Some(url) } else { None }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.option(name).value {
            Value::Text(text) | Value::HeaderName(text) | Value::Url(_, text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn path(&self, name: &str) -> Option<&Path> {
        if let Value::Path(path) = &self.option(name).value { Some(path) } else { None }
    }

    pub(super) fn url(&self, name: &str) -> Option<&Url> {
        if let Value::Url(url, _) = &self.option(name).value { Some(url) } else { None }
    }

    pub(super) fn secret(&self, name: &str) -> Option<&Secret> {
        if let Value::Secret(secret) = &self.option(name).value { Some(secret) } else { None }
    }

    pub(super) fn words(&self, name: &str) -> &[String] {
        if let Value::Words(words) = &self.option(name).value { words } else { &[] }
    }

    pub(super) fn keys(&self, name: &str) -> &[Secret] {
        if let Value::Keys(keys) = &self.option(name).value { keys } else { &[] }
    }
}

impl Setting {
    /// What was chosen, if anything was given. A value that is `None` is wrong.
    pub(super) fn new(definition: &'static Definition, chosen: Option<(Option<Value>, Origin)>) -> Setting {
        let (value, origin) = chosen.map_or((None, None), |(value, origin)| (value, Some(origin)));
        let wrong = origin.is_some() && value.is_none();
        // There is no instance without a base URL, so that an empty one is the default.
        let value = value.filter(|value| definition.kind != Kind::BaseUrl || *value != Value::Empty);
        Setting { definition, value: value.unwrap_or_else(|| default(definition)), origin, wrong }
    }

    /// Whether it is worth mentioning: given, and other than the default.
    pub(crate) fn differs(&self) -> bool {
        self.origin.is_some() && self.value != default(self.definition)
    }
}

impl Member {
    /// The value of the field of that name, if it was given one that is right.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.setting(name).filter(|setting| !setting.wrong).map(|setting| &setting.value)
    }

    /// The text of the field of that name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        if let Some(Value::Text(text)) = self.field(name) { Some(text) } else { None }
    }

    /// The URL in the field of that name.
    pub(super) fn url(&self, name: &str) -> Option<&Url> {
        if let Some(Value::Url(url, _)) = self.field(name) { Some(url) } else { None }
    }

    /// The secret in the field of that name.
    pub(super) fn secret(&self, name: &str) -> Option<&Secret> {
        if let Some(Value::Secret(secret)) = self.field(name) { Some(secret) } else { None }
    }

    /// The regular expression in the field of that name.
    pub(super) fn pattern(&self, name: &str) -> Option<&Regex> {
        if let Some(Value::Pattern(pattern)) = self.field(name) { Some(pattern) } else { None }
    }

    /// The words in the field of that name.
    pub(super) fn words(&self, name: &str) -> &[String] {
        if let Some(Value::Words(words)) = self.field(name) { words } else { &[] }
    }

    /// How the field was spelt, or would have been next to the others.
    pub(super) fn name_of(&self, field: &str) -> String {
        let origin = |setting: &Setting| setting.origin.clone();
        match self.setting(field).and_then(origin) {
            Some(origin) => origin.name,
            None => self
                .fields
                .iter()
                .find_map(origin)
                .map_or_else(|| field.to_owned(), |other| other.found.sibling(&other.spelling, field)),
        }
    }

    /// Whether the field was given, even if its value is wrong.
    pub(super) fn setting(&self, name: &str) -> Option<&Setting> {
        self.fields.iter().find(|setting| setting.definition.name == name)
    }

    pub(super) fn is_yaml(&self) -> bool {
        self.fields.iter().filter_map(|setting| setting.origin.as_ref()).all(|origin| origin.level == Level::Yaml)
    }
}

/// The option's default.
fn default(definition: &Definition) -> Value {
    match definition.default {
        "" => Value::Empty,
        text => Value::parse(definition.kind, text).expect("a test parses every default"),
    }
}
