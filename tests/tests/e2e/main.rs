//! Whole pipelines over real sockets, between a raw client and a scripted provider.

mod ends;
mod fixture;
