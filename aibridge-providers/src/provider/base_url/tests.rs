use super::*;

fn joined(base: &str, kind: Kind, path: &str, query: Option<&str>) -> String {
    BaseUrl::parse(base).expect("a base URL").join(kind, path, query).expect("a URI").to_string()
}

#[test]
fn what_is_not_a_plain_http_url_is_refused() {
    for (url, error) in [
        ("", BaseUrlError::Malformed),
        ("   ", BaseUrlError::Malformed),
        ("https://", BaseUrlError::Malformed),
        ("https://h:99999", BaseUrlError::Malformed),
        ("https://h\\@evil.example", BaseUrlError::Malformed),
        ("https://h/a b", BaseUrlError::Malformed),
        ("https://h/\ta", BaseUrlError::Malformed),
        ("api.openai.com/v1", BaseUrlError::Scheme),
        ("localhost:8080", BaseUrlError::Scheme),
        ("ftp://h/", BaseUrlError::Scheme),
        ("file:///etc/passwd", BaseUrlError::Scheme),
        ("https:/h", BaseUrlError::Scheme),
        ("https://h/?x=1", BaseUrlError::Query),
        ("https://h/?", BaseUrlError::Query),
        ("https://h/#x", BaseUrlError::Query),
        ("https://user@h/", BaseUrlError::Credentials),
        ("https://user:secret@h/?x", BaseUrlError::Credentials),
        ("https://:secret@h/", BaseUrlError::Credentials),
    ] {
        assert_eq!(BaseUrl::parse(url), Err(error), "{url}");
    }
}

#[test]
fn a_base_is_shown_as_it_was_understood() {
    for (url, shown) in [
        (" https://API.example:443/V1/ ", "https://api.example/V1/"),
        ("HTTP://127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    ] {
        assert_eq!(BaseUrl::parse(url).expect("a base URL").as_str(), shown);
    }
}

#[test]
fn the_version_is_neither_doubled_nor_lost() {
    for (base, kind, path, expected) in [
        ("https://h", Kind::OpenAi, "/v1/models", "https://h/v1/models"),
        ("https://h/", Kind::OpenAi, "/v1/models", "https://h/v1/models"),
        ("https://h/v1", Kind::OpenAi, "/v1/models", "https://h/v1/models"),
        ("https://h/v1///", Kind::OpenAi, "/v1/models", "https://h/v1/models"),
        ("https://h/a/v1/", Kind::OpenAi, "/v1/models", "https://h/a/v1/models"),
        ("https://h/v1/a", Kind::OpenAi, "/v1/models", "https://h/v1/a/v1/models"),
        ("https://h/v2", Kind::OpenAiCompat, "/v1/models", "https://h/v2/models"),
        ("https://h/vendor", Kind::OpenAiCompat, "/v1/models", "https://h/vendor/v1/models"),
        ("https://h/v", Kind::OpenAiCompat, "/v1/models", "https://h/v/v1/models"),
        ("https://h/v1", Kind::OpenAi, "/v1", "https://h/v1"),
        ("https://h/v1", Kind::OpenAi, "/v1x", "https://h/v1/v1x"),
        ("https://h/v1beta/openai", Kind::Google, "/v1/models", "https://h/v1beta/openai/models"),
        ("https://h", Kind::Google, "/v1/models", "https://h/models"),
        ("https://h/v1", Kind::Anthropic, "/api/event_logging/x", "https://h/api/event_logging/x"),
        ("https://h/a", Kind::Anthropic, "/api/event_logging/x", "https://h/a/api/event_logging/x"),
        ("https://h", Kind::Copilot, "/chat/completions", "https://h/chat/completions"),
        ("https://h/v1", Kind::Copilot, "/chat/completions", "https://h/v1/chat/completions"),
        ("https://h/v1", Kind::Copilot, "/v1/messages", "https://h/v1/messages"),
    ] {
        assert_eq!(joined(base, kind, path, None), expected, "{base} {path}");
    }
}

#[test]
fn the_default_base_urls_are_valid() {
    for url in Kind::ALL.into_iter().filter_map(Kind::default_base_url) {
        assert!(BaseUrl::parse(url).is_ok(), "{url}");
    }
}

#[test]
fn what_is_not_a_uri_is_not_joined() {
    let base = BaseUrl::parse("https://h/v1/").expect("a base URL");
    for (path, query) in [
        ("/v1/models/a b", None),
        ("/v1/models/a?b", None),
        ("/v1/models/a#b", None),
        ("/v1/models", Some("a#b")),
        ("/v1/models", Some("a b")),
        ("/v1/models", Some("a\nb")),
        ("/v1/models/\0", None),
    ] {
        assert_eq!(base.join(Kind::OpenAi, path, query), None, "{path:?} {query:?}");
    }
    assert_eq!(base.join(Kind::OpenAi, "/v1/models", Some(&"x".repeat(70_000))), None);
    assert_eq!(BaseUrl::parse("https://h").expect("a base URL").join(Kind::OpenAi, "models", None), None);
}
