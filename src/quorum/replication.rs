//! Records of the metadata log on their way from the leader to voters and observers: Fetch, from both ends.

use bytes::Bytes;

use crate::effects::{Effects, Lane, ReplyToken};
use crate::log::ReadOutcome;
use crate::log::io::Chunk;
use crate::mutation::{Mutation, mutated};
use crate::protocol::error::code_of;
use crate::protocol::messages::{self, FetchRequest, FetchResponse, fetch_request, fetch_response};
use crate::protocol::{ErrorCode, StrBytes};
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, LeaderEpoch, Offset, TopicId, Uuid};

use super::election::topic_name;
use super::fetching::Fetching;
use super::{Purpose, Quorum, RETRY, Reading, Role, SnapshotId};

/// One fetch of the metadata log brings at most this much.
const FETCH_BYTES: i32 = 1024 * 1024;
/// An observer that was silent so long is forgotten (Kafka's `LeaderState.OBSERVER_SESSION_TIMEOUT_MS`).
const OBSERVER_SESSION: Duration = Duration::from_secs(300);

/// What a leader knows of the others.
#[derive(Debug, Clone)]
pub(super) struct Leadership {
    /// The offset of this epoch's first record, the leader change.
    pub(super) epoch_start: Offset,
    /// Who fetches, with or without a vote.
    pub(super) replicas: SortedMap<BrokerId, Replica>,
    parked: SortedMap<ReplyToken, ParkedFetch>,
    /// When to look whether a majority still fetches.
    check_at: Instant,
    /// Voters that have not heard of this epoch, and when to tell them again.
    begin_again: SortedMap<BrokerId, Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Replica {
    /// Which storage it has.
    pub(super) directory: Uuid,
    /// Everything below it is durable there.
    pub(super) end: Offset,
    pub(super) fetched_at: Option<Instant>,
    /// When it had last all that there was at its fetch before.
    pub(super) caught_up_at: Option<Instant>,
    /// The end of the log when it fetched last.
    pub(super) log_end: Offset,
    /// The high watermark it was told last.
    pub(super) told: Offset,
}

#[derive(Debug, Clone, Copy)]
struct ParkedFetch {
    replica: BrokerId,
    from: Offset,
    deadline: Instant,
}

impl Leadership {
    pub(super) fn new(now: Instant, epoch_start: Offset, fetch_timeout: Duration) -> Self {
        Self {
            epoch_start,
            replicas: SortedMap::new(),
            parked: SortedMap::new(),
            check_at: now + 2 * fetch_timeout,
            begin_again: SortedMap::new(),
        }
    }

    pub(super) fn take_parked(&mut self) -> Vec<ReplyToken> {
        std::mem::take(&mut self.parked).into_keys().collect()
    }

    pub(super) fn begin_again(&mut self, voter: BrokerId, at: Instant) {
        self.begin_again.insert(voter, at);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let parked = self.parked.values().map(|parked| parked.deadline).min();
        earliest(earliest(parked, Some(self.check_at)), self.begin_again.values().min().copied())
    }

    /// A replica was heard. With another storage than before it is another one.
    pub(super) fn heard(&mut self, now: Instant, id: BrokerId, directory: Uuid) -> &mut Replica {
        let replica = self.replicas.entry(id).or_default();
        if replica.directory != directory {
            *replica = Replica { directory, ..Replica::default() };
        }
        replica.fetched_at = Some(now);
        replica
    }
}

impl Replica {
    /// It fetched from `end`, when the log reached up to `log_end` (Kafka's `ReplicaState`: caught up with now, or with what
    /// there was at the fetch before).
    fn fetched(&mut self, now: Instant, before: Option<Instant>, end: Offset, log_end: Offset) {
        if end >= log_end {
            self.caught_up_at = Some(now);
        } else if end >= self.log_end && before.is_some() {
            self.caught_up_at = self.caught_up_at.max(before);
        }
        self.end = end;
        self.log_end = log_end;
    }
}

/// What a follower does about its leader.
#[derive(Debug, Clone)]
pub(super) struct Following {
    pub(super) leader: BrokerId,
    /// Without a fetch that succeeds until then, the leader is given up.
    give_up_at: Instant,
    /// None while a fetch is under way, or waits for the storage.
    pub(super) fetch_at: Option<Instant>,
    pub(super) in_flight: bool,
    /// The leader has answered a fetch, and its connection has not closed since.
    pub(super) heard: bool,
    /// The snapshot that it is to have first.
    pub(super) fetching: Option<Fetching>,
    /// What the leader has told of its high watermark, since time jumped last. Our log may not reach so far.
    pub(super) high_watermark: Offset,
}

impl Following {
    pub(super) fn new(leader: BrokerId, now: Instant, fetch_timeout: Duration) -> Self {
        let give_up_at = now + fetch_timeout;
        Self {
            leader,
            give_up_at,
            fetch_at: Some(now),
            in_flight: false,
            heard: false,
            fetching: None,
            high_watermark: Offset::ZERO,
        }
    }

    /// The leader has answered.
    pub(super) fn was_answered(&mut self, now: Instant, fetch_timeout: Duration) {
        self.give_up_at = now + fetch_timeout;
        self.heard = true;
        self.fetch_at = Some(now);
    }

    /// Asks at once, as if it had never heard the leader, and gives it its time again.
    pub(super) fn begin_again(&mut self, now: Instant, fetch_timeout: Duration) {
        *self = Self {
            fetching: self.fetching.take(),
            heard: self.heard,
            ..Self::new(self.leader, now, fetch_timeout)
        };
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.fetch_at.map_or(self.give_up_at, |at| at.min(self.give_up_at))
    }
}

/// Where the follower's log and ours part.
#[derive(Debug, Clone, Copy)]
enum Parts {
    /// At the end of an epoch.
    Epoch((LeaderEpoch, Offset)),
    /// Before ours begins: the snapshot it needs.
    Snapshot(SnapshotId),
}

impl Quorum {
    /// A leader has appended: write it, and give it to who waits for it.
    pub(super) fn log_changed(&mut self, now: Instant, fx: &mut Effects) {
        self.submit_log_io(fx);
        self.answer_parked(now, fx);
    }

    /// The log is durable further than before.
    pub(super) fn log_durable(&mut self, now: Instant, fx: &mut Effects) {
        match self.role {
            Role::Leader(_) => self.advance_high_watermark(now, fx),
            Role::Follower(_) => {
                self.follow_high_watermark();
                self.fetch(now, fx);
            }
            _ => {}
        }
    }

    /// What the leader says is committed, as far as it is durable here: a failed write must not take it back.
    fn follow_high_watermark(&mut self) {
        let durable = match mutated(Mutation::FollowerCommitsUnflushedTail) {
            true => self.log.log_end_offset(),
            false => self.log.durable_end_offset(),
        };
        if let Role::Follower(following) = &self.role {
            self.high_watermark = self.high_watermark.max(following.high_watermark.min(durable));
        }
    }

    /// What a majority has, if it reaches into this epoch (Raft 5.4.2), and this node, too: a failed write must not take
    /// back what it has told.
    fn advance_high_watermark(&mut self, now: Instant, fx: &mut Effects) {
        let majority = self.majority();
        let majority = if mutated(Mutation::QuorumCommitsWithoutMajority) { 1 } else { majority };
        let own = match mutated(Mutation::QuorumCountsUnflushedTail) {
            true => self.log.log_end_offset(),
            false => self.log.durable_end_offset(),
        };
        let Role::Leader(leadership) = &self.role else { return };
        let end_of = |id: &BrokerId| match self.replica_of_voter(leadership, *id) {
            _ if *id == self.node => own,
            Some(replica) => replica.end,
            None => Offset::ZERO,
        };
        let mut ends: Vec<Offset> = self.voters.keys().map(end_of).collect();
        ends.sort_by(|a, b| b.cmp(a));
        let Some(reached) = ends.get(majority - 1).map(|reached| own.min(*reached)) else { return };
        if reached > leadership.epoch_start && reached > self.high_watermark {
            self.high_watermark = reached;
            self.change_committed(now, fx);
            self.answer_parked(now, fx);
        }
    }

    /// What the leader knows of another voter.
    fn replica_of_voter<'a>(&self, leadership: &'a Leadership, id: BrokerId) -> Option<&'a Replica> {
        leadership.replicas.get(&id).filter(|replica| self.votes(id, replica.directory))
    }

    /// The other voters, most caught up first.
    pub(super) fn successors(&self) -> Vec<BrokerId> {
        let Role::Leader(leadership) = &self.role else { return Vec::new() };
        let mut ids: Vec<BrokerId> = self.other_voters().collect();
        ids.sort_by_key(|id| {
            std::cmp::Reverse(self.replica_of_voter(leadership, *id).map(|replica| replica.end))
        });
        ids
    }

    /// Why this node can't serve a request that names the leader's epoch.
    pub(super) fn leader_error(&self, epoch: LeaderEpoch) -> Option<ErrorCode> {
        match &self.role {
            _ if epoch < self.state.epoch => Some(ErrorCode::FencedLeaderEpoch),
            _ if epoch > self.state.epoch => Some(ErrorCode::UnknownLeaderEpoch),
            Role::Leader(_) => None,
            _ => Some(ErrorCode::NotLeaderOrFollower),
        }
    }

    pub(super) fn is_other_cluster(&self, id: Option<&StrBytes>) -> bool {
        id.is_some_and(|id| id.as_str() != self.cluster_id)
    }

    pub(super) fn on_fetch(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: &FetchRequest,
        fx: &mut Effects,
    ) {
        let metadata = body.topics.iter().find(|topic| topic.topic_id == TopicId::METADATA.0);
        let Some(asked) = metadata.and_then(|topic| topic.partitions.first()).cloned() else {
            let error = FetchResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
            return self.reply(token, error, fx);
        };
        if self.is_other_cluster(body.cluster_id.as_ref()) {
            let error = FetchResponse::default().with_error_code(ErrorCode::InconsistentClusterId.code());
            return self.reply(token, error, fx);
        }
        if let Some(error) = self.leader_error(LeaderEpoch(asked.current_leader_epoch)) {
            let response = self.fetch_response(Some(error), None, Bytes::new());
            return self.reply(token, response, fx);
        }
        let (from, last_epoch) = (Offset(asked.fetch_offset), LeaderEpoch(asked.last_fetched_epoch));
        let replica = BrokerId(body.replica_state.replica_id.0);
        let before_log = self.snapshots.start().is_some_and(|start| {
            from < start.end || (from == start.end && last_epoch != start.epoch) || last_epoch < start.epoch
        });
        let parts = if before_log { None } else { self.divergence(last_epoch, from) };
        if before_log || parts.is_some() {
            if let Role::Leader(leadership) = &mut self.role {
                leadership.heard(now, replica, asked.replica_directory_id);
            }
            let parts = match self.snapshots.latest() {
                Some(snapshot) if before_log => Parts::Snapshot(snapshot.id),
                _ => Parts::Epoch(parts.unwrap_or_default()),
            };
            let response = self.fetch_response(None, Some(parts), Bytes::new());
            return self.reply(token, response, fx);
        }
        let deadline = now + Duration::from_millis(body.max_wait_ms.max(0) as u64);
        let log_end = self.log.log_end_offset();
        if let Role::Leader(leadership) = &mut self.role {
            let before = leadership.replicas.get(&replica).and_then(|replica| replica.fetched_at);
            let state = leadership.heard(now, replica, asked.replica_directory_id);
            state.fetched(now, before, from, log_end);
            leadership.parked.insert(token, ParkedFetch { replica, from, deadline });
        }
        self.advance_high_watermark(now, fx);
        self.answer_parked(now, fx);
    }

    /// Where a follower's log parts from this one: none when its records up to `from` are the same as ours.
    fn divergence(&self, last_fetched: LeaderEpoch, from: Offset) -> Option<(LeaderEpoch, Offset)> {
        if from == Offset::ZERO {
            return None;
        }
        let (epoch, end) =
            self.log.end_offset_for_epoch(last_fetched).unwrap_or((LeaderEpoch::default(), Offset::ZERO));
        let end = if mutated(Mutation::EpochEndOffByOne) { end.plus(1) } else { end };
        (epoch != last_fetched || end < from).then_some((epoch, end))
    }

    /// Answers parked fetches for which there is something new, or no more time.
    fn answer_parked(&mut self, now: Instant, fx: &mut Effects) {
        let end = self.log.log_end_offset();
        let high_watermark = self.high_watermark;
        let Role::Leader(leadership) = &mut self.role else { return };
        let mut due = Vec::new();
        for (token, parked) in &leadership.parked {
            let told = leadership.replicas.get(&parked.replica);
            let news = parked.from < end || told.is_none_or(|replica| replica.told < high_watermark);
            if news || parked.deadline <= now {
                due.push((*token, *parked));
            }
        }
        for (token, parked) in due {
            if let Role::Leader(leadership) = &mut self.role {
                leadership.parked.remove(&token);
                leadership.replicas.entry(parked.replica).or_default().told = high_watermark;
            }
            match self.log.read(parked.from, end, FETCH_BYTES as usize, true) {
                ReadOutcome::Batches(bytes) => {
                    let response = self.fetch_response(None, None, bytes);
                    self.reply(token, response, fx);
                }
                ReadOutcome::NeedsIo(op) => {
                    let (from, truncations) = (parked.from, self.log.truncations());
                    self.reads.insert(fx.submit(op), Reading::Fetch { token, from, truncations });
                }
                ReadOutcome::OutOfRange => {
                    let response = self.fetch_response(Some(ErrorCode::OffsetOutOfRange), None, Bytes::new());
                    self.reply(token, response, fx);
                }
            }
        }
    }

    pub(super) fn answer_fetch_from_storage(
        &mut self,
        token: ReplyToken,
        from: Offset,
        chunks: &[Chunk],
        fresh: bool,
        fx: &mut Effects,
    ) {
        let response = if fresh && self.is_leader() {
            match self.log.supply(chunks, from, self.log.log_end_offset(), FETCH_BYTES as usize, true) {
                Ok(bytes) => self.fetch_response(None, None, bytes),
                Err(_) => self.fetch_response(Some(ErrorCode::CorruptMessage), None, Bytes::new()),
            }
        } else {
            self.not_leader_fetch()
        };
        self.reply(token, response, fx);
    }

    pub(super) fn not_leader_fetch(&self) -> FetchResponse {
        self.fetch_response(Some(ErrorCode::NotLeaderOrFollower), None, Bytes::new())
    }

    /// Says in every case who leads, as far as this node knows.
    fn fetch_response(
        &self,
        error: Option<ErrorCode>,
        parts: Option<Parts>,
        records: Bytes,
    ) -> FetchResponse {
        let current = fetch_response::LeaderIdAndEpoch::default()
            .with_leader_id(messages::BrokerId(self.leader().map_or(-1, |id| id.0)))
            .with_leader_epoch(self.state.epoch.0);
        let mut partition = fetch_response::PartitionData::default()
            .with_partition_index(0)
            .with_error_code(code_of(error))
            .with_high_watermark(self.high_watermark.0)
            .with_last_stable_offset(self.high_watermark.0)
            .with_log_start_offset(self.log.log_start_offset().0)
            .with_current_leader(current)
            .with_records(Some(records));
        match parts {
            Some(Parts::Epoch((epoch, end))) => {
                let diverging =
                    fetch_response::EpochEndOffset::default().with_epoch(epoch.0).with_end_offset(end.0);
                partition = partition.with_diverging_epoch(diverging);
            }
            Some(Parts::Snapshot(id)) => {
                let id =
                    fetch_response::SnapshotId::default().with_end_offset(id.end.0).with_epoch(id.epoch.0);
                partition = partition.with_snapshot_id(id);
            }
            None => {}
        }
        let topic = fetch_response::FetchableTopicResponse::default()
            .with_topic_id(TopicId::METADATA.0)
            .with_partitions(vec![partition]);
        FetchResponse::default().with_responses(vec![topic])
    }

    /// Fetches from the leader, when the last fetch's records are durable here.
    pub(super) fn fetch(&mut self, now: Instant, fx: &mut Effects) {
        let settled = self.log.durable_end_offset() == self.log.log_end_offset()
            && !self.log.is_truncating()
            && !self.log.storage_failed()
            && self.log.io_idle()
            && !self.snapshots.installing();
        let Role::Follower(following) = &mut self.role else { return };
        if following.in_flight || following.fetch_at.is_some_and(|at| at > now) {
            return;
        }
        following.fetch_at = None;
        if !settled {
            // `log_durable` comes back here.
            return;
        }
        following.in_flight = true;
        let Role::Follower(following) = &self.role else { return };
        let leader = following.leader;
        let (body, purpose) = match &following.fetching {
            Some(fetching) => (self.snapshot_request(fetching).into(), Purpose::Snapshot),
            None => {
                // News or not, the first answer is what ends a doubt.
                let wait = match self.was_heard_since(leader) {
                    false => 0,
                    true => (self.fetch_timeout / 2).as_millis().min(500) as i32,
                };
                (self.fetch_request(wait).into(), Purpose::Fetch)
            }
        };
        self.request(leader, Lane::QuorumFetch, body, purpose, fx);
    }

    fn fetch_request(&self, max_wait_ms: i32) -> FetchRequest {
        let end = self.log.durable_end_offset();
        let partition = fetch_request::FetchPartition::default()
            .with_partition(0)
            .with_current_leader_epoch(self.state.epoch.0)
            .with_fetch_offset(end.0)
            .with_last_fetched_epoch(self.epoch_before(end).0)
            .with_replica_directory_id(self.state.directory)
            .with_high_watermark(self.high_watermark.0)
            .with_partition_max_bytes(FETCH_BYTES);
        let topic = fetch_request::FetchTopic::default()
            .with_topic(topic_name())
            .with_topic_id(TopicId::METADATA.0)
            .with_partitions(vec![partition]);
        FetchRequest::default()
            .with_cluster_id(Some(StrBytes::from_string(self.cluster_id.clone())))
            .with_replica_state(
                fetch_request::ReplicaState::default().with_replica_id(messages::BrokerId(self.node.0)),
            )
            .with_max_wait_ms(max_wait_ms)
            .with_min_bytes(0)
            .with_max_bytes(FETCH_BYTES)
            .with_topics(vec![topic])
    }

    pub(super) fn on_fetch_response(
        &mut self,
        now: Instant,
        from: BrokerId,
        epoch: LeaderEpoch,
        purpose: Purpose,
        body: FetchResponse,
        fx: &mut Effects,
    ) {
        let partition =
            body.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
        let Some(partition) = partition else { return self.fetch_failed(now, epoch, false) };
        let current = &partition.current_leader;
        let changed = self.learn(now, current.leader_id.0, current.leader_epoch, fx);
        if purpose == Purpose::Fetch && partition.error_code == 0 {
            self.heard_since(from, LeaderEpoch(current.leader_epoch));
        }
        if changed || purpose == Purpose::Ask {
            return;
        }
        let timeout = self.fetch_timeout;
        let ours = epoch == self.state.epoch;
        let Role::Follower(following) = &mut self.role else { return };
        if !ours || following.leader != from {
            return;
        }
        following.in_flight = false;
        if partition.error_code != 0 {
            following.fetch_at = Some(now + RETRY);
            return;
        }
        following.was_answered(now, timeout);
        let snapshot = &partition.snapshot_id;
        if snapshot.end_offset >= 0 && snapshot.epoch >= 0 {
            let id = SnapshotId { end: Offset(snapshot.end_offset), epoch: LeaderEpoch(snapshot.epoch) };
            following.fetching = Some(Fetching::new(id));
            return self.fetch(now, fx);
        }
        let diverging = &partition.diverging_epoch;
        if diverging.end_offset >= 0 && diverging.epoch >= 0 {
            // What is left may differ from the leader's log still: its high watermark says nothing of ours yet.
            self.truncate(now, LeaderEpoch(diverging.epoch), Offset(diverging.end_offset), fx);
            return self.fetch(now, fx);
        }
        if let Some(records) = partition.records.filter(|records| !records.is_empty()) {
            if self.log.append_as_follower(&records, now).is_err()
                && let Role::Follower(following) = &mut self.role
            {
                following.fetch_at = Some(now + RETRY);
                return;
            }
            self.take_voters(now, &records);
            self.submit_log_io(fx);
        }
        if let Role::Follower(following) = &mut self.role {
            following.high_watermark = following.high_watermark.max(Offset(partition.high_watermark));
        }
        self.follow_high_watermark();
        self.fetch(now, fx);
    }

    /// Cuts what the leader does not have.
    fn truncate(&mut self, now: Instant, epoch: LeaderEpoch, end: Offset, fx: &mut Effects) {
        let own = self.log.end_offset_for_epoch(epoch).map_or(Offset::ZERO, |(_, end)| end);
        let to = own.min(end);
        assert!(to >= self.high_watermark, "the leader has not what was committed below {to}");
        self.log.truncate_to(to);
        self.log_was_cut(now);
        self.submit_log_io(fx);
    }

    /// The leader gave no answer; the fetch timeout decides when it is given up.
    pub(super) fn fetch_failed(&mut self, now: Instant, epoch: LeaderEpoch, closed: bool) {
        if epoch == self.state.epoch
            && let Role::Follower(following) = &mut self.role
        {
            following.in_flight = false;
            following.heard &= !closed;
            following.fetching = None;
            following.fetch_at = Some(now + RETRY);
        }
    }

    pub(super) fn tick_role(&mut self, now: Instant, fx: &mut Effects) {
        match &mut self.role {
            Role::Unattached { election_at, .. } if election_at.is_some_and(|at| at <= now) => {
                self.stand_if_it_may(now, fx);
            }
            Role::Unattached { ask_at, .. } if *ask_at <= now => {
                *ask_at = now + RETRY;
                self.ask_around(fx);
            }
            Role::Unattached { .. } => {}
            Role::Prospective(_) | Role::Candidate(_) => self.tick_candidate(now, fx),
            Role::Leader(_) => self.tick_leader(now, fx),
            Role::Follower(following) => {
                if following.give_up_at > now {
                    self.fetch(now, fx);
                    return self.tell_where(now, fx);
                }
                self.stand_if_it_may(now, fx);
            }
            Role::Resigned { election_at } => {
                if *election_at <= now {
                    self.stand_if_it_may(now, fx);
                }
            }
        }
    }

    fn stand_if_it_may(&mut self, now: Instant, fx: &mut Effects) {
        match self.may_stand() {
            true => self.stand(now, fx),
            false => self.role = self.unattached(now),
        }
    }

    /// Asks one of the voters, by chance, who leads.
    fn ask_around(&mut self, fx: &mut Effects) {
        // Those of the configuration know, too, if they have not gone: this log's voters may be of the past.
        let all = self.voters.keys().chain(&self.configured).copied().filter(|id| *id != self.node);
        let others: Vec<BrokerId> = all.collect::<SortedSet<BrokerId>>().into_iter().collect();
        let at = self.rng.below(others.len().max(1) as u64) as usize;
        if let Some(&voter) = others.get(at)
            && self.state_is_stored()
        {
            self.ask(voter, fx);
        }
    }

    /// Asks a voter who leads.
    fn ask(&mut self, voter: BrokerId, fx: &mut Effects) {
        let body = self.fetch_request(0);
        self.request(voter, Lane::QuorumFetch, body.into(), Purpose::Ask, fx);
    }

    fn tick_leader(&mut self, now: Instant, fx: &mut Effects) {
        let (majority, timeout) = (self.majority(), self.fetch_timeout);
        let Role::Leader(leadership) = &self.role else { return };
        if leadership.check_at <= now {
            let since = now - 2 * timeout;
            let fetches = |id: &&BrokerId| {
                **id == self.node
                    || self
                        .replica_of_voter(leadership, **id)
                        .is_some_and(|replica| replica.fetched_at.is_some_and(|at| at >= since))
            };
            if self.voters.keys().filter(fetches).count() < majority {
                // Without a majority nothing is committed, and another may lead already.
                return self.step_down(now, fx);
            }
        }
        let Role::Leader(leadership) = &mut self.role else { return };
        if leadership.check_at <= now {
            leadership.check_at = now + timeout / 2;
            let gone = |replica: &Replica| replica.fetched_at.is_none_or(|at| at + OBSERVER_SESSION < now);
            leadership.replicas.retain(|id, replica| self.voters.contains_key(id) || !gone(replica));
        }
        let due: Vec<BrokerId> =
            leadership.begin_again.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        leadership.begin_again.retain(|_, at| *at > now);
        for voter in due {
            self.send_begin_epoch(voter, fx);
        }
        self.answer_parked(now, fx);
        self.tick_change(now, fx);
    }
}
