use crate::parse::AiBody;

/// A request's body that may be sent a second time.
///
/// [`AiBody`] always can, [`passthrough::RequestBody`](crate::passthrough::RequestBody) only while it is empty.
pub trait Repeat: Sized {
    /// The same body once more, if it can be had.
    fn repeat(&self) -> Option<Self>;

    /// What was understood of it, if it was parsed.
    fn parsed(&self) -> Option<&AiBody>;
}

impl Repeat for AiBody {
    fn repeat(&self) -> Option<AiBody> {
        Some(self.clone())
    }

    fn parsed(&self) -> Option<&AiBody> {
        Some(self)
    }
}
