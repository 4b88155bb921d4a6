//! The admin: calls on the cluster, each made again on retriable errors until its deadline.

mod answers;
mod calls;
mod requests;

use crate::protocol::messages::FindCoordinatorRequest;
use crate::protocol::{ErrorCode, Request, Response, StrBytes};
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, TopicName};

use super::net::{Lane, Net, RETRY, Tag};
use super::{
    CallId, Client, ClientError, ClientInput, ClientOptions, ClientOutput, FailureKind, NetError, Outbox,
    not_before,
};
use answers::conclude;
pub use calls::*;
use requests::{request, version_max};

/// A broker may learn of a new topic a little after the controller.
const UNKNOWN_TOPIC_GRACE: Duration = Duration::from_millis(500);
const FIND_VERSION_MAX: i16 = 3;

/// Where a request goes.
enum Target {
    Any,
    Broker(BrokerId),
    Every,
    Coordinator(String),
    /// The leaders of a topic's partitions: of these, or of all.
    Leaders(String, Option<Vec<i32>>),
}

#[derive(Debug)]
struct Task {
    call: AdminCall,
    called_at: Instant,
    failures: u32,
    /// An earlier attempt may have taken effect.
    unknown: bool,
    deadline: Instant,
    /// When to try (again); none while requests are under way.
    try_at: Option<Instant>,
    waiting: SortedMap<Tag, Step>,
    gathered: Vec<Response>,
    coordinator: Option<BrokerId>,
    last_error: Option<ClientError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Find,
    Ask,
}

/// See the module's head.
pub struct Admin {
    now: Instant,
    timeout: Duration,
    request_timeout: Duration,
    net: Net,
    out: Outbox<AdminReply, ()>,
    tasks: SortedMap<CallId, Task>,
    closed: bool,
}

impl Client for Admin {
    type Call = AdminCall;
    type Reply = AdminReply;
    type Event = ();

    fn take(&mut self, now: Instant, input: ClientInput<AdminCall>) {
        self.now = now;
        if let Some((id, call)) = self.net.take(now, input) {
            self.call(now, id, call);
        }
    }

    fn turn(&mut self, now: Instant) {
        self.net.tick(now);
        while let Some((tag, result)) = self.net.pop_result(now) {
            self.on_result(now, tag, result);
        }
        let ids: Vec<CallId> = self.tasks.keys().copied().collect();
        for id in ids {
            let Some(mut task) = self.tasks.remove(&id) else { continue };
            if task.deadline > now && task.try_at.is_some_and(|at| at <= now) {
                self.attempt(now, &mut task);
            }
            if task.deadline <= now {
                self.forget_topic_of(&task.call);
                let error = task.last_error.unwrap_or_else(|| {
                    ClientError::new(FailureKind::Timeout, "The call was not answered in time.")
                });
                self.out.reply(id, Err(error));
                continue;
            }
            self.tasks.insert(id, task);
        }
    }

    fn poll_output(&mut self) -> ClientOutput<AdminReply, ()> {
        self.out
            .pop(&mut self.net)
            .unwrap_or_else(|| ClientOutput::Wait(not_before(self.now, self.next_deadline())))
    }
}

impl Admin {
    /// An admin whose calls may take up to `timeout`.
    pub fn new(options: ClientOptions, timeout: Duration) -> Self {
        let mut net = Net::new(options.client_id.clone(), options.bootstrap.clone(), options.request_timeout);
        net.forbid_creation();
        Self {
            now: Instant::default(),
            timeout,
            request_timeout: options.request_timeout,
            net,
            out: Outbox::default(),
            tasks: SortedMap::new(),
            closed: false,
        }
    }

    fn call(&mut self, now: Instant, id: CallId, call: AdminCall) {
        if matches!(call, AdminCall::Close) {
            self.closed = true;
            self.net.close();
            for (task, _) in std::mem::take(&mut self.tasks) {
                let error = ClientError::new(FailureKind::Closed, "The admin was closed first.");
                self.out.reply(task, Err(error));
            }
            return self.out.reply(id, Ok(AdminReply::Done(true)));
        }
        if self.closed {
            return self.out.reply(id, Err(ClientError::new(FailureKind::Closed, "The admin is closed.")));
        }
        self.net.refresh(now);
        if let AdminCall::ListOffsets { topic, .. } | AdminCall::DeleteRecords { topic, .. } = &call {
            // What was known may be of fewer partitions.
            self.net.forget_topic(&TopicName::from(topic.as_str()));
        }
        let task = Task {
            call,
            called_at: now,
            failures: 0,
            unknown: false,
            deadline: now + self.timeout,
            try_at: Some(now),
            waiting: SortedMap::new(),
            gathered: Vec::new(),
            coordinator: None,
            last_error: None,
        };
        self.tasks.insert(id, task);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.tasks.values().fold(self.net.next_deadline(), |next, task| {
            earliest(next, Some(task.try_at.unwrap_or(task.deadline).min(task.deadline)))
        })
    }

    /// Sends what a task needs; what is not known yet is asked for first.
    fn attempt(&mut self, now: Instant, task: &mut Task) {
        task.gathered.clear();
        task.try_at = Some(now + RETRY);
        let timeout = task.deadline.since(now).min(self.request_timeout);
        let mut sends: Vec<(BrokerId, Request)> = Vec::new();
        match target(&task.call) {
            Target::Any => {
                let tag =
                    self.net.send_to_any(now, request(&task.call, None), version_max(&task.call), timeout);
                task.waiting.insert(tag, Step::Ask);
            }
            Target::Broker(id) => sends.push((id, request(&task.call, None))),
            Target::Every => {
                sends.extend(self.net.brokers().keys().map(|id| (*id, request(&task.call, None))));
            }
            Target::Coordinator(group) => match task.coordinator {
                Some(id) => sends.push((id, request(&task.call, None))),
                None => {
                    let key = StrBytes::from_string(group);
                    let body = FindCoordinatorRequest::default().with_key(key).with_key_type(0);
                    let tag = self.net.send_to_any(now, body.into(), FIND_VERSION_MAX, timeout);
                    task.waiting.insert(tag, Step::Find);
                }
            },
            Target::Leaders(topic, wanted) => {
                let name = TopicName::from(topic.as_str());
                self.net.want_topic(now, &name);
                let Some(meta) = self.net.topic(&name) else { return };
                if let Some(error) = meta.error {
                    let error_now = ClientError::protocol(error, None);
                    if given_at_once(task, now, &error_now) || !error_now.retriable() {
                        task.deadline = now;
                    }
                    self.net.refresh_soon(now);
                    task.last_error = Some(ClientError::protocol(error, None).at(&topic, None));
                    return;
                }
                let mut leaders: SortedMap<BrokerId, Vec<i32>> = SortedMap::new();
                let all = || meta.partitions.keys().copied().collect();
                for partition in &wanted.unwrap_or_else(all) {
                    if !meta.partitions.contains_key(partition) {
                        let error = ClientError::protocol(ErrorCode::UnknownTopicOrPartition, None);
                        task.last_error = Some(error.at(&topic, Some(*partition)));
                        task.deadline = now;
                        return;
                    }
                    let Some(leader) = self.net.leader(&name, *partition) else {
                        let error = ClientError::protocol(ErrorCode::LeaderNotAvailable, None);
                        task.last_error = Some(error.at(&topic, Some(*partition)));
                        self.net.refresh_soon(now);
                        return;
                    };
                    leaders.entry(leader).or_default().push(*partition);
                }
                sends.extend(
                    leaders.iter().map(|(id, partitions)| (*id, request(&task.call, Some(partitions)))),
                );
            }
        }
        for (id, body) in sends {
            let tag = self.net.send(now, id, Lane::Meta, body, version_max(&task.call), timeout);
            task.waiting.insert(tag, Step::Ask);
        }
        if !task.waiting.is_empty() {
            task.try_at = None;
        }
    }

    fn on_result(&mut self, now: Instant, tag: Tag, result: Result<Response, NetError>) {
        let found = self.tasks.iter().find(|(_, task)| task.waiting.contains_key(&tag)).map(|(id, _)| *id);
        let Some((id, mut task)) = found.and_then(|id| Some((id, self.tasks.remove(&id)?))) else { return };
        let step = task.waiting.remove(&tag);
        match (step, result) {
            (Some(Step::Find), Ok(Response::FindCoordinator(body))) => {
                match ErrorCode::try_from_code(body.error_code) {
                    None => {
                        let coordinator = BrokerId(body.node_id.0);
                        self.net.learn_broker(coordinator, body.host.to_string(), body.port as u16);
                        task.coordinator = Some(coordinator);
                        task.try_at = Some(now);
                    }
                    Some(error) => return self.failed(now, id, task, ClientError::protocol(error, None)),
                }
            }
            (_, Ok(response)) => {
                task.gathered.push(response);
                if task.waiting.is_empty() {
                    return match conclude(&task.call, &task.gathered, &self.net) {
                        // Done by an attempt whose answer was lost.
                        Err(error) if task.unknown && is_done(&task.call, &error) => {
                            self.out.reply(id, Ok(AdminReply::Done(true)));
                        }
                        Ok(reply) => {
                            self.forget_topic_of(&task.call);
                            self.out.reply(id, Ok(reply));
                        }
                        Err(error) => self.failed(now, id, task, error),
                    };
                }
            }
            (step, Err(error)) => {
                task.unknown |= step == Some(Step::Ask) && error != NetError::Unreachable;
                let error = ClientError::from(&error);
                return self.failed(now, id, task, error);
            }
        }
        self.tasks.insert(id, task);
    }

    /// Keeps no metadata that only this call needed.
    fn forget_topic_of(&mut self, call: &AdminCall) {
        if let AdminCall::ListOffsets { topic, .. } | AdminCall::DeleteRecords { topic, .. } = call {
            self.net.forget_topic(&TopicName::from(topic.as_str()));
        }
    }

    /// Another attempt, if that can help and there is time.
    fn failed(&mut self, now: Instant, id: CallId, mut task: Task, error: ClientError) {
        if !error.retriable() || given_at_once(&task, now, &error) {
            self.forget_topic_of(&task.call);
            return self.out.reply(id, Err(error));
        }
        task.unknown |= error.kind == FailureKind::Protocol(ErrorCode::RequestTimedOut);
        task.last_error = Some(error);
        task.coordinator = None;
        task.waiting.clear();
        task.failures += 1;
        task.try_at = Some(now + RETRY * task.failures.min(6));
        self.net.refresh(now);
        self.tasks.insert(id, task);
    }
}

/// The error says that what was asked for is so already.
fn is_done(call: &AdminCall, error: &ClientError) -> bool {
    let done = match call {
        AdminCall::DeleteTopics(_) => ErrorCode::UnknownTopicOrPartition,
        AdminCall::UnregisterBroker(_) => ErrorCode::BrokerIdNotRegistered,
        AdminCall::AddRaftVoter { .. } => ErrorCode::DuplicateVoter,
        AdminCall::RemoveRaftVoter { .. } => ErrorCode::VoterNotFound,
        AdminCall::AlterPartitionReassignments(_) => ErrorCode::NoReassignmentInProgress,
        _ => return false,
    };
    error.kind == FailureKind::Protocol(done)
}

/// Retriable by Kafka's table, but for an admin's call an answer: the controller knows, and other brokers a little later.
fn given_at_once(task: &Task, now: Instant, error: &ClientError) -> bool {
    let unknown = error.kind == FailureKind::Protocol(ErrorCode::UnknownTopicOrPartition)
        || error.kind == FailureKind::Protocol(ErrorCode::UnknownTopicId);
    let by_controller = matches!(
        task.call,
        AdminCall::DeleteTopics(_)
            | AdminCall::CreatePartitions(_)
            | AdminCall::AlterPartitionReassignments(_)
    );
    unknown && (by_controller || now.since(task.called_at) >= UNKNOWN_TOPIC_GRACE)
}

fn target(call: &AdminCall) -> Target {
    match call {
        AdminCall::ListOffsets { topic, .. } => Target::Leaders(topic.clone(), None),
        AdminCall::DeleteRecords { topic, partitions } => {
            Target::Leaders(topic.clone(), Some(partitions.iter().map(|(partition, _)| *partition).collect()))
        }
        AdminCall::FetchOffsets { group, .. } | AdminCall::SetOffsets { group, .. } => {
            Target::Coordinator(group.clone())
        }
        AdminCall::ListGroups => Target::Every,
        // One group a call: the host splits.
        AdminCall::DescribeGroups(groups) | AdminCall::DeleteGroups(groups) => {
            Target::Coordinator(groups.first().cloned().unwrap_or_default())
        }
        AdminCall::DescribeConfigs(resources) => {
            let broker =
                resources.iter().find(|(kind, _)| *kind == 4).and_then(|(_, name)| name.parse().ok());
            broker.map_or(Target::Any, |id| Target::Broker(BrokerId(id)))
        }
        _ => Target::Any,
    }
}
