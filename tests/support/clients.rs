//! What the tests of clients give them: how they find the cluster, and how long they wait.

use tabmq::client::{ClientOptions, Partitioner, ProducerOptions};
use tabmq::time::Duration;

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn client_options(name: &str) -> ClientOptions {
    ClientOptions {
        client_id: name.to_owned(),
        bootstrap: (1..=3).map(|id| (format!("broker-{id}"), 9092)).collect(),
        request_timeout: ms(10_000),
    }
}

pub fn producer_options() -> ProducerOptions {
    ProducerOptions {
        client: client_options("producer"),
        idempotent: true,
        partitioner: Partitioner::Sticky,
        linger: Duration::ZERO,
        batch_bytes: 16 * 1024,
        buffer_bytes: 4 * 1024 * 1024,
        delivery_timeout: ms(30_000),
    }
}
