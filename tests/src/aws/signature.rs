//! Signature Version 4, checked by a canonicalisation of its own, after
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use chrono::{NaiveDateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::Key;
use crate::{Head, ReceivedRequest};

/// What a good signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedBy {
    /// The id of the access key.
    pub access_key: String,
    /// The names of the headers that are signed.
    pub headers: Vec<String>,
}

/// What AWS would answer: the kind of the error, and what it says.
type Refusal = (&'static str, String);

const INVALID: &str = "InvalidSignatureException";

pub(super) fn verify(
    request: &ReceivedRequest,
    keys: &HashMap<String, Key>,
    region: &str,
    service: &str,
) -> Result<SignedBy, Refusal> {
    let head = &request.head;
    let [authorization] = head.all("authorization")[..] else {
        return Err(("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()));
    };
    let invalid = |what: &str| (INVALID, what.to_owned());
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(|| invalid("another algorithm"))?;
    let fields: HashMap<&str, &str> = fields.split(", ").filter_map(|field| field.split_once('=')).collect();
    let field = |name: &str| fields.get(name).copied().ok_or_else(|| invalid(&format!("{name} is missing")));
    let (credential, signed, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let (access_key, scope) = credential.split_once('/').ok_or_else(|| invalid("the credential has no scope"))?;

    let time = head.get("x-amz-date").ok_or_else(|| invalid("x-amz-date is missing"))?;
    let at = NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").map_err(|_| invalid("x-amz-date is no time"))?;
    if (Utc::now().naive_utc() - at).abs() > TimeDelta::minutes(5) {
        return Err(invalid("Signature expired"));
    }
    let expected = format!("{}/{region}/{service}/aws4_request", &time[..8]);
    if scope != expected {
        return Err(invalid(&format!("Credential should be scoped to {expected}, not to {scope}")));
    }
    let unknown =
        || ("UnrecognizedClientException", "The security token included in the request is invalid.".to_owned());
    let key = keys.get(access_key).ok_or_else(unknown)?;
    if head.get("x-amz-security-token") != key.token.as_deref() {
        return Err(unknown());
    }

    let headers: Vec<String> = signed.split(';').map(str::to_owned).collect();
    check_signed(head, &headers).map_err(|what| invalid(&what))?;
    let canonical = canonical(request, &headers);
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", digest(canonical.as_bytes()));
    let key = generate_signing_key(&key.secret, at.and_utc().into(), region, service);
    if calculate_signature(key, to_sign.as_bytes()) != signature {
        return Err(invalid("The request signature we calculated does not match the signature you provided."));
    }
    Ok(SignedBy { access_key: access_key.to_owned(), headers })
}

/// The host and AWS's own headers have to be signed, and the names sorted.
fn check_signed(head: &Head, signed: &[String]) -> Result<(), String> {
    if !signed.is_sorted() {
        return Err("the signed headers are not sorted".to_owned());
    }
    let fields = head.fields();
    let names = fields.iter().map(|(name, _)| name.to_ascii_lowercase());
    let must = |name: &String| name == "host" || name.starts_with("x-amz-");
    match names.filter(must).find(|name| !signed.contains(name)) {
        Some(name) => Err(format!("{name} is not signed")),
        None => Ok(()),
    }
}

fn canonical(request: &ReceivedRequest, signed: &[String]) -> String {
    let head = &request.head;
    let (path, query) = head.target().split_once('?').unwrap_or((head.target(), ""));
    let mut parameters: Vec<_> = query.split('&').filter(|one| !one.is_empty()).collect();
    parameters.sort_unstable();
    let mut text = format!("{}\n{}\n{}\n", head.method(), encoded(path), parameters.join("&"));
    for name in signed {
        let values: Vec<String> = head.all(name).into_iter().map(single_spaced).collect();
        let _ = writeln!(text, "{name}:{}", values.join(","));
    }
    let _ = write!(text, "\n{}\n{}", signed.join(";"), digest(&request.body));
    text
}

/// The path as it came, with each of its segments encoded once more.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(char::from(byte)),
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

fn single_spaced(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
