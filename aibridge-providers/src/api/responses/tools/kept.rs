//! What has to be put back when the client goes on.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::{
    item::{self, Item, Output},
    list,
};
use crate::api::tools::Kept;

/// The model's turn in its true order, over all rounds, and where the provider left off.
///
/// It is kept as JSON: `last`, the last round's id; `outputs`, the results that the provider waits for in addition to the
/// client's own; `turn`, for each item that the client has been shown what it is known by (`type`, `names`, `said`), and
/// for each hidden one the `item`.
#[derive(Debug, Default)]
pub(super) struct Turn {
    entries: Vec<String>,
    names: Vec<String>,
    /// The last round that has been answered, and the results of its calls.
    last: Option<(String, Vec<String>)>,
}

impl Turn {
    /// Takes the items that the client has been shown, the hidden ones if they are answered, and the answers.
    pub(super) fn extend(&mut self, items: &[Output], answers: &[String]) {
        for output in items {
            if output.ours {
                if !answers.is_empty() {
                    self.entries.extend(item::replayed([output], true).iter().map(hidden));
                }
                continue;
            }
            let item = Item::of(output.document.root());
            let names: Vec<_> = item.names().collect();
            self.entries.push(json!({"type": item.kind(), "names": names, "said": item.said()}).to_string());
            self.names.extend(names);
        }
        self.entries.extend(answers.iter().map(hidden));
    }

    /// The provider goes on from its response `id`, with `answers`.
    pub(super) fn answered(&mut self, id: Option<String>, answers: Vec<String>) {
        if let Some(id) = id {
            self.last = Some((id, answers));
        }
    }

    /// What is kept of it, under the id that the client knows the response by and whatever else it may send.
    pub(super) fn kept(&self, id: Option<&str>) -> Kept {
        let (last, outputs) = self.last.as_ref().map(|(last, outputs)| (last, &outputs[..])).unzip();
        let mut hidden = format!(r#"{{"last":{},"outputs":"#, Json::from(last.map(String::as_str))).into_bytes();
        hidden.extend(list::array(outputs.unwrap_or_default()));
        hidden.extend_from_slice(br#","turn":"#);
        hidden.extend(list::array(&self.entries));
        hidden.push(b'}');
        let keys = id.map(str::to_owned).into_iter().chain(self.names.iter().cloned()).collect();
        Kept { keys, hidden: Bytes::from(hidden) }
    }
}

fn hidden(item: impl AsRef<[u8]>) -> String {
    format!(r#"{{"item":{}}}"#, String::from_utf8_lossy(item.as_ref()))
}
