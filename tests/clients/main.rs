//! The Rust client against real brokers, under virtual time. What fails says its seed.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod all_clients;
mod consumers;
mod load;
mod producers;
mod rig;
