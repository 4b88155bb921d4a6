//! The partition log: segments, epoch cache, producer state, recovery. Sans-IO; storage is asked through `io`.

pub mod conformance;
pub mod epoch_cache;
pub mod io;
