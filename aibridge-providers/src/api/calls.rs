/// What is certain about tool calls in a reply, from what an [`Observer`](super::Observer) has read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "each step is less certain than the one before")]
pub enum Calls {
    /// No tool has been called, and the events that ended with the last [`feed`](super::Observer::feed) are only about texts
    /// that come again (Responses).
    OnlyText,
    /// No tool has been called.
    Absent,
    /// No tool has been called before the last [`feed`](super::Observer::feed), which holds the response with the tools of
    /// the request that it repeats, or with calls (Responses).
    Named,
    /// Nothing: a tool has been called, or something came that is not understood.
    Possible,
}
