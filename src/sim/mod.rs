//! The simulated hosts of brokers and clients: storage in memory, a network, virtual time.

pub mod clients;
pub mod storage;
mod world;

pub use world::{ClientConn, Latencies, ToClient, World};
