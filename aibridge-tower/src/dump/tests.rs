use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use aibridge_providers::api::Api;
use http::{Response, header};
use http_body_util::Full;
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use super::*;
use crate::{
    context::Round,
    testing::{self, bytes, once},
};

/// All files below a directory, with their text.
fn files(directory: &std::path::Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.clone(), fs::read_to_string(&path).unwrap())),
        }
    }
    found.sort();
    found
}

async fn dump(model: &str, reply: Response<Full<bytes::Bytes>>) -> (tempfile::TempDir, Vec<(PathBuf, String)>) {
    let directory = tempfile::tempdir().unwrap();
    let layer = DumpLayer::new(&directory.path().join("dumps")).unwrap();
    let mut request = testing::parsed(Api::Messages, &serde_json::json!({ "model": model }).to_string());
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, "Bearer canary-1".parse().unwrap());
    headers.insert("x-api-key", "canary-2".parse().unwrap());
    headers.insert("x-vendor-token", "canary-3".parse().unwrap());
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    *request.uri_mut() = "https://provider.example/v1/messages?beta=true&key=canary-4".parse().unwrap();
    request.extensions_mut().insert(Round { interception: uuid::Uuid::from_u128(9), number: 2 });
    let service = layer.layer(once(Ok::<_, ()>(reply)));
    bytes(service.oneshot(request).await.unwrap().into_body()).await;
    layer.finish();
    let found = files(directory.path());
    (directory, found)
}

#[tokio::test]
async fn request_and_reply_are_http_text_without_secrets() {
    let mut reply = Response::new(Full::from("{\"id\": 1}"));
    reply.headers_mut().insert(header::SET_COOKIE, "canary-5".parse().unwrap());
    let (directory, found) = dump("claude", reply).await;
    let [(request_path, request), (reply_path, reply)] = &found[..] else { panic!("a pair: {found:?}") };
    let folder = directory.path().join("dumps/anthropic/claude");
    assert_eq!((request_path.parent(), reply_path.parent()), (Some(&*folder), Some(&*folder)));
    let name = request_path.file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with("-00000000-0000-0000-0000-000000000009.2.req.txt"), "{name}");
    assert_eq!(reply_path.to_str().unwrap(), request_path.to_str().unwrap().replace(".req.", ".resp."));
    assert!(request.starts_with("POST https://provider.example/v1/messages?beta=true&key=******** HTTP/1.1\r\n"));
    assert!(
        request.contains("anthropic-version: 2023-06-01\r\n") && request.ends_with("\r\n\r\n{\"model\":\"claude\"}")
    );
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("\r\n\r\n{\"id\": 1}"), "{reply}");
    assert!(!found.iter().any(|(_, text)| text.contains("canary")), "{found:?}");
    for (path, _) in &found {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn no_model_leaves_the_directory() {
    for (model, folder) in [
        ("../../etc/passwd", "_._.._etc_passwd"),
        ("..", "_."),
        ("", "unknown"),
        ("a/b\0c", "a_b_c"),
        ("arn:aws:bedrock", "arn_aws_bedrock"),
    ] {
        let (directory, found) = dump(model, Response::new(Full::from(""))).await;
        let expected = directory.path().join("dumps/anthropic").join(folder);
        assert_eq!(found.len(), 2, "{model:?}");
        assert!(found.iter().all(|(path, _)| path.parent() == Some(&*expected)), "{model:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_compressed_reply_is_written_in_plain_and_passes_as_it_is() {
    use std::io::Write as _;
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    coder.write_all(b"plain text").unwrap();
    let mut reply = Response::new(Full::from(coder.finish().unwrap()));
    reply.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    let (_directory, found) = dump("m", reply).await;
    assert!(found[1].1.ends_with("\r\n\r\nplain text"), "{found:?}");
}

#[tokio::test]
async fn what_cannot_be_written_does_not_touch_the_request() {
    let directory = tempfile::tempdir().unwrap();
    let layer = DumpLayer::new(directory.path()).unwrap();
    // In the place of the folder stands a file.
    fs::write(directory.path().join("anthropic"), "in the way").unwrap();
    let service = layer.layer(once(Ok::<_, ()>(Response::new(Full::from("reply")))));
    let response = service.oneshot(testing::parsed(Api::Messages, r#"{"model": "m"}"#)).await.unwrap();
    assert_eq!(bytes(response.into_body()).await, "reply");
    layer.finish();
    assert!(DumpLayer::new(&directory.path().join("anthropic")).is_err());
}

#[tokio::test]
async fn what_is_only_passed_through_is_dumped_with_its_body() {
    let directory = tempfile::tempdir().unwrap();
    let layer = DumpLayer::new(directory.path()).unwrap();
    let provider = tower::service_fn(|request: http::Request<RequestBody<Full<bytes::Bytes>>>| async {
        Ok::<_, ()>(Response::new(Full::from(bytes(request.into_body()).await)))
    });
    let request = testing::routed(Api::Chat, Full::from("embed this"));
    let response = layer.proxied().layer(provider).oneshot(request).await.unwrap();
    assert_eq!(bytes(response.into_body()).await, "embed this");
    layer.finish();
    let found = files(&directory.path().join("openai/passthrough"));
    assert!(found.iter().all(|(_, text)| text.ends_with("\r\n\r\nembed this")) && found.len() == 2, "{found:?}");
}
