//! Where a request carries the gateway's token, and where the user's own provider credential.

use aibridge_providers::provider::{Secret, hint};
use http::{HeaderMap, HeaderName, header};

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
pub(super) fn take(headers: &mut HeaderMap) -> Result<Carried, TokenError> {
    if let Some(token) = single(headers, &GOVERNANCE)? {
        let token = Secret::new(bearer(token).unwrap_or(token));
        let byok = credential(headers).map(|credential| Byok::new(hint(credential)));
        remove(headers, |name| *name == GOVERNANCE);
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
    remove(headers, |name| *name == header::AUTHORIZATION || *name == X_API_KEY);
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
    let value = headers.get(X_API_KEY).or_else(|| headers.get(header::AUTHORIZATION))?;
    let value = value.to_str().ok()?.trim();
    Some(bearer(value).unwrap_or(value)).filter(|value| !value.is_empty())
}

/// Removes what `unwanted` names. `HeaderMap::remove` would put the last header in the gap.
pub(crate) fn remove(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in &*headers {
        if !unwanted(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    *headers = kept;
}
