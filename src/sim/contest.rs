//! Voters that change while the quorum's leader is cut off from the others: what Raft's rules for changes of membership are
//! for. The leader is asked for several changes at once. It may take one, and may not commit it without the others, who
//! elect another leader meanwhile.

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
    let leaders = all.iter().filter(|(_, broker)| broker.quorum().is_leader());
    let Some((leader, broker)) = leaders.max_by_key(|(_, broker)| broker.quorum().epoch()) else { return };
    let leader = *leader;
    let voters: Vec<BrokerId> = broker.quorum().voters().filter(|id| *id != leader).collect();
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
    for voter in voters {
        world.split(leader, voter);
    }
    let conn = world.connect(leader);
    for (number, change) in changes.iter().enumerate() {
        // The answers are of no interest: what was changed shows in the log.
        if let Ok(bytes) = encode_request(0, number as i32, Some("contest"), change) {
            world.send(conn, bytes);
        }
    }
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
