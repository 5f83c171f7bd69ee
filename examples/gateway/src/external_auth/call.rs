//! The calls to providers, all of them small.

use std::{collections::HashMap, error::Error, time::Duration};

use http::{
    HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use oauth2::{HttpRequest, HttpResponse};
use reqwest::{Client, Response, redirect::Policy};
use serde::de::IgnoredAny;
use url::form_urlencoded;

/// How long a provider may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may be, in bytes. Tokens that are JWTs take a few KiB.
const MAX_ANSWER: usize = 256 * 1024;

/// A client that goes where it is sent and nowhere else: a redirect would carry secrets to another host, and a proxy from
/// the environment would see them.
pub(super) fn client() -> reqwest::Result<Client> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        // GitHub answers nobody without one.
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A provider could not be asked. Its URL, which may have a query, is not named.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CallError(pub(super) String);

/// Asks a token endpoint. With `bearer` that is shown instead of what the request carries.
pub(super) async fn call(
    client: Client,
    mut request: HttpRequest,
    bearer: Option<HeaderValue>,
) -> Result<HttpResponse, CallError> {
    if let Some(bearer) = bearer {
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    let request = reqwest::Request::try_from(request).map_err(described)?;
    let answer = client.execute(request).await.map_err(described)?;
    let (status, media_type) = (answer.status(), answer.headers().get(CONTENT_TYPE).cloned());
    let body = body(answer).await?;
    // With 200 for any success, and without the media type: what is JSON is taken, whatever it is called.
    let mut response = HttpResponse::new(json(status, media_type.as_ref(), body));
    if !status.is_success() {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// An answer as JSON, if it is a form that tells something: GitHub's are.
fn json(status: StatusCode, media_type: Option<&HeaderValue>, body: Vec<u8>) -> Vec<u8> {
    if serde_json::from_slice::<IgnoredAny>(&body).is_ok() {
        return body;
    }
    if media_type.is_some_and(is_form) {
        let fields: HashMap<_, _> = form_urlencoded::parse(&body).collect();
        if fields.contains_key("access_token") || fields.contains_key("error") {
            return serde_json::to_vec(&fields).unwrap_or(body);
        }
    }
    match status {
        // What 401 means here, said by those that leave out the body: RFC 6749, section 5.2.
        StatusCode::UNAUTHORIZED => br#"{"error":"invalid_client"}"#.to_vec(),
        _ => body,
    }
}

fn is_form(media_type: &HeaderValue) -> bool {
    let essence = media_type.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// The body of an answer.
pub(super) async fn body(mut answer: Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(described)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(CallError(format!("the answer is longer than {MAX_ANSWER} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The error and its causes.
pub(super) fn described(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    CallError(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn read(status: u16, media_type: &str, body: &str) -> String {
        let media_type = HeaderValue::from_str(media_type).expect("a value");
        let status = StatusCode::from_u16(status).expect("a status");
        String::from_utf8(json(status, Some(&media_type), body.as_bytes().to_vec())).expect("UTF-8")
    }

    #[test]
    fn forms_become_json_if_they_are_some() {
        let refused = r#"{"error":"bad code"}"#;
        for form in [FORM, "Application/X-WWW-Form-URLencoded", "application/x-www-form-urlencoded ; charset=utf-8"] {
            assert_eq!(read(200, form, "access_token=a%2Fb"), r#"{"access_token":"a/b"}"#, "{form}");
            assert_eq!(read(400, form, "error=bad+code"), refused, "{form}");
        }
        for other in ["application/x-www-form-urlencoded-not", "text/plain", ""] {
            assert_eq!(read(200, other, "access_token=a"), "access_token=a", "{other}");
        }
        // What is called a form, and is none.
        for body in [r#"{"access_token":"a=b&error=c"}"#, r#" {"error":"e"}"#, "<html>", "", "a=b"] {
            assert_eq!(read(200, FORM, body), body);
        }
    }

    #[test]
    fn an_unexplained_401_is_about_the_application() {
        let invalid = r#"{"error":"invalid_client"}"#;
        for media_type in [FORM, "text/html", "application/json"] {
            for body in ["", "<html>", "who are you?", "a=b"] {
                assert_eq!(read(401, media_type, body), invalid, "{media_type} {body}");
            }
            assert_eq!(read(401, media_type, r#"{"error":"invalid_grant"}"#), r#"{"error":"invalid_grant"}"#);
        }
        assert_eq!(read(401, FORM, "error=invalid_grant"), r#"{"error":"invalid_grant"}"#);
        assert_eq!(read(400, FORM, ""), "");
    }
}
