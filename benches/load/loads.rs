//! The loads, and what is aimed for in each.

use std::time::Duration;

use aibridge_benches::inputs::{self, Format};
use bytes::Bytes;

use crate::provider::EVENTS;

/// Names as `--only` takes them, in the order in which they run.
pub(crate) const NAMES: [&str; 7] = ["small", "200kb", "burst", "200kb-burst", "paced", "memory", "first-byte"];

/// What is compared with the relay's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time per request, as a ratio.
    Cpu,
    /// Resident memory per open stream, as a ratio.
    Memory,
    /// Median time to the first byte, as a difference in microseconds.
    FirstByte,
}

/// One load: how many callers send what.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) figure: Figure,
    /// The figure should be at most this.
    pub(crate) aim: f64,
    /// Callers in a closed loop; for `Memory`, streams that are open at once.
    pub(crate) callers: usize,
    pub(crate) body: Bytes,
    /// Header lines for the provider.
    pub(crate) fields: &'static str,
    /// Length of the reply in bytes; for `Memory`, of its first event.
    pub(crate) expected: usize,
    /// The callers begin spread over this time, so that paced streams do not tick together.
    pub(crate) stagger: Duration,
    /// Into how many rounds the time is cut, between which relay and gateway alternate: many, since the machine's
    /// state drifts, but each should be longer than a few replies take.
    pub(crate) rounds: u32,
}

impl Load {
    /// All of them, in the order of `NAMES`.
    pub(crate) fn all() -> [Self; 7] {
        let (small, large) = (inputs::small_request, inputs::large_request);
        let burst = Self { name: "burst", aim: 0.4, ..Self::streaming(small(true)) };
        let large_burst = Self { name: "200kb-burst", aim: 0.6, ..Self::streaming(large(true)) };
        let paced = Self {
            name: "paced",
            aim: 1.1,
            callers: 300,
            fields: "x-load-gap-ms: 10\r\n",
            stagger: Duration::from_millis(200),
            rounds: 2,
            ..Self::streaming(small(true))
        };
        let memory = Self {
            name: "memory",
            figure: Figure::Memory,
            aim: 1.0,
            callers: 2_000,
            fields: "x-load-hold: 1\r\n",
            expected: inputs::events(Format::Messages, EVENTS)[0].len(),
            ..Self::streaming(small(true))
        };
        let first_byte = Self {
            name: "first-byte",
            figure: Figure::FirstByte,
            aim: 100.0,
            rounds: 10,
            ..Self::blocking(small(false), 1)
        };
        [
            Self { name: "small", ..Self::blocking(small(false), 16) },
            Self { name: "200kb", ..Self::blocking(large(false), 8) },
            burst,
            large_burst,
            paced,
            memory,
            first_byte,
        ]
    }

    fn blocking(body: Bytes, callers: usize) -> Self {
        Self {
            name: "",
            figure: Figure::Cpu,
            aim: 2.0,
            callers,
            body,
            fields: "",
            expected: inputs::reply(Format::Messages).len(),
            stagger: Duration::ZERO,
            rounds: 4,
        }
    }

    fn streaming(body: Bytes) -> Self {
        let expected = inputs::events(Format::Messages, EVENTS).iter().map(Bytes::len).sum();
        Self { expected, ..Self::blocking(body, 16) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_those_that_can_be_named() {
        assert_eq!(Load::all().map(|load| load.name), NAMES);
    }
}
