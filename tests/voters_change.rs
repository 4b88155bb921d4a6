//! A voter becomes a broker that only follows, another one takes its place: as an admin asks for it, committed when it is
//! answered, and known to all brokers then.

mod support;

use support::Bench;
use tabmq::client::{Admin, AdminCall, ClientOptions};
use tabmq::sim::clients::{Clients, Handle};
use tabmq::time::Duration;
use tabmq::types::BrokerId;

struct Rig {
    bench: Bench,
    clients: Clients,
    admin: Handle<Admin>,
}

impl Rig {
    fn new(brokers: i32) -> Rig {
        let mut bench = Bench::new(1, brokers);
        bench.ready();
        let options = ClientOptions {
            client_id: "admin".to_owned(),
            bootstrap: (1..=brokers).map(|id| (format!("broker-{id}"), 9092)).collect(),
            request_timeout: Duration::from_secs(5),
        };
        let mut clients = Clients::default();
        let admin = clients.add(Admin::new(options, Duration::from_secs(10)));
        Rig { bench, clients, admin }
    }

    /// Makes a call that must succeed.
    fn call(&mut self, call: AdminCall) {
        let id = self.admin.call(&mut self.bench.world, call);
        let answered = |rig: &Rig| !rig.admin.look().unanswered().contains(&id);
        for _ in 0..100 {
            self.clients.run_for(&mut self.bench.world, Duration::from_millis(100));
            if answered(self) {
                break;
            }
        }
        let replies = self.admin.take_replies();
        let (_, _, reply) = replies.into_iter().find(|(_, call, _)| *call == id).expect("an answer");
        reply.expect("it is done");
    }

    /// The voters as each broker knows them, when all know the same.
    fn voters(&mut self) -> Vec<i32> {
        self.clients.run_for(&mut self.bench.world, Duration::from_secs(1));
        let world = &self.bench.world;
        let known = |id: BrokerId| {
            world.broker(id).unwrap().quorum().voters().map(|voter| voter.0).collect::<Vec<_>>()
        };
        let all: Vec<Vec<i32>> = world.ids().into_iter().map(known).collect();
        assert!(all.iter().all(|voters| *voters == all[0]), "{all:?}");
        all[0].clone()
    }
}

#[test]
fn an_admin_takes_a_vote_from_one_broker_and_gives_it_to_another() {
    let mut rig = Rig::new(4);
    // Until the voters have said which storage they have, the log names none.
    assert_eq!(rig.voters(), [1, 2, 3]);
    let directory = |rig: &Rig, id: i32| rig.bench.world.broker(BrokerId(id)).unwrap().quorum().directory();
    for gone in [1, 2] {
        let directory = directory(&rig, gone);
        rig.call(AdminCall::RemoveRaftVoter { id: gone, directory });
    }
    assert_eq!(rig.voters(), [3]);
    for new in [4, 1] {
        let directory = directory(&rig, new);
        let host = format!("broker-{new}");
        rig.call(AdminCall::AddRaftVoter { id: new, directory, host, port: 9092 });
    }
    assert_eq!(rig.voters(), [1, 3, 4]);
}
