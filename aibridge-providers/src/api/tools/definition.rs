/// A tool as the model is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Definition {
    /// The name the model calls it by: 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The JSON Schema of its arguments, as JSON text.
    pub schema: String,
}

impl Definition {
    /// A tool of that name, with that schema.
    pub fn new(name: impl Into<String>, schema: impl Into<String>) -> Definition {
        Definition { name: name.into(), description: None, schema: schema.into() }
    }

    /// Says what it does.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Definition {
        self.description = Some(text.into());
        self
    }
}
