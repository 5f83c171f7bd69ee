//! What a provider's reply says about the key it was asked with.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, StatusCode, header};

use super::Kind;

/// The cool-down of a key whose provider names none.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// More than any provider asks for; also keeps sums within range.
const MAX_SECONDS: f64 = 1e9;
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const AMZN_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// What a reply says about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Its rate is limited for this time.
    RateLimited(Duration),
    /// It is not accepted.
    Refused,
}

/// What a reply of a provider of `kind` says about the key it was asked with; `None` when nothing, as everything but 429
/// and 401 does. A 403 says that the key may not do this, not that it is wrong.
///
/// The time is that of `retry-after-ms`, else of `Retry-After`, else 60 s.
///
/// On Bedrock the exception decides, from [Amazon's list of error codes][codes] and the errors [common to its
/// services][common]: throttling and used-up quotas limit the rate, whatever the status; a signature or token that is
/// expired, unknown or wrong refuses the key. `AccessDeniedException` does not, nor does a model that is not ready.
///
/// [codes]: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
/// [common]: https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
pub fn verdict(kind: Kind, status: StatusCode, headers: &HeaderMap) -> Option<Verdict> {
    if !status.is_client_error() {
        return None;
    }
    let limited = || Verdict::RateLimited(retry_after(headers).unwrap_or(DEFAULT_WAIT));
    match exception(headers).filter(|_| kind == Kind::Bedrock) {
        Some(b"ThrottlingException" | b"TooManyRequestsException" | b"ServiceQuotaExceededException") => {
            Some(limited())
        }
        Some(b"ModelNotReadyException") => None,
        Some(
            b"ExpiredToken"
            | b"ExpiredTokenException"
            | b"IncompleteSignature"
            | b"IncompleteSignatureException"
            | b"InvalidClientTokenId"
            | b"InvalidSignatureException"
            | b"MissingAuthenticationToken"
            | b"MissingAuthenticationTokenException"
            | b"RequestExpired"
            | b"SignatureDoesNotMatch"
            | b"UnrecognizedClientException",
        ) => Some(Verdict::Refused),
        _ => match status {
            StatusCode::TOO_MANY_REQUESTS => Some(limited()),
            StatusCode::UNAUTHORIZED => Some(Verdict::Refused),
            _ => None,
        },
    }
}

/// How long a reply asks to wait: `retry-after-ms` (OpenAI, Azure), else `Retry-After`, in seconds or as a date
/// (RFC 9110, 10.2.3). A date is compared with the reply's own `Date`, so that the clocks need not agree. Fractions are
/// understood, and what is neither is not there.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str, unit: f64| {
        let seconds = text.parse::<f64>().ok()? * unit;
        Duration::try_from_secs_f64(seconds.clamp(-1.0, MAX_SECONDS)).ok()
    };
    if let Some(wait) = text(RETRY_AFTER_MS).and_then(|text| number(text, 0.001)) {
        return Some(wait);
    }
    let given = text(header::RETRY_AFTER)?;
    number(given, 1.0).or_else(|| {
        let date = |text: &str| httpdate::parse_http_date(text).ok();
        let now = text(header::DATE).and_then(date).unwrap_or_else(SystemTime::now);
        Some(date(given)?.duration_since(now).unwrap_or_default())
    })
}

/// The name of the exception, without the namespace and the URL that may be around it.
fn exception(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AMZN_ERROR_TYPE)?.as_bytes();
    let name = value.split(|byte| *byte == b':').next()?.rsplit(|byte| *byte == b'#').next()?;
    Some(name.trim_ascii())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn says(kind: Kind, status: u16, fields: &[(&'static str, &str)]) -> Option<Verdict> {
        verdict(kind, StatusCode::from_u16(status).unwrap(), &headers(fields))
    }

    const fn limited(ms: u64) -> Option<Verdict> {
        Some(Verdict::RateLimited(Duration::from_millis(ms)))
    }

    #[test]
    fn only_429_and_401_are_about_the_key() {
        for kind in Kind::ALL {
            for status in 200..600 {
                let expected = match status {
                    429 => limited(60_000),
                    401 => Some(Verdict::Refused),
                    _ => None,
                };
                assert_eq!(says(kind, status, &[]), expected, "{kind:?} {status}");
            }
        }
    }

    #[test]
    fn a_provider_says_for_how_long() {
        const DATE: (&str, &str) = ("date", "Tue, 03 Nov 2026 09:14:07 GMT");
        for (fields, expected) in [
            (&[("retry-after", "27")][..], Some(27_000)),
            (&[("retry-after", " 1.5 ")], Some(1_500)),
            (&[("retry-after", "0")], Some(0)),
            (&[("retry-after-ms", "250"), ("retry-after", "7")], Some(250)),
            (&[("retry-after-ms", "0.5")], Some(0)),
            (&[("retry-after-ms", "soon"), ("retry-after", "7")], Some(7_000)),
            (&[DATE, ("retry-after", "Tue, 03 Nov 2026 09:14:37 GMT")], Some(30_000)),
            (&[DATE, ("retry-after", "Tuesday, 03-Nov-26 09:15:07 GMT")], Some(60_000)),
            (&[DATE, ("retry-after", "Tue Nov  3 09:14:08 2026")], Some(1_000)),
            (&[DATE, ("retry-after", "Tue, 03 Nov 2026 09:14:00 GMT")], Some(0)),
            // Without a `Date` it is the gateway's clock that counts.
            (&[("retry-after", "Tue, 03 Nov 1998 09:14:37 GMT")], Some(0)),
            (&[("retry-after", "1e300")], Some(1_000_000_000_000)),
            (&[("retry-after", "inf")], Some(1_000_000_000_000)),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "in a minute")], None),
            (&[("retry-after", "")], None),
            (&[], None),
        ] {
            let wait = retry_after(&headers(fields));
            if expected == Some(0) {
                assert!(wait.is_some_and(|wait| wait < Duration::from_millis(1)), "{fields:?} {wait:?}");
                continue;
            }
            assert_eq!(wait, expected.map(Duration::from_millis), "{fields:?}");
            let known = expected.unwrap_or(60_000);
            assert_eq!(says(Kind::OpenAi, 429, fields), limited(known), "{fields:?}");
        }
    }

    #[test]
    fn on_bedrock_the_exception_decides() {
        const REFUSED: Option<Verdict> = Some(Verdict::Refused);
        for (status, exception, expected) in [
            (429, "ThrottlingException", limited(60_000)),
            (400, "ThrottlingException", limited(60_000)),
            (429, "TooManyRequestsException", limited(60_000)),
            (
                400,
                "ServiceQuotaExceededException:http://internal.amazon.com/coral/com.amazon.bedrock/",
                limited(60_000),
            ),
            (429, "ModelNotReadyException", None),
            (429, "SomethingNew", limited(60_000)),
            (403, "ExpiredTokenException", REFUSED),
            (403, "com.amazon.coral.service#UnrecognizedClientException", REFUSED),
            (403, "InvalidSignatureException", REFUSED),
            (403, "SignatureDoesNotMatch", REFUSED),
            (403, "InvalidClientTokenId", REFUSED),
            (403, "MissingAuthenticationTokenException", REFUSED),
            (400, "IncompleteSignature", REFUSED),
            (400, "RequestExpired", REFUSED),
            (401, "", REFUSED),
            (403, "AccessDeniedException", None),
            (403, "OptInRequired", None),
            (400, "ValidationException", None),
            (404, "ResourceNotFoundException", None),
            (408, "ModelTimeoutException", None),
            (424, "ModelErrorException", None),
            (500, "InternalServerException", None),
            (503, "ServiceUnavailableException", None),
            (503, "ThrottlingException", None),
            (200, "ThrottlingException", None),
        ] {
            assert_eq!(
                says(Kind::Bedrock, status, &[("x-amzn-errortype", exception)]),
                expected,
                "{status} {exception}"
            );
        }
        let fields = [("x-amzn-errortype", "ThrottlingException"), ("retry-after", "3")];
        assert_eq!(says(Kind::Bedrock, 429, &fields), limited(3_000));
        assert_eq!(says(Kind::OpenAi, 403, &[("x-amzn-errortype", "ExpiredTokenException")]), None, "only on Bedrock");
    }
}
