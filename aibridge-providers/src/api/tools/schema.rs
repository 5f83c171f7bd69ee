//! What providers take for the schema of a tool's arguments.
//!
//! One tool that a provider refuses makes it refuse the request, whatever the client asked for. Neither provider says all
//! of its rules: these are what they are known to answer with 400, without `strict`.

use std::collections::BTreeSet;

use crate::{
    api::Api,
    json::{Document, Edits, Value},
};

/// How deep arrays and objects of a schema may nest. Parsers commonly give up at 128, and the request is around it.
const MAX_DEPTH: usize = 64;

/// The longest name of an argument that Anthropic takes, in bytes.
const MAX_ARGUMENT: usize = 64;

/// Why a provider would refuse a tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// The name is not 1 to 64 characters of `[A-Za-z0-9_-]`.
    #[error("the name is not 1 to 64 letters, digits, `_` and `-`")]
    Name,
    /// Another tool has the name.
    #[error("another tool has the same name")]
    Repeated,
    /// The schema is not a JSON object.
    #[error("the schema is not a JSON object")]
    NotAnObject,
    /// The schema nests arrays and objects deeper than 64.
    #[error("the schema is nested too deeply")]
    TooDeep,
    /// The schema has a `type` other than `object`.
    #[error("the schema's type is not \"object\"")]
    Type,
    /// The schema has at its top level what may only be further down: `oneOf`, `anyOf`, `allOf`; for OpenAI also `enum` and
    /// `not`.
    #[error("the schema has `{0}` at its top level")]
    TopLevel(&'static str),
    /// Anthropic: an argument's name is not 1 to 64 characters of `[A-Za-z0-9_.-]`.
    #[error("the name of the argument {0:?} is not 1 to 64 letters, digits, `_`, `.` and `-`")]
    Argument(String),
    /// The value of this keyword is not what JSON Schema 2020-12 says, e.g. an array of `items`.
    #[error("`{0}` is not as JSON Schema 2020-12 has it")]
    Keyword(String),
}

/// The schema in a form that providers of `api` take.
pub(super) fn fit(api: Api, schema: &str) -> Result<String, Unfit> {
    if depth(schema) > MAX_DEPTH {
        return Err(Unfit::TooDeep);
    }
    let document = Document::parse(schema.trim().to_owned().into()).map_err(|_| Unfit::NotAnObject)?;
    let openai = api != Api::Messages;
    let root = document.root();
    let mut fitting = Fitting { openai, edits: Edits::new(&document) };
    match document.get("type") {
        None => fitting.edits.set(root, "type", r#""object""#),
        Some(kind) if kind.as_str().as_deref() == Some("object") => {}
        Some(_) => return Err(Unfit::Type),
    }
    let combined: &[_] =
        if openai { &["oneOf", "anyOf", "allOf", "enum", "not"] } else { &["oneOf", "anyOf", "allOf"] };
    if let Some(key) = combined.iter().find(|key| document.get(key).is_some()) {
        return Err(Unfit::TopLevel(key));
    }
    match document.get("properties") {
        None if openai => fitting.edits.set(root, "properties", "{}"),
        Some(properties) if !openai => {
            if let Some((name, _)) = properties.members().find(|(name, _)| !is_argument(name)) {
                return Err(Unfit::Argument(name.into_owned()));
            }
        }
        _ => {}
    }
    fitting.schema(root)?;
    // Text in, text out.
    Ok(String::from_utf8_lossy(&fitting.edits.apply()).into_owned())
}

fn is_argument(name: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
    (1..=MAX_ARGUMENT).contains(&name.len()) && name.bytes().all(fits)
}

/// How deep arrays and objects nest.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A walk through a schema.
struct Fitting<'d> {
    openai: bool,
    edits: Edits<'d>,
}

impl Fitting<'_> {
    fn schema(&mut self, schema: Value<'_>) -> Result<(), Unfit> {
        for (key, value) in schema.members() {
            self.keyword(&key, value, schema)?;
        }
        if self.openai && schema.get("type").is_some_and(is_array) && schema.get("items").is_none() {
            // Any element, which is what a missing `items` means.
            self.edits.set(schema, "items", "{}");
        }
        Ok(())
    }

    /// After the meta-schemas at <https://json-schema.org/draft/2020-12/schema>.
    fn keyword(&mut self, key: &str, value: Value<'_>, schema: Value<'_>) -> Result<(), Unfit> {
        let valid = match key {
            // Servers written in Go send `null` for what is empty.
            "properties" if value.is_null() => {
                self.edits.replace(value, "{}");
                true
            }
            "required" if value.is_null() => {
                self.edits.remove(schema, "required");
                true
            }
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                for (_, inner) in value.members() {
                    self.inner(key, inner)?;
                }
                value.is_object()
            }
            "items"
            | "additionalProperties"
            | "contains"
            | "not"
            | "if"
            | "then"
            | "else"
            | "propertyNames"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "contentSchema" => return self.inner(key, value),
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                for inner in value.elements() {
                    self.inner(key, inner)?;
                }
                is_filled(value)
            }
            "type" => is_type(value) || is_filled(value) && value.elements().all(is_type) && is_unique(value),
            "required" => value.is_array() && value.elements().all(Value::is_string) && is_unique(value),
            "enum" => is_filled(value),
            "examples" => value.is_array(),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => is_number(value),
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains"
            | "maxContains" => is_number(value) && !value.text().starts_with(b"-"),
            "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => is_bool(value),
            "title" | "description" | "format" | "pattern" | "$ref" | "$id" | "$schema" | "$comment" | "$anchor" => {
                value.is_string()
            }
            _ => true,
        };
        if valid { Ok(()) } else { Err(Unfit::Keyword(key.to_owned())) }
    }

    /// A schema that is the value of a keyword, or part of it.
    fn inner(&mut self, key: &str, schema: Value<'_>) -> Result<(), Unfit> {
        if schema.is_object() {
            self.schema(schema)
        } else if is_bool(schema) {
            Ok(())
        } else {
            Err(Unfit::Keyword(key.to_owned()))
        }
    }
}

fn is_type(value: Value<'_>) -> bool {
    const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
    value.as_str().is_some_and(|name| TYPES.contains(&&*name))
}

/// Whether values of that `type` may be arrays.
fn is_array(kind: Value<'_>) -> bool {
    let is = |kind: Value<'_>| kind.as_str().as_deref() == Some("array");
    is(kind) || kind.elements().any(is)
}

fn is_bool(value: Value<'_>) -> bool {
    matches!(value.text(), b"true" | b"false")
}

fn is_number(value: Value<'_>) -> bool {
    matches!(value.text().first(), Some(b'-' | b'0'..=b'9'))
}

fn is_filled(value: Value<'_>) -> bool {
    value.elements().next().is_some()
}

/// Whether no two strings of an array are the same.
fn is_unique(value: Value<'_>) -> bool {
    let mut seen = BTreeSet::new();
    value.elements().filter_map(Value::as_str).all(|text| seen.insert(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_completed() {
        for (schema, messages, openai) in [
            (
                r#"{"type":"object","properties":{}}"#,
                r#"{"type":"object","properties":{}}"#,
                r#"{"type":"object","properties":{}}"#,
            ),
            ("{}", r#"{"type":"object"}"#, r#"{"type":"object","properties":{}}"#),
            (
                r#" {"additionalProperties": false} "#,
                r#"{"additionalProperties": false,"type":"object"}"#,
                r#"{"additionalProperties": false,"type":"object","properties":{}}"#,
            ),
            (
                r#"{"type":"object","properties":{"a":{"type":"array"},"b":{"type":["null","array"],"items":{"type":"array"}}}}"#,
                r#"{"type":"object","properties":{"a":{"type":"array"},"b":{"type":["null","array"],"items":{"type":"array"}}}}"#,
                r#"{"type":"object","properties":{"a":{"type":"array","items":{}},"b":{"type":["null","array"],"items":{"type":"array","items":{}}}}}"#,
            ),
            (
                r#"{"type":"object","properties":null,"required":null}"#,
                r#"{"type":"object","properties":{}}"#,
                r#"{"type":"object","properties":{}}"#,
            ),
            (
                r#"{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"const":1}],"x-ms":[]}},"$schema":"http://json-schema.org/draft-07/schema#"}"#,
                r#"{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"const":1}],"x-ms":[]}},"$schema":"http://json-schema.org/draft-07/schema#"}"#,
                r#"{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"const":1}],"x-ms":[]}},"$schema":"http://json-schema.org/draft-07/schema#"}"#,
            ),
        ] {
            assert_eq!(fit(Api::Messages, schema).as_deref(), Ok(messages), "{schema}");
            assert_eq!(fit(Api::Chat, schema).as_deref(), Ok(openai), "{schema}");
            assert_eq!(fit(Api::Responses, schema).as_deref(), Ok(openai), "{schema}");
        }
    }

    #[test]
    fn what_every_provider_refuses_is_refused() {
        let keyword = |key: &str| Unfit::Keyword(key.to_owned());
        let deep = format!(r#"{{"default":{}{}}}"#, "[".repeat(64), "]".repeat(64));
        for (schema, reason) in [
            ("", Unfit::NotAnObject),
            ("true", Unfit::NotAnObject),
            ("[]", Unfit::NotAnObject),
            ("{", Unfit::NotAnObject),
            (&deep, Unfit::TooDeep),
            (r#"{"type":"string"}"#, Unfit::Type),
            (r#"{"type":["object","null"]}"#, Unfit::Type),
            (r#"{"type":null}"#, Unfit::Type),
            (r#"{"oneOf":[{}]}"#, Unfit::TopLevel("oneOf")),
            (r#"{"type":"object","anyOf":[{}]}"#, Unfit::TopLevel("anyOf")),
            (r#"{"type":"object","allOf":[{}]}"#, Unfit::TopLevel("allOf")),
            (r#"{"properties":[]}"#, keyword("properties")),
            (r#"{"properties":{"a":7}}"#, keyword("properties")),
            (r#"{"properties":{"a":{"type":"string[]"}}}"#, keyword("type")),
            (r#"{"properties":{"a":{"type":["string","string"]}}}"#, keyword("type")),
            (r#"{"properties":{"a":{"type":[]}}}"#, keyword("type")),
            (r#"{"properties":{"a":{"required":true}}}"#, keyword("required")),
            (r#"{"required":["a","a"]}"#, keyword("required")),
            (r#"{"properties":{"a":{"type":"array","items":[{"type":"number"}]}}}"#, keyword("items")),
            (r#"{"properties":{"a":{"items":{"exclusiveMinimum":true}}}}"#, keyword("exclusiveMinimum")),
            (r#"{"properties":{"a":{"maxLength":-1}}}"#, keyword("maxLength")),
            (r#"{"properties":{"a":{"enum":[]}}}"#, keyword("enum")),
            (r#"{"properties":{"a":{"anyOf":[]}}}"#, keyword("anyOf")),
            (r#"{"properties":{"a":{"uniqueItems":"yes"}}}"#, keyword("uniqueItems")),
            (r#"{"$defs":{"a":{"$ref":7}}}"#, keyword("$ref")),
        ] {
            for api in [Api::Messages, Api::Chat, Api::Responses] {
                assert_eq!(fit(api, schema), Err(reason.clone()), "{schema}");
            }
        }
    }

    #[test]
    fn what_one_provider_refuses_the_other_is_given() {
        for key in ["enum", "not"] {
            let schema = format!(r#"{{"type":"object","{key}":[{{}}]}}"#).replace(r#""not":[{}]"#, r#""not":{}"#);
            assert!(fit(Api::Messages, &schema).is_ok(), "{schema}");
            assert_eq!(fit(Api::Chat, &schema), Err(Unfit::TopLevel(if key == "enum" { "enum" } else { "not" })));
        }
        for name in ["filter[id]", "$top", "é", "", &"a".repeat(65)] {
            let schema = format!(r#"{{"type":"object","properties":{{"{name}":{{}}}}}}"#);
            assert_eq!(fit(Api::Messages, &schema), Err(Unfit::Argument(name.to_owned())));
            assert!(fit(Api::Chat, &schema).is_ok());
            // Only the names at the top are looked at.
            let schema =
                format!(r#"{{"type":"object","properties":{{"a.b-C_9":{{"properties":{{"{name}":{{}}}}}}}}}}"#);
            assert!(fit(Api::Messages, &schema).is_ok());
        }
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(depth(r#"{"a":["\"[{\\",{}],"b":"\\"}"#), 3);
    }
}
