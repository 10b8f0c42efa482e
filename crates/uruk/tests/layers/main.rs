//! Layers: representations that are compiled when they are needed, and how what comes out is linked.

#[path = "../support/mod.rs"]
mod support;

mod batches;
mod caching;
mod functions;
mod link;
mod on_demand;
mod reoptimize;
mod toy;
