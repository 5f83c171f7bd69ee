//! Which of the values given for an option counts: flag before environment before YAML before default.

use std::{collections::BTreeMap, io, net::SocketAddr, path::Path, time::Duration};

use aibridge_providers::provider::{BaseUrl, Secret};
use url::Url;

use super::{
    definition::{Definition, Family},
    names::Found,
    report::Report,
    source::{Given, Level},
    table::{FAMILIES, OPTIONS},
    value::Value,
};

/// Reads a file as text; the process's own, or a test's.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

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
    /// Decides between what was given.
    pub(super) fn resolve(given: &[Given], read_file: ReadFile<'_>, report: &mut Report) -> Settings {
        let options = OPTIONS
            .iter()
            .map(|definition| {
                let of_it = |given: &&Given| {
                    given.found.slot.member.is_none() && given.found.slot.definition.name == definition.name
                };
                match choose(given.iter().filter(of_it), read_file, report) {
                    None => Setting { definition, value: default(definition), origin: None, wrong: false },
                    Some((value, origin)) => Setting::given(definition, value, origin),
                }
            })
            .collect();
        let members = FAMILIES.iter().flat_map(|family| members(family, given, read_file, report)).collect();
        Settings { options, members }
    }

    /// The option of that name, which must be in the table.
    pub(super) fn option(&self, name: &str) -> &Setting {
        self.options.iter().find(|setting| setting.definition.name == name).expect("the option is in the table")
    }

    /// Where the option was given anything but nothing, even if that is wrong.
    pub(super) fn given(&self, name: &str) -> Option<&Origin> {
        let setting = self.option(name);
        setting.origin.as_ref().filter(|_| setting.wrong || setting.value != Value::Empty)
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

    pub(super) fn keys(&self, name: &str) -> &[Secret] {
        if let Value::Keys(keys) = &self.option(name).value { keys } else { &[] }
    }
}

impl Setting {
    /// A value that is `None` is wrong.
    fn given(definition: &'static Definition, value: Option<Value>, origin: Origin) -> Setting {
        let wrong = value.is_none();
        let value = value.unwrap_or_else(|| default(definition));
        Setting { definition, value, origin: Some(origin), wrong }
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

    fn is_yaml(&self) -> bool {
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

/// Picks the value at the first level that has one. No value comes with an origin if what was given is wrong.
pub(super) fn choose<'a>(
    given: impl Iterator<Item = &'a Given>,
    read_file: ReadFile<'_>,
    report: &mut Report,
) -> Option<(Option<Value>, Origin)> {
    let mut given: Vec<&Given> = given.collect();
    let level = given.iter().map(|given| given.level).min()?;
    given.retain(|given| given.level == level);
    let direct = given.iter().find(|given| !given.found.file);
    let file = given.iter().find(|given| given.found.file);
    if let (Some(direct), Some(file)) = (direct, file) {
        let names = format!("{} and {}", direct.name(), file.name());
        report.error(names, "are both set; remove one: the value, or the file it is in");
        given.retain(|given| !given.found.file);
    }
    let mut chosen: Option<(&Given, Value)> = None;
    for given in &given {
        let value = text(given, read_file).and_then(|text| Value::parse(given.found.slot.definition.kind, &text));
        match (value, &chosen) {
            (Err(problem), _) => report.error(given.name(), problem),
            (Ok(value), None) => chosen = Some((given, value)),
            (Ok(value), Some((first, chosen))) if value != *chosen => {
                let names = format!("{} and {}", first.name(), given.name());
                report.error(names, "are two names of one option and have different values; remove one");
            }
            (Ok(_), Some(_)) => {}
        }
    }
    let (from, value) = match chosen {
        Some((from, value)) => (from, Some(value)),
        None => (*given.first()?, None),
    };
    let origin = Origin { level, name: from.name(), spelling: from.spelling.clone(), found: from.found };
    Some((value, origin))
}

/// The text that was given, or that of the file that was. The path is not quoted: it may be a secret by mistake.
fn text(given: &Given, read_file: ReadFile<'_>) -> Result<String, String> {
    if !given.found.file {
        return Ok(given.text.clone());
    }
    let mut text = read_file(Path::new(given.text.trim()))
        .map_err(|why| format!("the file cannot be read ({}); give the path of a file", why.kind()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    match text.trim().is_empty() {
        true => Err("the file is empty; put the secret into it".to_owned()),
        false => Ok(text),
    }
}

/// The members of `family`: those of flags and environment, or if there are none those of the YAML list.
fn members(family: &'static Family, given: &[Given], read_file: ReadFile<'_>, report: &mut Report) -> Vec<Member> {
    let mut by_index: BTreeMap<u64, Vec<&Given>> = BTreeMap::new();
    let of_family = |given: &&Given| given.found.slot.member.is_some_and(|(of, _)| of.name == family.name);
    let is_yaml = |given: &&Given| given.level == Level::Yaml;
    let list = |given: &Given| given.spelling.split('[').next().unwrap_or_default().to_owned();
    let in_yaml: Vec<&Given> = given.iter().filter(of_family).filter(is_yaml).collect();
    let mut counted: Vec<&Given> = given.iter().filter(of_family).filter(|given| !is_yaml(given)).collect();
    if let (Some(winner), Some(loser)) = (counted.first(), in_yaml.first()) {
        let name = list(loser);
        report.warn(&name, format!("has no effect: {} and its like win over the whole list", winner.name()));
    } else if let (Some(first), true) = (in_yaml.first(), counted.is_empty()) {
        if let Some(other) = in_yaml.iter().find(|other| list(other) != list(first)) {
            let names = format!("{} and {}", list(first), list(other));
            report.error(names, "are two names of one list; put all elements into one of them");
        }
        counted.extend(in_yaml.iter().filter(|given| list(given) == list(first)));
    }
    for given in counted {
        let (_, index) = given.found.slot.member.expect("filtered above");
        by_index.entry(index).or_default().push(given);
    }
    let members: Vec<Member> = by_index
        .into_iter()
        .map(|(index, given)| {
            let fields = family.fields.iter().filter_map(|definition| {
                let of_it = given.iter().copied().filter(|given| given.found.slot.definition.name == definition.name);
                let (value, origin) = choose(of_it, read_file, report)?;
                (value != Some(Value::Empty)).then(|| Setting::given(definition, value, origin))
            });
            Member { family, index, fields: fields.collect() }
        })
        .filter(|member| !member.fields.is_empty())
        .collect();
    gaps(&members, report);
    members
}

/// Indices begin at 0 and have no gap. Those of a list cannot be wrong, except that an element is empty, which its
/// reader reports.
fn gaps(members: &[Member], report: &mut Report) {
    let mut expected = 0;
    for member in members.iter().filter(|member| !member.is_yaml()) {
        if member.index != expected {
            let family = member.family.name;
            let index = member.index;
            let problem = match expected {
                0 => format!("the first index is {index}; number {family} from 0"),
                1 => format!("index {index} follows index 0; number {family} 0, 1, 2, ... without gaps"),
                _ => format!("index {index} follows index {}; number {family} 0, 1, 2, ... without gaps", expected - 1),
            };
            let first = member.fields.first().map_or("TYPE", |setting| setting.definition.name);
            report.error(member.name_of(first), problem);
        }
        expected = member.index.saturating_add(1);
    }
}
