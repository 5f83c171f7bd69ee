//! HTTPS with a certificate of the test's own.

use std::{fs, sync::Arc};

use aibridge_tests::{Provider, Scripted};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    home::Home,
    process::{Gateway, path},
};

/// A certificate for `localhost`, as files, and a client's trust in it.
fn certificate(home: &Home) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(home.path("cert.pem"), made.cert.pem()).unwrap();
    fs::write(home.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    roots
}

/// A TLS connection on which this protocol is asked for.
async fn connect(gateway: &Gateway, roots: RootCertStore, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    stream
}

fn request(gateway: &Gateway, token: &str) -> Request<Full<Bytes>> {
    let body = r#"{"model":"claude-test-plain","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    Request::post(format!("https://localhost:{}{}", gateway.address.port(), path("anthropic", "/v1/messages")))
        .header("authorization", format!("Bearer {token}"))
        .body(Full::from(body))
        .unwrap()
}

#[tokio::test]
async fn https_is_served_in_both_versions_of_http() {
    let home = Home::new();
    let token = home.token("ali").await;
    let roots = certificate(&home);
    let scripted = Scripted::load().unwrap();
    let provider = Provider::replying(move |request| scripted.script(request)).await.unwrap();
    let gateway = home
        .server()
        .provider(&provider)
        .env("CODER_TLS_CERT_FILE", home.path("cert.pem"))
        .env("CODER_TLS_KEY_FILE", home.path("key.pem"))
        .start()
        .await;

    let stream = TokioIo::new(connect(&gateway, roots.clone(), b"http/1.1").await);
    let (mut one, connection) = conn::http1::handshake(stream).await.unwrap();
    let serving = tokio::spawn(connection);
    let reply = one.send_request(request(&gateway, &token)).await.unwrap();
    assert_eq!((reply.status(), reply.version()), (StatusCode::OK, Version::HTTP_11));
    let first = reply.into_body().collect().await.unwrap().to_bytes();
    drop(one);
    serving.await.unwrap().unwrap();

    let stream = TokioIo::new(connect(&gateway, roots, b"h2").await);
    let (mut two, connection) = conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let serving = tokio::spawn(connection);
    let (a, b) = (two.send_request(request(&gateway, &token)), two.clone().send_request(request(&gateway, &token)));
    let (a, b) = tokio::join!(a, b);
    for reply in [a.unwrap(), b.unwrap()] {
        assert_eq!((reply.status(), reply.version()), (StatusCode::OK, Version::HTTP_2));
        assert_eq!(reply.into_body().collect().await.unwrap().to_bytes(), first);
    }

    // Plain HTTP gets no answer on this port, and does no harm.
    let mut plain = gateway.client().await;
    plain.request("GET", "/healthz", &[], "").await.unwrap();
    assert!(plain.head().await.is_err());
    assert_eq!(two.send_request(request(&gateway, &token)).await.unwrap().status(), 200);

    let ended = gateway.stop().await;
    assert!(ended.stderr.contains("access_url=https://"), "{}", ended.stderr);
    drop(two);
    // The gateway says goodbye first.
    let _ = serving.await.unwrap();
    let recorded = home.interceptions().await;
    assert_eq!(recorded.len(), 4);
    assert!(recorded[1..].iter().all(|one| one["outcome"] == "completed"));
}

#[tokio::test]
async fn a_certificate_and_a_key_that_do_not_fit_are_refused() {
    let home = Home::new();
    let other = Home::new();
    let _ = (certificate(&home), certificate(&other));
    let server = || home.server().env("CODER_TLS_CERT_FILE", home.path("cert.pem"));
    let said = server().env("CODER_TLS_KEY_FILE", other.path("key.pem")).fail().await;
    assert!(said.contains("CODER_TLS_CERT_FILE and CODER_TLS_KEY_FILE do not fit"), "{said}");
    let said = server().env("CODER_TLS_KEY_FILE", home.path("cert.pem")).fail().await;
    assert!(said.contains("CODER_TLS_KEY_FILE"), "{said}");
    let said = server().fail().await;
    assert!(said.contains("CODER_TLS_KEY_FILE"), "{said}");
    let said = server().env("CODER_TLS_KEY_FILE", home.path("missing")).fail().await;
    assert!(said.contains("CODER_TLS_KEY_FILE") && said.contains("missing"), "{said}");
}
