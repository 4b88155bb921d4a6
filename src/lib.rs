//! tabmq: a Kafka-compatible message-queue cluster that lives in a browser tab.
//!
//! Imports point left only (`tests/layers.rs` fails when one points up):
//!
//! ```text
//! types, time, rng, sorted, event, config, mutation <- protocol <- log <- effects <- replica, quorum <- controller, coordinator <- broker <- sim <- web
//!                                                    \- files <- client  \- storage <- sim, web
//! ```

pub mod broker;
pub mod client;
pub mod config;
pub mod controller;
pub mod coordinator;
pub mod effects;
pub mod event;
pub mod files;
pub mod log;
pub mod mutation;
pub mod protocol;
pub mod quorum;
pub mod replica;
pub mod rng;
pub mod sim;
pub mod sorted;
pub mod storage;
pub mod time;
pub mod types;
#[cfg(target_arch = "wasm32")]
pub mod web;
