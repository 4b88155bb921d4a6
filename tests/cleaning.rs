//! Old records go: by age, by size, by request, and (compaction) when a newer record has the key. A cluster of three under
//! virtual time.

mod support;

use std::collections::BTreeMap;

use bytes::Bytes;
use support::Bench;
use tabmq::event::ClusterEvent;
use tabmq::log::io::{IoOp, IoResult};
use tabmq::protocol::messages::*;
use tabmq::protocol::records::{BatchBuilder, BatchOptions, Record, decode_records};
use tabmq::protocol::{ErrorCode, Response, StrBytes, batch};
use tabmq::time::Duration;
use tabmq::types::{BrokerId, LogId, PartitionIndex};

const TOPIC: &str = "orders";

fn name(topic: &str) -> tabmq::protocol::messages::TopicName {
    tabmq::protocol::messages::TopicName(StrBytes::from_string(topic.to_owned()))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A cluster of three with one topic of one partition.
fn cluster(seed: u64, configs: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::new(seed, 3);
    bench.ready();
    let configs = configs.iter().map(|(name, value)| {
        create_topics_request::CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
    });
    let topic = create_topics_request::CreatableTopic::default()
        .with_name(name(TOPIC))
        .with_num_partitions(1)
        .with_replication_factor(3)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
    let Response::CreateTopics(response) = bench.ask(BrokerId(1), 7, request.into()) else { panic!() };
    assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    bench.settled(TOPIC, 1, 3);
    bench
}

fn alter(bench: &mut Bench, config: &str, value: &str) -> i16 {
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text(config))
        .with_value(Some(text(value)));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(TOPIC))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let Response::IncrementalAlterConfigs(response) = bench.ask(BrokerId(2), 1, request.into()) else {
        panic!()
    };
    response.responses[0].error_code
}

/// Produces one batch with acks=all.
fn produce(bench: &mut Bench, records: &[(Option<&str>, Option<&str>)]) -> i16 {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for (key, value) in records {
        let now = bench.world.now().as_timestamp();
        builder.push(now, key.map(str::as_bytes), value.map(str::as_bytes), &[]);
    }
    let data = produce_request::PartitionProduceData::default().with_records(Some(builder.build()));
    let topic =
        produce_request::TopicProduceData::default().with_name(name(TOPIC)).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(5000).with_topic_data(vec![topic]);
    let leader = bench.leader(TOPIC, 0);
    let Response::Produce(response) = bench.ask(leader, 9, request.into()) else { panic!() };
    response.responses[0].partition_responses[0].error_code
}

/// The records from `offset` on, in as many fetches as it takes; or the error.
fn records_from(bench: &mut Bench, offset: i64) -> Result<Vec<Record>, i16> {
    let leader = bench.leader(TOPIC, 0);
    let mut found: Vec<Record> = Vec::new();
    let mut next = offset;
    loop {
        let asked =
            fetch_request::FetchPartition::default().with_fetch_offset(next).with_partition_max_bytes(2000);
        let topic = fetch_request::FetchTopic::default().with_topic(name(TOPIC)).with_partitions(vec![asked]);
        let request =
            FetchRequest::default().with_max_wait_ms(1).with_max_bytes(2000).with_topics(vec![topic]);
        let Response::Fetch(response) = bench.ask(leader, 11, request.into()) else { panic!() };
        let answer = &response.responses[0].partitions[0];
        if answer.error_code != 0 {
            return Err(answer.error_code);
        }
        let bytes: Bytes = answer.records.clone().unwrap_or_default();
        if bytes.is_empty() {
            assert_eq!(next, answer.high_watermark, "reading stopped before the end");
            return Ok(found);
        }
        for entry in batch::batches(&bytes) {
            let Ok((header, range)) = entry else { break };
            let records = decode_records(&bytes.slice(range)).unwrap();
            found.extend(records.into_iter().filter(|record| record.offset.0 >= offset));
            next = header.next_offset().0;
        }
    }
}

fn log_starts(bench: &Bench) -> Vec<i64> {
    let mut starts = BTreeMap::new();
    for (_, broker, event) in bench.world.events() {
        if let ClusterEvent::PartitionProgress { topic, log_start, .. } = event
            && topic.as_str() == TOPIC
        {
            starts.insert(*broker, log_start.0);
        }
    }
    starts.into_values().collect()
}

fn stored(bench: &mut Bench) -> Vec<usize> {
    let ids = bench.world.ids();
    ids.into_iter().map(|id| bench.world.storage_mut(id).unwrap().size_bytes()).collect()
}

/// The log of the topic's partition, whoever has it.
fn partition_log(bench: &Bench) -> LogId {
    let broker = bench.world.ids().into_iter().find_map(|id| bench.world.broker(id)).unwrap();
    let (topic_id, _) = broker.image().topic_named(&tabmq::types::TopicName::from(TOPIC)).unwrap();
    LogId { topic_id, partition: PartitionIndex(0) }
}

fn fill(bench: &mut Bench, batches: usize) {
    let value = "x".repeat(400);
    for _ in 0..batches {
        assert_eq!(produce(bench, &[(Some("k"), Some(&value))]), 0);
    }
}

#[test]
fn segments_older_than_retention_ms_go_on_every_replica_and_free_the_storage() {
    let mut bench = cluster(1, &[("segment.bytes", "2000"), ("retention.ms", "60000")]);
    fill(&mut bench, 20);
    bench.world.run_for(Duration::from_secs(40));
    fill(&mut bench, 10);
    let full = stored(&mut bench);
    bench.world.run_for(Duration::from_secs(30));
    let starts = log_starts(&bench);
    assert!(starts.iter().all(|start| (16..=20).contains(start)), "{starts:?}");
    for (before, after) in full.iter().zip(stored(&mut bench)) {
        assert!(after + 16 * 400 < *before, "{before} bytes became {after}");
    }
    assert_eq!(records_from(&mut bench, 0), Err(ErrorCode::OffsetOutOfRange.code()));
    let start = starts[0];
    assert_eq!(records_from(&mut bench, start).unwrap().len() as i64, 30 - start);
    // The last segment is closed and goes as well, when its time has come; offsets go on.
    bench.world.run_for(Duration::from_secs(60));
    assert_eq!(log_starts(&bench), [30, 30, 30]);
    fill(&mut bench, 1);
    assert_eq!(records_from(&mut bench, 30).unwrap()[0].offset.0, 30);
}

#[test]
fn the_oldest_segments_go_when_the_log_is_larger_than_retention_bytes_also_when_that_is_set_later() {
    let mut bench = cluster(2, &[("segment.bytes", "2000")]);
    fill(&mut bench, 30);
    bench.world.run_for(Duration::from_secs(20));
    assert_eq!(log_starts(&bench), [0, 0, 0]);
    assert_eq!(alter(&mut bench, "retention.bytes", "5000"), 0);
    bench.world.run_for(Duration::from_secs(10));
    let starts = log_starts(&bench);
    assert!(starts.iter().all(|start| *start > 10 && *start == starts[0]), "{starts:?}");
    let kept = records_from(&mut bench, starts[0]).unwrap().len() as i64;
    assert_eq!(kept, 30 - starts[0]);
    assert!(kept * 400 >= 5000 - 400, "no less than retention.bytes is kept: {kept} records");
    let said = bench.world.events().iter().any(|(_, _, event)| {
        matches!(event, ClusterEvent::SegmentsDeleted { reason: "retention.bytes", .. })
    });
    assert!(said);
}

#[test]
fn deleted_records_stay_deleted_when_the_leader_dies_and_when_brokers_start_again() {
    let mut bench = cluster(3, &[("segment.bytes", "2000")]);
    fill(&mut bench, 30);
    let delete = |bench: &mut Bench, offset: i64| {
        let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(offset);
        let topic = delete_records_request::DeleteRecordsTopic::default()
            .with_name(name(TOPIC))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
        let leader = bench.leader(TOPIC, 0);
        let Response::DeleteRecords(response) = bench.ask(leader, 2, request.into()) else { panic!() };
        let answer = &response.topics[0].partitions[0];
        (answer.error_code, answer.low_watermark)
    };
    assert_eq!(delete(&mut bench, 31), (ErrorCode::OffsetOutOfRange.code(), -1));
    assert_eq!(delete(&mut bench, 17), (0, 17));
    assert_eq!(log_starts(&bench), [17, 17, 17], "the answer waited for the followers");
    let leader = bench.leader(TOPIC, 0);
    bench.world.crash(leader);
    bench.world.run_until(Duration::from_secs(10), "another leads", |world| {
        let survivor = world.ids().into_iter().find(|id| *id != leader).unwrap();
        world.broker(survivor).and_then(|b| support::leader_in(b, TOPIC, 0)).is_some_and(|id| id != leader)
    });
    assert_eq!(records_from(&mut bench, 16), Err(ErrorCode::OffsetOutOfRange.code()));
    assert_eq!(records_from(&mut bench, 17).unwrap().len(), 13);
    for id in bench.world.ids() {
        bench.world.crash(id);
    }
    for id in bench.world.ids() {
        bench.world.start(id);
    }
    bench.ready();
    bench.settled(TOPIC, 1, 3);
    assert_eq!(records_from(&mut bench, 17).unwrap().len(), 13);
    assert_eq!(records_from(&mut bench, 16), Err(ErrorCode::OffsetOutOfRange.code()));
    assert_eq!(delete(&mut bench, -1), (0, 30));
    assert_eq!(records_from(&mut bench, 30).unwrap(), []);
    assert_eq!(alter(&mut bench, "cleanup.policy", "compact"), 0);
    bench.world.run_for(Duration::from_secs(1));
    assert_eq!(delete(&mut bench, -1), (ErrorCode::PolicyViolation.code(), -1));
}

#[test]
fn a_deleted_topic_frees_the_storage_with_writes_under_way_when_storage_refuses_and_on_a_broker_that_was_away()
 {
    for case in ["writes under way", "storage refuses", "a broker is away"] {
        let mut bench = cluster(4, &[]);
        let before = stored(&mut bench);
        fill(&mut bench, 50);
        let away = BrokerId(bench.leader(TOPIC, 0).0 % 3 + 1);
        match case {
            "writes under way" => {
                for _ in 0..5 {
                    bench.send_produce(TOPIC, &"y".repeat(400));
                }
            }
            "storage refuses" => {
                for id in bench.world.ids() {
                    let storage = bench.world.storage_mut(id).unwrap();
                    storage.refuse_deletions(true);
                }
            }
            _ => bench.world.crash(away),
        }
        let request =
            DeleteTopicsRequest::default().with_topic_names(vec![name(TOPIC)]).with_timeout_ms(5000);
        let controller = BrokerId(away.0 % 3 + 1);
        let Response::DeleteTopics(response) = bench.ask(controller, 5, request.into()) else { panic!() };
        assert_eq!(response.responses[0].error_code, 0);
        bench.world.run_for(Duration::from_secs(2));
        match case {
            "storage refuses" => {
                assert!(stored(&mut bench).iter().all(|bytes| *bytes > 20_000), "nothing is deleted yet");
                for id in bench.world.ids() {
                    bench.world.storage_mut(id).unwrap().refuse_deletions(false);
                }
            }
            "a broker is away" => bench.world.start(away),
            _ => {}
        }
        bench.world.run_for(Duration::from_secs(5));
        for (before, after) in before.iter().zip(stored(&mut bench)) {
            // The metadata log has grown a little.
            assert!(after < before + 6000, "{case}: {before} bytes became {after}");
        }
    }
}

/// The latest value of each key, and how many records there are.
fn table(records: &[Record]) -> (BTreeMap<String, String>, usize) {
    let text = |bytes: &Option<Bytes>| String::from_utf8(bytes.clone().unwrap().to_vec()).unwrap();
    let mut table = BTreeMap::new();
    for record in records {
        match &record.value {
            None => table.remove(&text(&record.key)),
            Some(_) => table.insert(text(&record.key), text(&record.value)),
        };
    }
    (table, records.len())
}

fn upsert(bench: &mut Bench, round: usize, keys: usize) {
    let value = format!("{round}-{}", "x".repeat(100));
    for key in 0..keys {
        assert_eq!(produce(bench, &[(Some(&format!("key-{key}")), Some(&value))]), 0);
    }
}

#[test]
fn of_each_key_the_latest_record_stays_on_every_replica_and_offsets_stay_too() {
    for seed in 0..5 {
        let configs =
            [("cleanup.policy", "compact"), ("segment.bytes", "2000"), ("min.cleanable.dirty.ratio", "0.1")];
        let mut bench = cluster(seed, &configs);
        for round in 0..12 {
            upsert(&mut bench, round, 10);
        }
        let (expected, all) = table(&records_from(&mut bench, 0).unwrap());
        let before = records_from(&mut bench, 0).unwrap();
        assert_eq!((expected.len(), all), (10, 120));
        bench.world.run_for(Duration::from_secs(20));
        let after = records_from(&mut bench, 0).unwrap();
        let (found, left) = table(&after);
        assert_eq!(found, expected);
        assert!(left < 35, "{left} of 120 records are left");
        assert!(after.iter().all(|record| before.contains(record)), "offsets and contents are as they were");
        // A consumer that was in the part that is gone goes on behind it.
        assert_eq!(
            records_from(&mut bench, 50).unwrap(),
            after.iter().filter(|r| r.offset.0 >= 50).cloned().collect::<Vec<_>>()
        );
        let compacted: Vec<BrokerId> = bench
            .world
            .events()
            .iter()
            .filter(|(_, _, event)| matches!(event, ClusterEvent::LogCompacted { topic, .. } if topic.as_str() == TOPIC))
            .map(|(_, broker, _)| *broker)
            .collect();
        assert!(bench.world.ids().iter().all(|id| compacted.contains(id)), "{compacted:?}");
        for bytes in stored(&mut bench) {
            assert!(bytes < 12_000, "{bytes} bytes are stored");
        }
        // All of it survives a new leader, a restart, and a replica that begins from nothing.
        for id in bench.world.ids() {
            bench.world.crash(id);
        }
        for id in bench.world.ids() {
            bench.world.start(id);
        }
        bench.ready();
        bench.settled(TOPIC, 1, 3);
        assert_eq!(table(&records_from(&mut bench, 0).unwrap()).0, expected);
        let leader = bench.leader(TOPIC, 0);
        bench.world.crash(leader);
        let log = partition_log(&bench);
        assert_eq!(bench.world.storage_mut(leader).unwrap().execute(IoOp::DeleteLog { log }), IoResult::Done);
        let another_leads = |bench: &mut Bench, gone: BrokerId| {
            bench.world.run_until(Duration::from_secs(20), "another leads", |world| {
                let mut others = world.ids().into_iter().filter(|id| *id != gone);
                others.all(|id| {
                    let leader = world.broker(id).and_then(|b| support::leader_in(b, TOPIC, 0));
                    leader.is_some_and(|id| id != gone)
                })
            });
        };
        another_leads(&mut bench, leader);
        assert_eq!(table(&records_from(&mut bench, 0).unwrap()).0, expected);
        bench.world.start(leader);
        bench.settled(TOPIC, 1, 3);
        let second = bench.leader(TOPIC, 0);
        bench.world.crash(second);
        another_leads(&mut bench, second);
        assert_eq!(table(&records_from(&mut bench, 0).unwrap()).0, expected);
        bench.world.start(second);
        upsert(&mut bench, 12, 3);
        bench.world.run_for(Duration::from_secs(10));
        assert_eq!(table(&records_from(&mut bench, 0).unwrap()).0.len(), 10);
    }
}

/// What each broker told of compaction so far.
fn compaction_told(bench: &Bench, broker: BrokerId) -> Vec<ClusterEvent> {
    let is_of_it = |event: &&ClusterEvent| {
        use ClusterEvent::{LogCompacted, LogCompacting, LogCompactionStopped};
        matches!(event, LogCompacting { topic, .. } | LogCompacted { topic, .. } | LogCompactionStopped { topic, .. }
            if topic.as_str() == TOPIC)
    };
    let events = bench.world.events().iter();
    events.filter(|(_, by, _)| *by == broker).map(|(_, _, event)| event).filter(is_of_it).cloned().collect()
}

#[test]
fn compaction_tells_how_far_it_is_and_ends_early_when_the_configs_would_no_longer_begin_it() {
    let never = [("min.cleanable.dirty.ratio", "1"), ("cleanup.policy", "delete")];
    for (config, value) in never {
        let configs =
            [("cleanup.policy", "compact"), ("segment.bytes", "2000"), ("min.cleanable.dirty.ratio", "1")];
        let mut bench = cluster(7, &configs);
        for round in 0..12 {
            upsert(&mut bench, round, 10);
        }
        let expected = table(&records_from(&mut bench, 0).unwrap()).0;
        let ids = bench.world.ids();
        bench.world.run_for(Duration::from_secs(20));
        assert!(ids.iter().all(|id| compaction_told(&bench, *id).is_empty()), "a ratio of 1 begins none");

        for id in &ids {
            bench.world.slow_storage(*id, Duration::from_millis(400));
        }
        assert_eq!(alter(&mut bench, "min.cleanable.dirty.ratio", "0.1"), 0);
        let halfway = |event: &ClusterEvent| matches!(event, ClusterEvent::LogCompacting { permille, .. } if *permille > 400);
        bench.world.run_until(Duration::from_secs(60), "a compaction is half-way", |world| {
            world.events().iter().any(|(_, _, event)| halfway(event))
        });
        assert_eq!(alter(&mut bench, config, value), 0);
        bench.world.run_until(Duration::from_secs(30), "every compaction has ended", |world| {
            let ended = |id: &BrokerId| {
                let last = world.events().iter().rev().find_map(|(_, by, event)| match event {
                    ClusterEvent::LogCompacting { .. } if by == id => Some(false),
                    ClusterEvent::LogCompacted { .. } | ClusterEvent::LogCompactionStopped { .. }
                        if by == id =>
                    {
                        Some(true)
                    }
                    _ => None,
                });
                last.unwrap_or(true)
            };
            ids.iter().all(ended)
        });
        let stopped: Vec<BrokerId> = ids
            .iter()
            .copied()
            .filter(|id| {
                matches!(compaction_told(&bench, *id).last(), Some(ClusterEvent::LogCompactionStopped { .. }))
            })
            .collect();
        assert!(!stopped.is_empty(), "{config}: none was stopped");
        let told: Vec<usize> = ids.iter().map(|id| compaction_told(&bench, *id).len()).collect();
        bench.world.run_for(Duration::from_secs(60));
        let later: Vec<usize> = ids.iter().map(|id| compaction_told(&bench, *id).len()).collect();
        assert_eq!(later, told, "{config}: none begins again");
        assert_eq!(table(&records_from(&mut bench, 0).unwrap()).0, expected);

        assert_eq!(alter(&mut bench, "cleanup.policy", "compact"), 0);
        assert_eq!(alter(&mut bench, "min.cleanable.dirty.ratio", "0.1"), 0);
        for id in stopped {
            let before = compaction_told(&bench, id).len();
            let compacted = |event: &ClusterEvent| matches!(event, ClusterEvent::LogCompacted { .. });
            bench.world.run_until(Duration::from_secs(120), "it is compacted after all", |world| {
                let of_it = world.events().iter().filter(|(_, by, _)| *by == id).map(|(_, _, event)| event);
                of_it.filter(|event| compacted(event)).count() > 0
            });
            let events = compaction_told(&bench, id).split_off(before);
            let mut last = None;
            for event in &events {
                match event {
                    ClusterEvent::LogCompacting { permille, .. } => {
                        assert!(*permille < 1000 && last.is_none_or(|last| *permille > last), "{events:?}");
                        last = Some(*permille);
                    }
                    _ => assert!(compacted(event) && last.take().is_some(), "{events:?}"),
                }
            }
        }
        assert_eq!(table(&records_from(&mut bench, 0).unwrap()).0, expected);
    }
}

#[test]
fn a_tombstone_deletes_its_key_and_goes_after_delete_retention_ms() {
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "2000"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "30000"),
    ];
    let mut bench = cluster(1, &configs);
    upsert(&mut bench, 0, 10);
    assert_eq!(produce(&mut bench, &[(Some("key-3"), None)]), 0);
    let tombstone = 10;
    for round in 1..4 {
        for key in 4..10 {
            let value = format!("{round}-{}", "x".repeat(100));
            produce(&mut bench, &[(Some(&format!("key-{key}")), Some(&value))]);
        }
    }
    bench.world.run_for(Duration::from_secs(10));
    let has_tombstone =
        |records: &[Record]| records.iter().any(|r| r.offset.0 == tombstone && r.value.is_none());
    let records = records_from(&mut bench, 0).unwrap();
    assert!(has_tombstone(&records), "every consumer has to see it first");
    assert!(!records.iter().any(|record| record.offset.0 == 3), "its key's value is gone");
    // A cleaning needs something new.
    bench.world.run_for(Duration::from_secs(30));
    for round in 4..8 {
        for key in 4..10 {
            let value = format!("{round}-{}", "x".repeat(100));
            produce(&mut bench, &[(Some(&format!("key-{key}")), Some(&value))]);
        }
    }
    bench.world.run_for(Duration::from_secs(10));
    assert!(!has_tombstone(&records_from(&mut bench, 0).unwrap()));
    assert_eq!(produce(&mut bench, &[(None, Some("no key"))]), ErrorCode::InvalidRecord.code());
}

#[test]
fn a_young_record_is_not_compacted_and_an_old_one_is_whatever_the_dirty_ratio() {
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "2000"),
        ("min.cleanable.dirty.ratio", "1"),
        ("min.compaction.lag.ms", "60000"),
        ("max.compaction.lag.ms", "120000"),
    ];
    let mut bench = cluster(1, &configs);
    for round in 0..12 {
        upsert(&mut bench, round, 10);
    }
    bench.world.run_for(Duration::from_secs(50));
    assert_eq!(records_from(&mut bench, 0).unwrap().len(), 120);
    bench.world.run_for(Duration::from_secs(30));
    assert_eq!(records_from(&mut bench, 0).unwrap().len(), 120, "the ratio is never above 1");
    bench.world.run_for(Duration::from_secs(60));
    let left = records_from(&mut bench, 0).unwrap().len();
    assert!(left < 35, "{left} of 120 records are left");
}

#[test]
fn with_compact_and_delete_only_the_latest_of_a_key_stays_and_that_too_goes_with_age() {
    let configs = [
        ("cleanup.policy", "compact,delete"),
        ("segment.bytes", "2000"),
        ("min.cleanable.dirty.ratio", "0.1"),
        ("retention.ms", "300000"),
    ];
    let mut bench = cluster(1, &configs);
    for round in 0..12 {
        upsert(&mut bench, round, 10);
    }
    let latest = table(&records_from(&mut bench, 0).unwrap()).0;
    bench.world.run_for(Duration::from_secs(60));
    let compacted = records_from(&mut bench, 0).unwrap();
    assert_eq!(table(&compacted).0, latest, "compaction took the last value of a key");
    assert!(compacted.len() < 40, "{} of 120 records are left", compacted.len());
    assert_eq!(log_starts(&bench), [0, 0, 0], "nothing is old enough to be deleted");

    // Too old: what compaction had kept goes, whole segments of it, on every replica.
    bench.world.run_for(Duration::from_secs(300));
    assert_eq!(produce(&mut bench, &[(Some("new"), Some("value"))]), 0);
    bench.world.run_for(Duration::from_secs(60));
    let starts = log_starts(&bench);
    assert!(starts.iter().all(|start| *start > 100 && *start == starts[0]), "{starts:?}");
    assert_eq!(records_from(&mut bench, 0), Err(ErrorCode::OffsetOutOfRange.code()));
    let left = table(&records_from(&mut bench, starts[0]).unwrap()).0;
    assert_eq!(left.get("new").map(String::as_str), Some("value"));
}

#[test]
fn committed_offsets_are_compacted_and_survive() {
    let mut bench = Bench::new(9, 3);
    bench.ready();
    bench.create_topic_through(BrokerId(1), TOPIC, 1, 3);
    bench.settled(TOPIC, 1, 3);
    let commit = |bench: &mut Bench, broker: BrokerId, offset: i64| {
        let partition = offset_commit_request::OffsetCommitRequestPartition::default()
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text(&"m".repeat(4000))));
        let topic = offset_commit_request::OffsetCommitRequestTopic::default()
            .with_name(name(TOPIC))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text("readers")))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        let Response::OffsetCommit(response) = bench.ask(broker, 8, request.into()) else { panic!() };
        response.topics[0].partitions[0].error_code
    };
    let coordinator = loop {
        let request = FindCoordinatorRequest::default().with_key(text("readers"));
        let Response::FindCoordinator(response) = bench.ask(BrokerId(1), 2, request.into()) else { panic!() };
        let id = BrokerId(response.node_id.0);
        if response.error_code == 0 && commit(&mut bench, id, 0) == 0 {
            break id;
        }
        bench.world.run_for(Duration::from_millis(100));
    };
    // Segments of 4 MiB in the lab: enough to roll, and to be worth cleaning.
    for offset in 1..2500 {
        assert_eq!(commit(&mut bench, coordinator, offset), 0);
    }
    bench.world.run_for(Duration::from_secs(10));
    for bytes in stored(&mut bench) {
        assert!(bytes < 5_000_000, "{bytes} bytes are stored of 10,000,000 written");
    }
    for id in bench.world.ids() {
        bench.world.crash(id);
    }
    for id in bench.world.ids() {
        bench.world.start(id);
    }
    bench.ready();
    bench.settled("__consumer_offsets", 4, 3);
    let found = loop {
        let request = FindCoordinatorRequest::default().with_key(text("readers"));
        let Response::FindCoordinator(response) = bench.ask(BrokerId(1), 2, request.into()) else { panic!() };
        let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
            .with_name(name(TOPIC))
            .with_partition_indexes(vec![0]);
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(text("readers")))
            .with_topics(Some(vec![topic]));
        let coordinator = BrokerId(response.node_id.0.max(1));
        let Response::OffsetFetch(response) = bench.ask(coordinator, 7, request.into()) else { panic!() };
        if response.error_code == 0 {
            break response.topics[0].partitions[0].committed_offset;
        }
        bench.world.run_for(Duration::from_millis(100));
    };
    assert_eq!(found, 2499);
}
