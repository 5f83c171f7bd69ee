//! A browser: it keeps cookies, says where its forms come from, and follows nothing by itself.

use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use tower::ServiceExt;
use url::{Url, form_urlencoded};

#[derive(Clone)]
pub(super) struct Browser {
    routes: axum::Router,
    cookies: Vec<(String, String)>,
    pub(super) origin: String,
}

/// What came back.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Page {
    pub(super) fn location(&self) -> &str {
        self.headers["location"].to_str().expect("ASCII")
    }
}

impl Browser {
    pub(super) fn new(routes: axum::Router) -> Browser {
        Browser { routes, cookies: Vec::new(), origin: "http://gateway.test:3000".to_owned() }
    }

    pub(super) async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path), String::new()).await
    }

    /// Sends a form from a page of the gateway's own.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let origin = self.origin.clone();
        self.post_from(path, fields, &[("origin", &origin), ("sec-fetch-site", "same-origin")]).await
    }

    /// Sends a form from a page elsewhere.
    pub(super) async fn post_from(&mut self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.send(request, form.finish()).await
    }

    pub(super) async fn sign_in(&mut self, token: &str) {
        let page = self.post("/external-auth/sign-in", &[("token", token)]).await;
        assert_eq!((page.status, page.location()), (303, "/external-auth"), "{}", page.text);
    }

    /// Goes to the provider of this application and says yes there. Where the provider sends it back to.
    pub(super) async fn authorize(&mut self, id: &str) -> String {
        let page = self.get(&format!("/external-auth/{id}/login")).await;
        assert_eq!(page.status, 303, "{}", page.text);
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        let answer = client.expect("a client").get(page.location()).send().await.expect("an answer");
        assert_eq!(answer.status(), 302);
        let back = Url::parse(answer.headers()["location"].to_str().expect("ASCII")).expect("a URL");
        format!("{}?{}", back.path(), back.query().expect("a query"))
    }

    /// The whole way.
    pub(super) async fn link(&mut self, id: &str) -> Page {
        let back = self.authorize(id).await;
        self.get(&back).await
    }

    async fn send(&mut self, request: http::request::Builder, body: String) -> Page {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.header("host", "gateway.test:3000");
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let request = request.body(Body::from(body)).expect("a request");
        let response = self.routes.clone().oneshot(request).await.expect("infallible");
        let (head, body) = response.into_parts();
        for cookie in head.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("ASCII");
            let (name, rest) = cookie.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default().to_owned();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value));
            }
        }
        let body = body.collect().await.expect("a body").to_bytes();
        Page {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).expect("UTF-8"),
        }
    }
}
