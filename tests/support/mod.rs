//! What the cluster tests share: a world of brokers, and a client that speaks raw requests.

#![allow(dead_code)]

pub mod clients;

use bytes::Bytes;
use tabmq::broker::Broker;
use tabmq::config::{BrokerConfig, Profile};
use tabmq::protocol::frame::FrameReader;
use tabmq::protocol::messages::*;
use tabmq::protocol::records::{BatchBuilder, BatchOptions, decode_records};
use tabmq::protocol::{ApiKey, Request, Response, StrBytes, batch, decode_response, encode_request};
use tabmq::sim::{Latencies, ToClient, World};
use tabmq::time::{Duration, Instant};
use tabmq::types::{BrokerId, TopicName};

pub const START: Instant = Instant(1_800_000_000_000);

pub struct Bench {
    pub world: World,
}

pub fn configs(brokers: i32) -> Vec<BrokerConfig> {
    let voters: Vec<BrokerId> = (1..=brokers.min(3)).map(BrokerId).collect();
    (1..=brokers)
        .map(|id| {
            let mut config = BrokerConfig::new(Profile::Lab, BrokerId(id), voters.clone());
            config.cluster_id = "sim".to_owned();
            config.set("min.insync.replicas", if brokers > 1 { "2" } else { "1" }).unwrap();
            config.set("offsets.topic.replication.factor", &brokers.min(3).to_string()).unwrap();
            config.set("default.replication.factor", &brokers.min(3).to_string()).unwrap();
            config
        })
        .collect()
}

pub fn leader_in(broker: &Broker, topic: &str, partition: i32) -> Option<BrokerId> {
    let (_, topic) = broker.image().topic_named(&TopicName::from(topic))?;
    topic.partitions.get(&partition.into())?.leader
}

impl Bench {
    pub fn new(seed: u64, brokers: i32) -> Self {
        Self { world: World::new(seed, START, configs(brokers), Latencies::default()) }
    }

    /// Runs until every broker is unfenced.
    pub fn ready(&mut self) {
        self.world.run_until(Duration::from_secs(10), "all brokers run", |world| {
            world.ids().iter().all(|id| world.broker(*id).is_some_and(Broker::is_running))
        });
    }

    /// Runs until each partition has a leader and `in_sync` replicas in sync, as every running broker knows it.
    pub fn settled(&mut self, topic: &str, partitions: usize, in_sync: usize) {
        let name = TopicName::from(topic);
        self.world.run_until(Duration::from_secs(20), "partitions are in sync", |world| {
            world.ids().iter().filter_map(|id| world.broker(*id)).all(|broker| {
                broker.image().topic_named(&name).is_some_and(|(_, topic)| {
                    topic.partitions.len() == partitions
                        && topic.partitions.values().all(|p| p.leader.is_some() && p.isr.len() == in_sync)
                })
            })
        });
    }

    pub fn leader(&self, topic: &str, partition: i32) -> BrokerId {
        let ids = self.world.ids();
        let newest = ids
            .iter()
            .filter_map(|id| self.world.broker(*id))
            .filter_map(|broker| {
                let (_, topic) = broker.image().topic_named(&TopicName::from(topic))?;
                let state = topic.partitions.get(&partition.into())?;
                Some((state.leader_epoch, state.leader?))
            })
            .max();
        newest.expect("the partition has a leader").1
    }

    /// Sends one request over a connection of its own and waits for the answer.
    pub fn ask(&mut self, broker: BrokerId, version: i16, request: Request) -> Response {
        let key: ApiKey = request.key();
        let conn = self.world.connect(broker);
        let bytes = encode_request(version, 1, Some("bench"), &request).unwrap();
        self.world.send(conn, bytes);
        let until = self.world.now() + Duration::from_secs(30);
        let mut reader = FrameReader::new(100_000_000);
        loop {
            while let Some(arrived) = self.world.pop_inbox() {
                match arrived {
                    ToClient::Bytes(from, bytes) if from == conn => reader.push(bytes),
                    ToClient::Closed(from) if from == conn => panic!("{key:?} v{version}: closed"),
                    _ => {}
                }
            }
            if let Some(frame) = reader.next() {
                self.world.disconnect(conn);
                return decode_response(key, version, frame.unwrap()).unwrap().1;
            }
            assert!(self.world.step(until), "{key:?} v{version}: no answer");
        }
    }

    pub fn create_topic_through(&mut self, broker: BrokerId, name: &str, partitions: i32, replication: i16) {
        let topic = create_topics_request::CreatableTopic::default()
            .with_name(tabmq::protocol::messages::TopicName(StrBytes::from_string(name.to_owned())))
            .with_num_partitions(partitions)
            .with_replication_factor(replication);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
        let Response::CreateTopics(response) = self.ask(broker, 7, request.into()) else { panic!() };
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    }

    /// Produces one record with acks=all; gives its offset.
    pub fn produce(&mut self, broker: BrokerId, topic: &str, partition: i32, value: &[u8]) -> i64 {
        let (code, offset) = self.try_produce(broker, topic, partition, value, -1);
        assert_eq!(code, 0);
        offset
    }

    pub fn try_produce(
        &mut self,
        broker: BrokerId,
        topic: &str,
        partition: i32,
        value: &[u8],
        acks: i16,
    ) -> (i16, i64) {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.push(self.world.now().as_timestamp(), None, Some(value), &[]);
        let data = produce_request::PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(builder.build()));
        let topic = produce_request::TopicProduceData::default()
            .with_name(tabmq::protocol::messages::TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partition_data(vec![data]);
        let request =
            ProduceRequest::default().with_acks(acks).with_timeout_ms(5000).with_topic_data(vec![topic]);
        let Response::Produce(response) = self.ask(broker, 9, request.into()) else { panic!() };
        let answer = &response.responses[0].partition_responses[0];
        (answer.error_code, answer.base_offset)
    }

    /// Sends a produce with acks=0 to the leader of partition 0, and waits for nothing.
    pub fn send_produce(&mut self, topic: &str, value: &str) {
        let leader = self.leader(topic, 0);
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.push(self.world.now().as_timestamp(), None, Some(value.as_bytes()), &[]);
        let data = produce_request::PartitionProduceData::default().with_records(Some(builder.build()));
        let topic = produce_request::TopicProduceData::default()
            .with_name(tabmq::protocol::messages::TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_topic_data(vec![topic]).into();
        let conn = self.world.connect(leader);
        self.world.send(conn, encode_request(9, 1, Some("bench"), &request).unwrap());
    }

    /// The values of a partition, from the start.
    pub fn fetch(&mut self, broker: BrokerId, topic: &str, partition: i32) -> Vec<Vec<u8>> {
        let asked = fetch_request::FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(0)
            .with_partition_max_bytes(1 << 20);
        let topic = fetch_request::FetchTopic::default()
            .with_topic(tabmq::protocol::messages::TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partitions(vec![asked]);
        let request = FetchRequest::default()
            .with_max_wait_ms(1000)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_topics(vec![topic]);
        let Response::Fetch(response) = self.ask(broker, 11, request.into()) else { panic!() };
        let answer = &response.responses[0].partitions[0];
        assert_eq!(answer.error_code, 0);
        let bytes: Bytes = answer.records.clone().unwrap_or_default();
        batch::batches(&bytes)
            .flat_map(|found| decode_records(&bytes.slice(found.unwrap().1)).unwrap())
            .map(|record| record.value.unwrap().to_vec())
            .collect()
    }
}
