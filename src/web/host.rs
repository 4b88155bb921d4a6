//! A broker in its worker: hands inputs to the core, carries out what it asks for.
//!
//! One turn at a time: every callback of the browser becomes one `Input`, after which all outputs are carried out.
//! Storage operations wait in a queue; what gathered while one transaction was under way goes into the next.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use bytes::Bytes;
use gloo_timers::callback::Timeout;
use js_sys::{ArrayBuffer, Function, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{MessageEvent, MessagePort};

use crate::broker::{Broker, Conn, Input, Output};
use crate::config::{BrokerConfig, Profile};
use crate::effects::Lane;
use crate::event::ClusterEvent;
use crate::log::Opened;
use crate::log::io::{IoError, IoId, IoOp, IoResult};
use crate::sim::storage::MemoryStorage;
use crate::sorted::SortedMap;
use crate::storage::{Inventory, Storage, open_logs};
use crate::time::Instant;
use crate::types::BrokerId;

use super::clock;
use super::storage::IndexedDb;
use super::transport::{LinkFaults, PeerLink};

/// Events gather this long before they go to the page: one message a frame.
const EVENTS_EVERY_MS: u32 = 16;

/// Metrics go to the page this often while anything happens.
const METRICS_EVERY_MS: u32 = 500;

/// A page of wasm memory.
const PAGE_BYTES: f64 = 65536.0;

/// What the page says of the broker to start.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HostConfig {
    node_id: i32,
    cluster_id: String,
    voters: Vec<i32>,
    host: String,
    port: u16,
    profile: String,
    /// The database's name; none keeps everything in memory.
    database: Option<String>,
    /// The number of the ownership that starts it: see `beginOwnership`.
    owner_epoch: Option<f64>,
    /// Broker configs by Kafka's names.
    config: BTreeMap<String, String>,
}

enum Store {
    Memory(RefCell<MemoryStorage>),
    IndexedDb(IndexedDb),
}

impl Store {
    async fn open(database: Option<&str>, owner_epoch: Option<f64>) -> Result<(Store, Opened), String> {
        let store = match database {
            None => Store::Memory(RefCell::default()),
            Some(name) => {
                let db = match owner_epoch {
                    Some(epoch) => IndexedDb::open_as_owner(name, epoch).await,
                    None => IndexedDb::open(name).await,
                };
                Store::IndexedDb(db.map_err(|error| format!("storage can't be opened: {error:?}"))?)
            }
        };
        let opened = open_logs(&store, clock::now()).await;
        Ok((store, opened.map_err(|error| format!("storage can't be read: {error:?}"))?))
    }

    fn close(&self) {
        if let Store::IndexedDb(db) = self {
            db.close();
        }
    }

    fn is_lost(&self) -> bool {
        matches!(self, Store::IndexedDb(db) if db.is_lost())
    }
}

impl Storage for Store {
    async fn execute(&self, ops: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)> {
        match self {
            Store::Memory(memory) => memory.execute(ops).await,
            Store::IndexedDb(db) => db.execute(ops).await,
        }
    }

    async fn inventory(&self) -> Result<Inventory, IoError> {
        match self {
            Store::Memory(memory) => memory.inventory().await,
            Store::IndexedDb(db) => db.inventory().await,
        }
    }
}

/// A broker and everything it touches in this worker.
#[wasm_bindgen]
pub struct BrokerHost {
    inner: Rc<Inner>,
}

struct Inner {
    broker: RefCell<Broker>,
    store: Store,
    queued_io: RefCell<Vec<(IoId, IoOp)>>,
    io_running: Cell<bool>,
    peers: RefCell<SortedMap<BrokerId, Rc<PeerLink>>>,
    clients: RefCell<SortedMap<u64, ClientPort>>,
    next_client: Cell<u64>,
    /// The `Tick` that is scheduled, and for when.
    timer: RefCell<Option<(Instant, Timeout)>>,
    /// `post(message)`: to the page.
    post: Function,
    events: RefCell<EventBuffer>,
    metrics_scheduled: Cell<bool>,
    stopping: Cell<bool>,
    /// Another has the storage, or this broker is ended: it does and says nothing any more.
    fenced: Cell<bool>,
    ending: Cell<bool>,
    this: Weak<Inner>,
}

struct ClientPort {
    port: MessagePort,
    /// The joined tab that it comes from; 0 for the page's own.
    guest: u32,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

/// Events on their way to the page. Of the frequent ones only the latest of each key is kept.
#[derive(Default)]
struct EventBuffer {
    discrete: Vec<(Instant, ClusterEvent)>,
    latest: SortedMap<String, (Instant, ClusterEvent)>,
    scheduled: bool,
}

impl EventBuffer {
    fn push(&mut self, now: Instant, event: ClusterEvent) {
        match &event {
            ClusterEvent::PartitionProgress { topic, partition, .. } => {
                self.latest.insert(format!("p {topic} {partition}"), (now, event));
            }
            ClusterEvent::LogSegments { topic, partition, .. } => {
                self.latest.insert(format!("s {topic} {partition}"), (now, event));
            }
            ClusterEvent::ConsumerFetched { client_id, topic, partition, .. } => {
                self.latest.insert(format!("f {topic} {partition} {client_id}"), (now, event));
            }
            ClusterEvent::OffsetsCommitted { group, topic, partition, .. } => {
                self.latest.insert(format!("o {group} {topic} {partition}"), (now, event));
            }
            _ => self.discrete.push((now, event)),
        }
    }
}

#[wasm_bindgen]
impl BrokerHost {
    /// Opens the storage and starts the broker on it. `post` takes messages for the page.
    pub async fn open(config: JsValue, post: Function) -> Result<BrokerHost, JsValue> {
        report_panics(post.clone());
        let config: HostConfig = serde_wasm_bindgen::from_value(config)?;
        let broker_config = broker_config(&config).map_err(|reason| JsValue::from_str(&reason))?;
        let opened = Store::open(config.database.as_deref(), config.owner_epoch).await;
        let (store, opened) = opened.map_err(|reason| JsValue::from_str(&reason))?;
        let broker = Broker::new(broker_config, opened, clock::seed(), clock::now());
        let inner = Rc::new_cyclic(|this| Inner {
            broker: RefCell::new(broker),
            store,
            queued_io: RefCell::default(),
            io_running: Cell::new(false),
            peers: RefCell::default(),
            clients: RefCell::default(),
            next_client: Cell::new(0),
            timer: RefCell::default(),
            post,
            events: RefCell::default(),
            metrics_scheduled: Cell::new(false),
            stopping: Cell::new(false),
            fenced: Cell::new(false),
            ending: Cell::new(false),
            this: this.clone(),
        });
        inner.carry_out();
        Ok(BrokerHost { inner })
    }

    /// Connects this broker with a peer over a port whose other end the peer has.
    #[wasm_bindgen(js_name = connectPeer)]
    pub fn connect_peer(&self, broker: i32, port: MessagePort) {
        let id = BrokerId(broker);
        self.disconnect_peer(broker);
        let this = self.inner.this.clone();
        let link = PeerLink::open(port, move |lane, answer, bytes| {
            if let Some(inner) = this.upgrade() {
                let from = Conn::Peer { broker: id, lane, outbound: answer };
                inner.give(Input::Frame { from, bytes });
            }
        });
        self.inner.peers.borrow_mut().insert(id, link);
        self.each_peer_conn(id, Input::Opened);
    }

    /// The peer's end is gone (its worker was ended): closes all connections with it.
    #[wasm_bindgen(js_name = disconnectPeer)]
    pub fn disconnect_peer(&self, broker: i32) {
        let id = BrokerId(broker);
        let link = self.inner.peers.borrow_mut().remove(&id);
        if let Some(link) = link {
            link.close();
            self.each_peer_conn(id, Input::Closed);
        }
    }

    /// Takes over a client's connection: a port of raw Kafka bytes, `null` for close. `guest` is the number of the tab at
    /// its other end; 0 for the page's own.
    #[wasm_bindgen(js_name = connectClient)]
    pub fn connect_client(&self, port: MessagePort, guest: u32) {
        let number = self.inner.next_client.get() + 1;
        self.inner.next_client.set(number);
        let this = self.inner.this.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(inner) = this.upgrade() {
                inner.client_message(number, &event.data());
            }
        });
        // Setting the handler starts the port, but no message is delivered before this turn ends.
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let client = ClientPort { port, guest, _on_message: on_message };
        self.inner.clients.borrow_mut().insert(number, client);
        self.inner.give(Input::Opened(Conn::Client(number)));
    }

    /// A tab is gone, with its ends of its connections: closes them.
    #[wasm_bindgen(js_name = disconnectGuest)]
    pub fn disconnect_guest(&self, guest: u32) {
        let clients = self.inner.clients.borrow();
        let of_guest = clients.iter().filter(|(_, client)| client.guest == guest);
        let numbers: Vec<u64> = of_guest.map(|(number, _)| *number).collect();
        drop(clients);
        for number in numbers {
            self.inner.client_message(number, &JsValue::NULL);
        }
    }

    /// Sets the faults of what this broker sends to a peer.
    #[wasm_bindgen(js_name = setLink)]
    pub fn set_link(&self, broker: i32, cut: bool, delay_ms: u32, loss_ratio: f64) {
        if let Some(link) = self.inner.peers.borrow().get(&BrokerId(broker)) {
            link.set_faults(LinkFaults { cut, delay_ms, loss_ratio });
        }
    }

    /// Asks for a controlled shutdown; `{ type: 'stopped' }` is posted when it is done.
    #[wasm_bindgen(js_name = shutDown)]
    pub fn shut_down(&self) {
        self.inner.give(Input::ShutDown);
    }

    /// A crash, where the browser does not clear up after a worker (see `webkit`): from now on nothing is done or said. When
    /// what storage has under way is over, the database is closed, and `{ type: 'ended' }` is posted.
    pub fn end(&self) {
        self.inner.fenced.set(true);
        self.inner.ending.set(true);
        if !self.inner.io_running.get() {
            self.inner.let_go();
        }
    }

    fn each_peer_conn(&self, broker: BrokerId, input: impl Fn(Conn) -> Input) {
        for lane in Lane::ALL {
            for outbound in [false, true] {
                self.inner.give(input(Conn::Peer { broker, lane, outbound }));
            }
        }
    }
}

impl Inner {
    fn give(&self, input: Input) {
        if self.fenced.get() {
            return;
        }
        self.broker.borrow_mut().handle(clock::now(), input);
        self.carry_out();
    }

    fn client_message(&self, number: u64, data: &JsValue) {
        if let Some(buffer) = data.dyn_ref::<ArrayBuffer>() {
            let bytes = Bytes::from(Uint8Array::new(buffer).to_vec());
            self.give(Input::Frame { from: Conn::Client(number), bytes });
        } else if let Some(client) = self.take_client(number) {
            client.port.close();
            self.give(Input::Closed(Conn::Client(number)));
        }
    }

    fn take_client(&self, number: u64) -> Option<ClientPort> {
        let client = self.clients.borrow_mut().remove(&number);
        if let Some(client) = &client {
            client.port.set_onmessage(None);
        }
        client
    }

    fn carry_out(&self) {
        let now = clock::now();
        loop {
            let output = self.broker.borrow_mut().poll_output();
            match output {
                Output::Send { to, bytes } => self.send(to, &bytes),
                Output::Close(conn) => self.close(conn),
                Output::Submit { io, op } => self.queued_io.borrow_mut().push((io, op)),
                Output::Event(ClusterEvent::ReadyToStop) => self.stopping.set(true),
                Output::Event(event) => self.events.borrow_mut().push(now, event),
                Output::Wait(deadline) => {
                    self.schedule(deadline);
                    break;
                }
            }
        }
        self.run_io();
        self.schedule_events();
        self.schedule_metrics();
        if self.stopping.get() && !self.io_running.get() {
            self.flush_events();
            self.post_type("stopped");
        }
    }

    fn send(&self, to: Conn, bytes: &[u8]) {
        match to {
            Conn::Client(number) => {
                if let Some(client) = self.clients.borrow().get(&number) {
                    let buffer = Uint8Array::from(bytes).buffer();
                    let transfer = js_sys::Array::of1(&buffer);
                    // A buffer can always be cloned.
                    let _ = client.port.post_message_with_transferable(&buffer, &transfer);
                }
            }
            Conn::Peer { broker, lane, outbound } => {
                let link = self.peers.borrow().get(&broker).cloned();
                if let Some(link) = link {
                    link.send(lane, !outbound, bytes);
                }
            }
        }
    }

    fn close(&self, conn: Conn) {
        if let Conn::Client(number) = conn
            && let Some(client) = self.take_client(number)
        {
            let _ = client.port.post_message(&JsValue::NULL);
            client.port.close();
        }
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
                if let Some(inner) = this.upgrade() {
                    inner.timer.borrow_mut().take();
                    inner.give(Input::Tick);
                }
            });
            (at, timeout)
        });
    }

    fn run_io(&self) {
        if self.io_running.get() || self.queued_io.borrow().is_empty() {
            return;
        }
        self.io_running.set(true);
        let Some(inner) = self.this.upgrade() else { return };
        spawn_local(async move {
            loop {
                let ops = std::mem::take(&mut *inner.queued_io.borrow_mut());
                if ops.is_empty() {
                    break;
                }
                let results = inner.store.execute(ops).await;
                if inner.ending.get() {
                    return inner.let_go();
                }
                if inner.store.is_lost() {
                    return inner.fence();
                }
                for (io, result) in results {
                    inner.give(Input::Completed { io, result });
                }
            }
            inner.io_running.set(false);
            inner.carry_out();
        });
    }

    fn schedule_events(&self) {
        let mut events = self.events.borrow_mut();
        if events.scheduled || (events.discrete.is_empty() && events.latest.is_empty()) {
            return;
        }
        events.scheduled = true;
        let this = self.this.clone();
        Timeout::new(EVENTS_EVERY_MS, move || {
            if let Some(inner) = this.upgrade() {
                inner.flush_events();
            }
        })
        .forget();
    }

    fn schedule_metrics(&self) {
        if self.metrics_scheduled.replace(true) {
            return;
        }
        let this = self.this.clone();
        Timeout::new(METRICS_EVERY_MS, move || {
            if let Some(inner) = this.upgrade() {
                inner.metrics_scheduled.set(false);
                inner.post_metrics();
            }
        })
        .forget();
    }

    fn post_metrics(&self) {
        // Plain data, as events are.
        let plain = serde_wasm_bindgen::Serializer::json_compatible();
        if let Ok(report) = self.broker.borrow().metrics().serialize(&plain) {
            let message = message("metrics");
            let _ = js_sys::Reflect::set(&message, &"report".into(), &report);
            self.post(&message);
        }
    }

    fn flush_events(&self) {
        let (discrete, latest) = {
            let mut events = self.events.borrow_mut();
            events.scheduled = false;
            (std::mem::take(&mut events.discrete), std::mem::take(&mut events.latest))
        };
        let list = js_sys::Array::new();
        for (at, event) in discrete.into_iter().chain(latest.into_values()) {
            // A ClusterEvent is plain data: numbers, strings, lists.
            if let Ok(value) = serde_wasm_bindgen::to_value(&event) {
                let _ = js_sys::Reflect::set(&value, &"at".into(), &JsValue::from_f64(at.0 as f64));
                list.push(&value);
            }
        }
        if list.length() > 0 {
            let message = message("events");
            let _ = js_sys::Reflect::set(&message, &"events".into(), &list);
            let memory = JsValue::from_f64(core::arch::wasm32::memory_size::<0>() as f64 * PAGE_BYTES);
            let _ = js_sys::Reflect::set(&message, &"memoryBytes".into(), &memory);
            self.post(&message);
        }
    }

    /// Storage says that another tab, or a later life of this broker, has it.
    fn fence(&self) {
        self.fenced.set(true);
        self.flush_events();
        let message = message("crashed");
        let reason = "fenced: another tab has taken the cluster over, and storage takes nothing from this broker any more";
        let _ = js_sys::Reflect::set(&message, &"reason".into(), &reason.into());
        let _ = js_sys::Reflect::set(&message, &"fenced".into(), &JsValue::TRUE);
        self.post(&message);
    }

    fn let_go(&self) {
        self.store.close();
        self.post_type("ended");
    }

    fn post_type(&self, kind: &str) {
        self.post(&message(kind));
    }

    fn post(&self, message: &JsValue) {
        // The page's end may be gone; then nobody is left to tell.
        let _ = self.post.call1(&JsValue::NULL, message);
    }
}

fn message(kind: &str) -> JsValue {
    let message: JsValue = js_sys::Object::new().into();
    let _ = js_sys::Reflect::set(&message, &"type".into(), &kind.into());
    message
}

fn broker_config(config: &HostConfig) -> Result<BrokerConfig, String> {
    let profile = match config.profile.as_str() {
        "lab" => Profile::Lab,
        "kafka" => Profile::Kafka,
        other => return Err(format!("profile '{other}' is neither 'lab' nor 'kafka'")),
    };
    let voters = config.voters.iter().copied().map(BrokerId).collect();
    let mut broker = BrokerConfig::new(profile, BrokerId(config.node_id), voters);
    broker.cluster_id = config.cluster_id.clone();
    broker.host = config.host.clone();
    broker.port = config.port;
    for (name, value) in &config.config {
        broker.set(name, value).map_err(|error| error.to_string())?;
    }
    Ok(broker)
}

thread_local! {
    /// Where a panic is told: a panic hook can't hold a JavaScript function itself.
    static PAGE: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// A broken invariant ends this broker; the page hears of it in its own words.
fn report_panics(post: Function) {
    PAGE.set(Some(post));
    std::panic::set_hook(Box::new(|info| {
        let message = message("crashed");
        let _ = js_sys::Reflect::set(&message, &"reason".into(), &info.to_string().into());
        PAGE.with_borrow(|page| page.as_ref().map(|post| post.call1(&JsValue::NULL, &message)));
    }));
}
