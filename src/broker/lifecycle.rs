//! This broker's life as the controller sees it: registration, heartbeats, controlled shutdown (KIP-631).
//!
//! | state | means | leaves it when |
//! |---|---|---|
//! | starting | no registration of this incarnation | the controller answers a registration with a broker epoch |
//! | registered | heartbeats go out; the controller keeps us fenced until our replay has passed our registration | a heartbeat says unfenced |
//! | running | unfenced: may lead and be in ISRs | shutdown asked for, or the controller no longer knows our epoch, or we register anew |
//! | stopping | heartbeats say that we want to stop; leadership moves away | a heartbeat says we may |
//! | stopped | the host ends us, when it is written down that we have stopped in good order | |

use bytes::Bytes;

use crate::config::BrokerConfig;
use crate::effects::{Effects, Lane, PeerResult, RequestId};
use crate::event::ClusterEvent;
use crate::protocol::messages::broker_registration_request::{Feature, Listener};
use crate::protocol::messages::{self, BrokerHeartbeatRequest, BrokerRegistrationRequest};
use crate::protocol::{ErrorCode, Response, StrBytes};
use crate::rng::Rng;
use crate::time::{Duration, Instant};
use crate::types::{BrokerEpoch, BrokerId, Offset, Uuid};

/// The meta key under which a broker that stops in good order leaves its epoch, as int64: the next registration names it, and
/// so says that nothing was lost (KIP-966). After any other end the epoch there is an earlier one, or none.
pub const CLEAN_SHUTDOWN_KEY: &str = "clean-shutdown";

/// Between attempts while the controller is unknown, away or says no.
const RETRY: Duration = Duration::from_millis(50);

/// The state, with what waits for an answer.
#[derive(Debug)]
pub struct Lifecycle {
    rng: Rng,
    incarnation: Uuid,
    epoch: Option<BrokerEpoch>,
    /// The epoch that this broker laid down itself, in this life or at the end of the last.
    left: Option<BrokerEpoch>,
    fenced: bool,
    want_shut_down: bool,
    stopped: bool,
    in_flight: Option<RequestId>,
    next_at: Instant,
}

impl Lifecycle {
    /// A broker that has just started. `clean_shutdown` is what the last life left under `CLEAN_SHUTDOWN_KEY`.
    pub fn new(mut rng: Rng, now: Instant, clean_shutdown: Option<Bytes>) -> Self {
        let epoch =
            clean_shutdown.and_then(|bytes| Some(i64::from_be_bytes(bytes.as_ref().try_into().ok()?)));
        Self {
            incarnation: rng.uuid(),
            rng,
            epoch: None,
            left: epoch.map(BrokerEpoch),
            fenced: true,
            want_shut_down: false,
            stopped: false,
            in_flight: None,
            next_at: now,
        }
    }

    /// The epoch of this incarnation's registration.
    pub fn broker_epoch(&self) -> Option<BrokerEpoch> {
        self.epoch
    }

    /// True once the controller has let this broker lead.
    pub fn is_running(&self) -> bool {
        self.epoch.is_some() && !self.fenced
    }

    /// Registers anew, as another incarnation: what this broker leads goes to others, and it leaves the ISRs that have
    /// them, until it has caught up again.
    pub fn register_anew(&mut self, now: Instant) {
        let Some(epoch) = self.epoch.take() else { return };
        // On its way out it would say by its epoch that nothing was lost.
        self.left = Some(epoch).filter(|_| !self.want_shut_down);
        self.incarnation = self.rng.uuid();
        self.fenced = true;
        self.in_flight = None;
        self.next_at = now;
    }

    /// Asks for a controlled shutdown.
    pub fn shut_down(&mut self, now: Instant) {
        self.want_shut_down = true;
        self.next_at = now;
    }

    /// True when the controller has let this broker stop.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// What to leave under `CLEAN_SHUTDOWN_KEY`, once stopped.
    pub fn clean_shutdown(&self) -> Option<Bytes> {
        let epoch = self.epoch.filter(|_| self.stopped)?;
        Some(Bytes::copy_from_slice(&epoch.0.to_be_bytes()))
    }

    /// A new controller is known: speak to it at once.
    pub fn controller_changed(&mut self, now: Instant) {
        self.in_flight = None;
        self.next_at = now;
    }

    /// Replay has reached our registration: the next heartbeat can ask to be unfenced, so it goes now.
    pub fn caught_up(&mut self, now: Instant) {
        if self.fenced && self.in_flight.is_none() {
            self.next_at = now;
        }
    }

    /// Sends what is due.
    pub fn tick(
        &mut self,
        now: Instant,
        config: &BrokerConfig,
        controller: Option<BrokerId>,
        replayed: Offset,
        fx: &mut Effects,
    ) {
        if self.stopped || self.in_flight.is_some() || now < self.next_at {
            return;
        }
        let Some(controller) = controller else {
            self.next_at = now + RETRY;
            return;
        };
        let timeout = config.request_timeout().min(config.broker_session_timeout());
        self.in_flight = Some(match self.epoch {
            None => {
                let body = registration(config, self.incarnation, self.left);
                fx.request(controller, Lane::Control, body.into(), timeout)
            }
            Some(epoch) => {
                let body = BrokerHeartbeatRequest::default()
                    .with_broker_id(messages::BrokerId(config.node_id.0))
                    .with_broker_epoch(epoch.0)
                    .with_current_metadata_offset(replayed.0)
                    .with_want_fence(false)
                    .with_want_shut_down(self.want_shut_down);
                fx.request(controller, Lane::Control, body.into(), timeout)
            }
        });
    }

    /// When `tick` has something to send.
    pub fn next_deadline(&self) -> Option<Instant> {
        (!self.stopped && self.in_flight.is_none()).then_some(self.next_at)
    }

    /// Takes the answer to a request of ours; false when it is somebody else's.
    pub fn on_response(
        &mut self,
        now: Instant,
        config: &BrokerConfig,
        id: RequestId,
        result: &PeerResult,
        fx: &mut Effects,
    ) -> bool {
        if self.in_flight != Some(id) {
            return false;
        }
        self.in_flight = None;
        self.next_at = now + RETRY;
        match result {
            Ok(Response::BrokerRegistration(response)) if response.error_code == 0 => {
                self.epoch = Some(BrokerEpoch(response.broker_epoch));
                self.left = None;
                self.fenced = true;
                fx.event(ClusterEvent::BrokerState { state: "registered" });
                self.next_at = now;
            }
            Ok(Response::BrokerHeartbeat(response)) if response.error_code == 0 => {
                if self.fenced != response.is_fenced {
                    self.fenced = response.is_fenced;
                    let state = if self.fenced { "registered" } else { "running" };
                    fx.event(ClusterEvent::BrokerState { state });
                }
                self.next_at = now + config.broker_heartbeat_interval().min(self.pace());
                self.stopped = self.want_shut_down && response.should_shut_down;
            }
            Ok(Response::BrokerHeartbeat(response)) => {
                let unknown = [ErrorCode::StaleBrokerEpoch.code(), ErrorCode::BrokerIdNotRegistered.code()];
                if unknown.contains(&response.error_code) {
                    self.epoch = None;
                    self.fenced = true;
                }
            }
            _ => {}
        }
        true
    }

    /// While something is waited for, ask more often than the interval.
    fn pace(&self) -> Duration {
        if self.fenced || self.want_shut_down { RETRY } else { Duration::MAX }
    }
}

fn registration(
    config: &BrokerConfig,
    incarnation: Uuid,
    left: Option<BrokerEpoch>,
) -> BrokerRegistrationRequest {
    let listener = Listener::default()
        .with_name(StrBytes::from_static_str("PLAINTEXT"))
        .with_host(StrBytes::from_string(config.host.clone()))
        .with_port(config.port)
        .with_security_protocol(0);
    let feature = Feature::default()
        .with_name(StrBytes::from_static_str("metadata.version"))
        .with_min_supported_version(1)
        .with_max_supported_version(27);
    BrokerRegistrationRequest::default()
        .with_broker_id(messages::BrokerId(config.node_id.0))
        .with_cluster_id(StrBytes::from_string(config.cluster_id.clone()))
        .with_incarnation_id(incarnation)
        .with_listeners(vec![listener])
        .with_features(vec![feature])
        .with_rack(config.rack.clone().map(StrBytes::from_string))
        .with_previous_broker_epoch(left.map_or(-1, |epoch| epoch.0))
}
