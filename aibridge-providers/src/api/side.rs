//! Requests that an agent makes for itself beside the conversation: titles, topics, summaries, checks.
//! What they look like is data of this file; they carry no person's prompt and are given no tools.

use crate::json::Value;

/// How the system prompt of such a request begins.
const SYSTEM: &[&str] = &[
    // Claude Code
    "Analyze if this message indicates a new conversation topic",
    "Generate a concise, sentence-case title",
    "Please write a 5-10 word title",
    "Summarize this coding conversation in under 50 characters",
    "You are a helpful AI assistant tasked with summarizing conversations",
    "You are an assistant for performing a web search tool use",
    "Extract any file paths that this command reads or modifies",
    "Your task is to process Bash commands that an AI coding agent wants to run",
    "You are a security monitor for autonomous AI coding agents",
    // opencode
    "You are a title generator",
    "You are an anchored context summarization assistant",
    "Summarize what was done in this conversation. Write like a pull request description",
    // Crush
    "You will generate a short title based on the first message",
    // GitHub Copilot
    "You are an expert in crafting pithy titles for chatbot conversations",
    "You are an expert in crafting ultra-compact titles for chatbot conversations",
];

/// How the last user message of such a request begins.
const PROMPT: &[&str] = &[
    // Claude Code
    "Please write a 5-10 word title for the following conversation",
    "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.",
    "Your task is to create a detailed summary of the conversation so far",
    "Your task is to create a detailed summary of this conversation",
    "[SUGGESTION MODE:",
    // Codex
    "You are performing a CONTEXT CHECKPOINT COMPACTION",
    // opencode
    "Generate a title for this conversation:",
    "Provide a detailed prompt for continuing our conversation above",
    // GitHub Copilot
    "Please write a brief title for the following request:",
];

/// The whole last user message of such a request.
const WHOLE: &[&str] = &["Warmup", "quota"];

/// Claude Code puts a block of accounting before its system prompt.
const BILLING: &str = "x-anthropic-billing-header:";

/// Whether one of the texts of `system`, a string or an array of text blocks, is that of a side request.
pub(super) fn is_side_system(system: Value<'_>) -> bool {
    if system.is_array() {
        // The instructions come first, apart from accounting and the sentence by which an agent identifies itself.
        return system.elements().take(3).filter_map(|block| block.get("text")).any(is_side_text);
    }
    is_side_text(system)
}

fn is_side_text(text: Value<'_>) -> bool {
    let text = beginning(text);
    !text.starts_with(BILLING.as_bytes()) && SYSTEM.iter().any(|known| text.starts_with(known.as_bytes()))
}

/// The bytes of a JSON string behind its white space. System prompts are long: they are not unescaped only to look at
/// their beginning, and nothing that is looked for needs escapes.
fn beginning(text: Value<'_>) -> &[u8] {
    let mut text = text.text().strip_prefix(b"\"").unwrap_or_default();
    while let Some(rest) = [b" ".as_slice(), b"\\n", b"\\r", b"\\t"].iter().find_map(|blank| text.strip_prefix(*blank))
    {
        text = rest;
    }
    text
}

/// Whether `prompt`, a user message's text, is an agent's own request.
pub(super) fn is_side_prompt(prompt: &str) -> bool {
    let prompt = prompt.trim();
    PROMPT.iter().any(|known| prompt.starts_with(known)) || WHOLE.contains(&prompt)
}
