//! How many calls of one reply run at once.

use aibridge_tests::{Gate, Says};
use aibridge_tower::tools::ToolsLayer;

use super::{Does, Rig, Way, tools, ways};

/// Ids and arguments of calls.
const CALLS: [(&str, &str); 9] = [
    ("c1", r#"{"q":"1"}"#),
    ("c2", r#"{"q":"2"}"#),
    ("c3", r#"{"q":"3"}"#),
    ("c4", r#"{"q":"4"}"#),
    ("c5", r#"{"q":"5"}"#),
    ("c6", r#"{"q":"6"}"#),
    ("c7", r#"{"q":"7"}"#),
    ("c8", r#"{"q":"8"}"#),
    ("c9", r#"{"q":"9"}"#),
];

/// Asserts that of so many calls so many run at once, and that all are answered in their order.
async fn assert_at_once(
    way: Way,
    calls: &[(&'static str, &'static str)],
    most: usize,
    set: fn(ToolsLayer) -> ToolsLayer,
) {
    let gate = Gate::new();
    let rig = Rig::with(&[("look", Does::Waits(gate.clone()))], set).await;
    let asked: Vec<_> = calls.iter().map(|(id, arguments)| (*id, "bmcp_srv_look", *arguments)).collect();
    let says = [Says::calls("r1", &asked), Says::text("r2", "Done.")];
    let (seen, ()) = tokio::join!(rig.exchange(way, &says), async {
        for (begun, (_, arguments)) in calls.iter().enumerate() {
            if begun >= most {
                // One that is over makes room for the next.
                gate.pass_one();
            }
            assert_eq!(rig.source.happened().await, format!("look {arguments}"), "{way:?}");
        }
        gate.open();
    });
    assert_eq!(seen.text, "Let me see. Done.", "{way:?}");
    assert_eq!(rig.source.most_waiting(), most, "{way:?}");
    rig.received().await;
    let talk = rig.asked(way).await.talk;
    let results: Vec<_> = talk.iter().filter(|line| line.starts_with("result")).cloned().collect();
    let expected: Vec<_> = calls.iter().map(|(id, arguments)| format!("result {id} {arguments}")).collect();
    assert_eq!(results, expected, "{way:?}");
    assert_eq!(tools(&rig.recorded().await).len(), calls.len(), "{way:?}");
}

#[tokio::test]
async fn as_many_calls_run_at_once_as_is_set() {
    for way in ways() {
        assert_at_once(way, &CALLS[..5], 2, |layer| layer.parallel(2)).await;
        assert_at_once(way, &CALLS[..3], 1, |layer| layer.parallel(0)).await;
    }
}

#[tokio::test]
async fn eight_calls_run_at_once_unless_something_is_set() {
    for way in ways() {
        assert_at_once(way, &CALLS, 8, |layer| layer).await;
    }
}
