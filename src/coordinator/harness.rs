//! Drives a coordinator by hand: virtual time, and writes that are appended, committed or refused when the test says so.

use bytes::{Bytes, BytesMut};

use super::schema::GroupRecord;
use super::*;
use crate::config::Profile;
use crate::event::ClusterEvent;
use crate::protocol::batch::set_base_offset;
use crate::protocol::messages::*;
use crate::protocol::{StrBytes, encode_response};
use crate::sorted::SortedMap;
use crate::types::BrokerId;

pub(super) const GROUP: &str = "g";
pub(super) const SESSION_MS: i32 = 10_000;
pub(super) const REBALANCE_MS: i32 = 30_000;
/// Of the profile `lab`.
pub(super) const INITIAL_DELAY_MS: u64 = 200;

pub(super) struct Harness {
    pub(super) coordinator: GroupCoordinator,
    pub(super) now: Instant,
    pub(super) fx: Effects,
    versions: SortedMap<ReplyToken, i16>,
    /// The partition's log, whole batches.
    log: BytesMut,
    end: Offset,
    epoch: LeaderEpoch,
    /// Records of the writes taken since the last `records`.
    records: Vec<GroupRecord>,
    /// Writes appended or not, committed not.
    taken: Vec<PendingWrite>,
}

impl Harness {
    /// Leads the group's partition, which is empty.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(configure: impl FnOnce(&mut BrokerConfig)) -> Self {
        let mut config = BrokerConfig::new(Profile::Lab, BrokerId(1), vec![BrokerId(1)]);
        configure(&mut config);
        let mut harness = Self {
            coordinator: GroupCoordinator::new(&config, Rng::new(7)),
            now: Instant(1_000_000),
            fx: Effects::default(),
            versions: SortedMap::new(),
            log: BytesMut::new(),
            end: Offset::ZERO,
            epoch: LeaderEpoch(0),
            records: Vec::new(),
            taken: Vec::new(),
        };
        harness.elect();
        harness
    }

    pub(super) fn partition(&self) -> PartitionIndex {
        partition_for(GROUP, self.coordinator.offsets_partitions())
    }

    /// Leads the group's partition and loads its log.
    pub(super) fn elect(&mut self) {
        self.begin_load();
        self.end_load(self.end);
    }

    pub(super) fn begin_load(&mut self) {
        self.epoch = self.epoch.next();
        let partition = self.partition();
        self.coordinator.on_leader(self.now, partition, self.epoch, &mut self.fx);
        self.coordinator.load(partition, self.epoch, &self.log.clone().freeze());
    }

    pub(super) fn end_load(&mut self, high_watermark: Offset) {
        let partition = self.partition();
        self.coordinator.loaded(self.now, partition, self.epoch, high_watermark, &mut self.fx);
    }

    /// Another broker leads for a while; then this one again.
    pub(super) fn resign_and_return(&mut self) {
        let partition = self.partition();
        self.coordinator.on_resigned(self.now, partition, &mut self.fx);
        assert_eq!(self.coordinator.next_deadline(), None, "timers of a partition not led");
        self.taken.clear();
        self.elect();
    }

    /// Requests sent and not answered.
    pub(super) fn unanswered(&self) -> Vec<ReplyToken> {
        let answered: Vec<ReplyToken> = self.fx.replies.iter().map(|(token, _)| *token).collect();
        let mut tokens: Vec<ReplyToken> = self.versions.keys().copied().collect();
        tokens.retain(|token| !answered.contains(token));
        tokens
    }

    pub(super) fn end(&self) -> Offset {
        self.end
    }

    /// The leader dies; another coordinator, that knows the log only, takes over.
    pub(super) fn fail_over(&mut self) {
        let config = BrokerConfig::new(Profile::Lab, BrokerId(2), vec![BrokerId(1)]);
        self.coordinator = GroupCoordinator::new(&config, Rng::new(8));
        self.fx.events.clear();
        self.taken.clear();
        self.elect();
    }

    pub(super) fn send(&mut self, version: i16, client: &str, request: impl Into<Request>) -> ReplyToken {
        let token = ReplyToken(self.versions.len() as u64);
        self.versions.insert(token, version);
        let client = ClientInfo { client_id: client.into(), host: "/10.0.0.1".into() };
        self.coordinator.handle(self.now, token, version, client, request.into(), &mut self.fx);
        token
    }

    /// The answer, if it is there; checked to fit its version.
    pub(super) fn answer(&mut self, token: ReplyToken) -> Option<Response> {
        let at = self.fx.replies.iter().position(|(other, _)| *other == token)?;
        let Some((_, crate::effects::Reply::Response(response))) = self.fx.replies.remove(at) else {
            panic!("no response")
        };
        let again = self.fx.replies.iter().any(|(other, _)| *other == token);
        assert!(!again, "answered twice");
        encode_response(*self.versions.get(&token).unwrap(), 1, &response).unwrap();
        Some(response)
    }

    /// Sends, writes what is to be written, and expects an answer.
    pub(super) fn call(&mut self, version: i16, client: &str, request: impl Into<Request>) -> Response {
        let token = self.send(version, client, request);
        self.commit();
        self.answer(token).expect("an answer")
    }

    pub(super) fn advance(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(due) = self.coordinator.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.coordinator.tick(self.now, &mut self.fx);
        }
        self.now = until;
        self.coordinator.tick(self.now, &mut self.fx);
    }

    fn take(&mut self) {
        for write in self.coordinator.take_writes() {
            assert_eq!((write.partition, write.epoch), (self.partition(), self.epoch));
            for (key, value) in &write.records {
                self.records.push(GroupRecord::decode(key, value.as_deref()).unwrap().unwrap());
            }
            self.taken.push(write);
        }
    }

    /// Appends all writes; nothing is committed yet.
    pub(super) fn append(&mut self) {
        self.take();
        for write in std::mem::take(&mut self.taken) {
            let mut batch = write.batch().to_vec();
            set_base_offset(&mut batch, self.end);
            self.log.extend_from_slice(&batch);
            self.end = self.end.plus(write.records.len() as i64);
            self.coordinator.appended(self.now, write.id, Ok(self.end), &mut self.fx);
        }
    }

    /// Appends all writes and commits them, and what follows from them.
    pub(super) fn commit(&mut self) {
        loop {
            self.append();
            let partition = self.partition();
            self.coordinator.committed(self.now, partition, self.end, &mut self.fx);
            self.take();
            if self.taken.is_empty() {
                break;
            }
        }
    }

    /// Refuses all writes.
    pub(super) fn refuse(&mut self, error: ErrorCode) {
        self.take();
        for write in std::mem::take(&mut self.taken) {
            self.coordinator.appended(self.now, write.id, Err(error), &mut self.fx);
        }
    }

    /// The records of all writes since the last call.
    pub(super) fn records(&mut self) -> Vec<GroupRecord> {
        self.take();
        std::mem::take(&mut self.records)
    }

    /// The states a group went through since the last call.
    pub(super) fn states(&mut self) -> Vec<(&'static str, i32, String)> {
        let events = std::mem::take(&mut self.fx.events).into_iter();
        let states = events.filter_map(|event| match event {
            ClusterEvent::GroupState { state, generation, reason, .. } => Some((state, generation.0, reason)),
            _ => None,
        });
        states.collect()
    }

    pub(super) fn state_names(&mut self) -> Vec<&'static str> {
        self.states().into_iter().map(|(state, ..)| state).collect()
    }

    /// `client` gets a member id.
    pub(super) fn member_id(&mut self, client: &str) -> String {
        let refused = join_of(self.call(5, client, join("")));
        assert_eq!(refused.error_code, ErrorCode::MemberIdRequired.code());
        refused.member_id.to_string()
    }

    /// The same without committing anything.
    pub(super) fn member_id_of(&mut self, client: &str) -> String {
        let token = self.send(5, client, join(""));
        join_of(self.answer(token).unwrap()).member_id.to_string()
    }

    /// Storage failed: what is not committed is gone.
    pub(super) fn cut_log(&mut self) {
        self.end = Offset::ZERO;
        self.log.clear();
    }

    /// A stable group of these clients in generation 1; their member ids, the leader's first.
    pub(super) fn stable_group(&mut self, clients: &[&str]) -> Vec<String> {
        let ids: Vec<String> = clients.iter().map(|client| self.member_id(client)).collect();
        let joins: Vec<ReplyToken> =
            ids.iter().zip(clients).map(|(id, client)| self.send(5, client, join(id))).collect();
        self.advance(INITIAL_DELAY_MS * 2);
        for token in joins {
            assert_eq!(join_of(self.answer(token).expect("joined")).error_code, 0);
        }
        self.sync_all(&ids, 1);
        self.records();
        self.fx.events.clear();
        ids
    }

    /// All members sync, the first one as the leader; each is assigned its own id.
    pub(super) fn sync_all(&mut self, ids: &[String], generation: i32) {
        let mut tokens = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            let assigned: Vec<&str> = if at == 0 { ids.iter().map(String::as_str).collect() } else { vec![] };
            tokens.push(self.send(3, "c", sync(id, generation, &assigned)));
        }
        self.commit();
        for (token, id) in tokens.into_iter().zip(ids) {
            let response = sync_of(self.answer(token).expect("synced"));
            assert_eq!((response.error_code, &response.assignment[..]), (0, id.as_bytes()));
        }
    }

    pub(super) fn heartbeat_only(&mut self, member: &str, generation: i32) -> ReplyToken {
        let request = HeartbeatRequest::default()
            .with_group_id(group())
            .with_generation_id(generation)
            .with_member_id(text(member));
        self.send(3, "c", request)
    }

    pub(super) fn heartbeat(&mut self, member: &str, generation: i32) -> Option<ErrorCode> {
        let token = self.heartbeat_only(member, generation);
        self.commit();
        match self.answer(token) {
            Some(Response::Heartbeat(response)) => ErrorCode::try_from_code(response.error_code),
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn group() -> GroupId {
    GroupId(text(GROUP))
}

pub(super) fn join(member: &str) -> JoinGroupRequest {
    join_with(member, &["range"])
}

pub(super) fn join_with(member: &str, protocols: &[&str]) -> JoinGroupRequest {
    let protocols = protocols.iter().map(|name| {
        join_group_request::JoinGroupRequestProtocol::default()
            .with_name(text(name))
            .with_metadata(Bytes::from(format!("{name}-metadata")))
    });
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(SESSION_MS)
        .with_rebalance_timeout_ms(REBALANCE_MS)
        .with_member_id(text(member))
        .with_protocol_type(text("consumer"))
        .with_protocols(protocols.collect())
}

pub(super) fn join_of(response: Response) -> JoinGroupResponse {
    match response {
        Response::JoinGroup(response) => response,
        other => panic!("{other:?}"),
    }
}

/// Each of `assigned` gets its own id as its assignment.
pub(super) fn sync(member: &str, generation: i32, assigned: &[&str]) -> SyncGroupRequest {
    let assignments = assigned.iter().map(|id| {
        sync_group_request::SyncGroupRequestAssignment::default()
            .with_member_id(text(id))
            .with_assignment(Bytes::copy_from_slice(id.as_bytes()))
    });
    SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(generation)
        .with_member_id(text(member))
        .with_assignments(assignments.collect())
}

pub(super) fn sync_of(response: Response) -> SyncGroupResponse {
    match response {
        Response::SyncGroup(response) => response,
        other => panic!("{other:?}"),
    }
}

pub(super) fn leave(member: &str) -> LeaveGroupRequest {
    let identity = leave_group_request::MemberIdentity::default().with_member_id(text(member));
    LeaveGroupRequest::default().with_group_id(group()).with_members(vec![identity])
}

pub(super) fn leave_of(response: Response) -> LeaveGroupResponse {
    match response {
        Response::LeaveGroup(response) => response,
        other => panic!("{other:?}"),
    }
}

pub(super) fn commit_request(
    member: &str,
    generation: i32,
    topic: &str,
    offsets: &[(i32, i64)],
) -> OffsetCommitRequest {
    let partitions = offsets.iter().map(|(partition, offset)| {
        offset_commit_request::OffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text("m")))
    });
    let topic = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(TopicName(text(topic)))
        .with_partitions(partitions.collect());
    OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(member))
        .with_topics(vec![topic])
}

/// The errors of a commit, partition by partition.
pub(super) fn commit_errors(response: Response) -> Vec<(i32, i16)> {
    let Response::OffsetCommit(response) = response else { panic!("{response:?}") };
    let partitions = response.topics.into_iter().flat_map(|topic| topic.partitions);
    partitions.map(|partition| (partition.partition_index, partition.error_code)).collect()
}

/// All offsets of the group, as version 8 asks.
pub(super) fn fetch_all(require_stable: bool) -> OffsetFetchRequest {
    let group = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group());
    OffsetFetchRequest::default()
        .with_groups(vec![group.with_topics(None)])
        .with_require_stable(require_stable)
}

/// Topic, partition and offset of each answer of a fetch in version 8.
pub(super) fn fetched(response: Response) -> Vec<(String, i32, i64)> {
    let Response::OffsetFetch(response) = response else { panic!("{response:?}") };
    let topics = response.groups.into_iter().flat_map(|group| {
        assert_eq!(group.error_code, 0);
        group.topics
    });
    let offsets = topics.flat_map(|topic| {
        let name = topic.name.to_string();
        topic
            .partitions
            .into_iter()
            .map(move |partition| (name.clone(), partition.partition_index, partition.committed_offset))
    });
    offsets.collect()
}

/// A group's record in short: generation, protocol, leader, and each member with its assignment.
pub(super) type GroupInShort = (i32, Option<String>, Option<String>, Vec<(String, String)>);

pub(super) fn group_in_short(record: &GroupRecord) -> GroupInShort {
    let GroupRecord::Group { group, value: Some(value) } = record else { panic!("{record:?}") };
    assert_eq!(group, GROUP);
    let members = value
        .members
        .iter()
        .map(|member| (member.member_id.clone(), String::from_utf8(member.assignment.to_vec()).unwrap()));
    (value.generation.0, value.protocol.clone(), value.leader.clone(), members.collect())
}
