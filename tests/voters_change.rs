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

/// The voters it asks are those of now: else who came since was never asked, and it led without ever acting again.
#[test]
fn a_leader_that_was_frozen_acts_again_when_the_voters_change_before_they_confirm_it() {
    let mut rig = Rig::new(4);
    let leader = rig.bench.world.broker(BrokerId(4)).unwrap().quorum().leader().expect("a leader");
    let others: Vec<i32> = rig.voters().into_iter().filter(|id| *id != leader.0).collect();
    let directory = |rig: &Rig, id: i32| rig.bench.world.broker(BrokerId(id)).unwrap().quorum().directory();
    let gone = directory(&rig, others[1]);
    rig.call(AdminCall::RemoveRaftVoter { id: others[1], directory: gone });
    rig.bench.create_topic_through(BrokerId(4), "orders", 4, 4);
    rig.bench.settled("orders", 4, 4);
    let led = (0..4).find(|partition| rig.bench.leader("orders", *partition) == leader).expect("one of four");

    rig.bench.world.pause(leader);
    rig.bench.world.run_for(Duration::from_millis(700));
    rig.bench.world.resume(leader);
    rig.bench.world.crash(BrokerId(others[0]));
    let new = directory(&rig, 4);
    rig.call(AdminCall::AddRaftVoter { id: 4, directory: new, host: "broker-4".to_owned(), port: 9092 });

    let resumed = rig.bench.world.now();
    while rig.bench.try_produce(leader, "orders", led, b"first", 1).0 != 0 {
        assert!(rig.bench.world.now().since(resumed) < Duration::from_secs(5), "it leads and does not act");
        rig.bench.world.run_for(Duration::from_millis(50));
    }
}
