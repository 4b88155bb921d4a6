//! Eligible leader replicas (KIP-966), which a new cluster has.

use super::*;
use crate::protocol::messages::UpdateFeaturesRequest;
use crate::protocol::messages::update_features_request::FeatureUpdateKey;

/// Three brokers and a topic on all of them, with at least two to be in sync.
fn bench() -> Bench {
    let mut bench = Bench::new(3);
    bench.controller.config.set("min.insync.replicas", "2").unwrap();
    let decision = bench.update(ELR_FEATURE, 1, 1).1;
    assert_eq!(decision.records, [MetadataRecord::FeatureLevel { name: ELR_FEATURE.to_owned(), level: 1 }]);
    bench.create_on("t", &[1, 2, 3]);
    bench
}

impl Bench {
    fn update(&mut self, name: &'static str, level: i16, kind: i8) -> (i16, Decision) {
        let update = FeatureUpdateKey::default()
            .with_feature(StrBytes::from_static_str(name))
            .with_max_version_level(level)
            .with_upgrade_type(kind);
        let request = UpdateFeaturesRequest::default().with_feature_updates(vec![update]);
        let decision = self.controller.update_features(&request);
        self.commit(&decision);
        let Some(Response::UpdateFeatures(response)) = &decision.response else { panic!("{decision:?}") };
        (response.error_code, decision)
    }

    /// A broker comes back after an end that it was not ready for.
    fn crashed_and_back(&mut self, id: i32) -> Decision {
        let incarnation = 1000 + u128::from(self.now.0);
        let decision = self.register(id, incarnation);
        self.heartbeat(id, false);
        decision
    }

    /// ISR, ELR, last known, and leader.
    fn standing(&self) -> (Vec<BrokerId>, Vec<BrokerId>, Vec<BrokerId>, Option<i32>) {
        let state = self.first("t").1;
        (state.isr, state.elr, state.last_known_elr, state.leader.map(|id| id.0))
    }
}

#[test]
fn a_new_cluster_begins_with_all_features_and_an_older_one_without() {
    let config = BrokerConfig::new(Profile::Lab, BrokerId(1), vec![BrokerId(1)]);
    let mut controller = Controller::new(&config, Rng::new(7));
    controller.activate(Instant(5), MetadataImage::default());
    assert!(controller.next_deadline().is_some_and(|at| at <= Instant(5)));
    let decision = controller.tick(Instant(5));
    let features = decision.records.iter().map(|record| match record {
        MetadataRecord::FeatureLevel { name, level } => (name.as_str(), *level),
        other => panic!("{other:?}"),
    });
    assert_eq!(features.collect::<Vec<_>>(), [(ELR_FEATURE, 1), ("metadata.version", 27)]);
    let old = Bench::new(1).committed;
    controller.activate(Instant(5), old);
    assert_eq!(controller.tick(Instant(5)).records, []);
}

#[test]
fn features_are_taken_within_their_bounds_and_lowered_only_on_purpose() {
    let mut bench = bench();
    let refused = ErrorCode::InvalidUpdateVersion.code();
    assert_eq!(bench.update(ELR_FEATURE, 2, 1).0, refused);
    assert_eq!(bench.update("none", 1, 1).0, refused);
    assert_eq!(bench.update(ELR_FEATURE, 0, 1).0, refused);
    assert_eq!(bench.update(ELR_FEATURE, 0, 2).0, 0);
    assert_eq!(bench.committed.feature(ELR_FEATURE), 0);
}

#[test]
fn who_leaves_an_isr_below_the_minimum_is_eligible_until_the_minimum_is_met() {
    let mut bench = bench();
    bench.lose(3);
    assert_eq!(bench.standing(), (ids(&[1, 2]), vec![], vec![], Some(1)));
    let decision = bench.lose(2);
    let change = decision.records.iter().find_map(|record| match record {
        MetadataRecord::PartitionChange { change, .. } => Some(change.clone()),
        _ => None,
    });
    let expected =
        PartitionChange { isr: Some(ids(&[1])), elr: Some(ids(&[2])), ..PartitionChange::default() };
    assert_eq!(change, Some(expected));
    bench.lose(1);
    assert_eq!(bench.standing(), (vec![], ids(&[2, 1]), ids(&[1]), None));
    // 3 left when others went on without it.
    bench.heartbeat(3, false);
    assert_eq!(bench.standing().3, None);
    bench.heartbeat(2, false);
    assert_eq!(bench.standing(), (ids(&[2]), ids(&[1]), vec![], Some(2)));
    bench.alter_isr("t", &[2, 3]);
    assert_eq!(bench.standing(), (ids(&[2, 3]), vec![], vec![], Some(2)));
}

#[test]
fn who_may_have_lost_something_is_not_eligible_and_leads_only_as_the_last_that_did() {
    let mut bench = bench();
    bench.lose(3);
    bench.lose(2);
    bench.lose(1);
    bench.crashed_and_back(2);
    assert_eq!(bench.standing(), (vec![], ids(&[1]), ids(&[1]), None));
    bench.register(1, 4711);
    assert_eq!(bench.standing(), (vec![], vec![], ids(&[1]), None));
    bench.heartbeat(1, false);
    assert_eq!(bench.standing(), (ids(&[1]), vec![], vec![], Some(1)));
}

#[test]
fn who_stopped_in_good_order_and_says_so_stays_eligible() {
    let mut bench = bench();
    bench.lose(3);
    bench.heartbeat(2, true);
    assert_eq!(bench.standing(), (ids(&[1]), ids(&[2]), vec![], Some(1)));
    let epoch = bench.committed.broker(BrokerId(2)).unwrap().epoch.0;
    bench.register_after(2, 99, epoch);
    assert_eq!(bench.standing().1, ids(&[2]));
    // In this life it has not stopped: the same epoch says nothing.
    let epoch = bench.committed.broker(BrokerId(2)).unwrap().epoch.0;
    bench.register_after(2, 98, epoch);
    assert_eq!(bench.standing().1, vec![]);
}

#[test]
fn a_lower_minimum_that_is_met_takes_eligibility_away_where_somebody_leads() {
    let mut bench = bench();
    bench.lose(3);
    bench.lose(2);
    let decision = bench.set_config("t", "min.insync.replicas", "1");
    let [MetadataRecord::Config { .. }, MetadataRecord::PartitionChange { change, .. }] =
        &decision.records[..]
    else {
        panic!("{decision:?}")
    };
    assert_eq!(*change, PartitionChange { elr: Some(vec![]), ..PartitionChange::default() });
}

#[test]
fn without_the_feature_the_last_in_sync_replica_stays_in_the_isr() {
    let mut bench = bench();
    bench.update(ELR_FEATURE, 0, 2);
    bench.lose(3);
    bench.lose(2);
    bench.lose(1);
    assert_eq!(bench.standing(), (ids(&[1]), vec![], vec![], None));
}
