//! Reading an option's text.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use aibridge_providers::provider::{BaseUrl, Secret};
use http::{HeaderName, HeaderValue};
use regex::Regex;
use url::Url;

use super::{definition::Kind, nearest::suggest};

/// Most keys an instance may have.
pub(super) const MAX_KEYS: usize = 100;

/// An option's value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// The text was empty.
    Empty,
    /// [`Kind::Switch`]
    Switch(bool),
    /// [`Kind::Duration`]
    Duration(Duration),
    /// [`Kind::Bytes`], [`Kind::Count`]
    Number(u64),
    /// [`Kind::Text`], [`Kind::Choice`], [`Kind::Region`]
    Text(String),
    /// [`Kind::Words`]: none is empty.
    Words(Vec<String>),
    /// [`Kind::Secret`]
    Secret(Secret),
    /// [`Kind::Keys`]
    Keys(Vec<Secret>),
    /// [`Kind::Path`]
    Path(PathBuf),
    /// [`Kind::Url`], [`Kind::Endpoint`]: also as it was written, because issuers are compared byte by byte.
    Url(Url, String),
    /// [`Kind::BaseUrl`]
    BaseUrl(BaseUrl),
    /// [`Kind::Address`]
    Address(SocketAddr),
    /// [`Kind::HeaderName`]: as it was written.
    HeaderName(String),
    /// [`Kind::Pattern`]
    Pattern(Regex),
}

impl Value {
    /// Reads `text`.
    ///
    /// # Errors
    /// What is wrong with it and what to do, as a clause that follows the option's name. It quotes neither secrets nor
    /// URLs, which may carry one.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Value, String> {
        // A shared secret may begin or end with a blank; nothing else does.
        let text = if kind == Kind::Secret { text } else { text.trim() };
        if text.trim().is_empty() {
            return match kind {
                Kind::Switch | Kind::Duration | Kind::Bytes | Kind::Count(..) | Kind::Address | Kind::Choice(_) => {
                    Err("is empty; give it a value, or leave it out for the default".to_owned())
                }
                _ => Ok(Value::Empty),
            };
        }
        match kind {
            Kind::Switch => switch(text)
                .map(Value::Switch)
                .ok_or_else(|| format!("`{text}` is neither yes nor no; use true or false")),
            Kind::Duration => duration(text).map(Value::Duration),
            Kind::Bytes => bytes(text).map(Value::Number),
            Kind::Count(least, most) => match text.parse() {
                Ok(number) if (least..=most).contains(&number) => Ok(Value::Number(number)),
                _ => Err(format!("`{text}` is not a whole number from {least} to {most}")),
            },
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::Secret => Ok(Value::Secret(Secret::new(text))),
            Kind::Keys => keys(text).map(Value::Keys),
            Kind::Path => Ok(Value::Path(PathBuf::from(text))),
            Kind::Url => url(text).map(|url| Value::Url(url, text.to_owned())),
            Kind::Endpoint => endpoint(text).map(|url| Value::Url(url, text.to_owned())),
            Kind::Words(between) => {
                let words = text.split(between).map(str::trim).filter(|word| !word.is_empty());
                Ok(Value::Words(words.map(str::to_owned).collect()))
            }
            Kind::BaseUrl => {
                BaseUrl::parse(text).map(Value::BaseUrl).map_err(|why| format!("{why}; use e.g. https://host/path"))
            }
            Kind::Address => address(text).map(Value::Address),
            Kind::Choice(words) => match words.contains(&text) {
                true => Ok(Value::Text(text.to_owned())),
                false => {
                    let near = suggest(text, words.iter().map(|&word| word.to_owned()));
                    Err(format!("`{text}` is not known; use one of {}{near}", words.join(", ")))
                }
            },
            Kind::HeaderName => match HeaderName::from_bytes(text.as_bytes()) {
                Ok(_) => Ok(Value::HeaderName(text.to_owned())),
                Err(_) => Err(format!("`{text}` is not a header name; use letters, digits and hyphens")),
            },
            Kind::Pattern => Regex::new(text).map(Value::Pattern).map_err(|why| {
                let why = why.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                format!("is not a regular expression ({why}); correct it")
            }),
            Kind::Region => match text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
                true => Ok(Value::Text(text.to_owned())),
                false => Err(format!("`{text}` is not an AWS region; use e.g. us-east-1")),
            },
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Empty, Value::Empty) => true,
            (Value::Switch(a), Value::Switch(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a == b,
            (Value::Text(a), Value::Text(b)) | (Value::Url(_, a), Value::Url(_, b)) => a == b,
            (Value::Words(a), Value::Words(b)) => a == b,
            (Value::HeaderName(a), Value::HeaderName(b)) => a.eq_ignore_ascii_case(b),
            (Value::Secret(a), Value::Secret(b)) => a.expose() == b.expose(),
            (Value::Keys(a), Value::Keys(b)) => a.iter().map(Secret::expose).eq(b.iter().map(Secret::expose)),
            (Value::Path(a), Value::Path(b)) => a == b,
            (Value::BaseUrl(a), Value::BaseUrl(b)) => a == b,
            (Value::Address(a), Value::Address(b)) => a == b,
            (Value::Pattern(a), Value::Pattern(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

/// `true`/`false`, `1`/`0`, `yes`/`no`, `on`/`off`, in any case.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is not a duration; use a number with a unit, such as 10s, 30m, 12h, 90d or 2w"))
}

/// `K`, `M`, `G` and `KiB`, `MiB`, `GiB` are powers of 1024; `KB`, `MB`, `GB` powers of 1000.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a number of bytes; use e.g. 67108864, 64MiB or 64MB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
    if bytes == 0 { Err("must be at least 1 byte".to_owned()) } else { Ok(bytes) }
}

fn keys(text: &str) -> Result<Vec<Secret>, String> {
    let keys: Vec<&str> = text.split(',').map(str::trim).collect();
    if keys.len() > MAX_KEYS {
        return Err(format!("has {} keys; use at most {MAX_KEYS}", keys.len()));
    }
    for (at, key) in keys.iter().enumerate() {
        if key.is_empty() {
            return Err(format!("key {} of {} is empty; remove it, or the comma", at + 1, keys.len()));
        }
        if HeaderValue::from_str(key).is_err() || key.bytes().any(|b| b.is_ascii_whitespace()) {
            return Err(format!(
                "key {} of {} has blanks or control characters in it; remove them",
                at + 1,
                keys.len()
            ));
        }
        if let Some(first) = keys[..at].iter().position(|earlier| earlier == key) {
            return Err(format!("key {} repeats key {}; remove one of them", at + 1, first + 1));
        }
    }
    Ok(keys.into_iter().map(Secret::new).collect())
}

/// Checks what a URL that is not a provider's must be.
fn url(text: &str) -> Result<Url, String> {
    let url = endpoint(text)?;
    if url.query().is_some() {
        return Err("must not have a query or a fragment; remove what follows the ? or #".to_owned());
    }
    Ok(url)
}

/// The same, where a query is allowed.
fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "is not a URL; use e.g. https://host/path".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must start with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry credentials; remove what is before the @".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a query or a fragment; remove what follows the ? or #".to_owned());
    }
    Ok(url)
}

/// `host:port`, where the host is an IP address, `localhost` (127.0.0.1), or empty or `*` (every interface, 0.0.0.0).
/// Names are not resolved: what is listened on must not depend on DNS.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let found = text.rsplit_once(':').and_then(|(host, port)| {
        let host = match host {
            "" | "*" => Ipv4Addr::UNSPECIFIED,
            _ if host.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST,
            _ => return None,
        };
        Some(SocketAddr::new(IpAddr::V4(host), port.parse().ok()?))
    });
    found.ok_or_else(|| {
        format!("`{text}` is not an address to listen on; use e.g. 127.0.0.1:3000, [::1]:3000, localhost:3000 or :3000")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(kind: Kind, text: &str) -> Value {
        Value::parse(kind, text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn switches_are_read_in_every_spelling() {
        for (yes, no) in [("true", "false"), ("1", "0"), ("yes", "no"), ("on", "off"), ("TRUE", "False")] {
            assert_eq!(parsed(Kind::Switch, yes), Value::Switch(true));
            assert_eq!(parsed(Kind::Switch, no), Value::Switch(false));
        }
        assert!(Value::parse(Kind::Switch, "maybe").is_err());
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        let seconds = |text| match parsed(Kind::Duration, text) {
            Value::Duration(duration) => duration.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(seconds("30m"), 30 * 60);
        assert_eq!(seconds("12h"), 12 * 3600);
        assert_eq!(seconds("90d"), 90 * 86_400);
        assert_eq!(seconds("2w"), 14 * 86_400);
        assert_eq!(seconds("1h30m"), 5400);
        assert_eq!(seconds("0"), 0);
        for wrong in ["90", "-1d", "d", "3 fortnights"] {
            assert!(Value::parse(Kind::Duration, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_binary_unless_they_say_mb() {
        for (text, bytes) in [
            ("1048576", 1 << 20),
            ("64MiB", 64 << 20),
            ("64M", 64 << 20),
            ("64m", 64 << 20),
            ("64 MiB", 64 << 20),
            ("64MB", 64_000_000),
            ("2G", 2 << 30),
            ("1k", 1024),
        ] {
            assert_eq!(parsed(Kind::Bytes, text), Value::Number(bytes), "{text}");
        }
        for wrong in ["0", "-1", "MiB", "64 potatoes", "99999999999999999999", "18446744073709551615G"] {
            assert!(Value::parse(Kind::Bytes, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_need_no_host_and_no_dns() {
        for (text, address) in [
            ("127.0.0.1:3000", "127.0.0.1:3000"),
            (":3000", "0.0.0.0:3000"),
            ("*:80", "0.0.0.0:80"),
            ("localhost:3000", "127.0.0.1:3000"),
            ("[::1]:3000", "[::1]:3000"),
        ] {
            assert_eq!(parsed(Kind::Address, text), Value::Address(address.parse().expect(address)));
        }
        for wrong in ["3000", "example.com:3000", ":", ":99999", "localhost"] {
            assert!(Value::parse(Kind::Address, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wrong_keys_are_named_by_position() {
        let wrong = |text: &str| Value::parse(Kind::Keys, text).expect_err(text);
        assert_eq!(wrong("canary-a,,canary-b"), "key 2 of 3 is empty; remove it, or the comma");
        assert_eq!(wrong("canary-a,canary-b, canary-a"), "key 3 repeats key 1; remove one of them");
        let many: Vec<String> = (0..101).map(|n| format!("canary-{n}")).collect();
        assert_eq!(wrong(&many.join(",")), "has 101 keys; use at most 100");
        let Value::Keys(keys) = parsed(Kind::Keys, &many[..100].join(", ")) else { panic!("not keys") };
        assert_eq!(keys.len(), 100);
        assert_eq!(keys[99].expose(), "canary-99");
    }

    #[test]
    fn only_shared_secrets_keep_their_blanks() {
        assert_eq!(parsed(Kind::Secret, " x "), Value::Secret(Secret::new(" x ")));
        assert_eq!(parsed(Kind::Keys, " x "), Value::Keys(vec![Secret::new("x")]));
        assert!(Value::parse(Kind::Keys, "a b").is_err());
        assert!(Value::parse(Kind::Keys, "a\nb").is_err());
    }

    #[test]
    fn urls_with_credentials_are_refused_and_not_quoted() {
        for (text, why) in [
            ("ftp://host/", "must start with http:// or https://"),
            ("https://user:canary@host/", "must not carry credentials"),
            ("https://host/?key=canary", "must not have a query"),
            ("https://host/#canary", "must not have a query or a fragment"),
            ("canary", "is not a URL"),
        ] {
            let error = Value::parse(Kind::Url, text).expect_err(text);
            assert!(error.contains(why) && !error.contains("canary"), "{text}: {error}");
        }
    }
}
