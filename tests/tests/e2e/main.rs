//! Whole pipelines over real sockets, between a raw client and a scripted provider.

mod bytes;
mod ends;
mod expect;
mod fixture;
mod refusals;
mod routes;
