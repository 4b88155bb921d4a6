//! What hangs on a write that storage refuses is told so when that is known, not when its time is up.

mod support;

use support::Bench;
use tabmq::log::io::IoError;
use tabmq::protocol::messages::*;
use tabmq::protocol::{ErrorCode, Response, StrBytes};
use tabmq::time::Duration;
use tabmq::types::BrokerId;

const BROKER: BrokerId = BrokerId(1);

/// Commits an offset of partition 0 of `t` as a consumer without a group's members would.
fn commit(bench: &mut Bench, offset: i64) -> Option<ErrorCode> {
    let partition = offset_commit_request::OffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1);
    let topic = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(TopicName(StrBytes::from_static_str("t")))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("readers")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let Response::OffsetCommit(response) = bench.ask(BROKER, 8, request.into()) else { panic!() };
    ErrorCode::try_from_code(response.topics[0].partitions[0].error_code)
}

/// Asks for the group's coordinator, and commits until it takes commits.
fn coordinated(bench: &mut Bench) {
    let key = StrBytes::from_static_str("readers");
    for _ in 0..100 {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![key.clone()]);
        bench.ask(BROKER, 4, request.into());
        if commit(bench, 1).is_none() {
            return;
        }
        bench.world.run_for(Duration::from_millis(50));
    }
    panic!("no coordinator");
}

#[test]
fn a_commit_whose_write_fails_is_answered_at_once_and_the_next_one_works() {
    let mut bench = Bench::new(1, 1);
    bench.ready();
    bench.create_topic_through(BROKER, "t", 1, 1);
    coordinated(&mut bench);
    bench.world.storage_mut(BROKER).unwrap().fail_writes(Some(IoError::QuotaExceeded));
    let asked = bench.world.now();
    let error = commit(&mut bench, 2).expect("an error");
    assert!(error.is_retriable(), "{error}");
    let took = bench.world.now().since(asked);
    assert!(took < Duration::from_millis(500), "it took {took:?}");
    bench.world.storage_mut(BROKER).unwrap().fail_writes(None);
    bench.world.run_for(Duration::from_secs(3));
    assert_eq!(commit(&mut bench, 3), None);
}
