//! Whole behaviours, driven by the harness; each asserts the responses and the records.

mod admin;
mod failures;
mod membership;
mod offsets;
mod random;
mod static_members;
