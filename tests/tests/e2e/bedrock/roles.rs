//! Roles that are assumed through STS.

use aibridge_tests::Script;

use super::World;
use crate::fixture::{BEARER, path};

const ASK: &[u8] = br#"{"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": []}"#;

#[tokio::test]
async fn a_role_is_assumed_once_and_its_credentials_sign() {
    let mut world = World::new().await;
    for _ in 0..3 {
        let answer = world.ask(&path("role", "/v1/messages"), &[BEARER], ASK, Script::json(200, "{}")).await;
        assert_eq!(answer.head.status(), 200, "{:?}", answer.body);
    }
    let requests = world.line.provider.requests();
    let targets: Vec<bool> = requests.iter().map(|request| request.head.target() == "/").collect();
    assert_eq!(targets, [true, false, false, false]);
    assert!(String::from_utf8_lossy(&requests[0].body).contains("ExternalId=external-1"));
    for request in &requests[1..] {
        assert_eq!(request.head.get("x-amz-security-token"), Some("assumed-token-1"));
        let authorization = request.head.get("authorization").unwrap();
        assert!(authorization.contains("Credential=ASIA1/") && authorization.contains(";x-amz-security-token,"));
    }
}

#[tokio::test]
async fn requests_that_come_together_wait_for_one_answer() {
    let world = World::new().await;
    let asking = (0..16).map(async |_| {
        let mut client = world.gateway().client().await;
        world.answers.0.lock().unwrap().push_back(Script::json(200, "{}"));
        client.post(&path("role", "/v1/messages"), &[BEARER], ASK).await.unwrap();
        client.response().await.unwrap().0.status()
    });
    assert_eq!(futures::future::join_all(asking).await, [200; 16]);
    let requests = world.line.provider.requests();
    assert_eq!(requests.iter().filter(|request| request.head.target() == "/").count(), 1);
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_told_by_the_instances_name() {
    let mut world = World::new().await;
    for _ in 0..2 {
        world.line.client.post(&path("stranger", "/v1/messages"), &[BEARER], ASK).await.unwrap();
        let (head, body) = world.line.client.response().await.unwrap();
        let text = String::from_utf8_lossy(&body);
        assert_eq!(head.status(), 502, "{text}");
        assert!(text.contains("stranger") && text.contains("AWS credentials"), "{text}");
        assert!(!text.contains("arn:") && !text.contains("AKIA"), "{text}");
    }
    assert_eq!(world.line.provider.requests().len(), 1, "STS is not asked again at once");
}
