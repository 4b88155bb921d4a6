//! A whole cluster under virtual time, from one seed: brokers on simulated hosts, the real clients, faults, and what must
//! hold all the while.
//!
//! - `world`: brokers' hosts, the network, virtual time. `node`, `storage`: one host, and what it stores. `queue`: what is
//!   to happen.
//! - `clients`: runs clients in a world. `workload`: what they do in a run. `membership`: a broker that comes and goes.
//! - `fault`: what goes wrong, as data; `contest`: the one that takes a file of its own. `run`: one seed from begin to end. `shrink`: as few faults as still fail.
//! - `history`, `invariants`: what was committed, and what must hold, one file each.

pub mod clients;
mod contest;
mod fault;
mod history;
pub mod invariants;
mod membership;
mod node;
mod queue;
mod run;
mod shrink;
pub mod storage;
mod workload;
mod world;

pub use fault::{Fault, FaultKind};
pub use run::{Outcome, Plan, run};
pub use shrink::{Failure, run_seed, shrink};
pub use world::{ClientConn, Latencies, ToClient, World};
