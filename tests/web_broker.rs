//! A broker's host in a dedicated worker, end to end: raw Kafka bytes over a MessagePort, records in IndexedDB.
#![cfg(target_arch = "wasm32")]

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use futures_channel::oneshot;
use js_sys::{Array, ArrayBuffer, Function, Object, Reflect, Uint8Array};
use tabmq::protocol::frame::FrameReader;
use tabmq::protocol::messages::*;
use tabmq::protocol::records::{BatchBuilder, BatchOptions, decode_records};
use tabmq::protocol::{
    ApiKey, ErrorCode, Request, Response, StrBytes, batch, decode_response, encode_request,
};
use tabmq::web::BrokerHost;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{MessageChannel, MessageEvent, MessagePort};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn config(database: &str) -> JsValue {
    let config = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&config, &name.into(), &value).unwrap();
    set("nodeId", 1.into());
    set("clusterId", "web-test".into());
    set("voters", Array::of1(&1.into()).into());
    set("host", "broker-1".into());
    set("port", 9092.into());
    set("profile", "lab".into());
    set("database", database.into());
    set("config", Object::new().into());
    config.into()
}

/// A client's end: asks, and waits for the whole answer.
struct Client {
    port: MessagePort,
    /// Who waits for the next frame.
    waiting: Rc<RefCell<Option<oneshot::Sender<Bytes>>>>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    next: i32,
}

impl Client {
    fn connect(host: &BrokerHost) -> Client {
        let channel = MessageChannel::new().unwrap();
        host.connect_client(channel.port2(), 0);
        let waiting: Rc<RefCell<Option<oneshot::Sender<Bytes>>>> = Rc::default();
        let waiter = Rc::clone(&waiting);
        let mut reader = FrameReader::new(1 << 24);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let buffer: ArrayBuffer = event.data().dyn_into().expect("bytes");
            reader.push(Bytes::from(Uint8Array::new(&buffer).to_vec()));
            while let Some(frame) = reader.next() {
                let sender = waiter.borrow_mut().take().expect("somebody asked");
                sender.send(frame.unwrap()).expect("somebody waits");
            }
        });
        let port = channel.port1();
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Client { port, waiting, _on_message: on_message, next: 0 }
    }

    async fn ask(&mut self, version: i16, request: impl Into<Request>) -> Response {
        let request = request.into();
        let key: ApiKey = request.key();
        self.next += 1;
        let bytes = encode_request(version, self.next, Some("test"), &request).unwrap();
        let (sender, receiver) = oneshot::channel();
        *self.waiting.borrow_mut() = Some(sender);
        // Cut in two: chunking is not the broker's business.
        for part in [&bytes[..5], &bytes[5..]] {
            self.port.post_message(&Uint8Array::from(part).buffer()).unwrap();
        }
        let frame = receiver.await.expect("an answer");
        let (correlation_id, response) = decode_response(key, version, frame).unwrap();
        assert_eq!(correlation_id, self.next);
        response
    }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// Asks for metadata until the topic (made on the way) has a leader.
async fn wait_for_leader(client: &mut Client, name: &str) {
    loop {
        let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request =
            MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
        let Response::Metadata(found) = client.ask(9, request).await else { panic!() };
        if found.topics.iter().any(|t| t.error_code == 0 && t.partitions.iter().all(|p| p.leader_id.0 == 1)) {
            return;
        }
    }
}

async fn produce(client: &mut Client, name: &str, value: &str) -> i64 {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.push(js_sys::Date::now() as i64, None, Some(value.as_bytes()), &[]);
    let data =
        produce_request::PartitionProduceData::default().with_index(0).with_records(Some(builder.build()));
    let topic = produce_request::TopicProduceData::default()
        .with_name(topic_name(name))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(5000).with_topic_data(vec![topic]);
    let Response::Produce(answer) = client.ask(9, request).await else { panic!() };
    let answer = &answer.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, 0);
    answer.base_offset
}

async fn values(client: &mut Client, name: &str) -> Vec<String> {
    let asked = fetch_request::FetchPartition::default().with_partition(0).with_partition_max_bytes(1 << 20);
    let topic =
        fetch_request::FetchTopic::default().with_topic(topic_name(name)).with_partitions(vec![asked]);
    let request = FetchRequest::default()
        .with_max_wait_ms(2000)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic]);
    // A broker that has just been opened knows of its partitions before it leads them again; clients ask again.
    let partition = loop {
        let Response::Fetch(mut answer) = client.ask(11, request.clone()).await else { panic!() };
        let partition = answer.responses.remove(0).partitions.remove(0);
        match ErrorCode::try_from_code(partition.error_code) {
            None => break partition,
            Some(error) => assert!(error.is_retriable(), "{error}"),
        }
    };
    let bytes = partition.records.unwrap_or_default();
    batch::batches(&bytes)
        .flat_map(|found| decode_records(&bytes.slice(found.unwrap().1)).unwrap())
        .map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap())
        .collect()
}

#[wasm_bindgen_test]
async fn records_acked_over_a_port_are_there_when_the_broker_is_opened_again() {
    let database = "test/broker";
    tabmq::web::storage::IndexedDb::delete(database).await.unwrap();
    let quiet = Function::new_no_args("");
    let host = BrokerHost::open(config(database), quiet.clone()).await.unwrap();
    let mut client = Client::connect(&host);
    wait_for_leader(&mut client, "orders").await;
    assert_eq!(produce(&mut client, "orders", "first").await, 0);
    assert_eq!(produce(&mut client, "orders", "second").await, 1);
    assert_eq!(values(&mut client, "orders").await, ["first", "second"]);
    // As when a worker is ended: nothing is told, nothing is flushed.
    drop(client);
    drop(host);

    let host = BrokerHost::open(config(database), quiet).await.unwrap();
    let mut client = Client::connect(&host);
    wait_for_leader(&mut client, "orders").await;
    assert_eq!(values(&mut client, "orders").await, ["first", "second"]);
    assert_eq!(produce(&mut client, "orders", "third").await, 2);
}
