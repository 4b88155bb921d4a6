//! Runs clients (producers, consumers, admins) against the brokers of a `World`, in its virtual time. As with the world
//! itself: the same calls in the same order give the same trace.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::client::{CallId, Client, ClientError, ClientInput, ClientOutput, ConnId, NetOutput};
use crate::time::{Duration, Instant, earliest};
use crate::types::BrokerId;

use super::world::{ClientConn, ToClient, World};

/// One client with what it answered and told.
pub struct Driven<C: Client> {
    machine: C,
    /// The client's name of a connection by the world's, and back.
    by_world: BTreeMap<ClientConn, ConnId>,
    by_client: BTreeMap<ConnId, ClientConn>,
    wake_at: Rc<Cell<Option<Instant>>>,
    next_call: u64,
    unanswered: BTreeSet<CallId>,
    /// Answers, in order, each with its time.
    pub replies: Vec<(Instant, CallId, Result<C::Reply, ClientError>)>,
    /// What it told unasked.
    pub events: Vec<(Instant, C::Event)>,
    /// How often it was handed something.
    pub turns: u64,
    /// All clients': see `Clients::take_news`.
    news: Rc<Cell<bool>>,
}

impl<C: Client> Driven<C> {
    /// Calls without an answer yet.
    pub fn unanswered(&self) -> &BTreeSet<CallId> {
        &self.unanswered
    }

    /// The machine itself.
    pub fn machine(&self) -> &C {
        &self.machine
    }

    fn give(&mut self, world: &mut World, input: ClientInput<C::Call>) {
        self.turns += 1;
        self.machine.handle(world.now(), input);
        loop {
            match self.machine.poll_output() {
                ClientOutput::Net(NetOutput::Connect { conn, host, .. }) => {
                    // A host that is not a broker of this world refuses.
                    let broker = host.strip_prefix("broker-").and_then(|id| id.parse().ok());
                    let name = world.connect(BrokerId(broker.unwrap_or(i32::MAX)));
                    self.by_world.insert(name, conn);
                    self.by_client.insert(conn, name);
                }
                ClientOutput::Net(NetOutput::Disconnect(conn)) => {
                    if let Some(name) = self.by_client.remove(&conn) {
                        self.by_world.remove(&name);
                        world.disconnect(name);
                    }
                }
                ClientOutput::Net(NetOutput::Send { conn, bytes }) => {
                    if let Some(name) = self.by_client.get(&conn) {
                        world.send(*name, bytes);
                    }
                }
                ClientOutput::Reply(call, result) => {
                    assert!(self.unanswered.remove(&call), "{call:?} was answered twice, or never made");
                    self.replies.push((world.now(), call, result));
                    self.news.set(true);
                }
                ClientOutput::Event(event) => {
                    self.events.push((world.now(), event));
                    self.news.set(true);
                }
                ClientOutput::Wait(deadline) => {
                    self.wake_at.set(deadline);
                    return;
                }
            }
        }
    }
}

trait Runs {
    fn wake(&mut self, world: &mut World);
    /// True when it was for this client.
    fn take(&mut self, world: &mut World, what: &ToClient) -> bool;
    fn hang_up(&mut self, world: &mut World);
}

impl<C: Client> Runs for Driven<C> {
    fn wake(&mut self, world: &mut World) {
        self.give(world, ClientInput::Tick);
    }

    fn take(&mut self, world: &mut World, what: &ToClient) -> bool {
        let (ToClient::Opened(name) | ToClient::Closed(name) | ToClient::Bytes(name, _)) = what;
        let Some(conn) = self.by_world.get(name).copied() else { return false };
        let input = match what {
            ToClient::Opened(_) => ClientInput::Opened(conn),
            ToClient::Bytes(_, bytes) => ClientInput::Bytes(conn, bytes.clone()),
            ToClient::Closed(_) => {
                self.by_world.remove(name);
                self.by_client.remove(&conn);
                ClientInput::Closed(conn)
            }
        };
        self.give(world, input);
        true
    }

    fn hang_up(&mut self, world: &mut World) {
        for name in std::mem::take(&mut self.by_world).into_keys() {
            world.disconnect(name);
        }
        self.by_client.clear();
    }
}

/// A client that runs in `Clients`.
pub struct Handle<C: Client> {
    name: usize,
    driven: Rc<RefCell<Driven<C>>>,
}

impl<C: Client> Handle<C> {
    /// Makes a call; its answer will be among the replies.
    pub fn call(&self, world: &mut World, call: C::Call) -> CallId {
        let mut driven = self.driven.borrow_mut();
        driven.next_call += 1;
        let id = CallId(driven.next_call);
        driven.unanswered.insert(id);
        driven.give(world, ClientInput::Call(id, call));
        id
    }

    /// The client, to look at.
    pub fn look(&self) -> Ref<'_, Driven<C>> {
        self.driven.borrow()
    }

    /// Takes what it told so far.
    pub fn take_events(&self) -> Vec<(Instant, C::Event)> {
        std::mem::take(&mut self.driven.borrow_mut().events)
    }

    /// Takes the answers so far.
    pub fn take_replies(&self) -> Vec<(Instant, CallId, Result<C::Reply, ClientError>)> {
        std::mem::take(&mut self.driven.borrow_mut().replies)
    }
}

struct Running {
    name: usize,
    client: Rc<RefCell<dyn Runs>>,
    /// The client's own; here as well, because all are asked before every step.
    wake_at: Rc<Cell<Option<Instant>>>,
}

/// All clients of a world.
#[derive(Default)]
pub struct Clients {
    /// In the order they began.
    running: Vec<Running>,
    next_name: usize,
    news: Rc<Cell<bool>>,
}

impl Clients {
    /// Runs a client from now on.
    pub fn add<C: Client + 'static>(&mut self, machine: C) -> Handle<C> {
        let wake_at = Rc::<Cell<Option<Instant>>>::default();
        let driven = Rc::new(RefCell::new(Driven {
            machine,
            by_world: BTreeMap::new(),
            by_client: BTreeMap::new(),
            wake_at: wake_at.clone(),
            next_call: 0,
            unanswered: BTreeSet::new(),
            replies: Vec::new(),
            events: Vec::new(),
            turns: 0,
            news: self.news.clone(),
        }));
        self.next_name += 1;
        self.running.push(Running { name: self.next_name, client: driven.clone(), wake_at });
        Handle { name: self.next_name, driven }
    }

    /// True when any client has answered or told something since the last call.
    pub fn take_news(&self) -> bool {
        self.news.take()
    }

    /// A client's process ends: its connections close, and it does nothing more.
    pub fn kill<C: Client>(&mut self, world: &mut World, client: &Handle<C>) {
        if let Some(at) = self.running.iter().position(|running| running.name == client.name) {
            self.running.remove(at).client.borrow_mut().hang_up(world);
        }
    }

    /// A client stops doing anything, and nobody is told.
    pub fn silence<C: Client>(&mut self, client: &Handle<C>) {
        self.running.retain(|running| running.name != client.name);
    }

    /// The next happening, of the world or of a client. False when it would be later than `until`; then time is `until`.
    pub fn step(&mut self, world: &mut World, until: Instant) -> bool {
        let wake_at = self.running.iter().map(|running| running.wake_at.get()).fold(None, earliest);
        let limit = wake_at.map_or(until, |at| at.min(until));
        let stepped = world.step(limit.max(world.now()));
        while let Some(what) = world.pop_inbox() {
            for running in &self.running {
                if running.client.borrow_mut().take(world, &what) {
                    break;
                }
            }
        }
        if stepped {
            return true;
        }
        let mut woken = false;
        for running in &self.running {
            if running.wake_at.get().is_some_and(|at| at <= world.now()) {
                running.client.borrow_mut().wake(world);
                woken = true;
            }
        }
        woken
    }

    /// Runs for `duration` of virtual time.
    pub fn run_for(&mut self, world: &mut World, duration: Duration) {
        let until = world.now() + duration;
        while self.step(world, until) {}
    }

    /// Runs until `condition` holds; false when it does not within `limit`.
    pub fn run_until(
        &mut self,
        world: &mut World,
        limit: Duration,
        mut condition: impl FnMut(&World) -> bool,
    ) -> bool {
        let until = world.now() + limit;
        while !condition(world) {
            if !self.step(world, until) {
                return condition(world);
            }
        }
        true
    }
}
