//! Replica managers of a few brokers, wired by hand over memory, with a fake controller and virtual time.

mod changes;
mod compressing;
mod consuming;
mod damage;
mod harness;
mod producing;
mod replicating;
mod sessions;
mod shrinking;
mod surviving;
