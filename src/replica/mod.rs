//! Replicas of partitions on one broker: roles, ISR, high watermark, the follower's fetches, and what waits for them.
//!
//! - `partition`, `leader`: one replica, and what a leader knows of the others.
//! - `manager`: all replicas of the broker; `produce`, `fetch`, `list_offsets`, `local` are its request handlers.
//! - `session`: fetch sessions. `fetcher`, `follow`: the follower's side.
//! - `isr`, `isr_checks`: ISR changes through the controller.
//! - `purgatory`: what waits. `directory`: partitions and brokers of the cluster, as known here.
//! - `storage`: the logs' operations. `checkpoint`: the high watermarks as stored.
//!
//! Sans-IO: requests, answers, completed storage operations and time come in; `Effects` go out.

mod checkpoint;
mod compaction;
mod damage;
mod describe;
mod directory;
mod fetch;
mod fetcher;
mod follow;
mod isr;
mod isr_checks;
mod leader;
mod list_offsets;
mod local;
mod manager;
mod partition;
mod produce;
mod purgatory;
mod read_ahead;
mod retention;
mod session;
mod spec;
mod storage;
#[cfg(test)]
mod tests;

pub use checkpoint::HIGH_WATERMARK_CHECKPOINT_KEY;
pub use local::{Glance, LocalRead, LocalReadId, ReplicaStatus};
pub use manager::ReplicaManager;
pub use spec::{LiveBroker, PartitionSpec, RoleChange};
