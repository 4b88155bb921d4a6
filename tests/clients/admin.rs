//! The admin client.

use tabmq::client::*;
use tabmq::protocol::ErrorCode;

use crate::rig::*;

fn new_topic(name: &str, partitions: i32, replicas: i16) -> AdminCall {
    let topic = NewTopic {
        topic: name.to_owned(),
        partitions: Some(partitions),
        replication_factor: Some(replicas),
        configs: Vec::new(),
    };
    AdminCall::CreateTopics { topics: vec![topic], validate_only: false }
}

#[test]
fn an_admin_manages_topics_configs_and_groups_through_any_broker() {
    for through in 1..=3 {
        let mut rig = Rig::new(through);
        let mut options = client_options("admin");
        options.bootstrap = vec![(format!("broker-{through}"), 9092)];
        let admin = rig.clients.add(Admin::new(options, ms(10_000)));
        let soon = ms(3000);
        assert_eq!(
            protocol_error(rig.answer(&admin, new_topic("a/b", 1, 1), soon)),
            ErrorCode::InvalidTopicException
        );
        assert_eq!(
            protocol_error(rig.answer(&admin, new_topic("x", 0, 1), soon)),
            ErrorCode::InvalidPartitions
        );
        assert_eq!(
            protocol_error(rig.answer(&admin, new_topic("x", 1, 4), soon)),
            ErrorCode::InvalidReplicationFactor
        );
        rig.answer(&admin, new_topic("x", 2, 3), soon).unwrap();
        assert_eq!(
            protocol_error(rig.answer(&admin, new_topic("x", 2, 3), soon)),
            ErrorCode::TopicAlreadyExists
        );
        let validated = AdminCall::CreateTopics {
            topics: vec![NewTopic {
                topic: "y".to_owned(),
                partitions: None,
                replication_factor: None,
                configs: vec![("retention.ms".to_owned(), "5000".to_owned())],
            }],
            validate_only: true,
        };
        rig.answer(&admin, validated, soon).unwrap();
        rig.answer(&admin, AdminCall::CreatePartitions(vec![("x".to_owned(), 5)]), soon).unwrap();
        let fewer = AdminCall::CreatePartitions(vec![("x".to_owned(), 1)]);
        assert_eq!(protocol_error(rig.answer(&admin, fewer, soon)), ErrorCode::InvalidPartitions);
        rig.run_for(ms(500));
        let Ok(AdminReply::Topics(topics)) = rig.answer(&admin, AdminCall::FetchTopicMetadata(None), soon)
        else {
            panic!()
        };
        assert_eq!((topics.len(), topics[0].partitions.len()), (1, 5));
        let unknown = AdminCall::FetchTopicMetadata(Some(vec!["nope".to_owned()]));
        assert_eq!(protocol_error(rig.answer(&admin, unknown, soon)), ErrorCode::UnknownTopicOrPartition);
        let producer = rig.producer(producer_options());
        let sent = send_to("x", vec![record("a", "a:1"), record("b", "b:1")], -1, None);
        rig.answer(&producer, sent, soon).unwrap();
        for (timestamp, total) in [(-1, 2), (-2, 0)] {
            let asked = AdminCall::ListOffsets { topic: "x".to_owned(), timestamp };
            let Ok(AdminReply::Offsets(offsets)) = rig.answer(&admin, asked, soon) else { panic!() };
            assert_eq!(offsets.len(), 5);
            assert_eq!(offsets.iter().map(|o| o.offset.parse::<i64>().unwrap()).sum::<i64>(), total);
        }
        let asked = AdminCall::ListOffsets { topic: "nope".to_owned(), timestamp: -1 };
        assert_eq!(protocol_error(rig.answer(&admin, asked, soon)), ErrorCode::UnknownTopicOrPartition);
        let Ok(AdminReply::Cluster { brokers, controller, .. }) =
            rig.answer(&admin, AdminCall::DescribeCluster, soon)
        else {
            panic!()
        };
        assert_eq!(brokers.len(), 3);
        assert!(controller.is_some());
        let set = vec![("retention.ms".to_owned(), Some("60000".to_owned()))];
        rig.answer(&admin, AdminCall::AlterConfigs(vec![(2, "x".to_owned(), set)]), soon).unwrap();
        rig.run_for(ms(500));
        let value_of = |rig: &mut Rig| {
            let asked = AdminCall::DescribeConfigs(vec![(2, "x".to_owned())]);
            let Ok(AdminReply::Configs(configs)) = rig.answer(&admin, asked, soon) else { panic!() };
            let entry = configs[0].config_entries.iter().find(|c| c.config_name == "retention.ms").unwrap();
            (entry.config_value.clone(), entry.is_default)
        };
        assert_eq!(value_of(&mut rig), (Some("60000".to_owned()), false));
        let unset = vec![("retention.ms".to_owned(), None)];
        rig.answer(&admin, AdminCall::AlterConfigs(vec![(2, "x".to_owned(), unset)]), soon).unwrap();
        rig.run_for(ms(500));
        assert!(value_of(&mut rig).1);
        let wrong = vec![("retention.ms".to_owned(), Some("soon".to_owned()))];
        let wrong = AdminCall::AlterConfigs(vec![(2, "x".to_owned(), wrong)]);
        assert_eq!(protocol_error(rig.answer(&admin, wrong, soon)), ErrorCode::InvalidConfig);
        let broker = AdminCall::DescribeConfigs(vec![(4, "2".to_owned())]);
        let Ok(AdminReply::Configs(configs)) = rig.answer(&admin, broker, soon) else { panic!() };
        assert!(!configs[0].config_entries.is_empty());
        // Groups: none, then one with offsets set by hand, then gone.
        let Ok(AdminReply::Groups(groups)) = rig.answer(&admin, AdminCall::ListGroups, soon) else {
            panic!()
        };
        assert!(groups.is_empty());
        let set =
            AdminCall::SetOffsets { group: "g".to_owned(), topic: "x".to_owned(), partitions: vec![(0, 7)] };
        rig.answer(&admin, set, ms(8000)).unwrap();
        let Ok(AdminReply::Groups(groups)) = rig.answer(&admin, AdminCall::ListGroups, soon) else {
            panic!()
        };
        assert_eq!(groups.len(), 1);
        let described = AdminCall::DescribeGroups(vec!["g".to_owned()]);
        let Ok(AdminReply::Groups(groups)) = rig.answer(&admin, described, soon) else { panic!() };
        assert_eq!(groups[0].state, "Empty");
        let asked = AdminCall::FetchOffsets {
            group: "g".to_owned(),
            topics: Some(vec![("x".to_owned(), vec![0, 1])]),
        };
        let Ok(AdminReply::Committed(committed)) = rig.answer(&admin, asked, soon) else { panic!() };
        let offsets: Vec<&str> = committed[0].partitions.iter().map(|p| p.offset.as_str()).collect();
        assert_eq!(offsets, ["7", "-1"]);
        rig.answer(&admin, AdminCall::DeleteGroups(vec!["g".to_owned()]), soon).unwrap();
        let again = AdminCall::DeleteGroups(vec!["g".to_owned()]);
        assert_eq!(protocol_error(rig.answer(&admin, again, soon)), ErrorCode::GroupIdNotFound);
        rig.answer(&admin, AdminCall::DeleteTopics(vec!["x".to_owned()]), soon).unwrap();
        let again = AdminCall::DeleteTopics(vec!["x".to_owned()]);
        assert_eq!(protocol_error(rig.answer(&admin, again, soon)), ErrorCode::UnknownTopicOrPartition);
        rig.answer(&admin, AdminCall::Close, ms(10)).unwrap();
        let closed = rig.answer(&admin, AdminCall::ListGroups, ms(10)).unwrap_err();
        assert_eq!(closed.kind, FailureKind::Closed);
    }
}
