//! The Raft quorum over `__cluster_metadata` (KRaft, KIP-595): Vote, BeginQuorumEpoch, EndQuorumEpoch, and Fetch as the
//! only way records travel.
//!
//! | role | means | becomes |
//! |---|---|---|
//! | unattached | knows no leader of its epoch; asks around with fetches | prospective when the election timeout passes (voters); follower when a leader shows itself; voted when it grants its vote |
//! | voted | gave its vote in this epoch | the same as unattached, but grants no other candidate |
//! | prospective | asks for pre-votes in its epoch, which stays as it is | candidate with a majority; else, or when time has passed, follower of the leader it had, or unattached if it had none |
//! | candidate | asks for votes in a new epoch | leader with a majority; prospective, after a pause, when it lost or time passed |
//! | leader | appends; counts what voters have | resigned when no majority has fetched for a while, its storage fails, or it is asked to |
//! | follower | fetches from the leader | prospective (voters) or unattached (observers) when it could not fetch for the fetch timeout; unattached when the leader ends its epoch |
//! | resigned | was leader of this epoch and may not act in it again | prospective when the election timeout passes |
//!
//! In every role a higher epoch in a request or response makes the node unattached in that epoch, or a follower when the
//! message names the leader.
//!
//! A pre-vote (KIP-996) is granted by whoever has no more records than the one that asks and does not hear a leader: a
//! leader hears itself, a follower hears it from its first fetch that is answered until one finds the connection closed.
//!
//! Records below a snapshot go (`snapshot`), and voters change with the log (`voters`, `changing`): a node that the last
//! set of voters in its log does not name is an observer, and stands only while that set may not be committed.
//!
//! Epoch and vote are durable before anything of that epoch leaves: while a write of them is under way, replies and
//! requests are held back (`held`), and no role acts on the new epoch's behalf.

mod changing;
mod describe;
mod doubt;
mod election;
mod epochs;
mod fetching;
mod replication;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod voters;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::config::BrokerConfig;
use crate::effects::{Effects, Lane, PeerError, PeerResult, Reply, ReplyToken, RequestId};
use crate::event::ClusterEvent;
use crate::log::io::{Chunk, IoId, IoOp, IoResult};
use crate::log::{IoOutcome, LogConfig, Opened, PartitionLog, ReadOutcome};
use crate::mutation::{Mutation, mutated};
use crate::protocol::batch::batches;
use crate::protocol::{Request, Response};
use crate::rng::Rng;
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, LeaderEpoch, LogId, METADATA_TOPIC, Offset, PartitionIndex, TopicName, Uuid};

use changing::Change;
use snapshot::Snapshots;
use voters::VoterSets;

pub use snapshot::{Snapshot, SnapshotId, snapshot_end};
pub use state::QuorumState;

/// The meta key of the epoch and the vote.
pub const QUORUM_STATE_KEY: &str = "quorum-state";

/// Between attempts to reach a node that is away, and between looks around for a leader.
const RETRY: Duration = Duration::from_millis(50);
/// A node that has just started stands after this long, up to twice of it.
const FIRST_ELECTION: Duration = Duration::from_millis(100);
/// Between attempts to bring a failed storage back.
const STORAGE_RETRY: Duration = Duration::from_millis(1000);
/// How much of the metadata log stays in memory; older parts are read from storage.
const TAIL_BYTES: usize = 16 * 1024 * 1024;
/// One read of committed records for replay.
const REPLAY_BYTES: usize = 1024 * 1024;

/// This node does not lead the quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLeader;

#[derive(Debug, Clone)]
enum Role {
    Unattached { election_at: Option<Instant>, ask_at: Instant },
    Prospective(election::Candidacy),
    Candidate(election::Candidacy),
    Leader(replication::Leadership),
    Follower(replication::Following),
    Resigned { election_at: Instant },
}

/// What waits for the epoch and vote to be durable.
#[derive(Debug)]
enum Held {
    Reply(ReplyToken, Reply),
    Request { to: BrokerId, lane: Lane, body: Request, purpose: Purpose },
    Lead,
}

/// What a request of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    PreVote,
    Vote,
    /// A pre-vote whose only aim is to hear in which epoch a voter is.
    Epoch,
    Begin,
    End,
    Fetch,
    /// A fetch whose only aim is to hear who leads.
    Ask,
    /// A piece of a snapshot.
    Snapshot,
    /// To say where this voter is, and which storage it has.
    Update,
}

/// What a read from storage is for.
#[derive(Debug)]
enum Reading {
    Replay { from: Offset, truncations: u64 },
    Fetch { token: ReplyToken, from: Offset, truncations: u64 },
}

/// What a broker replays next.
#[derive(Debug, Clone)]
pub enum Committed {
    /// Begin anew with this.
    Snapshot(Snapshot),
    /// Go on with these batches.
    Batches(Bytes),
}

/// One node of the quorum: a voter, or an observer that only fetches.
pub struct Quorum {
    node: BrokerId,
    endpoint: (String, u16),
    /// The voters of the configuration: they count while the log names none, and know who leads.
    configured: SortedSet<BrokerId>,
    /// Who votes, with the id of its storage, as far as it has said.
    voters: SortedMap<BrokerId, Uuid>,
    voter_sets: VoterSets,
    /// The change of voters that somebody waits for.
    change: Option<Change>,
    /// When to tell the leader again where this voter is.
    update_at: Instant,
    cluster_id: String,
    election_timeout: Duration,
    election_backoff_max: Duration,
    fetch_timeout: Duration,
    request_timeout: Duration,
    snapshot_fetch_bytes: i32,
    rng: Rng,
    log: PartitionLog,
    snapshots: Snapshots,
    high_watermark: Offset,
    state: QuorumState,
    /// Writes of `state` under way.
    state_writes: SortedSet<IoId>,
    /// The last write of it failed: what storage has is older.
    state_unstored: bool,
    held: VecDeque<Held>,
    role: Role,
    requests: SortedMap<RequestId, (Purpose, LeaderEpoch)>,
    reads: SortedMap<IoId, Reading>,
    /// The next offset to hand out for replay.
    replay_at: Offset,
    /// Committed batches that a read brought.
    replayed_ahead: Option<Bytes>,
    /// Set while storage refuses.
    storage_retry_at: Option<Instant>,
    told: Option<(&'static str, LeaderEpoch, Option<BrokerId>)>,
    /// Since time jumped, until it has replayed what is committed.
    doubt: Option<doubt::Doubt>,
    told_voters: Vec<BrokerId>,
}

impl Quorum {
    /// Opens the node on what storage holds, and takes that out.
    pub fn open(
        config: &BrokerConfig,
        recovered: &mut Opened,
        rng: Rng,
        now: Instant,
        fx: &mut Effects,
    ) -> Self {
        let state = recovered.meta.remove(QUORUM_STATE_KEY);
        let snapshots = Snapshots::open(
            recovered.logs.remove(&LogId::SNAPSHOTS).unwrap_or_default().into_stored(),
            config.metadata_max_record_bytes_between_snapshots().unsigned_abs(),
            config.metadata_max_snapshot_interval(),
            now,
            fx,
        );
        let mut stored = recovered.logs.remove(&LogId::METADATA).unwrap_or_default();
        let voter_sets = VoterSets::read(&stored.control_batches(), snapshots.latest());
        // Never rolled: the log has one segment, which begins anew where a snapshot allows it.
        let log_config = LogConfig {
            segment_bytes: u64::MAX / 2,
            segment_ms: Duration::MAX,
            tail_bytes: TAIL_BYTES,
            timestamp_after_max: None,
            flush: true,
            ..LogConfig::default()
        };
        let (log, ops, reports) = PartitionLog::recover(LogId::METADATA, log_config, stored, now);
        for report in reports {
            fx.event(ClusterEvent::LogRecovered {
                topic: TopicName::from(METADATA_TOPIC),
                partition: PartitionIndex(0),
                end: report.end,
                bytes_cut: report.bytes_cut,
                reason: report.reason.to_string(),
            });
        }
        for op in ops {
            fx.submit(op);
        }
        let mut quorum = Self {
            node: config.node_id,
            endpoint: (config.host.clone(), config.port),
            configured: config.voters.iter().copied().collect(),
            voters: SortedMap::new(),
            voter_sets,
            change: None,
            update_at: now,
            cluster_id: config.cluster_id.clone(),
            election_timeout: config.quorum_election_timeout(),
            election_backoff_max: config.quorum_election_backoff_max(),
            fetch_timeout: config.quorum_fetch_timeout(),
            request_timeout: config.quorum_request_timeout(),
            snapshot_fetch_bytes: config.quorum_fetch_snapshot_max_bytes() as i32,
            rng,
            log,
            snapshots,
            high_watermark: Offset::ZERO,
            state: state.and_then(|bytes| QuorumState::decode(&bytes)).unwrap_or_default(),
            state_writes: SortedSet::new(),
            state_unstored: false,
            held: VecDeque::new(),
            role: Role::Unattached { election_at: None, ask_at: now },
            requests: SortedMap::new(),
            reads: SortedMap::new(),
            replay_at: Offset::ZERO,
            replayed_ahead: None,
            storage_retry_at: None,
            told: None,
            doubt: None,
            told_voters: Vec::new(),
        };
        quorum.voter_sets.truncate(quorum.log.log_end_offset());
        let (start, snapshot) = (quorum.log.log_start_offset(), quorum.snapshots.start());
        assert!(
            start <= snapshot.map_or(Offset::ZERO, |id| id.end),
            "the metadata log begins at {start}, and no snapshot stands for what was before"
        );
        quorum.log_begins_at_snapshot(now);
        quorum.submit_log_io(fx);
        quorum.voters_changed(now);
        if quorum.state.directory.is_nil() {
            quorum.state.directory = quorum.rng.uuid();
            if quorum.state.epoch > LeaderEpoch::default() {
                quorum.persist(fx);
            }
        }
        quorum.role = quorum.unattached(now);
        if let Role::Unattached { election_at: Some(at), .. } = &mut quorum.role {
            // A leader that is up is found by asking around, much sooner than this. None up: no reason to wait long.
            *at = now
                + FIRST_ELECTION
                + Duration::from_millis(quorum.rng.below(FIRST_ELECTION.as_millis() as u64));
        }
        if quorum.voters.len() == 1 && quorum.is_voter() {
            // Nobody else to wait for.
            quorum.stand(now, fx);
        }
        quorum
    }

    /// The leader of the current epoch, as far as this node knows.
    pub fn leader(&self) -> Option<BrokerId> {
        match &self.role {
            Role::Leader(_) => Some(self.node),
            Role::Follower(following) => Some(following.leader),
            _ => None,
        }
    }

    /// True for the leader, and for who fetches from it and is answered: such a node grants nobody a pre-vote.
    pub fn hears_leader(&self) -> bool {
        match &self.role {
            Role::Leader(_) => true,
            Role::Follower(following) => following.heard,
            _ => false,
        }
    }

    /// The voters that count here, committed or not.
    pub fn voters(&self) -> impl ExactSizeIterator<Item = BrokerId> {
        self.voters.keys().copied()
    }

    /// The storage that a voter votes with (KIP-853), nil until it has said which; none for who is no voter here.
    pub fn voter_directory(&self, id: BrokerId) -> Option<Uuid> {
        self.voters.get(&id).copied()
    }

    /// The id of this node's storage (KIP-853).
    pub fn directory(&self) -> Uuid {
        self.state.directory
    }

    /// The current epoch.
    pub fn epoch(&self) -> LeaderEpoch {
        self.state.epoch
    }

    /// True while this node leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// True once a record of this leader's own epoch is committed: only then is all that came before, too (Raft 5.4.2).
    pub fn leadership_established(&self) -> bool {
        match &self.role {
            Role::Leader(leadership) => self.high_watermark > leadership.epoch_start,
            _ => false,
        }
    }

    /// Everything below it is committed.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The offset the next record gets.
    pub fn log_end_offset(&self) -> Offset {
        self.log.log_end_offset()
    }

    /// The log, to look into.
    pub fn log(&self) -> &PartitionLog {
        &self.log
    }

    /// This node's role by Kafka's name.
    pub fn role_name(&self) -> &'static str {
        match &self.role {
            Role::Unattached { .. } if !self.is_voter() => "observer",
            Role::Unattached { .. } if self.state.voted_for.is_some() => "voted",
            Role::Unattached { .. } => "unattached",
            Role::Prospective(_) => "prospective",
            Role::Candidate(_) => "candidate",
            Role::Leader(_) => "leader",
            Role::Follower(_) if !self.is_voter() => "observer",
            Role::Follower(_) => "follower",
            Role::Resigned { .. } => "resigned",
        }
    }

    /// Appends the controller's batch as leader; gives the end offset whose commitment it has to wait for.
    pub fn append(&mut self, now: Instant, records: &Bytes, fx: &mut Effects) -> Result<Offset, NotLeader> {
        if !self.is_leader() {
            return Err(NotLeader);
        }
        let before = self.log.log_end_offset();
        if self.log.append_as_leader(records, self.state.epoch, now).is_err() {
            self.resign(now, fx);
            return Err(NotLeader);
        }
        let control = batches(records).next().is_some_and(|first| first.is_ok_and(|(h, _)| h.is_control()));
        let end = self.log.log_end_offset();
        if control && let ReadOutcome::Batches(appended) = self.log.read(before, end, usize::MAX, true) {
            self.take_voters(now, &appended);
        }
        self.log_changed(now, fx);
        Ok(self.log.log_end_offset())
    }

    /// What to replay next, in order, each once; none until there is more.
    pub fn next_committed(&mut self, fx: &mut Effects) -> Option<Committed> {
        if std::mem::take(&mut self.snapshots.unread)
            && let Some(snapshot) = self.snapshots.latest().cloned()
        {
            self.replayed_ahead = None;
            self.replay_at = snapshot.id.end;
            self.snapshots.bytes_since = 0;
            return Some(Committed::Snapshot(snapshot));
        }
        if let Some(bytes) = self.replayed_ahead.take() {
            return self.handed_out(bytes);
        }
        if self.reads.values().any(|reading| matches!(reading, Reading::Replay { .. })) {
            return None;
        }
        let from = self.replay_at;
        match self.log.read(from, self.high_watermark, REPLAY_BYTES, true) {
            ReadOutcome::Batches(bytes) => self.handed_out(bytes),
            ReadOutcome::NeedsIo(op) => {
                let truncations = self.log.truncations();
                self.reads.insert(fx.submit(op), Reading::Replay { from, truncations });
                None
            }
            ReadOutcome::OutOfRange => None,
        }
    }

    fn handed_out(&mut self, bytes: Bytes) -> Option<Committed> {
        let last = batches(&bytes).filter_map(Result::ok).last()?;
        self.replay_at = last.0.next_offset();
        self.snapshots.bytes_since += bytes.len() as u64;
        Some(Committed::Batches(bytes))
    }

    /// Takes a request of the quorum's APIs; answers through `fx`, perhaps later.
    pub fn handle_request(&mut self, now: Instant, token: ReplyToken, request: &Request, fx: &mut Effects) {
        match request {
            Request::Vote(body) => self.on_vote(now, token, body, fx),
            Request::BeginQuorumEpoch(body) => self.on_begin_epoch(now, token, body, fx),
            Request::EndQuorumEpoch(body) => self.on_end_epoch(now, token, body, fx),
            Request::Fetch(body) => self.on_fetch(now, token, body, fx),
            Request::FetchSnapshot(body) => self.on_fetch_snapshot(now, token, body, fx),
            Request::DescribeQuorum(_) => self.on_describe(now, token, fx),
            Request::AddRaftVoter(body) => self.on_add_voter(now, token, body, fx),
            Request::RemoveRaftVoter(body) => self.on_remove_voter(now, token, body, fx),
            Request::UpdateRaftVoter(body) => self.on_update_voter(now, token, body, fx),
            other => unreachable!("{:?} is not the quorum's", other.key()),
        }
        self.tell(fx);
    }

    /// Takes the answer to a request of ours.
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        from: BrokerId,
        result: PeerResult,
        fx: &mut Effects,
    ) {
        let Some((purpose, epoch)) = self.requests.remove(&id) else { return };
        match (purpose, result) {
            (Purpose::PreVote | Purpose::Vote | Purpose::Epoch, result) => {
                self.on_vote_response(now, from, (purpose, epoch), result, fx);
            }
            (Purpose::Begin, result) => self.on_begin_response(now, from, epoch, result, fx),
            (Purpose::End, _) => {}
            // If it did not work it is tried again by the clock.
            (Purpose::Update, _) => {}
            (Purpose::Snapshot, Ok(Response::FetchSnapshot(body))) => {
                self.on_fetch_snapshot_response(now, from, epoch, body, fx);
            }
            (Purpose::Fetch | Purpose::Ask, Ok(Response::Fetch(body))) => {
                self.on_fetch_response(now, from, epoch, purpose, body, fx);
            }
            (Purpose::Fetch | Purpose::Snapshot, result) => {
                self.fetch_failed(now, epoch, unreachable_peer(&result));
            }
            (Purpose::Ask, _) => {}
        }
        self.tell(fx);
    }

    /// Takes the end of a storage operation on the metadata log, or of a write of the quorum's state.
    pub fn handle_io(&mut self, now: Instant, io: IoId, result: IoResult, fx: &mut Effects) {
        if self.state_writes.remove(&io) {
            self.state_unstored = matches!(result, IoResult::Failed(_));
            match result {
                IoResult::Failed(error) => self.storage_failed(now, error.to_string(), fx),
                _ => self.release_held(now, fx),
            }
        } else if self.snapshots.owns(io) {
            self.snapshot_io(now, io, &result, fx);
        } else if let Some(reading) = self.reads.remove(&io) {
            match result {
                IoResult::Read(chunks) => self.on_read(reading, &chunks, fx),
                IoResult::Failed(error) => self.storage_failed(now, error.to_string(), fx),
                IoResult::Done => panic!("a read ended without its chunks"),
            }
        } else {
            let outcome = self.log.io_done(&result);
            self.log_was_cut(now);
            match outcome {
                IoOutcome::Done { .. } => self.log_durable(now, fx),
                IoOutcome::Failed { error, .. } => self.storage_failed(now, error.to_string(), fx),
            }
            self.submit_log_io(fx);
        }
        self.tell(fx);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant, fx: &mut Effects) {
        if self.storage_retry_at.is_some_and(|at| at <= now) {
            self.storage_retry_at = Some(now + STORAGE_RETRY);
            if self.log.storage_failed() {
                self.log.retry_storage();
                self.submit_log_io(fx);
            } else if self.state_writes.is_empty() {
                self.persist(fx);
            }
        }
        self.trim_log();
        self.submit_log_io(fx);
        self.tick_role(now, fx);
        self.tick_doubt(now, fx);
        self.tell(fx);
    }

    /// When `tick` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let role = match &self.role {
            Role::Unattached { election_at, ask_at } => earliest(*election_at, Some(*ask_at)),
            Role::Prospective(candidacy) | Role::Candidate(candidacy) => Some(candidacy.next_deadline()),
            Role::Leader(leadership) => leadership.next_deadline(),
            Role::Follower(following) => Some(following.next_deadline()),
            Role::Resigned { election_at } => Some(*election_at),
        };
        let changes = earliest(
            self.change.as_ref().map(|change| change.deadline),
            self.snapshots.due_at(self.replay_at),
        );
        earliest(earliest(role, self.storage_retry_at), earliest(changes, self.doubt_deadline()))
    }

    /// Lays down leadership, and tells the voters, so that one of them stands at once.
    pub fn resign(&mut self, now: Instant, fx: &mut Effects) {
        if self.is_leader() {
            let successors = self.successors();
            self.send_end_epoch(successors, fx);
            self.step_down(now, fx);
        }
        self.tell(fx);
    }

    fn is_voter(&self) -> bool {
        self.votes(self.node, self.state.directory)
    }

    /// True if this node is the voter that a request is for, by its storage; one that names none is for any.
    fn is_asked_as(&self, directory: Uuid) -> bool {
        directory.is_nil() || directory == self.state.directory || mutated(Mutation::OtherStorageVotes)
    }

    /// True for who may be elected: a voter; and one that the last set of voters leaves out, while that set may not be
    /// committed (Raft's dissertation, 4.2.2). Of two voters, the one that was taken out may be the only one to know it:
    /// with the longer log it votes for nobody else, and without it nobody is elected.
    fn may_stand(&self) -> bool {
        let open = self.voter_sets.latest().is_some_and(|(offset, _)| offset >= self.high_watermark);
        self.is_voter() || (open && self.voter_sets.leaves_out(self.node, self.state.directory))
    }

    /// True for a voter with this storage; one that has not said which it has may have any.
    fn votes(&self, id: BrokerId, directory: Uuid) -> bool {
        let known = self.voters.get(&id);
        known.is_some_and(|known| *known == directory || known.is_nil() || directory.is_nil())
            || (known.is_some() && mutated(Mutation::OtherStorageVotes))
    }

    fn majority(&self) -> usize {
        let counted = match mutated(Mutation::OldMajorityCounts) {
            true => self.voter_sets.at(self.high_watermark).map_or(self.voters.len(), <[_]>::len),
            false => self.voters.len(),
        };
        counted / 2 + 1
    }

    fn other_voters(&self) -> impl Iterator<Item = BrokerId> + use<> {
        let node = self.node;
        let ids: Vec<BrokerId> = self.voters.keys().copied().collect();
        ids.into_iter().filter(move |id| *id != node)
    }

    /// Between one and two election timeouts: so that not all stand at once.
    fn random_election_timeout(&mut self) -> Duration {
        let base = self.election_timeout.as_millis() as u64;
        Duration::from_millis(base + self.rng.below(base.max(1)))
    }

    fn unattached(&mut self, now: Instant) -> Role {
        let election_at = self.may_stand().then(|| now + self.random_election_timeout());
        Role::Unattached { election_at, ask_at: now }
    }

    /// Moves to `epoch` if it is higher than ours: nobody has our vote there, and no leader is known.
    fn see_epoch(&mut self, now: Instant, epoch: LeaderEpoch, fx: &mut Effects) {
        if epoch > self.state.epoch {
            self.leave_role(fx);
            self.state = QuorumState { epoch, voted_for: None, ..self.state };
            self.persist(fx);
            // Only a vote given or a leader heard puts an election off: a candidate that can't win would otherwise keep
            // those that can from standing.
            let standing = match &self.role {
                Role::Unattached { election_at, .. } => *election_at,
                Role::Prospective(candidacy) | Role::Candidate(candidacy) => Some(candidacy.next_deadline()),
                _ => None,
            };
            self.role = self.unattached(now);
            if let (Role::Unattached { election_at, .. }, Some(standing)) = (&mut self.role, standing) {
                *election_at = Some(standing);
            }
        }
    }

    /// What a role leaves behind: a leader's parked fetches are answered.
    fn leave_role(&mut self, fx: &mut Effects) {
        if let Role::Leader(leadership) = &mut self.role {
            let parked = leadership.take_parked();
            // So that none of the answers names a leader that is none.
            self.role = Role::Unattached { election_at: None, ask_at: Instant::default() };
            for token in parked {
                let response = self.not_leader_fetch();
                fx.reply(token, response);
            }
            self.change_failed(crate::protocol::ErrorCode::NotLeaderOrFollower, fx);
        }
    }

    fn step_down(&mut self, now: Instant, fx: &mut Effects) {
        self.leave_role(fx);
        self.role = Role::Resigned { election_at: now + self.random_election_timeout() };
    }

    /// Writes epoch and vote; what follows is held back until that is done.
    fn persist(&mut self, fx: &mut Effects) {
        // Flushed, like the log's appends: Raft counts on a node that forgets neither its vote nor what it said it has.
        let (key, value) = (QUORUM_STATE_KEY.to_owned(), self.state.encode());
        let op = IoOp::WriteMeta { key, value, flush: true };
        self.state_writes.insert(fx.submit(op));
    }

    /// Nothing is promised before it is.
    fn state_is_stored(&self) -> bool {
        self.state_writes.is_empty() && !self.state_unstored
    }

    fn reply(&mut self, token: ReplyToken, response: impl Into<Response>, fx: &mut Effects) {
        let reply = Reply::Response(response.into());
        if self.state_is_stored() || mutated(Mutation::VoteBeforePersisted) {
            fx.replies.push_back((token, reply));
        } else {
            self.held.push_back(Held::Reply(token, reply));
        }
    }

    fn request(&mut self, to: BrokerId, lane: Lane, body: Request, purpose: Purpose, fx: &mut Effects) {
        if self.state_is_stored() {
            let id = fx.request(to, lane, body, self.request_timeout);
            self.requests.insert(id, (purpose, self.state.epoch));
        } else {
            self.held.push_back(Held::Request { to, lane, body, purpose });
        }
    }

    fn release_held(&mut self, now: Instant, fx: &mut Effects) {
        while self.state_is_stored() {
            match self.held.pop_front() {
                None => {
                    self.storage_retry_at = self.storage_retry_at.filter(|_| self.log.storage_failed());
                    return;
                }
                Some(Held::Reply(token, reply)) => fx.replies.push_back((token, reply)),
                Some(Held::Request { to, lane, body, purpose }) => self.request(to, lane, body, purpose, fx),
                Some(Held::Lead) => self.lead_if_elected(now, fx),
            }
        }
    }

    /// Nothing of what storage refused is promised to anybody: this node is out of the quorum's work until it is back.
    fn storage_failed(&mut self, now: Instant, reason: String, fx: &mut Effects) {
        fx.event(ClusterEvent::StorageFailed { reason });
        for held in std::mem::take(&mut self.held) {
            if let Held::Reply(token, _) = held {
                fx.replies.push_back((token, Reply::Close(crate::protocol::ErrorCode::KafkaStorageError)));
            }
        }
        self.resign(now, fx);
        self.storage_retry_at.get_or_insert(now + STORAGE_RETRY);
    }

    fn submit_log_io(&mut self, fx: &mut Effects) {
        for op in self.log.take_io() {
            fx.submit(op);
        }
    }

    fn on_read(&mut self, reading: Reading, chunks: &[Chunk], fx: &mut Effects) {
        match reading {
            Reading::Replay { from, truncations } => {
                if truncations == self.log.truncations() && from == self.replay_at {
                    let hw = self.high_watermark;
                    // Where storage is damaged the replay stays: without a record the image would be another one.
                    let bytes = self.log.supply(chunks, from, hw, REPLAY_BYTES, true).ok();
                    self.replayed_ahead = bytes.filter(|bytes| !bytes.is_empty());
                }
            }
            Reading::Fetch { token, from, truncations } => {
                let fresh = truncations == self.log.truncations();
                self.answer_fetch_from_storage(token, from, chunks, fresh, fx);
            }
        }
    }

    /// Tells the page when role, epoch or leader changed.
    fn tell(&mut self, fx: &mut Effects) {
        let now = (self.role_name(), self.state.epoch, self.leader());
        if self.told != Some(now) {
            self.told = Some(now);
            fx.event(ClusterEvent::QuorumRole { role: now.0, epoch: now.1, leader: now.2 });
        }
        if !self.voters.keys().eq(self.told_voters.iter()) {
            self.told_voters = self.voters.keys().copied().collect();
            fx.event(ClusterEvent::QuorumVoters { voters: self.told_voters.clone() });
        }
    }
}

/// True for a peer that could not be asked at all.
fn unreachable_peer(result: &PeerResult) -> bool {
    matches!(result, Err(PeerError::Disconnected))
}
