//! A classic group: its state, its members, and what they agree on. `join`, `sync`, `rebalance`... act on it.
//!
//! ```text
//! from                 on                                                      to
//! (none)               a first JoinGroup; a commit by a simple consumer        Empty
//! Empty                a member joins: the initial delay starts                PreparingRebalance
//! PreparingRebalance   all members rejoined, or the rebalance timeout:
//!                      the next generation has members                         CompletingRebalance
//! PreparingRebalance   the same, and no member is left                         Empty
//! CompletingRebalance  the leader's assignment is committed                    Stable
//! CompletingRebalance  a member joins, leaves, expires or changes its metadata;
//!                      the assignment can't be written; a member does not sync PreparingRebalance
//! Stable               a member joins, leaves, expires or changes its metadata;
//!                      the leader rejoins; a member does not sync              PreparingRebalance
//! Empty                DeleteGroups, or its offsets expired                    Dead
//! any                  the coordinator moves to another broker                 (gone)
//! ```
//!
//! Dead groups are not kept: the name is free at once.

use bytes::Bytes;

use crate::effects::ReplyToken;
use crate::event::ClusterEvent;
use crate::protocol::messages::SyncGroupResponse;
use crate::protocol::{ErrorCode, StrBytes};
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant};
use crate::types::Generation;

use super::schema::{GroupRecord, GroupValue, MemberValue};
use super::shard::join_error;
use super::{Timer, Turn};

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

/// A group's state, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No members; perhaps offsets.
    Empty,
    /// Members are to (re)join.
    PreparingRebalance,
    /// The leader is to assign.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
}

impl State {
    /// Kafka's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

/// A parked request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) token: ReplyToken,
    pub(super) version: i16,
}

/// One way a member could be assigned to, with its metadata for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Protocol {
    pub(super) name: String,
    pub(super) metadata: Bytes,
}

/// A member.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) id: String,
    /// A static member's name (KIP-345).
    pub(super) instance: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// In the member's order of preference.
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    pub(super) awaiting_join: Option<Waiter>,
    pub(super) awaiting_sync: Option<Waiter>,
    /// It has never been told its id in an answer to a join, so it can't send heartbeats.
    pub(super) is_new: bool,
}

impl Member {
    pub(super) fn is_static(&self) -> bool {
        self.instance.is_some()
    }

    /// Its metadata for `protocol`.
    pub(super) fn metadata(&self, protocol: Option<&str>) -> Option<Bytes> {
        let protocol = self.protocols.iter().find(|one| Some(one.name.as_str()) == protocol);
        protocol.map(|protocol| protocol.metadata.clone())
    }

    fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|one| one.name == protocol)
    }

    pub(super) fn session_timeout(&self) -> Duration {
        Duration::from_millis(self.session_timeout_ms.max(0) as u64)
    }
}

/// The initial delay of a group's first rebalance.
#[derive(Debug, Clone, Copy)]
pub(super) struct InitialDelay {
    /// The round under way.
    pub(super) delay: Duration,
    /// What is left for further rounds.
    pub(super) remaining: Duration,
}

/// A classic group.
#[derive(Debug)]
pub(super) struct ClassicGroup {
    id: String,
    state: State,
    /// Its state before.
    pub(super) previous: Option<State>,
    state_since: Option<Instant>,
    pub(super) generation: Generation,
    protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    members: SortedMap<String, Member>,
    /// Static members' ids by their names.
    static_members: SortedMap<String, String>,
    /// Ids given out with MEMBER_ID_REQUIRED and not used yet.
    pub(super) pending_join: SortedSet<String>,
    /// Members of this generation that have not sent SyncGroup.
    pub(super) pending_sync: SortedSet<String>,
    pub(super) initial_delay: Option<InitialDelay>,
    /// Someone joined in the round of the initial delay under way.
    pub(super) new_member_added: bool,
    /// Its first record is committed: DescribeGroups and ListGroups tell of it.
    pub(super) visible: bool,
}

impl ClassicGroup {
    /// A group without members.
    pub(super) fn simple(id: String, since: Option<Instant>) -> Self {
        Self {
            id,
            state: State::Empty,
            previous: None,
            state_since: since,
            generation: Generation(0),
            protocol_type: None,
            protocol: None,
            leader: None,
            members: SortedMap::new(),
            static_members: SortedMap::new(),
            pending_join: SortedSet::new(),
            pending_sync: SortedSet::new(),
            initial_delay: None,
            new_member_added: false,
            visible: since.is_none(),
        }
    }

    /// A group as the log has it.
    pub(super) fn from_record(id: String, value: GroupValue) -> Self {
        let mut group = ClassicGroup::simple(id, None);
        group.state = if value.members.is_empty() { State::Empty } else { State::Stable };
        group.state_since = value.state_timestamp.map(|since| Instant(since.max(0) as u64));
        group.generation = value.generation;
        group.protocol_type = Some(value.protocol_type).filter(|name| !name.is_empty());
        group.leader = value.leader;
        for member in value.members {
            let name = value.protocol.clone().unwrap_or_default();
            let member = Member {
                id: member.member_id,
                instance: member.instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                rebalance_timeout_ms: member.rebalance_timeout_ms.unwrap_or(member.session_timeout_ms),
                session_timeout_ms: member.session_timeout_ms,
                protocols: vec![Protocol { name, metadata: member.subscription }],
                assignment: member.assignment,
                awaiting_join: None,
                awaiting_sync: None,
                is_new: false,
            };
            if let Some(instance) = &member.instance {
                group.static_members.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        group.protocol = value.protocol;
        group
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn state_since(&self) -> Option<Instant> {
        self.state_since
    }

    pub(super) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    pub(super) fn is_consumer_group(&self) -> bool {
        self.protocol_type() == Some(CONSUMER)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(super) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    pub(super) fn member_ids(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    pub(super) fn size(&self) -> usize {
        self.members.len()
    }

    pub(super) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub(super) fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    pub(super) fn static_member_id(&self, instance: &str) -> Option<&str> {
        self.static_members.get(instance).map(String::as_str)
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    /// How many members' joins are parked.
    pub(super) fn joined_count(&self) -> usize {
        self.members().filter(|member| member.awaiting_join.is_some()).count()
    }

    /// True when nobody has to be waited for any more.
    pub(super) fn all_joined(&self) -> bool {
        self.joined_count() == self.size() && self.pending_join.is_empty()
    }

    /// The longest of its members'.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        let longest = self.members().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0);
        Duration::from_millis(longest.max(0) as u64)
    }

    /// Checks that `member` belongs to the group, under `instance` if that is given.
    pub(super) fn validate_member(&self, member: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.static_member_id(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current != member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// True if a member with these protocols and all others have one in common.
    pub(super) fn supports_protocols(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let shared = |protocol: &Protocol| self.members().all(|member| member.supports(&protocol.name));
        self.protocol_type() == Some(protocol_type) && protocols.iter().any(shared)
    }

    /// Adds a member; the first one sets the protocol type, and leads.
    pub(super) fn add(&mut self, member: Member, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance) = &member.instance {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        self.pending_join.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    /// Removes a member, or an id given out. If it led, another member does.
    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let removed = self.members.remove(id);
        if let Some(instance) = removed.as_ref().and_then(|member| member.instance.as_ref()) {
            self.static_members.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_join.remove(id);
        self.pending_sync.remove(id);
        removed
    }

    /// Gives a static member a new id; what it waited for as the old one is to be answered by the caller.
    pub(super) fn rename_static(&mut self, old_id: &str, new_id: &str) -> Option<Member> {
        let old = self.members.remove(old_id)?;
        let mut new = old.clone();
        new.id = new_id.to_owned();
        new.awaiting_join = None;
        new.awaiting_sync = None;
        new.is_new = false;
        if let Some(instance) = &new.instance {
            self.static_members.insert(instance.clone(), new_id.to_owned());
        }
        self.members.insert(new_id.to_owned(), new);
        if self.is_leader(old_id) {
            self.leader = Some(new_id.to_owned());
        }
        if self.pending_sync.remove(old_id) {
            self.pending_sync.insert(new_id.to_owned());
        }
        Some(old)
    }

    /// Makes sure that a member who rejoined leads. False if nobody has, or there is no member.
    pub(super) fn elect_joined_leader(&mut self) -> bool {
        let joined = |member: &Member| member.awaiting_join.is_some();
        let leads = self.leader.as_ref().and_then(|leader| self.members.get(leader)).is_some_and(joined);
        if !leads {
            let Some(next) = self.members().find(|member| joined(member)).map(|member| member.id.clone())
            else {
                return false;
            };
            self.leader = Some(next);
        }
        true
    }

    /// The protocol that all members support and most prefer. Of equals, the alphabetically first.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut votes: SortedMap<&str, usize> = SortedMap::new();
        for member in self.members() {
            let shared = |name: &str| self.members().all(|other| other.supports(name));
            if let Some(vote) = member.protocols.iter().find(|protocol| shared(&protocol.name)) {
                *votes.entry(&vote.name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes.iter().find(|(_, count)| **count == most).map(|(name, _)| (*name).to_owned())
    }

    /// Changes the state and tells the page why.
    pub(super) fn transition(&mut self, turn: &mut Turn<'_>, state: State, reason: String) {
        let allowed = match state {
            State::Empty | State::CompletingRebalance => &[State::PreparingRebalance][..],
            State::PreparingRebalance => &[State::Empty, State::CompletingRebalance, State::Stable],
            State::Stable => &[State::CompletingRebalance],
        };
        assert!(allowed.contains(&self.state), "group {} from {:?} to {state:?}", self.id, self.state);
        self.previous = Some(self.state);
        self.state = state;
        self.state_since = Some(turn.now);
        self.announce(turn, state.name(), reason);
    }

    pub(super) fn announce(&self, turn: &mut Turn<'_>, state: &'static str, reason: String) {
        turn.fx.event(ClusterEvent::GroupState {
            group: self.id.clone(),
            state,
            generation: self.generation,
            members: self.members().map(|member| (member.id.clone(), member.client_id.clone())).collect(),
            reason,
        });
    }

    /// The group's record, with `assignment` for its members.
    pub(super) fn record(&self, assignment: &SortedMap<String, Bytes>) -> GroupRecord {
        let protocol = self.protocol.as_deref();
        let members = self.members().map(|member| MemberValue {
            member_id: member.id.clone(),
            instance_id: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: Some(member.rebalance_timeout_ms),
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol).unwrap_or_default(),
            assignment: assignment.get(&member.id).cloned().unwrap_or_default(),
        });
        self.record_of(members.collect())
    }

    /// The record of a group nobody is in yet.
    pub(super) fn first_record(&self) -> GroupRecord {
        let value = GroupValue {
            protocol_type: String::new(),
            generation: Generation(0),
            protocol: None,
            leader: None,
            state_timestamp: self.state_since.map(Instant::as_timestamp),
            members: Vec::new(),
        };
        GroupRecord::Group { group: self.id.clone(), value: Some(value) }
    }

    fn record_of(&self, members: Vec<MemberValue>) -> GroupRecord {
        let value = GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp: self.state_since.map(Instant::as_timestamp),
            members,
        };
        GroupRecord::Group { group: self.id.clone(), value: Some(value) }
    }

    /// The topics its members subscribe to, as far as it is a consumer group and their metadata can be read.
    pub(super) fn subscribed_topics(&self) -> Option<SortedSet<String>> {
        if !self.is_consumer_group() {
            return None;
        }
        let mut topics = SortedSet::new();
        for member in self.members() {
            topics.extend(subscription_topics(&member.metadata(self.protocol.as_deref())?)?);
        }
        Some(topics)
    }

    /// After a load: every member has a whole session to be heard from.
    pub(super) fn restored(&mut self, turn: &mut Turn<'_>) {
        for member in self.member_ids() {
            self.restart_session(turn, &member);
        }
        let reason = format!("loaded from __consumer_offsets-{}", turn.partition);
        self.announce(turn, self.state.name(), reason);
        if self.size() > turn.core.settings.group_size_max {
            self.prepare_rebalance(turn, "the group is larger than group.max.size".to_owned());
        }
    }

    fn session_timer(&self, turn: &Turn<'_>, member: &str) -> Timer {
        Timer::Session { partition: turn.partition, group: self.id.clone(), member: member.to_owned() }
    }

    /// A member's session starts over.
    pub(super) fn restart_session(&self, turn: &mut Turn<'_>, member: &str) {
        if let Some(timeout) = self.member(member).map(Member::session_timeout) {
            self.start_session(turn, member, timeout);
        }
    }

    /// `member`, or an id given out, is to be heard from within `timeout`.
    pub(super) fn start_session(&self, turn: &mut Turn<'_>, member: &str, timeout: Duration) {
        let timer = self.session_timer(turn, member);
        turn.core.timers.set(timer, turn.now + timeout);
    }

    /// Nothing is expected of `member` any more.
    pub(super) fn cancel_session(&self, turn: &mut Turn<'_>, member: &str) {
        let timer = self.session_timer(turn, member);
        turn.core.timers.cancel(&timer);
    }

    /// Everybody with a session timer.
    pub(super) fn session_holders(&self) -> Vec<String> {
        self.members.keys().chain(&self.pending_join).cloned().collect()
    }

    /// Answers every parked join with an error.
    pub(super) fn fail_joins(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        for member in self.members_mut() {
            if let Some(waiter) = member.awaiting_join.take() {
                turn.reply(waiter.token, join_error(&member.id, waiter.version, error));
            }
        }
    }

    /// Answers every parked sync with an error.
    pub(super) fn fail_syncs(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        for member in self.members_mut() {
            if let Some(waiter) = member.awaiting_sync.take() {
                turn.reply(waiter.token, SyncGroupResponse::default().with_error_code(error.code()));
            }
        }
    }
}

/// The topics in a ConsumerProtocolSubscription: version int16, then an array of strings, in every version.
fn subscription_topics(metadata: &[u8]) -> Option<Vec<String>> {
    let mut rest = metadata.get(2..)?;
    let mut take = |count: usize| {
        let (taken, after) = rest.split_at_checked(count)?;
        rest = after;
        Some(taken)
    };
    let count = u32::from_be_bytes(*take(4)?.first_chunk()?);
    let mut topics = Vec::new();
    for _ in 0..count {
        let length = u16::from_be_bytes(*take(2)?.first_chunk()?);
        topics.push(std::str::from_utf8(take(length.into())?).ok()?.to_owned());
    }
    Some(topics)
}

/// Text for the wire.
pub(super) fn wire(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod unit {
    use super::*;

    fn member(id: &str, protocols: &[&str]) -> Member {
        Member {
            id: id.into(),
            instance: None,
            client_id: "c".into(),
            client_host: "/h".into(),
            rebalance_timeout_ms: 1,
            session_timeout_ms: 1,
            protocols: protocols
                .iter()
                .map(|name| Protocol { name: (*name).into(), metadata: Bytes::new() })
                .collect(),
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        }
    }

    #[test]
    fn the_protocol_is_the_one_most_members_prefer_among_those_all_support() {
        let mut group = ClassicGroup::simple("g".into(), None);
        group.add(member("a", &["sticky", "range", "roundrobin"]), CONSUMER);
        group.add(member("b", &["roundrobin", "range"]), CONSUMER);
        group.add(member("c", &["roundrobin", "range", "sticky"]), CONSUMER);
        assert_eq!(group.select_protocol().as_deref(), Some("roundrobin"));
    }

    #[test]
    fn a_leader_that_goes_is_followed_by_another_member() {
        let mut group = ClassicGroup::simple("g".into(), None);
        group.add(member("b", &["range"]), CONSUMER);
        group.add(member("a", &["range"]), CONSUMER);
        assert!(group.is_leader("b"));
        group.remove("b");
        assert!(group.is_leader("a"));
        group.remove("a");
        assert_eq!(group.leader, None);
    }

    #[test]
    fn subscriptions_are_read_and_nonsense_is_not() {
        let metadata = [0, 3, 0, 0, 0, 1, 0, 2, b'a', b'b', 9, 9];
        assert_eq!(subscription_topics(&metadata), Some(vec!["ab".to_owned()]));
        for end in 0..10 {
            assert_eq!(subscription_topics(&metadata[..end]), None);
        }
        assert_eq!(subscription_topics(&[0, 0, 255, 255, 255, 255, 0, 0]), None);
    }
}
