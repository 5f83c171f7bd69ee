//! Which of the values given for an option counts: flag before environment before YAML before default.

use std::{collections::BTreeMap, io, path::Path};

use super::{
    definition::Family,
    report::Report,
    settings::{Member, Origin, Setting, Settings},
    source::{Given, Level},
    table::{FAMILIES, OPTIONS},
    value::Value,
};

/// Reads a file as text; the process's own, or a test's.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Decides between what was given.
pub(super) fn resolve(given: &[Given], read_file: ReadFile<'_>, report: &mut Report) -> Settings {
    let options = OPTIONS
        .iter()
        .map(|definition| {
            let of_it = |given: &&Given| {
                given.found.slot.member.is_none() && given.found.slot.definition.name == definition.name
            };
            Setting::new(definition, choose(given.iter().filter(of_it), read_file, report))
        })
        .collect();
    let members = FAMILIES.iter().flat_map(|family| members(family, given, read_file, report)).collect();
    Settings { options, members }
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
    Some((value, Origin::of(from)))
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
                let chosen = choose(of_it, read_file, report)?;
                (chosen.0 != Some(Value::Empty)).then(|| Setting::new(definition, Some(chosen)))
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
