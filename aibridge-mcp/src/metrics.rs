use opentelemetry::{KeyValue, global, metrics::Counter};

/// What the crate counts, with the meter `aibridge`.
pub(crate) struct Metrics {
    connects: Counter<u64>,
    failures: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let meter = global::meter("aibridge");
        Metrics {
            connects: meter
                .u64_counter("coder_aibridged_mcp_connects")
                .with_description("Sessions opened with MCP servers.")
                .build(),
            failures: meter
                .u64_counter("coder_aibridged_mcp_server_failures")
                .with_description("MCP servers that could not be connected, listed or called.")
                .build(),
        }
    }

    pub(crate) fn connected(&self, server: &str) {
        self.connects.add(1, &[KeyValue::new("server", server.to_owned())]);
    }

    pub(crate) fn failed(&self, server: &str, reason: &'static str) {
        self.failures.add(1, &[KeyValue::new("server", server.to_owned()), KeyValue::new("reason", reason)]);
    }
}
