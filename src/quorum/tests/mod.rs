//! Quorum nodes alone, driven by `harness`.

mod changing;
mod electing;
mod harness;
mod snapshots;
