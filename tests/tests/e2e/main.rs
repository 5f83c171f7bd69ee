//! Whole pipelines over real sockets, between a raw client and a scripted provider.

mod bytes;
mod encodings;
mod ends;
mod fixture;
mod headers;
mod records;
mod refusals;
mod routes;
