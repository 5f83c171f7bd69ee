//! The pages, as HTML without scripts.

use std::fmt;

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// The pages' style sheet.
pub(super) const STYLE: &str = include_str!("style.css");

/// Text as it may stand in an element or a quoted attribute.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// An application on the page of links.
pub(super) struct Row<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) state: State,
}

/// How an application stands with the user.
pub(super) enum State {
    /// Never linked, or unlinked.
    Unlinked,
    /// Since this day.
    Linked(String),
    /// The user has to link again, for this reason.
    Broken(String),
}

/// The links of a user.
pub(super) fn links(base: &str, username: &str, notice: Option<&str>, rows: &[Row<'_>]) -> String {
    let mut body = String::new();
    if let Some(notice) = notice {
        body.push_str(&format!("<p class=\"notice\" role=\"status\">{}</p>\n", Escaped(notice)));
    }
    body.push_str("<p>Applications whose tools your model may use, with your own authorisation.</p>\n<ul>\n");
    for row in rows {
        let (id, name) = (Escaped(row.id), Escaped(row.name));
        let link = |text| format!("<a class=\"button\" href=\"{base}/external-auth/{id}/login\">{text}</a>");
        let unlink =
            format!("<form method=\"post\" action=\"{base}/external-auth/{id}/unlink\"><button>Unlink</button></form>");
        let (state, actions) = match &row.state {
            State::Unlinked => ("not linked".to_owned(), link("Link")),
            State::Linked(since) => (format!("linked since {}", Escaped(since)), unlink),
            State::Broken(why) => (format!("has to be linked again: {}", Escaped(why)), link("Link again") + &unlink),
        };
        body.push_str(&format!("<li><strong>{name}</strong> <span>{state}</span> {actions}</li>\n"));
    }
    body.push_str(&format!(
        "</ul>\n<form method=\"post\" action=\"{base}/external-auth/sign-out\">Signed in as <strong>{}</strong>. \
         <button>Sign out</button></form>\n",
        Escaped(username)
    ));
    document(base, "Linked applications", &body)
}

/// The form that asks for a gateway token. `then` is the application to be linked afterwards.
pub(super) fn sign_in(base: &str, problem: Option<&str>, then: Option<&str>) -> String {
    let problem = problem.map(|problem| format!("<p class=\"notice\" role=\"alert\">{}</p>\n", Escaped(problem)));
    let then = then.map(|id| format!("<input type=\"hidden\" name=\"then\" value=\"{}\">\n", Escaped(id)));
    let body = format!(
        "{}<form method=\"post\" action=\"{base}/external-auth/sign-in\">\n{}<label for=\"token\">Your gateway token, the one \
         your agent uses</label>\n<input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"off\" required>\n\
         <button>Sign in</button>\n</form>\n",
        problem.unwrap_or_default(),
        then.unwrap_or_default()
    );
    document(base, "Sign in", &body)
}

/// Goes on to link an application.
pub(super) fn onward(base: &str, id: &str, name: &str) -> String {
    let (id, name) = (Escaped(id), Escaped(name));
    let body = format!("<p><a class=\"button\" href=\"{base}/external-auth/{id}/login\">Go on to {name}</a></p>\n");
    document(base, "Signed in", &body)
}

/// Something did not work.
pub(super) fn problem(base: &str, title: &str, text: &str) -> String {
    let body = format!(
        "<p>{}</p>\n<p><a class=\"button\" href=\"{base}/external-auth\">Linked applications</a></p>\n",
        Escaped(text)
    );
    document(base, title, &body)
}

fn document(base: &str, title: &str, body: &str) -> String {
    let title = Escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"{base}/external-auth/style.css\">\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\
         </main>\n</body>\n</html>\n"
    )
}

/// A page as a response. Nothing may be loaded, sent or framed but from here.
pub(super) fn response(status: StatusCode, page: String) -> Response {
    let mut response = (status, Html(page)).into_response();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: browsers would send `Origin: null` with the forms.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "\"><script>alert('&')</script>";

    #[test]
    fn nothing_that_is_shown_becomes_markup() {
        assert_eq!(Escaped("a<b>&\"c'ä").to_string(), "a&lt;b&gt;&amp;&quot;c&#39;ä");
        let rows = [State::Unlinked, State::Linked(EVIL.to_owned()), State::Broken(EVIL.to_owned())].map(|state| Row {
            id: EVIL,
            name: EVIL,
            state,
        });
        let sign_in = sign_in("", Some(EVIL), Some(EVIL));
        for page in [links("", EVIL, Some(EVIL), &rows), sign_in, onward("", EVIL, EVIL), problem("", EVIL, EVIL)] {
            assert!(!page.contains("<script") && !page.contains("alert('"), "{page}");
            assert!(page.contains("&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"), "{page}");
        }
    }

    #[test]
    fn links_lead_below_the_access_url() {
        let rows = [Row { id: "github", name: "GitHub", state: State::Unlinked }];
        let page = links("/gateway", "ali", None, &rows);
        for path in ["/gateway/external-auth/github/login", "/gateway/external-auth/style.css"] {
            assert!(page.contains(&format!("href=\"{path}\"")), "{page}");
        }
    }
}
