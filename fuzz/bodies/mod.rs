//! What the fuzz targets do with their bytes: plain functions, which `tests/fuzz_targets_hold.rs` drives as well. Each
//! panics when a promise is broken.

// Each target uses one of them.
#![allow(dead_code)]

pub mod batches;
pub mod frames;
pub mod import;
pub mod recovery;
mod script;
