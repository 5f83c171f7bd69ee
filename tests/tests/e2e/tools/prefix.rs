//! Requests that begin with the bytes of the one before, so that the provider's caches hold.

use aibridge_tests::ReceivedRequest;

use super::{Does, Rig, Says, Way, mixed::returned, ways};

const ASK: &str = r#"{"q":"a"}"#;
const HI: &str = r#"{"role": "user", "content": "Hi"}"#;

/// A request in two parts: all before the end of its conversation, and the rest.
struct Parts {
    begun: String,
    rest: String,
}

impl Parts {
    /// Of a request whose conversation is one message.
    fn first(request: &ReceivedRequest) -> Parts {
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        let (before, rest) = body.split_once(HI).expect("the client's message as it sent it");
        Parts { begun: [before, HI].concat(), rest: rest.to_owned() }
    }

    /// Asserts that `request` has the same bytes, with more of the conversation between its two parts.
    fn continued(&self, way: Way, request: &ReceivedRequest) -> Parts {
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        let more = body.strip_prefix(&self.begun).and_then(|more| more.strip_suffix(&self.rest));
        let more = more.unwrap_or_else(|| panic!("{way:?}: {body} does not continue {} ... {}", self.begun, self.rest));
        assert!(more.starts_with(','), "{way:?}: {more}");
        Parts { begun: [&self.begun, more].concat(), rest: self.rest.clone() }
    }
}

#[tokio::test]
async fn a_round_begins_with_the_bytes_of_the_one_before() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes), ("tell", Does::Echoes)]).await;
        let says = [
            Says::calls("r1", &[("c1", "bmcp_srv_look", ASK)]),
            Says::calls("r2", &[("c2", "bmcp_srv_tell", ASK), ("c3", "bmcp_srv_look", ASK)]),
            Says::text("r3", "Done."),
        ];
        rig.exchange(way, &says).await;
        let first = Parts::first(&rig.received().await);
        let second = first.continued(way, &rig.received().await);
        let third = second.continued(way, &rig.received().await);
        assert!(third.begun.len() > second.begun.len() && second.begun.len() > first.begun.len());

        // The next turn has none of what was hidden of one that is over.
        let said = r#"{"role": "assistant", "content": "Let me see. Let me see. Done."}"#;
        let messages = format!(r#"{HI}, {said}, {{"role": "user", "content": "And?"}}"#);
        rig.send(way, &way.request_of(&messages, ""), &[Says::text("r4", "Bye.")]).await;
        let next = first.continued(way, &rig.received().await);
        assert_eq!(next.begun, first.begun.replace(HI, &messages), "{way:?}");
    }
}

#[tokio::test]
async fn turns_behind_one_with_hidden_calls_begin_with_the_same_bytes() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let both = Says::calls("r1", &[("c1", "bmcp_srv_look", ASK), ("c2", "mine", r#"{"q":"b"}"#)]);
        rig.exchange(way, &[both]).await;
        let first = Parts::first(&rig.received().await);

        let mut messages = returned(way, "Let me see. ");
        rig.send(way, &way.request_of(&messages, ""), &[Says::text("r2", "So it is.")]).await;
        let mut turn = first.continued(way, &rig.received().await);
        assert!(turn.begun.contains("bmcp_srv_look"), "{way:?}: {}", turn.begun);
        for _ in 0..2 {
            messages += r#", {"role": "assistant", "content": "So it is."}, {"role": "user", "content": "And?"}"#;
            rig.send(way, &way.request_of(&messages, ""), &[Says::text("r3", "So it is.")]).await;
            turn = turn.continued(way, &rig.received().await);
            assert!(turn.begun.ends_with(r#"{"role": "user", "content": "And?"}"#), "{way:?}: {}", turn.begun);
        }
    }
}
