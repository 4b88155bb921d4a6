//! A broker that joins while the others work, gets partitions, and leaves again, by the same steps as `cluster.decommission`:
//! its replicas move away, it stops in good order, and the cluster forgets it.

use crate::broker::Broker;
use crate::client::{Admin, AdminCall, AdminReply, CallId, ClientError, FailureKind, NewReplicas};
use crate::config::BrokerConfig;
use crate::controller::MetadataImage;
use crate::protocol::ErrorCode;
use crate::rng::Rng;
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, Offset};

use super::clients::Handle;
use super::world::World;

/// By topic.
type Moves = Vec<(String, Vec<NewReplicas>)>;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(150);

/// | state | leaves it when |
/// |---|---|
/// | away | its time has come |
/// | member | it was asked once to take partitions, and its time is over |
/// | moving | no partition names it any more |
/// | stopping | its worker has ended |
/// | unregistering | the cluster says that it has forgotten it |
/// | gone | (what names it all the same is moved away again) |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Away,
    Member,
    Moving,
    Stopping,
    Unregistering,
    Gone,
}

/// See the file's head.
pub struct Membership {
    id: BrokerId,
    config: BrokerConfig,
    state: State,
    admin: Handle<Admin>,
    call: Option<CallId>,
    joins_at: Instant,
    leaves_at: Instant,
    look_at: Instant,
    took: bool,
    /// Which life of the broker was told to stop.
    stopped: u64,
}

impl Membership {
    /// A broker that joins at one time and leaves at another.
    pub fn new(
        config: BrokerConfig,
        admin: Handle<Admin>,
        joins_at: Instant,
        leaves_at: Instant,
    ) -> Membership {
        Membership {
            id: config.node_id,
            config,
            state: State::Away,
            admin,
            call: None,
            joins_at,
            leaves_at,
            look_at: joins_at,
            took: false,
            stopped: 0,
        }
    }

    /// When there is something to do.
    pub fn next_at(&self) -> Option<Instant> {
        match self.state {
            State::Away => Some(self.joins_at),
            // Not before both: a call may still be under way when it is to leave.
            State::Member if self.took => Some(self.leaves_at.max(self.look_at)),
            _ => Some(self.look_at),
        }
    }

    /// What is still to be done; none when the broker has come and gone.
    pub fn waits_for(&self) -> Option<String> {
        let done = self.state == State::Gone && self.call.is_none();
        (!done).then(|| format!("broker {} is to come and go, and is {:?}", self.id, self.state))
    }

    /// Takes the next step, if its time has come. `told`: how much of the metadata any broker has told of so far; who knows
    /// less can't say what is on the broker now.
    pub fn act(&mut self, world: &mut World, told: Offset, rng: &mut Rng) {
        for (_, call, result) in self.admin.take_replies() {
            if self.call == Some(call) {
                self.call = None;
                self.answered(result);
            }
        }
        if self.next_at().is_none_or(|at| at > world.now()) {
            return;
        }
        self.look_at = world.now() + LOOK;
        if self.call.is_some() {
            return;
        }
        match self.state {
            State::Away => {
                world.join(self.config.clone());
                self.state = State::Member;
            }
            State::Member if !self.took => {
                if world.broker(self.id).is_some_and(Broker::is_running) {
                    self.took = true;
                    let moves = newest(world, self.id, told).map(|image| self.taken(image, rng));
                    self.call(world, moves.unwrap_or_default());
                }
            }
            State::Member => self.state = State::Moving,
            State::Moving | State::Stopping | State::Gone => self.move_on(world, told, rng),
            State::Unregistering => {
                let call = AdminCall::UnregisterBroker(self.id.0);
                self.call = Some(self.admin.call(world, call));
            }
        }
    }

    fn move_on(&mut self, world: &mut World, told: Offset, rng: &mut Rng) {
        let Some(moves) = newest(world, self.id, told).map(|image| self.given_away(image, rng)) else {
            return;
        };
        let there = world.broker(self.id).is_some();
        match self.state {
            State::Stopping if moves.is_empty() && !there => {
                world.retire(self.id);
                self.state = State::Unregistering;
            }
            State::Moving | State::Stopping if moves.is_empty() => {
                world.stop(self.id);
                self.stopped = world.incarnation(self.id);
                self.state = State::Stopping;
            }
            // The life that was told to stop is about to end; started now it would then be gone for good.
            State::Stopping if there && self.stopped == world.incarnation(self.id) => {}
            State::Stopping => {
                world.start(self.id);
                self.state = State::Moving;
                self.call(world, moves);
            }
            _ => self.call(world, moves),
        }
    }

    fn call(&mut self, world: &mut World, moves: Moves) {
        if !moves.is_empty() {
            let call = AdminCall::AlterPartitionReassignments(moves);
            self.call = Some(self.admin.call(world, call));
        }
    }

    fn answered(&mut self, result: Result<AdminReply, ClientError>) {
        // An earlier call may have done it, whose answer was lost.
        let done = match &result {
            Ok(_) => true,
            Err(error) => error.kind == FailureKind::Protocol(ErrorCode::BrokerIdNotRegistered),
        };
        if self.state == State::Unregistering && done {
            self.state = State::Gone;
        }
    }

    /// Some partitions that it takes over, each from one of the others.
    fn taken(&self, image: &MetadataImage, rng: &mut Rng) -> Moves {
        let mut moves = Vec::new();
        for (_, topic, partition, state) in image.partitions() {
            if state.replicas.len() < 3 || state.is_reassigning() || rng.below(3) == 0 {
                continue;
            }
            let mut replicas: Vec<i32> = state.replicas.iter().map(|id| id.0).collect();
            let at = rng.below(replicas.len() as u64) as usize;
            if let Some(replaced) = replicas.get_mut(at) {
                *replaced = self.id.0;
            }
            moves.push((topic.name.to_string(), vec![(partition.0, Some(replicas))]));
        }
        moves
    }

    /// What is on it, to be elsewhere. Empty when nothing names it; partitions already on their way are told again.
    fn given_away(&self, image: &MetadataImage, rng: &mut Rng) -> Moves {
        let others: Vec<BrokerId> = image.brokers().map(|(id, _)| id).filter(|id| *id != self.id).collect();
        let mut moves = Vec::new();
        for (_, topic, partition, state) in
            image.partitions().filter(|(.., state)| state.replicas.contains(&self.id))
        {
            let stays = |id: &&BrokerId| **id != self.id && !state.removing.contains(id);
            let mut replicas: Vec<i32> = state.replicas.iter().filter(stays).map(|id| id.0).collect();
            if !state.removing.contains(&self.id) {
                let free: Vec<BrokerId> =
                    others.iter().copied().filter(|id| !replicas.contains(&id.0)).collect();
                let at = rng.below(free.len() as u64) as usize;
                replicas.extend(free.get(at).map(|id| id.0));
            }
            moves.push((topic.name.to_string(), vec![(partition.0, Some(replicas))]));
        }
        moves
    }
}

/// The image of the broker that has replayed most, but for the one that leaves; none while all that run know less than was
/// told.
fn newest(world: &World, but: BrokerId, told: Offset) -> Option<&MetadataImage> {
    let others = world.ids().into_iter().filter(|id| *id != but);
    let newest = others.filter_map(|id| world.broker(id)).max_by_key(|broker| broker.replayed())?;
    (newest.replayed() >= told).then(|| newest.image())
}
