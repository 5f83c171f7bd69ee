use super::{
    Calls, Observed, ProviderError, Reply, Thought, ToolCall,
    wire::{Budget, Text},
};

/// Where the readers put what they find.
pub(super) struct Sink<'a> {
    pub(super) reply: &'a mut Reply,
    pub(super) may_call: &'a mut bool,
    pub(super) calls: &'a mut Calls,
    pub(super) kept: &'a mut Budget,
    pub(super) report: &'a mut dyn FnMut(Observed),
}

impl Sink<'_> {
    pub(super) fn tool(&mut self, call: ToolCall) {
        (self.report)(Observed::ToolCall(call));
    }

    /// Reports a thought, unless it is empty.
    pub(super) fn thought(&mut self, content: String, source: &'static str) {
        if !content.is_empty() {
            (self.report)(Observed::Thought(Thought { content, source }));
        }
    }

    /// Reports a thought that the provider redacted.
    pub(super) fn redacted(&mut self) {
        (self.report)(Observed::Thought(Thought { content: String::new(), source: "redacted_thinking" }));
    }

    /// Notes the provider's error, which ends the reply. Of several, the first counts.
    pub(super) fn error(&mut self, error: ProviderError) {
        self.reply.terminal = true;
        self.reply.error.get_or_insert(error);
    }

    pub(super) fn unobserved(&mut self) {
        self.reply.unobserved = self.reply.unobserved.saturating_add(1);
        self.may_call();
    }

    /// A tool is called, for all that is known.
    pub(super) fn may_call(&mut self) {
        *self.may_call = true;
    }

    /// An event, or a blocking reply, says this of tool calls.
    pub(super) fn calls(&mut self, calls: Calls) {
        *self.calls = calls.max(*self.calls);
        *self.may_call |= calls == Calls::Possible;
    }

    /// Whether `bytes` more may be kept of an incomplete part.
    pub(super) fn may_keep(&mut self, bytes: usize) -> bool {
        let room = self.kept.take(bytes);
        if !room {
            self.unobserved();
        }
        room
    }

    /// Appends `text` to an incomplete part, as far as may be kept.
    pub(super) fn keep(&mut self, part: &mut String, text: &str) {
        if !text.is_empty() && self.may_keep(text.len()) {
            part.push_str(text);
        }
    }

    /// Takes over who answers, unless it is known.
    pub(super) fn identify(&mut self, id: Option<Text<'_>>, model: Option<Text<'_>>) {
        for (known, given) in [(&mut self.reply.id, id), (&mut self.reply.model, model)] {
            if known.is_none() {
                *known = given.map(|text| text.into_string()).filter(|text| !text.is_empty());
            }
        }
    }
}
