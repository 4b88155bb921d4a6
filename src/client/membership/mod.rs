//! A consumer's membership in its group: the classic protocol (FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup)
//! and, in `commits`, its offsets.
//!
//! | phase | means | next |
//! |---|---|---|
//! | out | not started, or closed | waiting |
//! | waiting | a join is due once the host has given back its batches and they are committed | joining |
//! | joining | JoinGroup is under way: the coordinator gathers all members | sharing, as the leader; syncing |
//! | sharing | leader: partitions are shared out once all topics are known | syncing |
//! | syncing | SyncGroup is under way | stable |
//! | stable | reads its partitions, with heartbeats | waiting, when the group rebalances or this member was put out |

mod commits;

use std::collections::VecDeque;

use crate::mutation::{Mutation, mutated};
use crate::protocol::consumer_protocol::{
    decode_assignment, decode_subscription, encode_assignment, encode_subscription,
};
use crate::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::protocol::messages::{
    self, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    SyncGroupRequest,
};
use crate::protocol::{ErrorCode, Request, Response, StrBytes};
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, Generation, TopicName};

use super::assignor::{Assignment, Assignor};
use super::consumer::{Consumer, ConsumerEvent, ConsumerOptions, Place};
use super::net::{Lane, RETRY, Tag};
use super::{CallId, ClientError, NetError};
use commits::{Commit, Offsets, is_awaited};

const PROTOCOL_TYPE: &str = "consumer";
/// Up to this version one group.
const FIND_VERSION_MAX: i16 = 3;
/// Who asks first for a coordinator has `__consumer_offsets` made, and is told to ask again: it is there soon.
const OFFSETS_TOPIC_MADE: Duration = Duration::from_millis(5);

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Membership {
    phase: Phase,
    coordinator: Option<BrokerId>,
    finding: Option<Tag>,
    find_at: Option<Instant>,
    find_failures: u32,
    member_id: String,
    generation: Option<Generation>,
    leader_id: String,
    protocol: String,
    /// Join, sync: one at a time.
    asking: Option<Tag>,
    heartbeat: Option<Tag>,
    heartbeat_at: Option<Instant>,
    /// The last time the coordinator confirmed this member.
    heard_at: Option<Instant>,
    offset_fetch: Option<Tag>,
    offset_fetch_at: Option<Instant>,
    commits_known: bool,
    commit: Option<Commit>,
    commit_at: Option<Instant>,
    calls: VecDeque<(CallId, Vec<Offsets>, Instant)>,
    leaving: Option<Tag>,
    left: bool,
    /// Batches that were with the host for too long: it joins again when it has them back.
    overdue: SortedSet<Place>,
    /// What the leader's last share was based on: partitions per topic.
    counts: Option<(Generation, SortedMap<TopicName, i32>)>,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Out,
    Waiting {
        join_at: Instant,
        /// Join without what the host still has.
        force_at: Instant,
    },
    Joining,
    Sharing {
        members: SortedMap<String, Vec<TopicName>>,
    },
    Syncing,
    Stable,
}

impl Membership {
    /// True while this member has its share.
    pub(super) fn is_stable(&self) -> bool {
        matches!(self.phase, Phase::Stable)
    }

    /// True when positions without a commit may be looked up.
    pub(super) fn knows_commits(&self, options: &ConsumerOptions) -> bool {
        options.group_id.is_none() || self.commits_known
    }
}

impl Consumer {
    /// The subscription changed, or the group rebalances: join again.
    pub(super) fn rejoin(&mut self, now: Instant) {
        let revoked = matches!(self.membership.phase, Phase::Stable);
        if matches!(self.membership.phase, Phase::Waiting { .. }) {
            return;
        }
        let force_at = now + self.options.max_poll_interval;
        self.membership.phase = Phase::Waiting { join_at: now, force_at };
        self.membership.asking = None;
        let seeks = self.next_seeks();
        for position in self.positions.values_mut() {
            position.buffer.clear();
            position.fetch_at = None;
            position.seeks = seeks;
        }
        if revoked {
            self.out.events.push_back(ConsumerEvent::Revoked);
        }
    }

    fn lost(&mut self, now: Instant, forget_member: bool) {
        if forget_member {
            self.membership.member_id.clear();
        }
        self.membership.generation = None;
        self.membership.heartbeat = None;
        self.membership.commit = None;
        let error = if forget_member { ErrorCode::UnknownMemberId } else { ErrorCode::IllegalGeneration };
        self.fail_commits(&ClientError::protocol(error, None));
        let was_in = !self.positions.is_empty();
        self.rejoin(now);
        // What the host still has can't be committed any more: nothing to wait for.
        if let Phase::Waiting { force_at, .. } = &mut self.membership.phase {
            *force_at = now;
        }
        self.positions.clear();
        if was_in {
            self.out.events.push_back(ConsumerEvent::Lost);
        }
    }

    fn coordinator_lost(&mut self, now: Instant) {
        self.membership.coordinator = None;
        self.membership.find_at = Some(now + RETRY);
    }

    fn group(&self) -> messages::GroupId {
        messages::GroupId(StrBytes::from_string(self.options.group_id.clone().unwrap_or_default()))
    }

    fn member(&self) -> StrBytes {
        StrBytes::from_string(self.membership.member_id.clone())
    }

    fn generation(&self) -> i32 {
        self.membership.generation.map_or(-1, |generation| generation.0)
    }

    /// To the coordinator, if it is known.
    fn ask(
        &mut self,
        now: Instant,
        lane: Lane,
        body: impl Into<Request>,
        version_max: i16,
        timeout: Duration,
    ) -> Option<Tag> {
        let coordinator = self.membership.coordinator?;
        Some(self.net.send(now, coordinator, lane, body.into(), version_max, timeout))
    }

    pub(super) fn drive_membership(&mut self, now: Instant) {
        if self.options.group_id.is_none() || !self.started {
            return;
        }
        self.find_coordinator(now);
        self.check_session(now);
        self.join_if_due(now);
        self.share_if_leading(now);
        self.beat(now);
        self.fetch_commits(now);
        self.commit_if_due(now);
        self.notice_new_partitions(now);
    }

    fn find_coordinator(&mut self, now: Instant) {
        let m = &mut self.membership;
        if m.coordinator.is_some() || m.finding.is_some() || m.find_at.is_some_and(|at| at > now) {
            return;
        }
        let key = StrBytes::from_string(self.options.group_id.clone().unwrap_or_default());
        let body = FindCoordinatorRequest::default().with_key(key).with_key_type(0);
        let timeout = self.options.client.request_timeout.min(Duration::from_secs(5));
        self.membership.finding = Some(self.net.send_to_any(now, body.into(), FIND_VERSION_MAX, timeout));
    }

    /// A member that could not reach its coordinator for a session has been put out by now.
    fn check_session(&mut self, now: Instant) {
        let session = self.options.session_timeout;
        if self.membership.heard_at.is_some_and(|at| at + session <= now)
            && matches!(self.membership.phase, Phase::Stable)
        {
            self.membership.heard_at = None;
            self.lost(now, false);
            return;
        }
        if matches!(self.membership.phase, Phase::Stable | Phase::Waiting { .. })
            && self.overdue_at().is_some_and(|at| at <= now)
        {
            // The host does not come back: others take over. As Java's client (KIP-62), it is no member until the host asks
            // for more: one that joined at once would sit on partitions it does not read.
            let since = now - self.options.max_poll_interval;
            let overdue = self
                .positions
                .iter()
                .filter(|(_, position)| position.with_host.is_some_and(|batch| batch.since <= since));
            let overdue = overdue.map(|(place, _)| place.clone()).collect();
            self.send_leave(now);
            self.membership.leaving = None;
            self.lost(now, true);
            self.membership.overdue = overdue;
        }
    }

    /// When the host will have had a batch for too long.
    fn overdue_at(&self) -> Option<Instant> {
        let since =
            self.positions.values().filter_map(|position| position.with_host).map(|batch| batch.since);
        since.min().map(|since| since + self.options.max_poll_interval)
    }

    /// The host is done with a batch of this partition.
    pub(super) fn given_back(&mut self, place: &Place) {
        self.membership.overdue.remove(place);
    }

    fn join_if_due(&mut self, now: Instant) {
        let Phase::Waiting { join_at, force_at } = self.membership.phase else { return };
        if join_at > now || self.membership.coordinator.is_none() || self.closing.is_some() {
            return;
        }
        if !self.membership.overdue.is_empty() {
            return;
        }
        let busy = self.positions.values().any(|position| position.with_host.is_some());
        let uncommitted = self.options.auto_commit.is_some()
            && self.membership.generation.is_some()
            && self.positions.values().any(is_awaited);
        let waiting = !self.membership.calls.is_empty() && !mutated(Mutation::CommitsOutliveGeneration);
        let committing = self.membership.commit.is_some() || waiting;
        if (busy || uncommitted || committing) && force_at > now {
            self.membership.commit_at = Some(now);
            return;
        }
        let topics: Vec<TopicName> = self.topics.keys().cloned().collect();
        let metadata = encode_subscription(&topics);
        let protocols = self.options.assignors.iter().map(|assignor| {
            JoinGroupRequestProtocol::default()
                .with_name(StrBytes::from_static_str(assignor.name()))
                .with_metadata(metadata.clone())
        });
        let body = JoinGroupRequest::default()
            .with_group_id(self.group())
            .with_session_timeout_ms(self.options.session_timeout.as_millis() as i32)
            .with_rebalance_timeout_ms(self.options.max_poll_interval.as_millis() as i32)
            .with_member_id(self.member())
            .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
            .with_protocols(protocols.collect());
        let timeout = self.options.max_poll_interval + Duration::from_secs(5);
        self.membership.asking = self.ask(now, Lane::Join, body, 9, timeout);
        self.membership.phase = Phase::Joining;
        self.membership.heartbeat_at = None;
    }

    fn on_joined(&mut self, now: Instant, body: JoinGroupResponse) {
        let wait = Phase::Waiting { join_at: now, force_at: now };
        match ErrorCode::try_from_code(body.error_code) {
            None => {
                // In this generation they would count as commits of what others may have by now.
                if !mutated(Mutation::CommitsOutliveGeneration) {
                    self.fail_commits(&ClientError::protocol(ErrorCode::RebalanceInProgress, None));
                }
                self.membership.member_id = body.member_id.to_string();
                self.membership.generation = Some(Generation(body.generation_id));
                self.membership.leader_id = body.leader.to_string();
                self.membership.protocol =
                    body.protocol_name.map(|name| name.to_string()).unwrap_or_default();
                self.membership.heard_at = Some(now);
                if body.leader == body.member_id {
                    let members = body.members.into_iter().map(|member| {
                        let topics = decode_subscription(&member.metadata).unwrap_or_default();
                        (member.member_id.to_string(), topics)
                    });
                    self.membership.phase = Phase::Sharing { members: members.collect() };
                    self.want_shared_topics(now);
                } else {
                    self.membership.counts = None;
                    self.sync(now, SortedMap::new());
                }
            }
            Some(ErrorCode::MemberIdRequired) => {
                self.membership.member_id = body.member_id.to_string();
                self.membership.phase = wait;
            }
            Some(ErrorCode::UnknownMemberId) => {
                self.membership.member_id.clear();
                self.membership.phase = wait;
            }
            Some(error) => self.group_error(now, error),
        }
    }

    /// An error of JoinGroup or SyncGroup.
    fn group_error(&mut self, now: Instant, error: ErrorCode) {
        self.membership.phase = Phase::Waiting { join_at: now + RETRY, force_at: now };
        match error {
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => self.coordinator_lost(now),
            ErrorCode::CoordinatorLoadInProgress | ErrorCode::RebalanceInProgress => {}
            ErrorCode::IllegalGeneration => self.membership.generation = None,
            ErrorCode::UnknownMemberId => {
                self.membership.member_id.clear();
                self.membership.generation = None;
            }
            error if error.is_retriable() => {}
            error => {
                self.membership.phase = Phase::Out;
                self.started = false;
                self.fail_commits(&ClientError::protocol(error, None));
                let crash = ConsumerEvent::Crashed(ClientError::protocol(error, None));
                self.out.events.push_back(crash);
            }
        }
    }

    fn want_shared_topics(&mut self, now: Instant) {
        let Phase::Sharing { members } = &self.membership.phase else { return };
        let topics: Vec<TopicName> = members.values().flatten().cloned().collect();
        for topic in topics {
            self.net.want_topic(now, &topic);
        }
    }

    fn share_if_leading(&mut self, now: Instant) {
        let Phase::Sharing { members } = &self.membership.phase else { return };
        let mut counts = SortedMap::new();
        for topic in members.values().flatten() {
            let Some(meta) = self.net.topic(topic) else { return };
            counts.insert(topic.clone(), meta.partitions.len() as i32);
        }
        let assignor = Assignor::by_name(&self.membership.protocol);
        let shares = match assignor {
            Some(assignor) => assignor.assign(members, &counts),
            None => SortedMap::new(),
        };
        if let Some(generation) = self.membership.generation {
            // Shared out for this generation already, and the answer was lost: the first share may be the one in force.
            if let Some((_, earlier)) = self
                .membership
                .counts
                .take_if(|(of, _)| *of == generation && !mutated(Mutation::LastShareCounts))
            {
                for (topic, count) in &mut counts {
                    *count = earlier.get(topic).map_or(*count, |earlier| (*count).min(*earlier));
                }
            }
            self.membership.counts = Some((generation, counts));
        }
        self.sync(now, shares);
    }

    fn sync(&mut self, now: Instant, shares: SortedMap<String, Assignment>) {
        let assignments = shares.into_iter().map(|(member, share)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(member))
                .with_assignment(encode_assignment(&share))
        });
        let body = SyncGroupRequest::default()
            .with_group_id(self.group())
            .with_generation_id(self.generation())
            .with_member_id(self.member())
            .with_protocol_type(Some(StrBytes::from_static_str(PROTOCOL_TYPE)))
            .with_protocol_name(Some(StrBytes::from_string(self.membership.protocol.clone())))
            .with_assignments(assignments.collect());
        let timeout = self.options.max_poll_interval + Duration::from_secs(5);
        self.membership.phase = Phase::Syncing;
        self.membership.asking = self.ask(now, Lane::Join, body, 5, timeout);
        if self.membership.asking.is_none() {
            self.group_error(now, ErrorCode::NotCoordinator);
        }
    }

    fn on_synced(&mut self, now: Instant, error: Option<ErrorCode>, assignment: &bytes::Bytes) {
        if let Some(error) = error {
            return self.group_error(now, error);
        }
        let Some(share) = decode_assignment(assignment) else {
            return self.group_error(now, ErrorCode::UnknownServerError);
        };
        for topic in share.keys() {
            self.net.want_topic(now, topic);
        }
        let places: Vec<Place> = share
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (topic.clone(), *partition)))
            .collect();
        self.take_over(places.into_iter());
        let m = &mut self.membership;
        m.phase = Phase::Stable;
        m.heard_at = Some(now);
        m.heartbeat_at = Some(now + self.options.heartbeat_interval);
        m.commits_known = share.is_empty();
        m.offset_fetch = None;
        m.offset_fetch_at = (!share.is_empty()).then_some(now);
        self.out.events.push_back(ConsumerEvent::Assigned {
            generation: m.generation.unwrap_or_default(),
            member_id: m.member_id.clone(),
            leader_id: m.leader_id.clone(),
            protocol: m.protocol.clone(),
            partitions: share,
        });
    }

    fn beat(&mut self, now: Instant) {
        let alive = matches!(self.membership.phase, Phase::Stable | Phase::Waiting { .. })
            && self.membership.generation.is_some();
        let due = self.membership.heartbeat_at.is_some_and(|at| at <= now);
        if !alive || !due || self.membership.heartbeat.is_some() || self.membership.coordinator.is_none() {
            return;
        }
        let body = HeartbeatRequest::default()
            .with_group_id(self.group())
            .with_generation_id(self.generation())
            .with_member_id(self.member());
        let timeout = self.options.session_timeout.min(self.options.client.request_timeout);
        self.membership.heartbeat = self.ask(now, Lane::Group, body, 4, timeout);
        self.membership.heartbeat_at = Some(now + self.options.heartbeat_interval);
    }

    fn on_heartbeat(&mut self, now: Instant, error: Option<ErrorCode>) {
        match error {
            None => self.membership.heard_at = Some(now),
            Some(ErrorCode::RebalanceInProgress) => {
                self.membership.heard_at = Some(now);
                self.rejoin(now);
            }
            Some(ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId) => self.lost(now, false),
            Some(ErrorCode::UnknownMemberId) => self.lost(now, true),
            Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) => {
                self.coordinator_lost(now)
            }
            Some(_) => {}
        }
    }

    /// A leader that sees more partitions than it shared out has the group share again.
    fn notice_new_partitions(&mut self, now: Instant) {
        let Some((_, counts)) = &self.membership.counts else { return };
        let grown = counts.iter().any(|(topic, count)| {
            self.net
                .topic(topic)
                .is_some_and(|meta| meta.error.is_none() && meta.partitions.len() as i32 > *count)
        });
        if grown && matches!(self.membership.phase, Phase::Stable) {
            self.rejoin(now);
        }
    }

    /// On the way out: commits, then leaves. True when that is done.
    pub(super) fn leave(&mut self, now: Instant) -> bool {
        if self.options.group_id.is_none() || !self.started || self.membership.left {
            return true;
        }
        if self.membership.member_id.is_empty() && self.membership.asking.is_none() {
            return true;
        }
        let busy = self.positions.values().any(|position| position.with_host.is_some());
        let uncommitted = self.options.auto_commit.is_some()
            && self.membership.generation.is_some()
            && self.positions.values().any(is_awaited);
        if busy || uncommitted || self.membership.commit.is_some() || !self.membership.calls.is_empty() {
            return false;
        }
        if self.membership.leaving.is_none() && !self.membership.member_id.is_empty() {
            self.send_leave(now);
        }
        false
    }

    fn send_leave(&mut self, now: Instant) {
        // Old versions name the member at the top, newer ones in a list: the list is what our version has.
        let member = MemberIdentity::default().with_member_id(self.member());
        let body = LeaveGroupRequest::default().with_group_id(self.group()).with_members(vec![member]);
        let timeout = self.options.client.request_timeout.min(Duration::from_secs(3));
        self.membership.leaving = self.ask(now, Lane::Group, body, 5, timeout);
    }

    pub(super) fn on_member_result(&mut self, now: Instant, tag: Tag, result: Result<Response, NetError>) {
        let m = &mut self.membership;
        if m.leaving == Some(tag) {
            m.leaving = None;
            match result {
                Ok(Response::LeaveGroup(body)) if !is_elsewhere(body.error_code) => m.left = true,
                _ => self.coordinator_lost(now),
            }
        } else if m.finding == Some(tag) {
            m.finding = None;
            self.on_found(now, result);
        } else if m.asking == Some(tag) {
            m.asking = None;
            match result {
                Ok(Response::JoinGroup(body)) => self.on_joined(now, body),
                Ok(Response::SyncGroup(body)) => {
                    self.on_synced(now, ErrorCode::try_from_code(body.error_code), &body.assignment);
                }
                _ => self.group_error(now, ErrorCode::NotCoordinator),
            }
        } else if m.heartbeat == Some(tag) {
            m.heartbeat = None;
            match result {
                Ok(Response::Heartbeat(body)) => {
                    self.on_heartbeat(now, ErrorCode::try_from_code(body.error_code))
                }
                _ => self.coordinator_lost(now),
            }
        } else if m.offset_fetch == Some(tag) {
            m.offset_fetch = None;
            match result {
                Ok(Response::OffsetFetch(body)) => self.on_commits(now, body),
                _ => self.coordinator_lost(now),
            }
        } else if let Some(commit) = m.commit.take_if(|commit| commit.tag == tag) {
            let body = match result {
                Ok(Response::OffsetCommit(body)) => Ok(body),
                _ => Err(()),
            };
            self.on_committed(now, commit, body);
        }
    }

    fn on_found(&mut self, now: Instant, result: Result<Response, NetError>) {
        match result {
            Ok(Response::FindCoordinator(body)) if body.error_code == 0 => {
                let id = BrokerId(body.node_id.0);
                self.net.learn_broker(id, body.host.to_string(), body.port as u16);
                self.membership.coordinator = Some(id);
                self.membership.find_at = None;
                self.membership.find_failures = 0;
            }
            _ => {
                let wait = match self.membership.find_failures.min(6) {
                    0 => OFFSETS_TOPIC_MADE,
                    failures => RETRY * failures,
                };
                self.membership.find_failures += 1;
                self.membership.find_at = Some(now + wait);
            }
        }
    }

    pub(super) fn member_deadline(&self, now: Instant) -> Option<Instant> {
        if self.options.group_id.is_none() || !self.started {
            return None;
        }
        let m = &self.membership;
        let find = m.find_at.filter(|_| m.coordinator.is_none() && m.finding.is_none());
        let phase = match &m.phase {
            // The coordinator, the host or a commit wakes it.
            Phase::Waiting { join_at, force_at } => {
                let join = [*join_at, *force_at].into_iter().filter(|at| *at > now).min();
                earliest(join, self.overdue_at())
            }
            Phase::Stable => {
                let session = m.heard_at.map(|at| at + self.options.session_timeout);
                earliest(session, self.overdue_at())
            }
            _ => None,
        };
        let connected = m.coordinator.is_some();
        let heartbeat =
            m.heartbeat_at.filter(|_| m.heartbeat.is_none() && connected && m.generation.is_some());
        let fetch = m.offset_fetch_at.filter(|_| m.offset_fetch.is_none() && connected);
        let commit = m.commit_at.filter(|_| m.commit.is_none() && connected);
        let calls = m.calls.front().map(|(_, _, deadline)| *deadline);
        let [heartbeat, fetch, commit] = [heartbeat, fetch, commit].map(|at| at.filter(|at| *at > now));
        [find, phase, heartbeat, fetch, commit, calls].into_iter().fold(None, earliest)
    }
}

/// True for the errors of a broker that is not the group's coordinator.
fn is_elsewhere(code: i16) -> bool {
    let error = ErrorCode::try_from_code(code);
    error.is_some_and(|error| {
        [ErrorCode::NotCoordinator, ErrorCode::CoordinatorNotAvailable, ErrorCode::CoordinatorLoadInProgress]
            .contains(&error)
    })
}
