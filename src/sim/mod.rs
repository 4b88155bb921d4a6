//! The simulated hosts of a broker: storage in memory today.

pub mod storage;
