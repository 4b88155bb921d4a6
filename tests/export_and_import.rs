//! A topic goes out as Kafka's files and comes back under another name, over the protocol, under virtual time.

mod support;

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use support::Bench;
use support::clients::{client_options, ms, producer_options};
use tabmq::client::*;
use tabmq::event::ClusterEvent;
use tabmq::files::{PartitionWriter, TopicReader};
use tabmq::protocol::ErrorCode;
use tabmq::protocol::batch::{BatchHeader, batches};
use tabmq::protocol::records::{Record, decode_records};
use tabmq::sim::clients::{Clients, Handle};
use tabmq::sim::{Latencies, World};
use tabmq::types::{BrokerId, Compression, Offset, PartitionIndex, TopicName};

type Files = BTreeMap<String, Bytes>;

struct Rig {
    bench: Bench,
    clients: Clients,
    copier: Rc<Handle<Copier>>,
    producer: Rc<Handle<Producer>>,
    admin: Rc<Handle<Admin>>,
}

impl Rig {
    fn new(seed: u64) -> Rig {
        let world = World::new(seed, support::START, support::configs(3), Latencies::default());
        let mut bench = Bench { world };
        bench.ready();
        let mut clients = Clients::default();
        let producer = clients.add(Producer::new(producer_options(), seed));
        let copier = clients.add(Copier::new(client_options("copier"), ms(15_000)));
        let admin = clients.add(Admin::new(client_options("admin"), ms(10_000)));
        Rig { bench, clients, copier: Rc::new(copier), producer: Rc::new(producer), admin: Rc::new(admin) }
    }

    fn create(&mut self, topic: &str, partitions: i32) {
        self.bench.create_topic_through(BrokerId(1), topic, partitions, 3);
        self.bench.settled(topic, partitions as usize, 3);
    }

    fn ask<C: Client>(
        &mut self,
        client: fn(&Rig) -> &Rc<Handle<C>>,
        call: C::Call,
    ) -> Result<C::Reply, ClientError> {
        let client = Rc::clone(client(self));
        let id = client.call(&mut self.bench.world, call);
        let deadline = self.bench.world.now() + ms(60_000);
        loop {
            let found = client.take_replies().into_iter().find(|(_, call, _)| *call == id);
            if let Some((_, _, result)) = found {
                return result;
            }
            assert!(self.bench.world.now() < deadline, "no answer");
            self.clients.run_for(&mut self.bench.world, ms(5));
        }
    }

    fn send(&mut self, topic: &str, partition: i32, count: usize, bytes: usize, compression: Compression) {
        let record = |index: usize| ProducerRecord {
            key: Some(Bytes::from(format!("k{index}"))),
            value: Some(Bytes::from(vec![index as u8; bytes])),
            headers: vec![("h".to_owned(), None), ("h".to_owned(), Some(Bytes::from_static(b"2")))],
            partition: Some(partition),
            timestamp: Some(1_000_000 + index as i64),
        };
        let topics = vec![(TopicName::from(topic), (0..count).map(record).collect())];
        let call = ProducerCall::Send { topics, acks: -1, compression, timeout: None };
        self.ask(|rig| &rig.producer, call).unwrap();
    }

    fn read(
        &mut self,
        topic: &str,
        partition: i32,
        from: Option<Offset>,
    ) -> Result<ReadBatches, ClientError> {
        self.read_up_to(topic, partition, from, None)
    }

    fn read_up_to(
        &mut self,
        topic: &str,
        partition: i32,
        from: Option<Offset>,
        bytes_max: Option<i32>,
    ) -> Result<ReadBatches, ClientError> {
        let topic = TopicName::from(topic);
        let call = CopierCall::Read { topic, partition, from, bytes_max, patience: Some(ms(10_000)) };
        match self.ask(|rig| &rig.copier, call)? {
            CopierReply::Read(read) => Ok(read),
            other => panic!("{other:?}"),
        }
    }

    /// As the host does it: from the log start to what the high watermark was at first.
    fn export(&mut self, topic: &str, partitions: i32, segment_bytes: u64) -> Files {
        let mut files = Files::new();
        for partition in 0..partitions {
            let mut read = self.read(topic, partition, None).unwrap();
            let end = read.high_watermark;
            let mut writer = PartitionWriter::new(
                TopicName::from(topic),
                PartitionIndex(partition),
                read.from,
                segment_bytes,
            );
            let mut pieces = Vec::new();
            loop {
                pieces.extend(writer.write(&read.bytes, end).unwrap());
                if writer.next_offset() >= end {
                    break;
                }
                read = self.read(topic, partition, Some(writer.next_offset())).unwrap();
            }
            pieces.extend(writer.finish());
            for piece in pieces {
                let file = files.entry(piece.path.to_string()).or_default();
                *file = [file.as_ref(), piece.bytes.as_ref()].concat().into();
            }
        }
        files
    }

    fn append(&mut self, topic: &str, partition: i32, batches: Bytes) -> Result<bool, ClientError> {
        let call = CopierCall::Append { topic: TopicName::from(topic), partition, batches };
        match self.ask(|rig| &rig.copier, call)? {
            CopierReply::Appended { offsets_kept } => Ok(offsets_kept),
            other => panic!("{other:?}"),
        }
    }

    /// True when all offsets were kept.
    fn import(&mut self, topic: &str, files: &Files) -> bool {
        let mut reader = TopicReader::default();
        for (path, bytes) in files {
            reader.read(path, bytes).unwrap();
        }
        let facts = reader.finish().unwrap();
        self.create(topic, facts.partitions.len() as i32);
        let mut kept = true;
        for (partition, facts) in facts.partitions.iter().enumerate() {
            for path in &facts.logs {
                kept &= self.append(topic, partition as i32, files[path].clone()).unwrap();
            }
        }
        kept
    }
}

fn headers(files: &Files, partition: i32) -> Vec<(BatchHeader, Vec<Record>)> {
    let logs = files.iter().filter(|(path, _)| {
        path.ends_with(".log") && path.rsplit_once('/').unwrap().0.ends_with(&format!("-{partition}"))
    });
    let whole = Bytes::from(logs.flat_map(|(_, bytes)| bytes.to_vec()).collect::<Vec<u8>>());
    let read = |found: Result<(BatchHeader, _), _>| {
        let (header, range) = found.unwrap();
        (header, decode_records(&whole.slice(range)).unwrap())
    };
    batches(&whole).map(read).collect()
}

#[test]
fn batches_are_read_as_they_are_stored_a_whole_one_at_least_with_where_the_log_begins_and_where_the_reader_is()
 {
    let mut rig = Rig::new(9);
    rig.create("orders", 1);
    for _ in 0..20 {
        rig.send("orders", 0, 3, 700, Compression::None);
    }
    let small = rig.read_up_to("orders", 0, Some(Offset(31)), Some(100)).unwrap();
    assert_eq!((small.log_start, small.high_watermark), (Offset(0), Offset(60)));
    let (header, _) = batches(&small.bytes).next().unwrap().unwrap();
    assert_eq!(header.base_offset, Offset(30), "the batch that holds the offset");
    assert!(batches(&small.bytes).filter(Result::is_ok).count() <= 2, "no more than was asked for, or one");
    let large = rig.read_up_to("orders", 0, Some(Offset(31)), Some(1 << 20)).unwrap();
    assert_eq!(batches(&large.bytes).filter(Result::is_ok).count(), 10);
    let out_of_range = rig.read_up_to("orders", 0, Some(Offset(61)), None).unwrap_err();
    assert_eq!(out_of_range.kind, FailureKind::Protocol(ErrorCode::OffsetOutOfRange));
    let leader = rig.bench.leader("orders", 0);
    let told = rig.bench.world.events().iter().rev().find_map(|(_, id, event)| match event {
        ClusterEvent::ConsumerFetched { client_id, offset, .. } if client_id == "copier" => {
            Some((*id, *offset))
        }
        _ => None,
    });
    assert_eq!(told, Some((leader, Offset(61))));
}

#[test]
fn a_topic_comes_back_under_another_name_record_for_record() {
    let mut rig = Rig::new(1);
    rig.create("orders", 3);
    for round in 0..30 {
        let compression = if round % 2 == 0 { Compression::Gzip } else { Compression::None };
        rig.send("orders", 0, 1 + round % 7, 900, compression);
        rig.send("orders", 1, 1, 40, compression);
    }
    let files = rig.export("orders", 3, 16 * 1024);
    let logs: Vec<&String> = files.keys().filter(|path| path.ends_with(".log")).collect();
    assert!(logs.len() > 5, "{logs:?}");
    assert!(files.contains_key("orders-2/00000000000000000000.log"));
    assert!(rig.import("copy", &files));
    let again = rig.export("copy", 3, 16 * 1024);
    for partition in 0..3 {
        let (old, new) = (headers(&files, partition), headers(&again, partition));
        assert_eq!(old.len(), new.len());
        for ((old, old_records), (new, new_records)) in old.iter().zip(&new) {
            assert_eq!(old_records, new_records);
            assert_eq!((old.attributes, old.batch_length), (new.attributes, new.batch_length));
            assert_ne!(old.producer_id, new.producer_id);
        }
    }
    assert_eq!(headers(&files, 0).iter().map(|(header, _)| header.record_count).sum::<i32>(), 115);
}

#[test]
fn times_that_a_broker_set_stay_as_they_are() {
    let mut rig = Rig::new(5);
    let topic = NewTopic {
        topic: "orders".to_owned(),
        partitions: Some(1),
        replication_factor: Some(3),
        configs: vec![("message.timestamp.type".to_owned(), "LogAppendTime".to_owned())],
    };
    rig.ask(|rig| &rig.admin, AdminCall::CreateTopics { topics: vec![topic], validate_only: false }).unwrap();
    rig.send("orders", 0, 3, 10, Compression::None);
    let files = rig.export("orders", 1, u64::MAX);
    let times = |files: &Files| -> Vec<i64> {
        headers(files, 0)
            .into_iter()
            .flat_map(|(_, records)| records)
            .map(|record| record.timestamp)
            .collect()
    };
    assert!(times(&files).iter().all(|time| *time > 1_700_000_000_000), "{:?}", times(&files));
    assert!(rig.import("copy", &files));
    assert_eq!(times(&rig.export("copy", 1, u64::MAX)), times(&files));
}

#[test]
fn a_compacted_topic_comes_back_with_every_record_that_was_left() {
    let mut rig = Rig::new(6);
    let configs =
        [("cleanup.policy", "compact"), ("segment.bytes", "2000"), ("min.cleanable.dirty.ratio", "0.1")];
    let topic = NewTopic {
        topic: "orders".to_owned(),
        partitions: Some(1),
        replication_factor: Some(3),
        configs: configs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    };
    rig.ask(|rig| &rig.admin, AdminCall::CreateTopics { topics: vec![topic], validate_only: false }).unwrap();
    // Keys 0 to 6, again and again in batches of different sizes: of most only the end is left.
    for round in 0..60 {
        let compression = if round % 2 == 0 { Compression::Gzip } else { Compression::None };
        rig.send("orders", 0, 7 - round % 7, 100, compression);
    }
    rig.clients.run_for(&mut rig.bench.world, ms(30_000));
    let files = rig.export("orders", 1, u64::MAX);
    assert!(files.contains_key("orders-0/00000000000000000000.log"), "{:?}", files.keys());
    let left = headers(&files, 0);
    let with_gaps = left.iter().filter(|(header, _)| header.record_count <= header.last_offset_delta).count();
    assert!(with_gaps > 1, "nothing was compacted");
    assert!(!rig.import("copy", &files));
    let again = headers(&rig.export("copy", 1, u64::MAX), 0);
    let plain = |all: &[(BatchHeader, Vec<Record>)]| -> Vec<_> {
        let records = all.iter().flat_map(|(_, records)| records.clone());
        records.map(|record| Record { offset: Offset::ZERO, ..record }).collect()
    };
    assert_eq!(plain(&again), plain(&left));
}

#[test]
fn epochs_are_the_brokers_own_after_a_change_of_leaders() {
    let mut rig = Rig::new(2);
    rig.create("orders", 1);
    rig.send("orders", 0, 3, 10, Compression::None);
    let leader = rig.bench.leader("orders", 0);
    rig.bench.world.crash(leader);
    rig.send("orders", 0, 2, 10, Compression::None);
    let files = rig.export("orders", 1, u64::MAX);
    let epochs: Vec<(i32, i64)> = headers(&files, 0)
        .iter()
        .map(|(header, _)| (header.partition_leader_epoch.0, header.base_offset.0))
        .collect();
    assert_eq!(epochs.len(), 2);
    assert!(epochs[0].0 < epochs[1].0);
    let lines: String = epochs.iter().map(|(epoch, start)| format!("{epoch} {start}\n")).collect();
    assert_eq!(files["orders-0/leader-epoch-checkpoint"], format!("0\n2\n{lines}"));
    rig.bench.world.start(leader);
    assert!(rig.import("copy", &files));
}

#[test]
fn an_export_that_begins_above_zero_is_renumbered_and_says_so() {
    let mut rig = Rig::new(3);
    rig.create("orders", 1);
    for _ in 0..3 {
        rig.send("orders", 0, 4, 10, Compression::None);
    }
    let delete = AdminCall::DeleteRecords { topic: "orders".to_owned(), partitions: vec![(0, 6)] };
    rig.ask(|rig| &rig.admin, delete).unwrap();
    let files = rig.export("orders", 1, u64::MAX);
    // A batch stays whole: offset 6 is within it.
    assert!(files.contains_key("orders-0/00000000000000000004.log"), "{:?}", files.keys());
    assert!(!rig.import("copy", &files));
    let again = rig.export("copy", 1, u64::MAX);
    let values = |files: &Files| -> Vec<_> {
        headers(files, 0).into_iter().flat_map(|(_, records)| records).map(|r| (r.key, r.timestamp)).collect()
    };
    assert_eq!(values(&again), values(&files));
    assert_eq!(values(&again).len(), 8);
}

/// A world in which an import is under way.
fn importing(seed: u64) -> (Rig, Files) {
    let mut rig = Rig::new(seed);
    rig.create("orders", 1);
    for _ in 0..60 {
        rig.send("orders", 0, 2, 100, Compression::None);
    }
    let files = rig.export("orders", 1, u64::MAX);
    rig.create("copy", 1);
    let batches = files["orders-0/00000000000000000000.log"].clone();
    let call = CopierCall::Append { topic: TopicName::from("copy"), partition: 0, batches };
    rig.copier.call(&mut rig.bench.world, call);
    (rig, files)
}

#[test]
fn an_import_through_crashes_of_leaders_writes_every_batch_once_and_in_order() {
    let answered = |rig: &mut Rig, limit| {
        let copier = Rc::clone(&rig.copier);
        rig.clients.run_until(&mut rig.bench.world, limit, |_| !copier.look().replies.is_empty())
    };
    for seed in 10..60 {
        // How long it takes without a crash, and so when there is something to interrupt.
        let (mut rig, _) = importing(seed);
        let begun = rig.bench.world.now();
        assert!(answered(&mut rig, ms(10_000)), "seed {seed}: no answer");
        let whole = rig.bench.world.now().since(begun).as_millis() as u64;
        let (mut rig, files) = importing(seed);
        rig.clients.run_for(&mut rig.bench.world, ms(whole * (2 + seed % 18) / 20));
        assert!(rig.copier.look().replies.is_empty(), "seed {seed}: over before the crash");
        let leader = rig.bench.leader("copy", 0);
        rig.bench.world.crash(leader);
        assert!(answered(&mut rig, ms(30_000)), "seed {seed}: no answer");
        let replies = rig.copier.take_replies();
        assert_eq!(replies.len(), 1, "seed {seed}: no answer");
        let kept = CopierReply::Appended { offsets_kept: true };
        assert_eq!(replies[0].2.as_ref().unwrap(), &kept, "seed {seed}");
        let again = rig.export("copy", 1, u64::MAX);
        let records = |files: &Files| -> Vec<_> {
            headers(files, 0).into_iter().flat_map(|(_, records)| records).collect()
        };
        assert_eq!(records(&again), records(&files), "seed {seed}");
    }
}

#[test]
fn every_call_ends_with_the_brokers_error_or_by_its_deadline() {
    let mut rig = Rig::new(4);
    let begun = rig.bench.world.now();
    let error = rig.read("absent", 0, None).unwrap_err();
    assert_eq!(error.kind, FailureKind::Protocol(ErrorCode::UnknownTopicOrPartition));
    assert!(rig.bench.world.now().since(begun) <= ms(15_010));
    rig.create("orders", 1);
    let error = rig.append("orders", 0, Bytes::from_static(b"no batch")).unwrap_err();
    assert_eq!(error.kind, FailureKind::Invalid);
    let error = rig.read("orders", 0, Some(Offset(77))).unwrap_err();
    assert_eq!(error.kind, FailureKind::Protocol(ErrorCode::OffsetOutOfRange));
    for id in rig.bench.world.ids() {
        rig.bench.world.crash(id);
    }
    let (begun, turns) = (rig.bench.world.now(), rig.copier.look().turns);
    assert!(rig.read("orders", 0, None).unwrap_err().retriable());
    assert!(rig.bench.world.now().since(begun) <= ms(15_010));
    let turns = rig.copier.look().turns - turns;
    assert!(turns < 1500, "{turns} turns");
    assert_eq!(rig.ask(|rig| &rig.copier, CopierCall::Close), Ok(CopierReply::Closed));
    assert_eq!(rig.read("orders", 0, None).unwrap_err().kind, FailureKind::Closed);
}
