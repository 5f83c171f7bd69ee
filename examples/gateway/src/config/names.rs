//! From a spelling to the option it means.

use super::{
    definition::{Definition, Family, flag_of},
    nearest::nearest,
    table::{FAMILIES, OPTIONS},
};

/// What can be set: an option, or a field of one member of a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// The option or field.
    pub(super) definition: &'static Definition,
    /// For a field: of which family, and of which member.
    pub(super) member: Option<(&'static Family, u64)>,
}

/// A spelling that was understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// What it sets.
    pub(super) slot: Slot,
    /// Whether its value is the path of a file that holds the secret (`X_FILE`).
    pub(super) file: bool,
}

impl Found {
    /// Finds `name` by `find`, or, if it ends in `suffix` and what is before names a secret, that secret's file.
    fn with_file(
        name: &str,
        suffix: &str,
        member: Option<(&'static Family, u64)>,
        find: impl Fn(&str) -> Option<&'static Definition>,
    ) -> Option<Found> {
        if let Some(definition) = find(name) {
            return Some(Found { slot: Slot { definition, member }, file: false });
        }
        let definition = name.strip_suffix(suffix).and_then(find).filter(|found| found.kind.is_secret())?;
        Some(Found { slot: Slot { definition, member }, file: true })
    }

    /// How another field of the same member is spelt, next to `spelling`, which is how this one was.
    pub(super) fn sibling(&self, spelling: &str, field: &str) -> String {
        let own = self.slot.definition.name.len() + if self.file { "_FILE".len() } else { 0 };
        let stem = spelling.get(..spelling.len().saturating_sub(own)).unwrap_or_default();
        let field = match stem.as_bytes() {
            [b'-', ..] => field.to_ascii_lowercase().replace('_', "-"),
            [.., b'.'] => field.to_ascii_lowercase(),
            _ => field.to_owned(),
        };
        format!("{stem}{field}")
    }
}

/// Looks up an environment variable; `Ok(None)` if it is someone else's.
///
/// # Errors
/// It has a prefix that is the gateway's or a family's, and is not known. The nearest known one, if any.
pub(super) fn variable(name: &str) -> Result<Option<Found>, Option<String>> {
    let Some((prefix, rest)) = split_prefix(name) else { return Ok(None) };
    if let Some((family, index, field)) = member(prefix, rest) {
        let find = |field: &str| family.fields.iter().find(|known| known.name == field);
        return match Found::with_file(field, "_FILE", Some((family, index)), find) {
            Some(found) => Ok(Some(found)),
            None => Err(nearest(field, family.fields.iter().map(|known| known.name.to_owned()))
                .map(|near| format!("{prefix}{}_{index}_{near}", family.name))),
        };
    }
    let options = || OPTIONS.iter().filter(|option| option.scope.prefixes().contains(&prefix));
    match Found::with_file(rest, "_FILE", None, |rest| options().find(|option| option.name == rest)) {
        Some(found) => Ok(Some(found)),
        None if prefix == "CODER_" => Ok(None),
        None => {
            Err(nearest(rest, options().map(|option| option.name.to_owned())).map(|near| format!("{prefix}{near}")))
        }
    }
}

/// Looks up a flag, given with its leading hyphens. Every variable has one; some have others besides.
pub(super) fn flag(name: &str) -> Option<Found> {
    let name = if name == "-c" { "--config" } else { name };
    if !name.starts_with("--") {
        return None;
    }
    let listed = |name: &str| {
        OPTIONS.iter().find(|option| {
            option.also.contains(&name) || (option.flag.is_some() && option.flag == name.strip_prefix("--"))
        })
    };
    Found::with_file(name, "-file", None, listed).or_else(|| variable(&variable_of(name)?).ok().flatten())
}

/// The known flag that is nearest to `name`.
pub(super) fn nearest_flag(name: &str) -> Option<String> {
    match variable(&variable_of(name)?) {
        Err(near) => near.map(|near| flag_of(&near)),
        Ok(_) => nearest(name, OPTIONS.iter().flat_map(Definition::flags).filter(|flag| !flag.starts_with("--ai"))),
    }
}

/// Looks up a YAML path such as `aibridge.retention`. Members of families are lists there: see [`list`] and [`field`].
pub(super) fn yaml(path: &str) -> Option<Found> {
    Found::with_file(path, "_file", None, |path| {
        in_yaml().find(|option| {
            let derived = option.name.to_ascii_lowercase();
            option.also.contains(&path)
                || option.yaml_paths().iter().any(|known| known == path)
                || option.scope.yaml_prefixes().iter().any(|prefix| path.strip_prefix(prefix) == Some(&derived))
        })
    })
}

/// The known YAML path that is nearest to `path`. A key at the top may have lost its indentation, so that its group is
/// looked at as well.
pub(super) fn nearest_yaml(path: &str) -> Option<String> {
    if let Some(group) = path.split_inclusive('.').next().filter(|group| group.len() < path.len()) {
        let in_group =
            in_yaml().flat_map(Definition::yaml_paths).chain(lists()).filter(|known| known.starts_with(group));
        let near = nearest(&path[group.len()..], in_group.map(|known| known[group.len()..].to_owned()))?;
        return Some(format!("{group}{near}"));
    }
    let option = |near: &String| {
        in_yaml()
            .map(|option| option.yaml_paths().swap_remove(0))
            .find(|path| path.rsplit_once('.').map_or(path.as_str(), |(_, key)| key) == near)
    };
    nearest(path, in_yaml().map(|option| option.name.to_ascii_lowercase()))
        .and_then(|near| option(&near))
        .or_else(|| nearest(path, in_yaml().flat_map(Definition::yaml_paths).chain(lists())))
}

/// The family whose YAML list is at `path`, e.g. `aibridge.providers`.
pub(super) fn list(path: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| {
        family.also_list == Some(path)
            || family.scope.yaml_prefixes().iter().any(|prefix| path == format!("{prefix}{}", family.list))
    })
}

/// Looks up a key of an element of `family`'s YAML list.
///
/// # Errors
/// It is not known. The nearest known one, if any.
pub(super) fn field(family: &'static Family, index: u64, key: &str) -> Result<Found, Option<String>> {
    let find = |key: &str| family.fields.iter().find(|field| field.name.eq_ignore_ascii_case(key));
    Found::with_file(key, "_file", Some((family, index)), find)
        .ok_or_else(|| nearest(key, family.fields.iter().map(|field| field.name.to_ascii_lowercase())))
}

/// The flag of a field of any member of `family`, for `--help`.
pub(super) fn member_flag(family: &Family, field: &Definition) -> String {
    flag_of(&format!("{}{}_<N>_{}", family.scope.prefixes()[0], family.name, field.name)).replace("<n>", "<N>")
}

/// The file itself is not named in the file.
fn in_yaml() -> impl Iterator<Item = &'static Definition> {
    OPTIONS.iter().filter(|option| option.name != "CONFIG_PATH")
}

fn lists() -> impl Iterator<Item = String> {
    FAMILIES
        .iter()
        .flat_map(|family| family.scope.yaml_prefixes().iter().map(|prefix| format!("{prefix}{}", family.list)))
}

/// `--http-address` corresponds to `CODER_HTTP_ADDRESS`; flags are lower case.
fn variable_of(flag: &str) -> Option<String> {
    let name = flag.strip_prefix("--")?;
    let lower = !name.contains(|c: char| c.is_ascii_uppercase() || c == '_');
    lower.then(|| format!("CODER_{}", name.to_ascii_uppercase().replace('-', "_")))
}

fn split_prefix(variable: &str) -> Option<(&'static str, &str)> {
    ["CODER_AIBRIDGE_", "CODER_AI_GATEWAY_", "CODER_"]
        .into_iter()
        .find_map(|prefix| variable.strip_prefix(prefix).map(|rest| (prefix, rest)))
}

/// Takes `PROVIDER_0_KEY` apart. An index that is too large for any list stays too large.
fn member<'a>(prefix: &str, rest: &'a str) -> Option<(&'static Family, u64, &'a str)> {
    FAMILIES.iter().filter(|family| family.scope.prefixes().contains(&prefix)).find_map(|family| {
        let (index, field) = rest.strip_prefix(family.name)?.strip_prefix('_')?.split_once('_')?;
        let plain = index == "0" || !index.starts_with('0');
        let digits = !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
        (digits && plain).then(|| (family, index.parse().unwrap_or(u64::MAX), field))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(found: Option<Found>) -> Option<(&'static str, Option<u64>, bool)> {
        found.map(|found| (found.slot.definition.name, found.slot.member.map(|(_, index)| index), found.file))
    }

    #[test]
    fn variables_are_found_under_both_names() {
        for prefix in ["CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"] {
            let find = |rest: &str| named(variable(&format!("{prefix}{rest}")).ok().flatten());
            assert_eq!(find("RETENTION"), Some(("RETENTION", None, false)));
            assert_eq!(find("OPENAI_KEY_FILE"), Some(("OPENAI_KEY", None, true)));
            assert_eq!(find("PROVIDER_12_KEY"), Some(("KEY", Some(12), false)));
            assert_eq!(find("PROVIDER_12_KEY_FILE"), Some(("KEY", Some(12), true)));
            assert_eq!(find("RETENTION_FILE"), None);
            assert_eq!(find("HTTP_ADDRESS"), None);
            assert_eq!(find("PROVIDER_01_KEY"), None);
        }
        assert_eq!(named(variable("CODER_HTTP_ADDRESS").ok().flatten()), Some(("HTTP_ADDRESS", None, false)));
        assert_eq!(named(variable("CODER_TELEMETRY").expect("not ours")), None);
    }

    #[test]
    fn flags_have_their_own_and_the_variable_s_name() {
        for name in ["--postgres-url", "--pg-connection-url"] {
            assert_eq!(named(flag(name)), Some(("PG_CONNECTION_URL", None, false)), "{name}");
            assert_eq!(named(flag(&format!("{name}-file"))), Some(("PG_CONNECTION_URL", None, true)), "{name}");
        }
        assert_eq!(named(flag("-c")), Some(("CONFIG_PATH", None, false)));
        assert_eq!(named(flag("--trace")), Some(("TRACE_ENABLE", None, false)));
        assert_eq!(named(flag("--ai-gateway-provider-3-base-url")), Some(("BASE_URL", Some(3), false)));
        assert_eq!(named(flag("--tls-key-file")), Some(("TLS_KEY_FILE", None, false)));
        for unknown in ["--AIBRIDGE-RETENTION", "--aibridge_retention", "--", "-", "--é", "-x", ""] {
            assert_eq!(named(flag(unknown)), None, "{unknown}");
        }
    }

    #[test]
    fn the_nearest_name_is_suggested_in_the_same_spelling() {
        let near = |name: &str| variable(name).expect_err(name);
        assert_eq!(near("CODER_AIBRIDGE_RETENSION"), Some("CODER_AIBRIDGE_RETENTION".to_owned()));
        assert_eq!(near("CODER_AI_GATEWAY_PROVIDER_1_KYE"), Some("CODER_AI_GATEWAY_PROVIDER_1_KEY".to_owned()));
        assert_eq!(near("CODER_AIBRIDGE_PROXY_ENABLED"), None);
        assert_eq!(nearest_flag("--aibridge-retension"), Some("--aibridge-retention".to_owned()));
        assert_eq!(nearest_flag("--ai-gateway-provider-0-nam"), Some("--ai-gateway-provider-0-name".to_owned()));
        assert_eq!(nearest_flag("--http-adress"), Some("--http-address".to_owned()));
        assert_eq!(nearest_flag("--nothing-like-it"), None);
        assert_eq!(nearest_yaml("aibridge.retension"), Some("aibridge.retention".to_owned()));
        assert_eq!(nearest_yaml("ai_gateway.provider"), Some("ai_gateway.providers".to_owned()));
        assert_eq!(nearest_yaml("retention"), Some("aibridge.retention".to_owned()));
        assert_eq!(nearest_yaml("http_adress"), Some("http_address".to_owned()));
        assert_eq!(nearest_yaml("aibrige"), None);
    }
}
