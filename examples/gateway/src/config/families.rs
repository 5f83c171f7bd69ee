//! Checks of the families that nothing reads yet: their members are complete, and of one name each.

use std::collections::HashMap;

use super::{
    report::Report,
    resolve::{Member, Settings},
    table::{EXTERNAL_AUTH, MCP},
    value::Value,
};

/// Checks MCP servers and external authentication applications.
pub(super) fn check(settings: &Settings, report: &mut Report) {
    for (family, required, id) in
        [(&MCP, ["NAME", "URL"].as_slice(), ["NAME", "NAME"]), (&EXTERNAL_AUTH, ["TYPE"].as_slice(), ["ID", "TYPE"])]
    {
        let mut ids: HashMap<&str, String> = HashMap::new();
        for member in settings.members.iter().filter(|member| member.family.name == family.name) {
            for field in required.iter().filter(|field| member.setting(field).is_none()) {
                report.error(member.name_of(field), "is missing; set it, or remove the other variables of that index");
            }
            let Some(value) = text(member, id[0]).or_else(|| text(member, id[1])) else { continue };
            if let Some(other) = ids.insert(value, member.name_of(id[0])) {
                let names = format!("{other} and {}", member.name_of(id[0]));
                report.error(names, format!("both are `{value}`; give each its own"));
            }
        }
    }
}

fn text<'a>(member: &'a Member, field: &str) -> Option<&'a str> {
    match member.field(field) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}
