//! The simulated hosts of a broker: storage in memory today.

pub mod storage;
mod world;

pub use world::{ClientConn, Latencies, ToClient, World};
