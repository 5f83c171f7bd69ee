//! The paths of `InvokeModel`.

use super::model::is_id;
use crate::provider::decoded_path;

/// A call of `InvokeModel` or `InvokeModelWithResponseStream`.
///
/// ```
/// use aibridge_providers::bedrock::NativeCall;
///
/// let call = NativeCall::parse("/model/us.anthropic.claude-opus-4-6-v1%3A0/invoke").expect("a call");
/// assert_eq!((call.model.as_str(), call.streaming), ("us.anthropic.claude-opus-4-6-v1:0", false));
/// assert_eq!(call.path(), "/model/us.anthropic.claude-opus-4-6-v1%3A0/invoke");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NativeCall {
    /// The model's id or ARN, decoded.
    pub model: String,
    /// Whether the reply is a stream.
    pub streaming: bool,
}

impl NativeCall {
    /// A call for `model`.
    pub fn new(model: impl Into<String>, streaming: bool) -> NativeCall {
        NativeCall { model: model.into(), streaming }
    }

    /// Reads `path`, e.g. `/model/anthropic.claude-opus-4-6-v1%3A0/invoke`. `None` when it is no such call, or the id
    /// has a character that no id has.
    pub fn parse(path: &str) -> Option<NativeCall> {
        let (id, operation) = path.strip_prefix("/model/")?.rsplit_once('/')?;
        let streaming = match operation {
            "invoke" => false,
            "invoke-with-response-stream" => true,
            _ => return None,
        };
        let model = decoded_path(id).into_owned();
        is_id(&model).then_some(NativeCall { model, streaming })
    }

    /// The path of the call, with the model as one percent-encoded segment.
    pub fn path(&self) -> String {
        let operation = if self.streaming { "invoke-with-response-stream" } else { "invoke" };
        let mut path = String::with_capacity(self.model.len() + operation.len() + 24);
        path.push_str("/model/");
        for byte in self.model.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
                _ => {
                    path.push('%');
                    for digit in [byte >> 4, byte & 0xf] {
                        path.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                    }
                }
            }
        }
        path.push('/');
        path.push_str(operation);
        path
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1";

    #[test]
    fn the_ways_in_which_clients_write_an_id_mean_the_same() {
        let encoded = ARN.replace(':', "%3A").replace('/', "%2F");
        for (path, model, streaming) in [
            ("/model/anthropic.claude-v2%3A1/invoke", "anthropic.claude-v2:1", false),
            ("/model/anthropic.claude-v2%3a1/invoke", "anthropic.claude-v2:1", false),
            ("/model/anthropic.claude-v2:1/invoke", "anthropic.claude-v2:1", false),
            ("/model/anthropic.claude-v2:1/invoke-with-response-stream", "anthropic.claude-v2:1", true),
            (&format!("/model/{encoded}/invoke"), ARN, false),
            (&format!("/model/{}/invoke", encoded.replace("%3A", ":")), ARN, false),
            (&format!("/model/{ARN}/invoke-with-response-stream"), ARN, true),
        ] {
            assert_eq!(NativeCall::parse(path), Some(NativeCall::new(model, streaming)), "{path}");
        }
        assert_eq!(NativeCall::new(ARN, false).path(), format!("/model/{encoded}/invoke"));
        let stream = NativeCall::new("us.anthropic.claude-v2:1", true);
        assert_eq!(stream.path(), "/model/us.anthropic.claude-v2%3A1/invoke-with-response-stream");
    }

    #[test]
    fn what_could_leave_the_segment_is_no_call() {
        for path in [
            "/model//invoke",
            "/model/../invoke",
            "/model/./invoke",
            "/model/a%2F..%2Fb/invoke",
            "/model/a%2F%2e%2E%2Fb/invoke",
            "/model/a..b/invoke",
            "/model/a%2F%2Fb/invoke",
            "/model/a%2F./invoke",
            "/model/%2Fa/invoke",
            "/model/a%2F/invoke",
            "/model/a%252F..%252Fb/invoke",
            "/model/a%5Cb/invoke",
            "/model/a\\b/invoke",
            "/model/a%00/invoke",
            "/model/a b/invoke",
            "/model/a?b/invoke",
            "/model/a%3Fb/invoke",
            "/model/%ff/invoke",
            "/model/a%/invoke",
            "/model/\u{e4}/invoke",
            "/model/a/converse",
            "/model/a/invoke/",
            "/model/a/Invoke",
            "/model/a",
            "/models/a/invoke",
            "model/a/invoke",
            "",
        ] {
            assert_eq!(NativeCall::parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_path_that_is_written_is_read_again(
            model in "[A-Za-z0-9_:-]{1,20}([./][A-Za-z0-9_:-]{1,9}){0,3}",
            streaming: bool,
        ) {
            let call = NativeCall::new(model, streaming);
            prop_assert_eq!(call.path().matches('/').count(), 3);
            prop_assert_eq!(NativeCall::parse(&call.path()), Some(call));
        }

        #[test]
        fn whatever_is_read_stays_one_segment(path in "/model/[ -~]{0,30}/invoke(-with-response-stream)?") {
            if let Some(call) = NativeCall::parse(&path) {
                prop_assert_eq!(call.path().matches('/').count(), 3);
                prop_assert!(!call.path().contains(".."));
            }
        }
    }
}
