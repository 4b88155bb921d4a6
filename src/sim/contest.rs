//! The quorum's leader, cut off from the other voters, who elect another meanwhile.
//!
//! - It is asked for several changes of voters at once: what Raft's rules for changes of membership are for. It may take
//!   one, and may not commit it without the others.
//! - Or its clock stands still, too: it does not find out, and answers observers as before.

use crate::broker::Broker;
use crate::protocol::messages::{
    AddRaftVoterRequest, RemoveRaftVoterRequest, add_raft_voter_request::Listener,
};
use crate::protocol::{Request, StrBytes, encode_request};
use crate::rng::Rng;
use crate::types::{BrokerId, Uuid};

use super::world::World;

/// How long a change may take, in ms: longer than any run's contest.
const TIMEOUT_MS: i32 = 5000;

/// Cuts the leader off from the other voters and asks it for changes. Brokers up to `brokers` may become voters: the one
/// that comes and goes may not. Nothing when there is no leader.
pub(super) fn begin(world: &mut World, brokers: usize, seed: u64) {
    let mut rng = Rng::new(seed);
    let all: Vec<(BrokerId, &Broker)> =
        world.ids().into_iter().filter_map(|id| Some((id, world.broker(id)?))).collect();
    let Some((leader, voters)) = leader_and_others(world) else { return };
    let mut changes: Vec<Request> = Vec::new();
    for (id, broker) in all.iter().filter(|(id, _)| *id != leader && id.0 as usize <= brokers) {
        let directory = broker.quorum().directory();
        let change = match voters.contains(id) {
            true => remove(*id, directory),
            false => add(*id, directory),
        };
        // Whichever comes first is taken, if any.
        changes.insert(rng.below(changes.len() as u64 + 1) as usize, change);
    }
    voters.into_iter().for_each(|voter| world.split(leader, voter));
    let conn = world.connect(leader);
    for (number, change) in changes.iter().enumerate() {
        // The answers are of no interest: what was changed shows in the log.
        if let Ok(bytes) = encode_request(0, number as i32, Some("contest"), change) {
            world.send(conn, bytes);
        }
    }
}

/// Cuts the leader off from the other voters, and stops its clock. Nothing when there is no leader.
pub(super) fn depose_unaware(world: &mut World) {
    let Some((leader, voters)) = leader_and_others(world) else { return };
    voters.into_iter().for_each(|voter| world.split(leader, voter));
    world.stop_clock(leader);
}

/// Who leads the quorum, and the other voters.
fn leader_and_others(world: &World) -> Option<(BrokerId, Vec<BrokerId>)> {
    let brokers = world.ids().into_iter().filter_map(|id| Some((id, world.broker(id)?.quorum())));
    let leaders = brokers.filter(|(_, quorum)| quorum.is_leader());
    let (leader, quorum) = leaders.max_by_key(|(_, quorum)| quorum.epoch())?;
    Some((leader, quorum.voters().filter(|id| *id != leader).collect()))
}

fn add(id: BrokerId, directory: Uuid) -> Request {
    let listener =
        Listener::default().with_host(StrBytes::from_string(format!("broker-{id}"))).with_port(9092);
    AddRaftVoterRequest::default()
        .with_cluster_id(None)
        .with_timeout_ms(TIMEOUT_MS)
        .with_voter_id(id.0)
        .with_voter_directory_id(directory)
        .with_listeners(vec![listener])
        .into()
}

fn remove(id: BrokerId, directory: Uuid) -> Request {
    RemoveRaftVoterRequest::default()
        .with_cluster_id(None)
        .with_voter_id(id.0)
        .with_voter_directory_id(directory)
        .into()
}
