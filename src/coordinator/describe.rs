//! DescribeGroups 0-6, ListGroups 0-5, DeleteGroups 0-2.
//!
//! - DescribeGroups 3: authorized operations (KIP-430). 4: instance ids. 6: GROUP_ID_NOT_FOUND for a group that is not
//!   there (KIP-1043); before, it is described as Dead.
//! - ListGroups 4: by state (KIP-518). 5: by type (KIP-848).
//! - DeleteGroups: groups without members, with their offsets (KIP-229).

use crate::effects::{Effects, ReplyToken};
use crate::protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::protocol::messages::list_groups_response::ListedGroup;
use crate::protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    ListGroupsRequest, ListGroupsResponse,
};
use crate::protocol::{ErrorCode, StrBytes};
use crate::sorted::SortedMap;
use crate::time::Instant;
use crate::types::PartitionIndex;

use super::classic_group::{ClassicGroup, State, wire};
use super::errors::{deleted, described_error};
use super::expiry::tombstone;
use super::schema::GroupRecord;
use super::shard::{Shard, Then};
use super::{Gather, GroupCoordinator, Turn};

/// Read, delete, describe, describe configs, alter configs: all that can be done with a group; there are no ACLs.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

impl GroupCoordinator {
    pub(super) fn describe_groups(
        &mut self,
        token: ReplyToken,
        version: i16,
        request: DescribeGroupsRequest,
        fx: &mut Effects,
    ) {
        let groups = request.groups.iter().map(|name| match self.shard_of(name) {
            Err(error) => described_error(name, error),
            Ok(partition) => {
                let group = self.shards.get(&partition).and_then(|shard| shard.groups.get(name.as_str()));
                let mut described = describe(version, name, group.filter(|group| group.visible));
                if request.include_authorized_operations && version >= 3 {
                    described.authorized_operations = ALL_OPERATIONS;
                }
                described
            }
        });
        let response = DescribeGroupsResponse::default().with_groups(groups.collect());
        fx.reply(token, response);
    }

    pub(super) fn list_groups(&mut self, token: ReplyToken, request: ListGroupsRequest, fx: &mut Effects) {
        if self.shards.values().any(|shard| !shard.is_active()) {
            let error = ErrorCode::CoordinatorLoadInProgress.code();
            return fx.reply(token, ListGroupsResponse::default().with_error_code(error));
        }
        let wanted = |filter: &[StrBytes], value: &str| {
            filter.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(value))
        };
        let groups = self.shards.values().flat_map(|shard| shard.groups.values()).filter(|group| {
            group.visible
                && wanted(&request.states_filter, group.state().name())
                && wanted(&request.types_filter, "classic")
        });
        let groups = groups.map(|group| {
            ListedGroup::default()
                .with_group_id(wire(group.id()).into())
                .with_protocol_type(wire(group.protocol_type().unwrap_or_default()))
                .with_group_state(wire(group.state().name()))
                .with_group_type(StrBytes::from_static_str("classic"))
        });
        fx.reply(token, ListGroupsResponse::default().with_groups(groups.collect()));
    }

    pub(super) fn delete_groups(
        &mut self,
        now: Instant,
        token: ReplyToken,
        request: DeleteGroupsRequest,
        fx: &mut Effects,
    ) {
        let mut results = Vec::new();
        let mut by_partition: SortedMap<PartitionIndex, Vec<usize>> = SortedMap::new();
        for (slot, name) in request.groups_names.iter().enumerate() {
            let placed = self.shard_of(name).and_then(|partition| {
                let group = self.shards.get(&partition).and_then(|shard| shard.groups.get(name.as_str()));
                match group.map(ClassicGroup::state) {
                    None => Err(ErrorCode::GroupIdNotFound),
                    Some(State::Empty) => Ok(partition),
                    Some(_) => Err(ErrorCode::NonEmptyGroup),
                }
            });
            results.push(deleted(name, placed.err()));
            if let Ok(partition) = placed {
                by_partition.entry(partition).or_default().push(slot);
            }
        }
        if by_partition.is_empty() {
            return fx.reply(token, DeleteGroupsResponse::default().with_results(results));
        }
        self.core.gathers.insert(token, Gather::Delete { results, waiting: by_partition.len() });
        for (partition, slots) in by_partition {
            let names: Vec<&GroupId> =
                slots.iter().filter_map(|slot| request.groups_names.get(*slot)).collect();
            self.on_shard(now, partition, fx, |shard, turn| shard.delete(turn, token, &names, slots.clone()));
        }
    }
}

impl Shard {
    /// Deletes empty groups: tombstones for their offsets, then for themselves.
    fn delete(&mut self, turn: &mut Turn<'_>, token: ReplyToken, names: &[&GroupId], slots: Vec<usize>) {
        let mut records = Vec::new();
        let mut removed = Vec::new();
        for name in names {
            // Named twice, a group is deleted once.
            let Some(group) = self.groups.remove(name.as_str()) else { continue };
            for member in group.session_holders() {
                group.cancel_session(turn, &member);
            }
            for (topic, partitions) in self.latest.of(name).into_iter().flatten() {
                records.extend(partitions.keys().map(|partition| tombstone(name, topic, *partition)));
            }
            records.push(GroupRecord::Group { group: name.to_string(), value: None });
            group.announce(turn, "Dead", "deleted".to_owned());
            removed.push(group);
        }
        turn.write(records, Then::Deleted { token, slots, removed });
    }
}

fn describe(version: i16, name: &GroupId, group: Option<&ClassicGroup>) -> DescribedGroup {
    let Some(group) = group else {
        let described = DescribedGroup::default()
            .with_group_id(name.clone())
            .with_group_state(StrBytes::from_static_str("Dead"));
        return match version {
            6.. => described
                .with_error_code(ErrorCode::GroupIdNotFound.code())
                .with_error_message(Some(wire(&format!("Group {} not found.", name.as_str())))),
            _ => described,
        };
    };
    let protocol = group.protocol.as_deref().filter(|_| group.state() == State::Stable);
    let members = group.members().map(|member| {
        DescribedGroupMember::default()
            .with_member_id(wire(&member.id))
            .with_group_instance_id(member.instance.as_deref().map(wire))
            .with_client_id(wire(&member.client_id))
            .with_client_host(wire(&member.client_host))
            .with_member_metadata(member.metadata(protocol).unwrap_or_default())
            .with_member_assignment(member.assignment.clone())
    });
    DescribedGroup::default()
        .with_group_id(name.clone())
        .with_group_state(wire(group.state().name()))
        .with_protocol_type(wire(group.protocol_type().unwrap_or_default()))
        .with_protocol_data(wire(protocol.unwrap_or_default()))
        .with_members(members.collect())
}
