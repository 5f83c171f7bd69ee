//! Text that looks like what agents send: prose, and source code with quotes, tabs and line ends to escape.

/// A generator of words that gives the same text for the same seed.
pub(crate) struct Text(u64);

const WORDS: &[&str] = &[
    "the",
    "gateway",
    "request",
    "a",
    "stream",
    "of",
    "events",
    "and",
    "returns",
    "when",
    "body",
    "is",
    "read",
    "once",
    "provider",
    "token",
    "to",
    "error",
    "handler",
    "so",
    "that",
    "tests",
    "cover",
    "this",
    "case",
    "before",
    "it",
    "retries",
    "with",
    "naïve",
    "buffer",
    "in",
    "config",
    "file",
    "“quoted”",
    "session",
    "for",
    "every",
    "client",
];

const LINES: &[&str] = &[
    "    let value = map.get(\"WORD\").cloned().unwrap_or_default();\n",
    "    if (WORD.length > 0 && WORD[0] === '\\n') { return \"WORD\"; }\n",
    "\tfor WORD in range(len(WORD)):\n\t\tprint(f\"{WORD}: {WORD!r}\")\n",
    "// WORD: see https://example.com/docs/WORD?x=1&y=2#WORD\n",
    "}\n\n",
    "   142\tpub fn WORD(&self) -> Result<(), WORD> {\n",
    "error[E0308]: mismatched types\n  --> src/WORD.rs:42:17\n",
];

impl Text {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `bound`, from Knuth's MMIX generator; the low bits are too regular to use.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).map_or(0, |high| high % bound)
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    /// Sentences and paragraphs of at least `length` bytes.
    pub(crate) fn prose(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            text.push_str(self.word());
            text.push_str(match self.below(24) {
                0 => ".\n\n- ",
                1 | 2 => ", ",
                3 => ". ",
                _ => " ",
            });
        }
        text
    }

    /// Lines of code and compiler output of at least `length` bytes.
    pub(crate) fn code(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 80);
        while text.len() < length {
            let mut parts = LINES[self.below(LINES.len())].split("WORD");
            text.push_str(parts.next().unwrap_or_default());
            for part in parts {
                text.push_str(self.word());
                text.push_str(part);
            }
        }
        text
    }

    /// Lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(b"0123456789abcdef"[self.below(16)])).collect()
    }
}
