//! Mixed turns, for when the client comes back with its results.

use std::{borrow::Cow, collections::HashSet, iter::Peekable, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    block::{self, Block},
    drafts::array,
    results::{assistant, message},
    splice::splice,
};
use crate::{
    api::{tools::Kept, turn::has},
    json::{Document, Elements, Value},
};

/// Keeps a turn: the messages of its rounds, the last reply, and those of its results that the client does not have. The
/// client comes back to it with the ids `keys`.
///
/// The hidden part is `{"turn": [message, ...], "results": [tool_result, ...]}`.
pub(super) fn keep(keys: Vec<String>, rounds: &[Vec<u8>], last: &[Block], results: &[String]) -> Kept {
    let last = assistant(last);
    let turn: Vec<&[u8]> = rounds.iter().map(Vec::as_slice).chain([&*last]).collect();
    let hidden = [b"{\"turn\":", &*array(&turn), b",\"results\":", &*array(results), b"}"].concat();
    Kept { keys, hidden: hidden.into() }
}

/// Puts the turns that `find` has back into a request.
///
/// A turn is put back only where the client's message is the one that was given to it: text and thinking as they were, the
/// calls by their ids. The client's version of each block stays, with whatever it added to it; so does its having left
/// out thinking. A conversation that has been changed otherwise stays as it is, and is valid by itself.
pub(in crate::api) fn restore(document: &Document, find: &mut dyn FnMut(&str) -> Option<Arc<Kept>>) -> Option<Bytes> {
    let messages: Vec<Value<'_>> = document.get("messages")?.elements().collect();
    let mut splices: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let Some(kept) = kept_of(*message, find) else { continue };
        // Claude Code puts messages of `role: system` between the others.
        let answer = messages[at + 1..].iter().find(|message| !has(**message, "role", "system")).copied();
        let Some((turn, answered)) = put_back(&kept, *message, answer) else { continue };
        splices.push((document.span(*message), turn));
        splices.extend(answer.zip(answered).map(|(answer, answered)| (document.span(answer), answered)));
    }
    (!splices.is_empty()).then(|| apply(document.bytes(), splices))
}

fn apply(bytes: &[u8], splices: Vec<(Range<usize>, Vec<u8>)>) -> Bytes {
    let mut edited = Vec::with_capacity(bytes.len() + splices.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut copied = 0;
    for (span, new) in splices {
        edited.extend_from_slice(&bytes[copied..span.start]);
        edited.extend_from_slice(&new);
        copied = span.end;
    }
    edited.extend_from_slice(&bytes[copied..]);
    edited.into()
}

/// The turn that ended with one of the calls in `message`.
fn kept_of(message: Value<'_>, find: &mut dyn FnMut(&str) -> Option<Arc<Kept>>) -> Option<Arc<Kept>> {
    if !has(message, "role", "assistant") {
        return None;
    }
    let calls = message.get("content")?.elements().filter(|block| block::calls(*block));
    calls.filter_map(|call| call.get("id")?.as_str()).find_map(|id| find(&id))
}

/// The messages that take the place of `message`, joined by commas, and the one that takes the place of `answer`, if it
/// changes. To a reply that was paused there is no answer.
fn put_back(kept: &Kept, message: Value<'_>, answer: Option<Value<'_>>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let kept = Document::parse(kept.hidden.clone()).ok()?;
    let results: Vec<Value<'_>> = kept.get("results")?.elements().collect();
    let rounds: Vec<Value<'_>> = kept.get("turn")?.elements().collect();
    let turn = turn(&rounds, &results, message)?;
    if results.is_empty() {
        return Some((turn, None));
    }
    let answer = answer.filter(|answer| has(*answer, "role", "user"))?;
    Some((turn, Some(answered(*rounds.last()?, &results, answer)?)))
}

fn turn(rounds: &[Value<'_>], results: &[Value<'_>], theirs: Value<'_>) -> Option<Vec<u8>> {
    let inner = rounds.iter().filter(|round| has(**round, "role", "user")).filter_map(|round| round.get("content"));
    let hidden: HashSet<Cow<'_, str>> =
        inner.flat_map(Value::elements).chain(results.iter().copied()).filter_map(result_id).collect();
    let content = theirs.get("content")?;
    let mut blocks = content.elements().peekable();
    let mut turn = Vec::new();
    for (at, round) in rounds.iter().enumerate() {
        if at > 0 {
            turn.push(b',');
        }
        if !has(*round, "role", "assistant") {
            turn.extend_from_slice(round.text());
            continue;
        }
        let mut woven: Vec<&[u8]> = Vec::new();
        for block in round.get("content")?.elements() {
            if string(block, "id").is_some_and(|id| hidden.contains(&id)) {
                woven.push(block.text());
            } else if let Some(theirs) = take(block, &mut blocks)? {
                woven.push(theirs.text());
            }
        }
        // The last is the client's own message, with what else it may have put into it.
        let last = at + 1 == rounds.len();
        turn.extend(match last {
            true => splice(theirs.text(), content.text(), &array(&woven)),
            false => message("assistant", &woven),
        });
    }
    skip_blank(&mut blocks);
    blocks.next().is_none().then_some(turn)
}

/// The client's version of `block`, or `Some(None)` if it has left it out; `None` if it has something else there.
#[expect(clippy::option_option, reason = "a mismatch, a block left out, and a block")]
fn take<'a>(block: Value<'_>, theirs: &mut Peekable<Elements<'a>>) -> Option<Option<Value<'a>>> {
    skip_blank(theirs);
    if let Some(same) = theirs.next_if(|theirs| is_same(block, *theirs)) {
        return Some(Some(same));
    }
    let optional = has(block, "type", "thinking") || has(block, "type", "redacted_thinking");
    optional.then_some(None)
}

/// Passes over texts without text, which are not kept either.
fn skip_blank(blocks: &mut Peekable<Elements<'_>>) {
    while blocks.next_if(|theirs| block::is_blank(*theirs)).is_some() {}
}

fn is_same(block: Value<'_>, theirs: Value<'_>) -> bool {
    // A call is the same by its id, whatever has become of its input; other blocks have some of these, or none.
    let members: &[&str] = if has(block, "type", "tool_use") {
        &["type", "id"]
    } else {
        &["type", "id", "tool_use_id", "text", "thinking", "signature", "data"]
    };
    members.iter().all(|member| string(block, member) == string(theirs, member))
}

/// The message with the client's results, and ours among them, in the order of the calls.
fn answered(last: Value<'_>, results: &[Value<'_>], answer: Value<'_>) -> Option<Vec<u8>> {
    let content = answer.get("content")?;
    let mut rest: Vec<Value<'_>> = content.elements().collect();
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for call in last.get("content")?.elements().filter_map(|block| string(block, "id")) {
        let is_answer = |block: &Value<'_>| result_id(*block).is_some_and(|id| id == call);
        let ours = results.iter().copied().filter(is_answer);
        blocks.extend(ours.chain(rest.extract_if(.., |block| is_answer(block))).map(|block| block.text().to_vec()));
    }
    if content.is_string() {
        blocks.push([b"{\"type\":\"text\",\"text\":", content.text(), b"}"].concat());
    }
    blocks.extend(rest.into_iter().map(|block| block.text().to_vec()));
    Some(splice(answer.text(), content.text(), &array(&blocks)))
}

/// The id of the call that a `tool_result` answers.
fn result_id(block: Value<'_>) -> Option<Cow<'_, str>> {
    string(block, "tool_use_id").filter(|_| has(block, "type", "tool_result"))
}

fn string<'b>(block: Value<'b>, member: &str) -> Option<Cow<'b, str>> {
    block.get(member).and_then(Value::as_str)
}
