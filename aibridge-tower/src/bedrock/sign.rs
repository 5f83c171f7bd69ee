//! Signature Version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign as compute},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::BoxError;

/// Signs a request whose headers are final.
///
/// What is signed is what nobody on the way changes: the host, which the HTTP client writes from `uri` in the same way,
/// the content type, AWS's own headers and those that the gateway `added`. The settings are those of AWS's SDK for this service: the body's digest is
/// signed, and the path, whose segments are encoded once, as if they were encoded twice.
///
/// # Errors
///
/// When the credentials or the request cannot be written into headers.
pub(super) fn sign(
    (method, uri): (&Method, &Uri),
    headers: &mut HeaderMap,
    added: &[(HeaderName, HeaderValue)],
    body: &[u8],
    credentials: Credentials,
    (region, service): (&str, &str),
    now: SystemTime,
) -> Result<(), BoxError> {
    let identity = Identity::from(credentials);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let is_signed = |name: &HeaderName| {
        *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz") || added.iter().any(|(it, _)| it == name)
    };
    let signed = headers.iter().filter(|(name, _)| is_signed(name));
    let signed = signed.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let request = SignableRequest::new(method.as_str(), uri.to_string(), signed, SignableBody::Bytes(body))?;
    let (instructions, _) = compute(request, &params)?.into_parts();
    for header in instructions.into_parts().0 {
        let mut value = HeaderValue::from_str(header.value())?;
        value.set_sensitive(header.sensitive() || header.name() == "authorization");
        headers.insert(HeaderName::from_static(header.name()), value);
    }
    Ok(())
}
