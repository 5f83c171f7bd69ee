use opentelemetry::{KeyValue, global, metrics::Counter};

/// What is counted.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    invocations: Counter<u64>,
    left_out: Counter<u64>,
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        let meter = global::meter("aibridge");
        Metrics {
            invocations: meter
                .u64_counter("coder_aibridged_injected_tool_invocations")
                .with_description("Calls of injected tools, by provider, model, server and tool.")
                .build(),
            left_out: meter
                .u64_counter("coder_aibridged_injected_tools_left_out")
                .with_description(
                    "Tools that were not given to a request, because its provider takes only so many, or refused them.",
                )
                .build(),
        }
    }

    /// A tool was called.
    pub(super) fn invoked(&self, provider: &str, model: &str, server: &str, name: &str) {
        self.invocations.add(
            1,
            &[
                KeyValue::new("provider", provider.to_owned()),
                KeyValue::new("model", model.to_owned()),
                KeyValue::new("server", server.to_owned()),
                KeyValue::new("name", name.to_owned()),
            ],
        );
    }

    /// The provider takes only so many tools, or none.
    pub(super) fn left_out(&self, provider: &str, tools: usize) {
        self.left_out.add(tools as u64, &[KeyValue::new("provider", provider.to_owned())]);
    }
}
