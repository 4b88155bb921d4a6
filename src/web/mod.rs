//! The browser: a broker's host in its worker, storage in IndexedDB, transport over MessagePorts, and the client in the
//! page. The only layer that knows a clock, a random source or a browser type.

mod batch_view;
mod catalog;
mod client;
mod clock;
mod connection;
mod host;
mod migrations;
mod packed;
mod reading;
mod rows;
pub mod storage;
mod topic_files;
mod transport;
mod turns;
mod webkit;

pub use batch_view::{decode_batches, inspect_batch};
pub use client::{AdminHost, ConsumerHost, ProducerHost, partition_of};
pub use host::BrokerHost;
pub use topic_files::{CopierHost, FilesReader, PartitionExport};
pub use webkit::keeps_what_workers_leave;
