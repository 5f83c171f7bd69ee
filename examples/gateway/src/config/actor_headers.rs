//! The names of the headers that tell a provider who is asking.

use aibridge_tower::actor_headers::ActorHeaderNames;
use http::HeaderName;

use super::{report::Report, settings::Settings};

const OPTIONS: [&str; 3] = ["ACTOR_HEADER_ID", "ACTOR_HEADER_USERNAME", "ACTOR_HEADER_EMAIL"];

/// The names that may begin with [`RESERVED_PREFIX`].
const STANDARD: [&str; 2] = ["x-ai-bridge-actor-id", "x-ai-bridge-actor-metadata-username"];

const RESERVED_PREFIX: &str = "x-ai-bridge-actor";

/// Headers that carry credentials, cookies, or the transport's and the proxies' own business.
const TAKEN: &[&str] = &[
    "api-key",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-api-key",
    "x-real-ip",
];

const TAKEN_PREFIXES: &[&str] = &["coder-", "proxy-", "x-amz-", "x-coder-", "x-forwarded-"];

/// The names. One that is not a field name is an error of its own option.
pub(super) fn names(settings: &Settings) -> ActorHeaderNames {
    let name = |option: &str| settings.text(option).and_then(|name| HeaderName::try_from(name).ok());
    let mut names = ActorHeaderNames::default();
    names.id = name("ACTOR_HEADER_ID").unwrap_or(names.id);
    names.username = name("ACTOR_HEADER_USERNAME").unwrap_or(names.username);
    names.email = name("ACTOR_HEADER_EMAIL");
    names
}

/// Checks that no name is taken, and that no two are the same.
pub(super) fn check(settings: &Settings, report: &mut Report) {
    let named: Vec<(&str, String)> =
        OPTIONS.into_iter().filter_map(|option| Some((option, settings.text(option)?.to_ascii_lowercase()))).collect();
    for (at, (option, name)) in named.iter().enumerate() {
        let Some(origin) = settings.given(option) else { continue };
        if TAKEN.contains(&name.as_str()) || TAKEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            report.error(&origin.name, format!("`{name}` has a meaning of its own; choose another name"));
        } else if name.starts_with(RESERVED_PREFIX) && !STANDARD.contains(&name.as_str()) {
            let standard = STANDARD.join(" and ");
            report
                .error(&origin.name, format!("names that begin with `{RESERVED_PREFIX}` are reserved for {standard}"));
        }
        let same = |(other, (_, of_other)): (usize, &(&str, String))| {
            // Of two that were given, the second is at fault; a default is never.
            other != at && of_other == name && (other < at || settings.given(named[other].0).is_none())
        };
        if let Some((other, _)) = named.iter().enumerate().find(|&other| same(other)) {
            let other = named[other].0;
            report.error(&origin.name, format!("`{name}` is the name of {other} as well; choose another name"));
        }
    }
}
