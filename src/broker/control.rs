//! The active controller inside its broker: decisions are appended to the metadata log as one batch each, and answered
//! when the quorum has committed them.

use std::collections::VecDeque;

use crate::controller::{Controller, Decision};
use crate::effects::{Reply, ReplyToken};
use crate::event::ClusterEvent;
use crate::protocol::records::{BatchBuilder, BatchOptions};
use crate::protocol::{ErrorCode, Request, Response};
use crate::time::Instant;
use crate::types::{LeaderEpoch, Offset};

use super::Broker;
use super::errors::error_response;

const NOT_CONTROLLER: &str = "This broker is not the active controller.";

/// The controller and what waits for its records to be committed.
pub struct ControlPlane {
    pub(super) controller: Controller,
    /// The epoch this broker is the active controller of.
    active: Option<LeaderEpoch>,
    /// In order of their end offsets.
    parked: VecDeque<Parked>,
}

/// A decision that is appended, but not committed.
struct Parked {
    /// Committed when the high watermark reaches this offset.
    end: Offset,
    reply: Option<Waiting>,
    events: Vec<ClusterEvent>,
}

struct Waiting {
    token: ReplyToken,
    response: Response,
    /// The answer if leadership is lost first.
    refusal: Response,
}

impl ControlPlane {
    pub(super) fn new(controller: Controller) -> Self {
        Self { controller, active: None, parked: VecDeque::new() }
    }

    pub(super) fn is_active(&self) -> bool {
        self.active.is_some()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.active.and_then(|_| self.controller.next_deadline())
    }
}

impl Broker {
    /// Takes up or lays down the controller's work as the quorum says.
    pub(super) fn follow_quorum(&mut self, now: Instant) {
        let leading = self.quorum.leadership_established().then(|| self.quorum.epoch());
        if self.control.active.is_some() && self.control.active != leading {
            self.control.active = None;
            self.control.controller.deactivate();
            for parked in std::mem::take(&mut self.control.parked) {
                if let Some(waiting) = parked.reply {
                    self.fx.replies.push_back((waiting.token, Reply::Response(waiting.refusal)));
                }
            }
        }
        // The image must hold all that earlier controllers decided before this one decides anything.
        if let Some(epoch) = leading
            && self.control.active.is_none()
            && self.replayed == self.quorum.high_watermark()
            && self.replayed == self.quorum.log_end_offset()
        {
            self.control.active = Some(epoch);
            self.fx.event(ClusterEvent::ControllerActive { epoch });
            self.control.controller.activate(now, self.image.clone());
        }
    }

    /// Fences brokers whose session has run out, and the like.
    pub(super) fn tick_controller(&mut self, now: Instant) {
        while self.control.next_deadline().is_some_and(|at| at <= now) {
            let decision = self.control.controller.tick(now);
            self.commit(now, None, decision);
        }
    }

    /// Serves a request that is the active controller's.
    pub(super) fn serve_controller(&mut self, now: Instant, token: ReplyToken, request: Request) {
        if !self.control.is_active() {
            let response = error_response(&request, ErrorCode::NotController, NOT_CONTROLLER);
            return self.fx.replies.push_back((token, Reply::Response(response)));
        }
        let log_end = self.quorum.log_end_offset();
        let controller = &mut self.control.controller;
        let decision = match &request {
            Request::BrokerRegistration(r) => controller.register_broker(now, r, log_end),
            Request::BrokerHeartbeat(r) => controller.heartbeat(now, r),
            Request::AlterPartition(r) => controller.alter_partition(r),
            Request::AllocateProducerIds(r) => controller.allocate_producer_ids(r),
            Request::CreateTopics(r) => controller.create_topics(r),
            Request::DeleteTopics(r) => controller.delete_topics(r),
            Request::CreatePartitions(r) => controller.create_partitions(r),
            Request::AlterConfigs(r) => controller.alter_configs(r),
            Request::IncrementalAlterConfigs(r) => controller.incremental_alter_configs(r),
            Request::ElectLeaders(r) => controller.elect_leaders(r),
            Request::AlterPartitionReassignments(r) => controller.alter_partition_reassignments(r),
            Request::ListPartitionReassignments(r) => controller.list_partition_reassignments(r),
            Request::UpdateFeatures(r) => controller.update_features(r),
            Request::UnregisterBroker(r) => controller.unregister_broker(r),
            other => unreachable!("{:?} is not the controller's", other.key()),
        };
        let refusal = error_response(&request, ErrorCode::NotController, NOT_CONTROLLER);
        self.commit(now, Some((token, refusal)), decision);
    }

    /// Appends a decision's records; what hangs on them waits until they are committed. A decision without records
    /// waits for the ones before it, because it may have been made on their grounds.
    fn commit(&mut self, now: Instant, reply: Option<(ReplyToken, Response)>, decision: Decision) {
        let Decision { records, response, events } = decision;
        let reply = match (reply, response) {
            (Some((token, refusal)), Some(response)) => Some(Waiting { token, response, refusal }),
            _ => None,
        };
        let end = if records.is_empty() {
            self.quorum.log_end_offset()
        } else {
            let mut batch = BatchBuilder::new(BatchOptions::default());
            for record in &records {
                batch.push(now.as_timestamp(), None, Some(&record.encode()), &[]);
            }
            match self.quorum.append(now, &batch.build(), &mut self.fx) {
                Ok(end) => end,
                // Leadership went in this very turn; `follow_quorum` lays down the rest.
                Err(_) => {
                    if let Some(waiting) = reply {
                        self.fx.replies.push_back((waiting.token, Reply::Response(waiting.refusal)));
                    }
                    return;
                }
            }
        };
        self.control.parked.push_back(Parked { end, reply, events });
        self.release_committed();
    }

    /// Lets go what waited for offsets below the high watermark.
    pub(super) fn release_committed(&mut self) {
        let high_watermark = self.quorum.high_watermark();
        while let Some(parked) = self.control.parked.pop_front_if(|parked| parked.end <= high_watermark) {
            if let Some(waiting) = parked.reply {
                self.fx.replies.push_back((waiting.token, Reply::Response(waiting.response)));
            }
            parked.events.iter().for_each(|event| self.metrics.decided(event));
            self.fx.events.extend(parked.events);
        }
    }
}
