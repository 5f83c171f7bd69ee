use serde_json::Value as Tree;

use crate::json::{Document, Edits, Value};

/// The container in which the provider runs code, as far as a reply has named one.
///
/// The next request has to name it: the API refuses one that answers a tool while code waits in a container that it does
/// not name, and what was written there would be gone. See
/// <https://docs.claude.com/en/docs/agents-and-tools/tool-use/code-execution-tool#container-reuse>.
#[derive(Debug, Default)]
pub(super) struct Container(Option<Vec<u8>>);

impl Container {
    /// Takes what a reply says. Replies in which no code ran name none.
    pub(super) fn note(&mut self, container: Option<Value<'_>>) {
        if let Some(container) = container.filter(|container| container.is_object()) {
            self.0 = Some(container.text().to_vec());
        }
    }

    /// Names it in the request of the next round, beside the skills that `sent` may ask for.
    pub(super) fn hand_on(&self, sent: &Document, edits: &mut Edits<'_>) {
        let known = self.0.as_deref().and_then(Value::of);
        let Some(id) = known.and_then(|known| known.get("id")).and_then(Value::as_str) else { return };
        let id = Tree::from(id).to_string();
        match sent.get("container").filter(|container| container.is_object()) {
            Some(container) => edits.set(container, "id", id),
            None => edits.set(sent.root(), "container", id),
        }
    }

    /// Names it in `holder`, the end of the last reply, unless that names one: the client has one message, in which it was
    /// used.
    pub(super) fn tell(&self, holder: Option<Value<'_>>, edits: &mut Edits<'_>) {
        if let (Some(known), Some(holder)) = (&self.0, holder)
            && holder.get("container").is_none_or(Value::is_null)
        {
            edits.set(holder, "container", known.clone());
        }
    }
}
