//! Producer, consumer and admin in the page (or a worker): the sans-IO clients over MessagePorts, each call a promise.
//! What JavaScript sees is in `www/sdk/kafka.js`; here are the plain calls under it.

use std::collections::BTreeMap;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use bytes::Bytes;
use futures_channel::oneshot;
use gloo_timers::callback::Timeout;
use js_sys::{Array, ArrayBuffer, Float64Array, Function, Object, Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, MessagePort};

use crate::client::{
    Admin, AdminCall, Assignor, CallId, Client, ClientError, ClientInput, ClientOptions, ClientOutput,
    ConfigChange, ConnId, Consumer, ConsumerCall, ConsumerEvent, ConsumerOptions, ConsumerReply, FailureKind,
    FetchedBatch, NetOutput, NewReplicas, NewTopic, Partitioner, Producer, ProducerCall, ProducerOptions,
    ProducerReply, partition_of_key,
};
use crate::protocol::error::wire_name;
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant};
use crate::types::{TopicName, Uuid};

use super::clock;
use super::packed;

/// Where a call's end is awaited.
type Caller<C> = oneshot::Sender<Result<<C as Client>::Reply, ClientError>>;

/// What a client's owner hears of it.
pub(super) enum Told<C: Client> {
    /// Something happened that no call asked for.
    Event(C::Event),
    /// The ends of calls that nobody awaits, since the last time.
    Answers(Vec<(CallId, Result<C::Reply, ClientError>)>),
}

/// A client machine with its connections and its callers.
pub(super) struct Engine<C: Client> {
    machine: RefCell<C>,
    /// `connect(host, port)`: gives a MessagePort of raw Kafka bytes.
    connect: Function,
    tell: Box<dyn Fn(Told<C>)>,
    ports: RefCell<SortedMap<ConnId, Port>>,
    /// A page may make thousands of calls at once: they go from the front.
    callers: RefCell<BTreeMap<CallId, Caller<C>>>,
    /// The number of the next call that is awaited. They go down, those of `take` up from 1.
    next_call: Cell<u64>,
    timer: RefCell<Option<(Instant, Timeout)>>,
    this: Weak<Engine<C>>,
}

struct Port {
    port: MessagePort,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

/// However a connection ends (also with a client that nobody holds any more), the handler goes first: a port can be spoken
/// to after it was closed.
impl Drop for Port {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        let _ = self.port.post_message(&JsValue::NULL);
        self.port.close();
    }
}

impl<C: Client + 'static> Engine<C> {
    pub(super) fn new(machine: C, connect: Function, tell: impl Fn(Told<C>) + 'static) -> Rc<Self> {
        Rc::new_cyclic(|this| Engine {
            machine: RefCell::new(machine),
            connect,
            tell: Box::new(tell),
            ports: RefCell::default(),
            callers: RefCell::default(),
            next_call: Cell::new(u64::MAX),
            timer: RefCell::default(),
            this: this.clone(),
        })
    }

    pub(super) async fn call(self: Rc<Self>, call: C::Call) -> Result<C::Reply, JsValue> {
        let id = CallId(self.next_call.get());
        self.next_call.set(id.0 - 1);
        let (sender, receiver) = oneshot::channel();
        self.callers.borrow_mut().insert(id, sender);
        self.give(ClientInput::Call(id, call));
        match receiver.await {
            Ok(result) => result.map_err(|error| error_object(&error)),
            Err(_) => Err(JsValue::from_str("the client is gone")),
        }
    }

    /// Takes a call that nobody awaits: how it ends is told. It begins with the next `turn`.
    fn take(&self, id: CallId, call: C::Call) {
        self.machine.borrow_mut().take(clock::now(), ClientInput::Call(id, call));
    }

    fn turn(&self) {
        self.machine.borrow_mut().turn(clock::now());
        self.carry_out();
    }

    fn give(&self, input: ClientInput<C::Call>) {
        self.machine.borrow_mut().handle(clock::now(), input);
        self.carry_out();
    }

    fn carry_out(&self) {
        let mut answers = Vec::new();
        loop {
            let output = self.machine.borrow_mut().poll_output();
            match output {
                ClientOutput::Net(NetOutput::Connect { conn, host, port }) => {
                    let input = match self.open(conn, &host, port) {
                        Ok(()) => ClientInput::Opened(conn),
                        Err(_) => ClientInput::Closed(conn),
                    };
                    self.machine.borrow_mut().handle(clock::now(), input);
                }
                ClientOutput::Net(NetOutput::Send { conn, bytes }) => {
                    if let Some(port) = self.ports.borrow().get(&conn) {
                        let buffer = Uint8Array::from(bytes.as_ref()).buffer();
                        // A buffer can always be cloned.
                        let _ = port.port.post_message_with_transferable(&buffer, &Array::of1(&buffer));
                    }
                }
                ClientOutput::Net(NetOutput::Disconnect(conn)) => {
                    let closed = self.ports.borrow_mut().remove(&conn);
                    drop(closed);
                }
                ClientOutput::Reply(id, result) => {
                    let caller = self.callers.borrow_mut().remove(&id);
                    match caller {
                        // Nobody listens any more if the promise was dropped.
                        Some(caller) => drop(caller.send(result)),
                        None => answers.push((id, result)),
                    }
                }
                ClientOutput::Event(event) => (self.tell)(Told::Event(event)),
                ClientOutput::Wait(deadline) => {
                    self.schedule(deadline);
                    break;
                }
            }
        }
        if !answers.is_empty() {
            (self.tell)(Told::Answers(answers));
        }
    }

    fn open(&self, conn: ConnId, host: &str, port: u16) -> Result<(), JsValue> {
        let opened = self.connect.call2(&JsValue::NULL, &host.into(), &port.into())?;
        let port: MessagePort = opened.dyn_into()?;
        let this = self.this.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let Some(engine) = this.upgrade() else { return };
            match event.data().dyn_into::<ArrayBuffer>() {
                Ok(buffer) => {
                    let bytes = Bytes::from(Uint8Array::new(&buffer).to_vec());
                    engine.give(ClientInput::Bytes(conn, bytes));
                }
                Err(_) => {
                    let closed = engine.ports.borrow_mut().remove(&conn);
                    if closed.is_some() {
                        drop(closed);
                        engine.give(ClientInput::Closed(conn));
                    }
                }
            }
        });
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        self.ports.borrow_mut().insert(conn, Port { port, _on_message: on_message });
        Ok(())
    }

    /// A timer that comes before its deadline, because that has moved, asks for the next: cheaper than to set one each turn.
    fn schedule(&self, deadline: Option<Instant>) {
        let mut timer = self.timer.borrow_mut();
        let early = |(at, _): &(Instant, Timeout)| deadline.is_none_or(|deadline| *at <= deadline);
        if timer.as_ref().is_some_and(early) {
            return;
        }
        *timer = deadline.map(|at| {
            let wait = at.since(clock::now()).as_millis().min(60_000) as u32;
            let this = self.this.clone();
            let timeout = Timeout::new(wait, move || {
                if let Some(engine) = this.upgrade() {
                    engine.timer.borrow_mut().take();
                    engine.give(ClientInput::Tick);
                }
            });
            (at, timeout)
        });
    }
}

/// What every client is told by JavaScript, checked there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientConfig {
    client_id: String,
    /// `[host, port]` of each broker.
    brokers: Vec<(String, u16)>,
    request_timeout_ms: u32,
}

impl ClientConfig {
    pub(super) fn options(&self) -> ClientOptions {
        ClientOptions {
            client_id: self.client_id.clone(),
            bootstrap: self.brokers.clone(),
            request_timeout: ms(self.request_timeout_ms),
        }
    }
}

pub(super) fn ms(value: u32) -> Duration {
    Duration::from_millis(value.into())
}

/// A producer.
#[wasm_bindgen]
pub struct ProducerHost {
    engine: Rc<Engine<Producer>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProducerConfig {
    idempotent: bool,
    round_robin: bool,
    linger_ms: u32,
    batch_bytes: usize,
    buffer_bytes: usize,
    delivery_timeout_ms: u32,
}

#[wasm_bindgen]
impl ProducerHost {
    /// Opens nothing yet. `answered(numbers, names, failures)` hears how sends end, those that end together in one call.
    /// The numbers of each: its own, and how many partitions it went to; of each of these the topic's place in `names`, the
    /// partition, the first offset and the log append time, NaN where there is none. -1 partitions: it failed, and the next
    /// of `failures` is why.
    #[wasm_bindgen(constructor)]
    pub fn new(
        client: JsValue,
        config: JsValue,
        connect: Function,
        answered: Function,
    ) -> Result<ProducerHost, JsValue> {
        let client: ClientConfig = serde_wasm_bindgen::from_value(client)?;
        let config: ProducerConfig = serde_wasm_bindgen::from_value(config)?;
        let options = ProducerOptions {
            client: client.options(),
            idempotent: config.idempotent,
            partitioner: if config.round_robin { Partitioner::RoundRobin } else { Partitioner::Sticky },
            linger: ms(config.linger_ms),
            batch_bytes: config.batch_bytes,
            buffer_bytes: config.buffer_bytes,
            delivery_timeout: ms(config.delivery_timeout_ms),
        };
        let engine = Engine::new(Producer::new(options, clock::seed()), connect, move |told| {
            if let Told::Answers(answers) = told {
                let (numbers, names, failures) = packed_answers(answers);
                // It only resolves promises.
                let _ = answered.call3(&JsValue::NULL, &numbers, &names, &failures);
            }
        });
        Ok(ProducerHost { engine })
    }

    /// Sends, as `packed` has them, to the topics `names`.
    pub fn send(
        &self,
        bytes: &Uint8Array,
        numbers: &Float64Array,
        names: Vec<String>,
    ) -> Result<(), JsValue> {
        let names = names.iter().map(|name| TopicName::from(name.as_str())).collect();
        let mut calls = packed::Calls::new(bytes, numbers, names);
        while let Some(call) = calls.next() {
            let call = call.ok_or("the numbers do not fit the bytes")?;
            self.engine.take(CallId(call.id), call.send);
        }
        self.engine.turn();
        Ok(())
    }

    /// How many partitions a topic has.
    #[wasm_bindgen(js_name = partitionCount)]
    pub async fn partition_count(&self, topic: String) -> Result<i32, JsValue> {
        let engine = Rc::clone(&self.engine);
        match engine.call(ProducerCall::PartitionCount(TopicName::from(topic.as_str()))).await? {
            ProducerReply::Partitions(count) => Ok(count),
            _ => Ok(0),
        }
    }

    /// Resolves when all that was sent is answered and the connections are closed.
    pub async fn close(&self) -> Result<(), JsValue> {
        Rc::clone(&self.engine).call(ProducerCall::Close).await.map(drop)
    }
}

/// For `answered` of a producer.
fn packed_answers(
    answers: Vec<(CallId, Result<ProducerReply, ClientError>)>,
) -> (Float64Array, Array, Array) {
    let (mut numbers, mut names, failures) = (Vec::new(), Vec::<TopicName>::new(), Array::new());
    let number = |value: Option<i64>| value.map_or(f64::NAN, |value| value as f64);
    for (CallId(id), answer) in answers {
        numbers.push(id as f64);
        let results = match answer {
            Ok(ProducerReply::Sent(results)) => results,
            Ok(_) => Vec::new(),
            Err(error) => {
                numbers.push(-1.0);
                failures.push(&error_object(&error));
                continue;
            }
        };
        numbers.push(results.len() as f64);
        for result in results {
            let place = names.iter().position(|name| *name == result.topic).unwrap_or_else(|| {
                names.push(result.topic.clone());
                names.len() - 1
            });
            let partition = result.partition.into();
            numbers.extend([
                place as f64,
                partition,
                number(result.base_offset),
                number(result.log_append_time),
            ]);
        }
    }
    let names = names.iter().map(|name| JsValue::from_str(name.as_str())).collect();
    (Float64Array::from(numbers.as_slice()), names, failures)
}

/// The partition that a producer puts records of this key into, among `partitions`.
#[wasm_bindgen(js_name = partitionOfKey)]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    partition_of_key(key, partitions)
}

/// A consumer.
#[wasm_bindgen]
pub struct ConsumerHost {
    engine: Rc<Engine<Consumer>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsumerConfig {
    group_id: Option<String>,
    assignors: Vec<String>,
    session_timeout_ms: u32,
    max_poll_interval_ms: u32,
    max_poll_records: Option<usize>,
    heartbeat_interval_ms: u32,
    auto_commit_ms: Option<u32>,
    max_bytes: i32,
    max_bytes_per_partition: i32,
    max_wait_ms: u32,
}

#[wasm_bindgen]
impl ConsumerHost {
    /// Opens nothing yet. `tell(type, payload)` hears of rebalances and crashes.
    #[wasm_bindgen(constructor)]
    pub fn new(
        client: JsValue,
        config: JsValue,
        connect: Function,
        tell: Function,
    ) -> Result<ConsumerHost, JsValue> {
        let client: ClientConfig = serde_wasm_bindgen::from_value(client)?;
        let config: ConsumerConfig = serde_wasm_bindgen::from_value(config)?;
        let options = ConsumerOptions {
            client: client.options(),
            group_id: config.group_id,
            assignors: config.assignors.iter().filter_map(|name| Assignor::by_name(name)).collect(),
            session_timeout: ms(config.session_timeout_ms),
            max_poll_interval: ms(config.max_poll_interval_ms),
            max_poll_records: config.max_poll_records,
            heartbeat_interval: ms(config.heartbeat_interval_ms),
            auto_commit: config.auto_commit_ms.map(ms),
            fetch_bytes: config.max_bytes,
            partition_bytes: config.max_bytes_per_partition,
            fetch_wait: ms(config.max_wait_ms),
        };
        let engine = Engine::new(Consumer::new(options), connect, move |told| {
            if let Told::Event(event) = told {
                let (kind, payload) = event_object(&event);
                // A listener's own error is its own.
                let _ = tell.call2(&JsValue::NULL, &kind.into(), &payload);
            }
        });
        Ok(ConsumerHost { engine })
    }

    /// Adds topics.
    pub async fn subscribe(&self, topics: Vec<String>, from_beginning: bool) -> Result<(), JsValue> {
        let topics = topics.iter().map(|topic| TopicName::from(topic.as_str())).collect();
        self.done(ConsumerCall::Subscribe { topics, from_beginning }).await
    }

    /// Joins the group.
    pub async fn start(&self) -> Result<(), JsValue> {
        self.done(ConsumerCall::Start).await
    }

    /// The next batches, of different partitions; empty after `wait_ms`.
    pub async fn poll(&self, batches_max: usize, wait_ms: u32) -> Result<Array, JsValue> {
        let call = ConsumerCall::Poll { batches_max, wait: ms(wait_ms) };
        match Rc::clone(&self.engine).call(call).await? {
            ConsumerReply::Batches(batches) => Ok(batches.iter().map(batch_object).collect()),
            ConsumerReply::Done => Ok(Array::new()),
        }
    }

    /// The host is done with a batch, up to `next` (exclusive).
    pub async fn processed(&self, topic: String, partition: i32, next: f64) -> Result<(), JsValue> {
        let topic = TopicName::from(topic.as_str());
        self.done(ConsumerCall::Processed { topic, partition, next: next as i64 }).await
    }

    /// `offsets`: `[[topic, partition, next, metadata], ...]`.
    pub async fn commit(&self, offsets: JsValue) -> Result<(), JsValue> {
        let offsets: Vec<(String, i32, f64, Option<String>)> = serde_wasm_bindgen::from_value(offsets)?;
        let offsets = offsets.into_iter().map(|(topic, partition, next, metadata)| {
            (TopicName::from(topic.as_str()), partition, next as i64, metadata)
        });
        self.done(ConsumerCall::Commit(offsets.collect())).await
    }

    /// Reads on from `offset`.
    pub async fn seek(&self, topic: String, partition: i32, offset: f64) -> Result<(), JsValue> {
        let topic = TopicName::from(topic.as_str());
        self.done(ConsumerCall::Seek { topic, partition, offset: offset as i64 }).await
    }

    /// `topics`: `[[topic, partitions], ...]`; no partitions means all.
    #[wasm_bindgen(js_name = setPaused)]
    pub async fn set_paused(&self, topics: JsValue, paused: bool) -> Result<(), JsValue> {
        let topics: Vec<(String, Vec<i32>)> = serde_wasm_bindgen::from_value(topics)?;
        let topics =
            topics.into_iter().map(|(topic, partitions)| (TopicName::from(topic.as_str()), partitions));
        let topics = topics.collect();
        self.done(if paused { ConsumerCall::Pause(topics) } else { ConsumerCall::Resume(topics) }).await
    }

    /// Commits, leaves the group, closes.
    pub async fn close(&self) -> Result<(), JsValue> {
        self.done(ConsumerCall::Close).await
    }

    async fn done(&self, call: ConsumerCall) -> Result<(), JsValue> {
        Rc::clone(&self.engine).call(call).await.map(drop)
    }
}

/// An admin.
#[wasm_bindgen]
pub struct AdminHost {
    engine: Rc<Engine<Admin>>,
}

/// An admin's call as JavaScript gives it.
#[derive(Debug, Deserialize)]
#[serde(tag = "call", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum AdminArgs {
    CreateTopics { topics: Vec<NewTopicArgs>, validate_only: bool },
    DeleteTopics { topics: Vec<String> },
    CreatePartitions { topics: Vec<(String, i32)> },
    FetchTopicMetadata { topics: Option<Vec<String>> },
    ListOffsets { topic: String, timestamp: f64 },
    DeleteRecords { topic: String, partitions: Vec<(i32, f64)> },
    FetchOffsets { group: String, topics: Option<Vec<(String, Vec<i32>)>> },
    SetOffsets { group: String, topic: String, partitions: Vec<(i32, f64)> },
    DescribeCluster,
    DescribeQuorum,
    AddRaftVoter { id: i32, directory: String, host: String, port: u16 },
    RemoveRaftVoter { id: i32, directory: String },
    DescribeConfigs { resources: Vec<(i8, String)> },
    AlterConfigs { resources: Vec<(i8, String, Vec<ConfigChange>)> },
    AlterPartitionReassignments { topics: Vec<(String, Vec<NewReplicas>)> },
    ListPartitionReassignments { topics: Option<Vec<(String, Vec<i32>)>> },
    ElectLeaders { unclean: bool, partitions: Option<Vec<(String, Vec<i32>)>> },
    UnregisterBroker { id: i32 },
    ListGroups,
    DescribeGroup { group: String },
    DeleteGroup { group: String },
    Close,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewTopicArgs {
    topic: String,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    configs: Vec<(String, String)>,
}

fn offsets(partitions: Vec<(i32, f64)>) -> Vec<(i32, i64)> {
    partitions.into_iter().map(|(partition, offset)| (partition, offset as i64)).collect()
}

/// What is none is refused by the broker.
fn uuid(text: &str) -> Uuid {
    Uuid::try_parse(text).unwrap_or_default()
}

impl From<AdminArgs> for AdminCall {
    fn from(args: AdminArgs) -> Self {
        match args {
            AdminArgs::CreateTopics { topics, validate_only } => AdminCall::CreateTopics {
                topics: topics
                    .into_iter()
                    .map(|topic| NewTopic {
                        topic: topic.topic,
                        partitions: topic.partitions,
                        replication_factor: topic.replication_factor,
                        configs: topic.configs,
                    })
                    .collect(),
                validate_only,
            },
            AdminArgs::DeleteTopics { topics } => AdminCall::DeleteTopics(topics),
            AdminArgs::CreatePartitions { topics } => AdminCall::CreatePartitions(topics),
            AdminArgs::FetchTopicMetadata { topics } => AdminCall::FetchTopicMetadata(topics),
            AdminArgs::ListOffsets { topic, timestamp } => {
                AdminCall::ListOffsets { topic, timestamp: timestamp as i64 }
            }
            AdminArgs::FetchOffsets { group, topics } => AdminCall::FetchOffsets { group, topics },
            AdminArgs::DeleteRecords { topic, partitions } => {
                AdminCall::DeleteRecords { topic, partitions: offsets(partitions) }
            }
            AdminArgs::SetOffsets { group, topic, partitions } => {
                AdminCall::SetOffsets { group, topic, partitions: offsets(partitions) }
            }
            AdminArgs::DescribeCluster => AdminCall::DescribeCluster,
            AdminArgs::DescribeQuorum => AdminCall::DescribeQuorum,
            AdminArgs::AddRaftVoter { id, directory, host, port } => {
                AdminCall::AddRaftVoter { id, directory: uuid(&directory), host, port }
            }
            AdminArgs::RemoveRaftVoter { id, directory } => {
                AdminCall::RemoveRaftVoter { id, directory: uuid(&directory) }
            }
            AdminArgs::DescribeConfigs { resources } => AdminCall::DescribeConfigs(resources),
            AdminArgs::AlterConfigs { resources } => AdminCall::AlterConfigs(resources),
            AdminArgs::AlterPartitionReassignments { topics } => {
                AdminCall::AlterPartitionReassignments(topics)
            }
            AdminArgs::ListPartitionReassignments { topics } => AdminCall::ListPartitionReassignments(topics),
            AdminArgs::ElectLeaders { unclean, partitions } => {
                AdminCall::ElectLeaders { unclean, partitions }
            }
            AdminArgs::UnregisterBroker { id } => AdminCall::UnregisterBroker(id),
            AdminArgs::ListGroups => AdminCall::ListGroups,
            AdminArgs::DescribeGroup { group } => AdminCall::DescribeGroups(vec![group]),
            AdminArgs::DeleteGroup { group } => AdminCall::DeleteGroups(vec![group]),
            AdminArgs::Close => AdminCall::Close,
        }
    }
}

#[wasm_bindgen]
impl AdminHost {
    /// Opens nothing yet; each call may take `timeout_ms`.
    #[wasm_bindgen(constructor)]
    pub fn new(client: JsValue, timeout_ms: u32, connect: Function) -> Result<AdminHost, JsValue> {
        let client: ClientConfig = serde_wasm_bindgen::from_value(client)?;
        let admin = Admin::new(client.options(), ms(timeout_ms));
        Ok(AdminHost { engine: Engine::new(admin, connect, |_| ()) })
    }

    /// One call, as `{ call: name, ... }`.
    pub async fn call(&self, args: JsValue) -> Result<JsValue, JsValue> {
        let args: AdminArgs = serde_wasm_bindgen::from_value(args)?;
        let reply = Rc::clone(&self.engine).call(args.into()).await?;
        let plain = serde_wasm_bindgen::Serializer::json_compatible();
        Ok(reply.serialize(&plain)?)
    }
}

/// `{ topic, partition, highWatermark, bytes, numbers }`, records as `packed` has them.
fn batch_object(batch: &FetchedBatch) -> JsValue {
    let (bytes, numbers) = packed::pack(&batch.records);
    let object = Object::new();
    set(&object, "topic", &batch.topic.as_str().into());
    set(&object, "partition", &batch.partition.into());
    set(&object, "highWatermark", &batch.high_watermark.to_string().into());
    set(&object, "bytes", &bytes);
    set(&object, "numbers", &numbers);
    object.into()
}

fn event_object(event: &ConsumerEvent) -> (&'static str, JsValue) {
    let payload = Object::new();
    match event {
        ConsumerEvent::Assigned { generation, member_id, leader_id, protocol, partitions } => {
            let share = Object::new();
            for (topic, partitions) in partitions {
                let partitions: Array =
                    partitions.iter().map(|partition| JsValue::from(*partition)).collect();
                set(&share, topic.as_str(), &partitions);
            }
            set(&payload, "generationId", &generation.0.into());
            set(&payload, "memberId", &member_id.into());
            set(&payload, "leaderId", &leader_id.into());
            set(&payload, "isLeader", &(member_id == leader_id).into());
            set(&payload, "groupProtocol", &protocol.into());
            set(&payload, "memberAssignment", &share);
            ("assigned", payload.into())
        }
        ConsumerEvent::Revoked => ("revoked", payload.into()),
        ConsumerEvent::Lost => ("lost", payload.into()),
        ConsumerEvent::Crashed(error) => ("crashed", error_object(error)),
    }
}

fn error_object(error: &ClientError) -> JsValue {
    let object = Object::new();
    let kind = match error.kind {
        FailureKind::Protocol(code) => {
            set(&object, "type", &wire_name(code).into());
            set(&object, "code", &code.code().into());
            "protocol"
        }
        FailureKind::Timeout => "timeout",
        FailureKind::Connection => "connection",
        FailureKind::Closed => "closed",
        FailureKind::Invalid => "invalid",
        FailureKind::Unsupported => "unsupported",
    };
    set(&object, "kind", &kind.into());
    set(&object, "message", &error.message.as_str().into());
    set(&object, "retriable", &error.retriable().into());
    if let Some(topic) = &error.topic {
        set(&object, "topic", &topic.into());
    }
    if let Some(partition) = error.partition {
        set(&object, "partition", &partition.into());
    }
    object.into()
}

pub(super) fn set(object: &Object, name: &str, value: &JsValue) {
    // A plain object takes any property.
    let _ = Reflect::set(object, &name.into(), value);
}
