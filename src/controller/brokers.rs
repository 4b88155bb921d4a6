//! Brokers: registration, heartbeats, fencing, controlled shutdown (KIP-631); UnregisterBroker 0 (KIP-543).

use crate::mutation::{Mutation, mutated};
use crate::protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    UnregisterBrokerRequest, UnregisterBrokerResponse,
};
use crate::protocol::{ErrorCode, StrBytes};
use crate::time::Instant;
use crate::types::{BrokerEpoch, BrokerId, Offset};

use super::record::MetadataRecord;
use super::{Controller, Decision};

/// A broker's standing with this controller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    /// Without a heartbeat until then, it is fenced.
    pub(super) ends_at: Instant,
    /// True once this controller has heard it: before, a new incarnation may take its place at once.
    pub(super) heard: bool,
}

impl Controller {
    /// Registers a broker's new incarnation, fenced; the same incarnation keeps its epoch and its standing. `log_end` is the offset its record will have: its broker epoch.
    pub fn register_broker(
        &mut self,
        now: Instant,
        request: &BrokerRegistrationRequest,
        log_end: Offset,
    ) -> Decision {
        let id = BrokerId(request.broker_id.0);
        let listener = request.listeners.first();
        let known = self.image.broker(id);
        // Who names the epoch of the session is not another that has taken the id.
        let same = known.is_some_and(|broker| broker.epoch.0 == request.previous_broker_epoch);
        let held =
            !same && self.sessions.get(&id).is_some_and(|session| session.heard && session.ends_at > now);
        let error = if request.cluster_id.as_str() != self.config.cluster_id {
            Some(ErrorCode::InconsistentClusterId)
        } else if listener.is_none() {
            Some(ErrorCode::InvalidRegistration)
        } else if held && known.is_some_and(|broker| broker.incarnation != request.incarnation_id) {
            Some(ErrorCode::DuplicateBrokerRegistration)
        } else {
            None
        };
        let (Some(listener), None) = (listener, error) else {
            let code = crate::protocol::error::code_of(error);
            let response = BrokerRegistrationResponse::default().with_error_code(code).with_broker_epoch(-1);
            return Decision { response: Some(response.into()), ..Decision::default() };
        };
        let mut decision = Decision::default();
        if let Some(broker) = known.filter(|broker| broker.incarnation == request.incarnation_id) {
            // Asked again, because an answer was lost: it is what it was, and keeps what it leads.
            let epoch = broker.epoch.0;
            self.heard(now, id);
            decision.response = Some(BrokerRegistrationResponse::default().with_broker_epoch(epoch).into());
            return decision;
        }
        // Who stopped when it was allowed to, and says so by its last epoch, has kept what it had (KIP-966).
        let clean = same && known.is_some_and(|broker| broker.fenced && broker.in_controlled_shutdown);
        let epoch = BrokerEpoch(log_end.0);
        let record = MetadataRecord::RegisterBroker {
            id,
            incarnation: request.incarnation_id,
            epoch,
            host: listener.host.to_string(),
            port: listener.port,
            rack: request.rack.as_ref().map(|rack| rack.to_string()),
            fenced: true,
        };
        self.decide(record, &mut decision);
        // An earlier life may have led with records that this one has lost: others take over, in new epochs.
        if !mutated(Mutation::KeepLeadershipAcrossRestart) {
            self.leave_partitions(id, !clean, &mut decision);
        }
        self.heard(now, id);
        decision.response = Some(BrokerRegistrationResponse::default().with_broker_epoch(epoch.0).into());
        decision
    }

    /// Keeps a broker's session alive, and moves the broker towards what it wants.
    pub fn heartbeat(&mut self, now: Instant, request: &BrokerHeartbeatRequest) -> Decision {
        let id = BrokerId(request.broker_id.0);
        if let Some(error) = self.broker_epoch_error(id, BrokerEpoch(request.broker_epoch)) {
            let response =
                BrokerHeartbeatResponse::default().with_error_code(error.code()).with_is_fenced(true);
            return Decision { response: Some(response.into()), ..Decision::default() };
        }
        self.heard(now, id);
        let mut decision = Decision::default();
        let caught_up = request.current_metadata_offset >= request.broker_epoch;
        let (fenced, stopping) = self
            .image
            .broker(id)
            .map_or((true, false), |broker| (broker.fenced, broker.in_controlled_shutdown));
        if request.want_shut_down {
            if !stopping {
                self.change_registration(id, None, true, &mut decision);
                self.leave_partitions(id, false, &mut decision);
            }
        } else if fenced && !request.want_fence && caught_up {
            self.change_registration(id, Some(false), false, &mut decision);
            self.join_partitions(id, &mut decision);
        } else if !fenced && request.want_fence {
            self.fence(id, &mut decision);
        }
        // All partitions are looked at only for a broker that wants to stop: heartbeats are many.
        let leads = || self.image.partitions().any(|(_, _, _, state)| state.leader == Some(id));
        let should_shut_down = request.want_shut_down && !leads();
        if should_shut_down && !fenced {
            // It is about to go, and will not be heard again: no need to wait for its session to end.
            self.fence(id, &mut decision);
        }
        let fenced = self.image.broker(id).is_none_or(|broker| broker.fenced);
        let response = BrokerHeartbeatResponse::default()
            .with_is_caught_up(caught_up)
            .with_is_fenced(fenced)
            .with_should_shut_down(should_shut_down);
        decision.response = Some(response.into());
        decision
    }

    /// Forgets a broker. It is in no ISR any more; replicas that are left on it have to be moved or come back with it.
    pub fn unregister_broker(&mut self, request: &UnregisterBrokerRequest) -> Decision {
        let id = BrokerId(request.broker_id.0);
        let mut decision = Decision::default();
        let mut response = UnregisterBrokerResponse::default();
        match self.image.broker(id).map(|broker| broker.epoch) {
            None => {
                let message = format!("Broker ID {id} is not currently registered");
                response = response
                    .with_error_code(ErrorCode::BrokerIdNotRegistered.code())
                    .with_error_message(Some(StrBytes::from_string(message)));
            }
            Some(epoch) => {
                self.sessions.remove(&id);
                self.leave_partitions(id, true, &mut decision);
                self.decide(MetadataRecord::UnregisterBroker { id, epoch }, &mut decision);
            }
        }
        decision.response = Some(response.into());
        decision
    }

    pub(super) fn fence_silent(&mut self, now: Instant, decision: &mut Decision) {
        let silent: Vec<BrokerId> =
            self.sessions.iter().filter(|(_, session)| session.ends_at <= now).map(|(id, _)| *id).collect();
        for id in silent {
            self.fence(id, decision);
        }
    }

    /// A broker request's epoch does not fit its registration.
    pub(super) fn broker_epoch_error(&self, id: BrokerId, epoch: BrokerEpoch) -> Option<ErrorCode> {
        match self.image.broker(id) {
            None => Some(ErrorCode::BrokerIdNotRegistered),
            Some(broker) if broker.epoch != epoch => Some(ErrorCode::StaleBrokerEpoch),
            Some(_) => None,
        }
    }

    fn heard(&mut self, now: Instant, id: BrokerId) {
        let ends_at = now + self.config.broker_session_timeout();
        self.sessions.insert(id, Session { ends_at, heard: true });
    }

    pub(super) fn fence(&mut self, id: BrokerId, decision: &mut Decision) {
        self.sessions.remove(&id);
        if self.image.broker(id).is_some_and(|broker| !broker.fenced) {
            self.change_registration(id, Some(true), false, decision);
            self.leave_partitions(id, false, decision);
        }
    }

    fn change_registration(
        &mut self,
        id: BrokerId,
        fenced: Option<bool>,
        in_controlled_shutdown: bool,
        decision: &mut Decision,
    ) {
        if let Some(broker) = self.image.broker(id) {
            let epoch = broker.epoch;
            let record =
                MetadataRecord::BrokerRegistrationChange { id, epoch, fenced, in_controlled_shutdown };
            self.decide(record, decision);
        }
    }
}
