use bytes::Bytes;

/// Tools as the elements of an array, written out for each place where they may go: what is added to a request is one
/// piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// The elements with a comma before and one behind.
    elements: Bytes,
    /// The same as a further member of the request: `,"tools":[…]`.
    member: Bytes,
}

/// How a member begins.
const KEY: &str = r#","tools":"#;

impl Written {
    /// `elements`, with commas between them.
    pub(super) fn new(elements: &str) -> Written {
        Written {
            elements: format!(",{elements},").into_boxed_str().into_boxed_bytes().into(),
            member: format!("{KEY}[{elements}]").into_boxed_str().into_boxed_bytes().into(),
        }
    }

    pub(super) fn size(&self) -> usize {
        self.elements.len() + self.member.len()
    }

    /// To go before other elements.
    pub(super) fn before(&self) -> Bytes {
        self.elements.slice(1..)
    }

    /// To go behind other elements.
    pub(super) fn behind(&self) -> Bytes {
        self.elements.slice(..self.elements.len() - 1)
    }

    /// As an array of their own.
    pub(super) fn array(&self) -> Bytes {
        self.member.slice(KEY.len()..)
    }

    /// As a further member of an object that has members.
    pub(super) fn member(&self) -> &Bytes {
        &self.member
    }
}
