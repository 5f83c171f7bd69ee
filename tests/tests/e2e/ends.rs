//! How round trips end, and what the records say of it.
