//! Fetch sessions (KIP-227): what is said once is not said again.

use super::harness::*;
use crate::effects::ReplyToken;
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use crate::protocol::messages::{FetchRequest, FetchResponse};
use crate::protocol::{ErrorCode, Response};
use crate::types::{BrokerId, TopicPartition};

/// A fetch of version 12, by names, in a session.
fn request(session: (i32, i32), named: &[(&TopicPartition, i64)], max_wait_ms: i32) -> FetchRequest {
    let topic = |(tp, offset): &(&TopicPartition, i64)| {
        let partition = FetchPartition::default()
            .with_partition(tp.partition.0)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20);
        FetchTopic::default().with_topic(wire_name(tp)).with_partitions(vec![partition])
    };
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_id(session.0)
        .with_session_epoch(session.1)
        .with_topics(named.iter().map(topic).collect())
}

fn response(cluster: &Cluster, token: ReplyToken) -> Option<FetchResponse> {
    match cluster.reply(token, 12)? {
        Response::Fetch(response) => Some(response),
        other => panic!("{other:?}"),
    }
}

/// Sends a fetch that is answered at once: error, session id, and the topics told with their records.
fn fetch(cluster: &mut Cluster, request: FetchRequest) -> (i16, i32, Vec<(String, Vec<String>)>) {
    let token = cluster.send(1, 12, request);
    let response = response(cluster, token).expect("an answer at once");
    let told = response.responses.iter().flat_map(|topic| {
        let name = topic.topic.to_string();
        let records = |data: &crate::protocol::messages::fetch_response::PartitionData| {
            values(data.records.as_ref().unwrap())
        };
        topic.partitions.iter().map(move |data| (name.clone(), records(data)))
    });
    (response.error_code, response.session_id, told.collect())
}

/// A cluster of one broker with topics `a` and `b`, and an open session on both, from their starts.
fn opened() -> (Cluster, TopicPartition, TopicPartition, i32) {
    let mut cluster = Cluster::new(1);
    let (a, b) = (cluster.create("a", &[1], 1), cluster.create("b", &[1], 1));
    let (error, session, told) = fetch(&mut cluster, request((0, 0), &[(&a, 0), (&b, 0)], 0));
    assert_eq!(told, [("a".to_owned(), vec![]), ("b".to_owned(), vec![])]);
    assert!(error == 0 && session > 0);
    (cluster, a, b, session)
}

fn told(topic: &str, values: &[&str]) -> (String, Vec<String>) {
    (topic.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
}

#[test]
fn only_what_has_changed_is_told() {
    let (mut cluster, a, b, session) = opened();
    cluster.produce_and_wait(1, &a, 1, &["x"]);
    let found = fetch(&mut cluster, request((session, 1), &[], 0));
    assert_eq!(found, (0, session, vec![told("a", &["x"])]));
    let found = fetch(&mut cluster, request((session, 2), &[(&a, 1)], 0));
    assert_eq!(found, (0, session, vec![]), "there is nothing new of either");
    cluster.produce_and_wait(1, &b, 1, &["y"]);
    let found = fetch(&mut cluster, request((session, 3), &[], 0));
    assert_eq!(found, (0, session, vec![told("b", &["y"])]));
}

#[test]
fn a_fetch_in_a_session_waits_for_any_of_its_partitions() {
    let (mut cluster, _, b, session) = opened();
    let waiting = cluster.send(1, 12, request((session, 1), &[], 500));
    cluster.run_for(100);
    assert_eq!(response(&cluster, waiting), None);
    cluster.produce_and_wait(1, &b, 1, &["y"]);
    let answer = response(&cluster, waiting).unwrap();
    assert_eq!(answer.responses.len(), 1);
    assert_eq!(answer.responses[0].topic, wire_name(&b));
}

#[test]
fn what_was_forgotten_is_not_told() {
    let (mut cluster, a, b, session) = opened();
    cluster.produce_and_wait(1, &a, 1, &["x"]);
    cluster.produce_and_wait(1, &b, 1, &["y"]);
    let forgets = ForgottenTopic::default().with_topic(wire_name(&a)).with_partitions(vec![0]);
    let request = request((session, 1), &[], 0).with_forgotten_topics_data(vec![forgets]);
    assert_eq!(fetch(&mut cluster, request), (0, session, vec![told("b", &["y"])]));
}

#[test]
fn a_session_that_nothing_is_left_in_is_closed() {
    let (mut cluster, a, b, session) = opened();
    let forgets = |tp| ForgottenTopic::default().with_topic(wire_name(tp)).with_partitions(vec![0]);
    let all = request((session, 1), &[], 500).with_forgotten_topics_data(vec![forgets(&a), forgets(&b)]);
    assert_eq!(fetch(&mut cluster, all), (0, 0, vec![]));
    let gone = ErrorCode::FetchSessionIdNotFound.code();
    assert_eq!(fetch(&mut cluster, request((session, 2), &[], 0)), (gone, 0, vec![]));
}

#[test]
fn a_session_goes_on_by_its_own_epochs_and_names_only() {
    let (mut cluster, a, _, session) = opened();
    let refused = |error: ErrorCode| (error.code(), 0, vec![]);
    let found = fetch(&mut cluster, request((session, 2), &[], 0));
    assert_eq!(found, refused(ErrorCode::InvalidFetchSessionEpoch));
    let found = fetch(&mut cluster, request((session ^ 1, 1), &[], 0));
    assert_eq!(found, refused(ErrorCode::FetchSessionIdNotFound));
    let token = cluster.send(1, 13, request((session, 1), &[], 0));
    let Some(Response::Fetch(answer)) = cluster.reply(token, 13) else { panic!("no answer") };
    assert_eq!(answer.error_code, ErrorCode::FetchSessionTopicIdError.code());
    let (error, other, _) = fetch(&mut cluster, request((session, 0), &[(&a, 0)], 0));
    assert!(error == 0 && other != session, "epoch 0 closes it and opens another");
    assert_eq!(
        fetch(&mut cluster, request((session, 1), &[], 0)),
        refused(ErrorCode::FetchSessionIdNotFound)
    );
}

#[test]
fn an_error_is_told_each_time_and_what_follows_it_is_told_again() {
    let (mut cluster, a, _, session) = opened();
    cluster.elect(&a, None, &[1]);
    for epoch in 1..=2 {
        let token = cluster.send(1, 12, request((session, epoch), &[], 500));
        let answer = response(&cluster, token).expect("an error does not wait");
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, ErrorCode::NotLeaderOrFollower.code());
    }
    cluster.elect(&a, Some(1), &[1]);
    let token = cluster.send(1, 12, request((session, 3), &[], 0));
    let answer = response(&cluster, token).unwrap();
    assert_eq!(answer.responses[0].partitions[0].error_code, 0, "it is whole again, and is told so");
}

#[test]
fn who_got_records_goes_to_the_end_of_the_line() {
    let (mut cluster, a, b, session) = opened();
    for tp in [&a, &b] {
        cluster.produce_and_wait(1, tp, 1, &["1"]);
        cluster.produce_and_wait(1, tp, 1, &["2"]);
    }
    let mut next = [("a", 0), ("b", 0)];
    let mut order = Vec::new();
    for epoch in 1..=4 {
        let last: Option<&String> = order.last();
        let moved = next.iter().find(|(name, _)| last.is_some_and(|last| last == name));
        let tp = |name: &str| if name == "a" { &a } else { &b };
        let named: Vec<_> = moved.map(|(name, at)| (tp(name), *at)).into_iter().collect();
        let mut request = request((session, epoch), &named, 0);
        request.max_bytes = 1;
        let (_, _, told) = fetch(&mut cluster, request);
        let (name, _) = told.iter().find(|(_, values)| !values.is_empty()).unwrap();
        next.iter_mut().filter(|(other, _)| other == name).for_each(|(_, at)| *at += 1);
        order.push(name.clone());
    }
    assert_eq!(order, ["a", "b", "a", "b"]);
}

#[test]
fn without_a_slot_a_consumer_has_no_session_and_a_follower_takes_a_consumers_place() {
    let mut cluster = Cluster::with_config(2, |config| {
        config.set("max.incremental.fetch.session.cache.slots", "1").unwrap()
    });
    let tp = cluster.create("t", &[1], 1);
    let (_, first, _) = fetch(&mut cluster, request((0, 0), &[(&tp, 0)], 0));
    let (_, second, _) = fetch(&mut cluster, request((0, 0), &[(&tp, 0)], 0));
    assert!(first > 0 && second == 0);
    cluster.create("replicated", &[1, 2], 1);
    cluster.run_for(20);
    let gone = ErrorCode::FetchSessionIdNotFound.code();
    assert_eq!(fetch(&mut cluster, request((first, 1), &[], 0)), (gone, 0, vec![]));
}

#[test]
fn a_session_unused_for_two_minutes_makes_room() {
    let mut cluster = Cluster::with_config(1, |config| {
        config.set("max.incremental.fetch.session.cache.slots", "1").unwrap()
    });
    let tp = cluster.create("t", &[1], 1);
    let (_, first, _) = fetch(&mut cluster, request((0, 0), &[(&tp, 0)], 0));
    cluster.run_for(120_001);
    let (_, second, _) = fetch(&mut cluster, request((0, 0), &[(&tp, 0)], 0));
    assert!(second > 0 && second != first);
    assert_eq!(cluster.nodes[&BrokerId(1)].manager.sessions.len(), 1);
}

#[test]
fn a_follower_hears_of_the_high_watermark_soon_though_nothing_more_is_produced() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2, 3], 2);
    cluster.run_for(20);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    cluster.run_for(30);
    for id in 1..=3 {
        assert_eq!(offsets(&cluster.status(id, &tp)), (1, 1, 1), "broker {id}");
    }
}

#[test]
fn a_partition_whose_storage_is_slow_holds_up_no_other() {
    let mut cluster = Cluster::new(2);
    let (slow, other) = (cluster.create("slow", &[1, 2], 1), cluster.create("other", &[1, 2], 1));
    cluster.run_for(20);
    // The follower has the first topic's record, and storage keeps it waiting; what comes later does not wait with it.
    cluster.hold_storage(2, true);
    let waiting = cluster.produce(1, &slow, -1, batch_of(&["s"]));
    cluster.run_until(50, "the follower has it", |cluster| cluster.status(2, &slow).log_end.0 == 1);
    cluster.release_later_storage(2);
    let before = cluster.now;
    cluster.produce_and_wait(1, &other, -1, &["o"]);
    assert!(cluster.now.since(before).as_millis() <= 20, "{:?}", cluster.now.since(before));
    assert_eq!(cluster.produced(waiting), None);
    cluster.hold_storage(2, false);
    cluster.run_for(10);
    assert_eq!(cluster.produced(waiting).unwrap().error_code, 0);
}
