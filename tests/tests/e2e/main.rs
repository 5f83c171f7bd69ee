//! Whole pipelines over real sockets, between a raw client and a scripted provider.

mod background;
mod bedrock;
mod breaker;
mod byok;
mod bytes;
mod encodings;
mod ends;
mod every_byte;
mod expect;
mod fixture;
mod headers;
mod keys;
mod line;
mod records;
mod refusals;
mod routes;
mod tools;
mod wire;
