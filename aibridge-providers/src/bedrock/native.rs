//! The paths of `InvokeModel`.

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
        let model = crate::provider::decoded_path(id).into_owned();
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

/// Whether `model` has only the characters of model ids and ARNs, and nothing that could leave the path's segment.
fn is_id(model: &str) -> bool {
    !model.contains("..")
        && model.split('/').all(|part| !matches!(part, "" | "."))
        && model.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte))
}
