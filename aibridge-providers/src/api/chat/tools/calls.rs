//! The tool calls of a reply: whose they are, and under which index the client knows its own.

use std::collections::{BTreeSet, HashSet};

use super::{
    call::{Called, Whose},
    delta::{function, joined, text},
};
use crate::{
    api::{tools::Call, wire::Budget},
    json::Value,
};

/// The tool calls of one reply.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Called>,
}

/// The indexes of the client's calls, over all rounds.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// The highest that the client has seen.
    last: Option<u64>,
    /// An injected tool has been called, so that the provider's indexes have gaps for the client.
    gaps: bool,
}

impl Numbering {
    /// An injected tool has been called.
    pub(super) fn skip(&mut self) {
        self.gaps = true;
    }

    /// The index for the client of a call that the provider gave the index `provider`.
    pub(super) fn assign(&mut self, provider: u64) -> u64 {
        let index = match self.gaps {
            true => self.last.map_or(0, |last| last.saturating_add(1)),
            false => provider,
        };
        self.last = self.last.max(Some(index));
        index
    }
}

impl Calls {
    /// Takes an element of a delta's `tool_calls`. Gives what the client gets in its place; `None` if that is the same.
    pub(super) fn delta(
        &mut self,
        delta: Value<'_>,
        names: &BTreeSet<String>,
        numbering: &mut Numbering,
        budget: &mut Budget,
    ) -> Option<Vec<Vec<u8>>> {
        let index = delta.get("index").and_then(Value::as_u64);
        let mut released = Vec::new();
        let at = match self.find(delta, index) {
            Some(at) => at,
            None if budget.take(size_of::<Called>()) => {
                // Another call begins, and the client gets calls in order.
                released = self.settle(numbering);
                // Without an index the calls stay in order.
                let next = self.calls.last().map_or(0, |call| call.index.saturating_add(1));
                self.calls.push(Called::new(index.unwrap_or(next)));
                self.calls.len() - 1
            }
            None => return None,
        };
        let call = &mut self.calls[at];
        call.learn(delta, budget);
        let own = call.delta(delta, names, numbering);
        if released.is_empty() {
            return own;
        }
        released.extend(own.unwrap_or_else(|| vec![delta.text().to_vec()]));
        Some(released)
    }

    /// The model has finished: names are whole. Gives what the client gets of calls that turn out to be its own.
    pub(super) fn settle(&mut self, numbering: &mut Numbering) -> Vec<Vec<u8>> {
        let mut released = Vec::new();
        for call in &mut self.calls {
            if let Whose::Unknown(held) = &mut call.whose {
                let index = Some(numbering.assign(call.index));
                released.push(joined(held, index));
                call.whose = Whose::Clients(index);
            }
        }
        released
    }

    /// Takes an element of a whole message's `tool_calls`. Says whether it is ours.
    pub(super) fn whole(&mut self, element: Value<'_>, names: &BTreeSet<String>, budget: &mut Budget) -> bool {
        let mut call = Called::new(self.calls.len() as u64);
        call.learn(element, budget);
        let own = !call.custom && names.contains(&call.name);
        call.whose = if own { Whose::Ours } else { Whose::Clients(None) };
        self.calls.push(call);
        own
    }

    /// The reply is over: puts the calls in order, and gives an id to those without one, and to ours that have another's.
    /// There are providers that use an id twice, and refuse it when it comes back so.
    pub(super) fn close(&mut self, round: usize) {
        self.calls.sort_by_key(|call| call.index);
        let mut taken: HashSet<String> = self.clients().into_iter().collect();
        for (at, call) in self.calls.iter_mut().enumerate() {
            if let (Whose::Ours, Some(id)) = (&call.whose, &mut call.id)
                && !taken.insert(id.clone())
            {
                *id = format!("{id}_{round}_{at}");
            }
            call.id.get_or_insert_with(|| format!("call_{round}_{at}"));
        }
    }

    /// Our calls.
    pub(super) fn ours(&self, reply_id: Option<&str>) -> Vec<Call> {
        let ours = self.calls.iter().filter(|call| matches!(call.whose, Whose::Ours));
        ours.map(|call| Call {
            id: call.id.clone().unwrap_or_default(),
            item_id: None,
            reply_id: reply_id.map(str::to_owned),
            name: call.name.clone(),
            arguments: call.arguments(),
        })
        .collect()
    }

    /// For each call, whether it is ours.
    pub(super) fn whole_ours(&self) -> impl Iterator<Item = bool> {
        self.calls.iter().map(|call| matches!(call.whose, Whose::Ours))
    }

    /// Whether one of ours is among them.
    pub(super) fn has_ours(&self) -> bool {
        self.calls.iter().any(|call| matches!(call.whose, Whose::Ours))
    }

    /// Whether one of the client's is among them.
    pub(super) fn has_clients(&self) -> bool {
        self.calls.iter().any(|call| matches!(call.whose, Whose::Clients(_)))
    }

    /// The ids of the client's calls.
    pub(super) fn clients(&self) -> Vec<String> {
        let clients = self.calls.iter().filter(|call| matches!(call.whose, Whose::Clients(_)));
        clients.filter_map(|call| call.id.clone()).collect()
    }

    /// The elements of `tool_calls` of a message that was whole, as the provider is sent them.
    pub(super) fn write_over(&self, elements: Value<'_>) -> Vec<Vec<u8>> {
        elements.elements().zip(&self.calls).map(|(element, call)| call.write_over(element)).collect()
    }

    /// The elements of `tool_calls` of a message with these calls.
    pub(super) fn elements(&self) -> Vec<Vec<u8>> {
        self.calls.iter().map(Called::write).collect()
    }

    /// Which call a delta continues.
    fn find(&self, delta: Value<'_>, index: Option<u64>) -> Option<usize> {
        let id = text(delta.get("id"));
        let named = text(function(delta).and_then(|function| function.get("name"))).is_some();
        self.calls.iter().rposition(|call| match (index, &id) {
            // Some give every call the index 0; one that has a name and another id is another call.
            (Some(index), Some(id)) => {
                call.index == index && (!named || call.id.as_deref().is_none_or(|known| known == id))
            }
            (Some(index), None) => call.index == index,
            (None, Some(id)) => call.id.as_deref() == Some(id),
            // Without either it can only be the last one.
            (None, None) => !named,
        })
    }
}
