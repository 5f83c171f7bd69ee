//! Where a request carries the gateway's token, and where the user's own provider credential.

use aibridge_providers::provider::{Secret, headers, hint};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::context::Byok;

const GOVERNANCE: HeaderName = HeaderName::from_static("x-coder-ai-governance-token");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A request's gateway token.
pub(super) struct Carried {
    /// The token, without its scheme.
    pub(super) token: Secret,
    /// The user's own provider credential beside it.
    pub(super) byok: Option<Byok>,
}

/// Why no token was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenError {
    /// There is none, or it is not readable.
    Missing,
    /// `Authorization` and `X-Api-Key` differ.
    Conflict,
}

/// Takes the gateway's token out of `headers`, keeping the order of the others.
///
/// An AWS signature in `Authorization` is neither that nor a credential: clients that speak Bedrock may not be able to
/// leave it out, with whatever keys they have. It goes.
pub(super) fn take(headers: &mut HeaderMap) -> Result<Carried, TokenError> {
    remove_signatures(headers);
    if let Some(token) = single(headers, &GOVERNANCE)? {
        let token = Secret::new(bearer(token).unwrap_or(token));
        // Some clients send the gateway's token twice. It is nobody's provider credential, and must not reach one.
        let repeats = [header::AUTHORIZATION, X_API_KEY]
            .map(|name| headers.get_all(&name).iter().any(|value| bare(value) == Some(token.expose())).then_some(name));
        headers::keep(headers, |name| *name != GOVERNANCE && repeats.iter().flatten().all(|repeat| repeat != name));
        let byok = credential(headers).map(|credential| Byok::new(hint(credential)));
        return Ok(Carried { token, byok });
    }
    let authorization = match single(headers, &header::AUTHORIZATION)? {
        Some(value) => Some(bearer(value).ok_or(TokenError::Missing)?),
        None => None,
    };
    let token = match (authorization, single(headers, &X_API_KEY)?) {
        (Some(one), Some(other)) if one != other => return Err(TokenError::Conflict),
        (Some(token), _) | (None, Some(token)) => Secret::new(token),
        (None, None) => return Err(TokenError::Missing),
    };
    headers::keep(headers, |name| *name != header::AUTHORIZATION && *name != X_API_KEY);
    Ok(Carried { token, byok: None })
}

/// The one value of `name`. A repeated header must repeat its value.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, TokenError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|value| value != first) {
        return Err(TokenError::Conflict);
    }
    let value = first.to_str().map_err(|_| TokenError::Missing)?.trim();
    if value.is_empty() { Ok(None) } else { Ok(Some(value)) }
}

/// The credential after the `Bearer` scheme, which is compared without case (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// What the user brought: `X-Api-Key`, else `Authorization` without its scheme.
fn credential(headers: &HeaderMap) -> Option<&str> {
    bare(headers.get(X_API_KEY).or_else(|| headers.get(header::AUTHORIZATION))?)
}

/// A header's value without its scheme, unless it is blank.
fn bare(value: &HeaderValue) -> Option<&str> {
    let value = value.to_str().ok()?.trim();
    Some(bearer(value).unwrap_or(value)).filter(|value| !value.is_empty())
}

/// Removes AWS signatures (`AWS4-HMAC-SHA256 Credential=...`), and no other value of `Authorization`.
fn remove_signatures(headers: &mut HeaderMap) {
    let is_signature =
        |value: &HeaderValue| value.as_bytes().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"AWS4-"));
    if headers.get_all(header::AUTHORIZATION).iter().any(is_signature) {
        let mut kept = HeaderMap::with_capacity(headers.len());
        for (name, value) in &*headers {
            if *name != header::AUTHORIZATION || !is_signature(value) {
                kept.append(name.clone(), value.clone());
            }
        }
        *headers = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: &str = "gatewaytok-abcdefghijklmnopqrstuv";
    const OWN: &str = "sk-own-0123456789abcdef";
    const OTHER: &str = "sk-other-0123456789abcd";

    fn headers(carriers: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append("accept", HeaderValue::from_static("application/json"));
        for (name, value) in carriers {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers.append("anthropic-version", HeaderValue::from_static("2023-06-01"));
        headers
    }

    /// Token and hint, and the names of the carriers that stay.
    fn taken(carriers: &[(&'static str, &str)]) -> Result<(String, Option<String>, Vec<String>), TokenError> {
        let mut headers = headers(carriers);
        let carried = take(&mut headers)?;
        let names: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        assert_eq!((names.first().unwrap().as_str(), names.last().unwrap().as_str()), ("accept", "anthropic-version"));
        let stay = names[1..names.len() - 1].to_vec();
        Ok((carried.token.expose().to_owned(), carried.byok.map(|byok| byok.hint), stay))
    }

    #[test]
    fn every_combination_of_carriers() {
        let bearer = |value: &str| format!("Bearer {value}");
        let (gate, own) = (Some(GATE), Some(OWN));
        let (a, k) = ("authorization", "x-api-key");
        let (own_hint, other_hint) = (Some("sk-o...cdef"), Some("sk-o...abcd"));
        // Governance token, Authorization, X-Api-Key; then the token, the hint of the user's own, and what stays.
        type Row<'a> = ([Option<&'a str>; 3], Result<(&'a str, Option<&'a str>, &'a [&'a str]), TokenError>);
        let table: &[Row<'_>] = &[
            ([None, None, None], Err(TokenError::Missing)),
            ([None, None, gate], Ok((GATE, None, &[]))),
            ([None, gate, None], Ok((GATE, None, &[]))),
            ([None, gate, gate], Ok((GATE, None, &[]))),
            ([None, gate, own], Err(TokenError::Conflict)),
            ([None, own, gate], Err(TokenError::Conflict)),
            ([gate, None, None], Ok((GATE, None, &[]))),
            ([gate, None, own], Ok((GATE, own_hint, &[k]))),
            ([gate, own, None], Ok((GATE, own_hint, &[a]))),
            ([gate, own, own], Ok((GATE, own_hint, &[a, k]))),
            ([gate, own, Some(OTHER)], Ok((GATE, other_hint, &[a, k]))),
            // The gateway's token is never taken for the user's own credential, and does not stay.
            ([gate, None, gate], Ok((GATE, None, &[]))),
            ([gate, gate, None], Ok((GATE, None, &[]))),
            ([gate, gate, gate], Ok((GATE, None, &[]))),
            ([gate, own, gate], Ok((GATE, own_hint, &[a]))),
            ([gate, gate, own], Ok((GATE, own_hint, &[k]))),
        ];
        for ([governance, authorization, api_key], expected) in table {
            let authorization = authorization.map(bearer);
            let carriers: Vec<(&'static str, &str)> =
                [("x-coder-ai-governance-token", *governance), (a, authorization.as_deref()), (k, *api_key)]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?)))
                    .collect();
            let expected = expected.map(|(token, hint, stay)| {
                (token.to_owned(), hint.map(str::to_owned), stay.iter().map(|name| (*name).to_owned()).collect())
            });
            assert_eq!(taken(&carriers), expected, "{carriers:?}");
        }
    }

    #[test]
    fn a_scheme_is_read_in_any_case_and_is_not_part_of_the_token() {
        for value in ["Bearer gate", "bearer gate", "BEARER   gate ", " Bearer gate"] {
            assert_eq!(taken(&[("authorization", value)]).unwrap().0, "gate", "{value:?}");
            assert_eq!(taken(&[("x-coder-ai-governance-token", value)]).unwrap().0, "gate", "{value:?}");
        }
        for value in ["gate", "Basic gate", "Bearer", "Bearer ", "Bearergate"] {
            assert_eq!(taken(&[("authorization", value)]), Err(TokenError::Missing), "{value:?}");
        }
    }

    #[test]
    fn an_aws_signature_is_neither_a_token_nor_a_credential() {
        let signature = "AWS4-HMAC-SHA256 Credential=AKIA/20261121/us-east-1/bedrock/aws4_request, Signature=0";
        let signed = ("authorization", signature);
        let none: &[String] = &[];
        assert_eq!(taken(&[signed]), Err(TokenError::Missing));
        for others in [[signed, ("x-api-key", "gate")], [("authorization", "Bearer gate"), signed]] {
            let (token, byok, stay) = taken(&others).unwrap();
            assert_eq!((&*token, byok, &*stay), ("gate", None, none), "{others:?}");
        }
        let governance = ("x-coder-ai-governance-token", "gate");
        let (token, byok, stay) = taken(&[governance, signed]).unwrap();
        assert_eq!((&*token, byok, &*stay), ("gate", None, none));
        let (_, byok, stay) =
            taken(&[governance, signed, ("authorization", "Bearer bedrock-api-key-0123456789")]).unwrap();
        assert_eq!((byok.as_deref(), &*stay), (Some("bedr...6789"), &["authorization".to_owned()][..]));
    }

    #[test]
    fn blank_carriers_are_none() {
        assert_eq!(taken(&[("x-api-key", " ")]), Err(TokenError::Missing));
        let carriers = [("x-coder-ai-governance-token", ""), ("x-api-key", "gate")];
        assert_eq!(taken(&carriers).unwrap().0, "gate");
        let carriers = [("x-coder-ai-governance-token", "gate"), ("x-api-key", "")];
        assert_eq!(taken(&carriers).unwrap().1, None);
    }

    #[test]
    fn a_carrier_that_is_repeated_must_repeat_its_value() {
        for name in ["x-coder-ai-governance-token", "authorization", "x-api-key"] {
            assert_eq!(taken(&[(name, "Bearer a"), (name, "Bearer b")]), Err(TokenError::Conflict), "{name}");
            assert!(taken(&[(name, "Bearer a"), (name, "Bearer a")]).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_value_that_is_not_text_is_no_token() {
        let mut headers = HeaderMap::new();
        headers.insert(X_API_KEY, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(take(&mut headers).map(|_| ()), Err(TokenError::Missing));
    }
}
