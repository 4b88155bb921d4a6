//! A fetch session as its fetcher keeps it (KIP-227): which partitions the broker knows already, so that a request says only
//! what has changed since the last one.
//!
//! | the next request | session id, epoch | says |
//! |---|---|---|
//! | opens a session | 0, 0 | all partitions |
//! | goes on | id, 1, 2, ... | partitions that are new or changed, and those to forget |
//! | closes and opens anew, after an error | id, 0 | all partitions |
//! | without a session, while the broker has no slot for one | 0, -1 | all partitions |
//!
//! Epochs are counted when requests are sent, so that a second one may follow before the first is answered; but not before
//! the broker has given the session its id.

use crate::sorted::SortedMap;

use super::ErrorCode;

/// The epoch that opens a session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of requests without a session.
const FINAL_EPOCH: i32 = -1;

/// The epoch after this one: 0 and -1 are never reached again.
pub fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

/// What a request says of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRequest<K, V> {
    /// The session, 0 for none.
    pub session_id: i32,
    /// Its epoch.
    pub epoch: i32,
    /// True when all partitions are named.
    pub full: bool,
    /// Partitions to fetch from now on, or from another place.
    pub changed: Vec<(K, V)>,
    /// Partitions to fetch no longer.
    pub forgotten: Vec<K>,
    /// Where changed and forgotten partitions were fetched from before.
    pub before: Vec<(K, V)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next request opens a session, and closes this one (0 for none).
    New { closes: i32 },
    /// Asked for, not answered.
    Opening,
    /// The next request has this epoch.
    Open { id: i32, epoch: i32 },
    /// The broker had no slot.
    Refused,
}

/// See the file's head. `K` names a partition, `V` is where it is fetched from.
#[derive(Debug)]
pub struct FetchSession<K, V> {
    state: State,
    /// As the broker has it.
    sent: SortedMap<K, V>,
    /// What the next request changes: none forgets a partition.
    staged: SortedMap<K, Option<V>>,
}

impl<K: Ord + Clone, V: Clone + PartialEq> Default for FetchSession<K, V> {
    fn default() -> Self {
        Self { state: State::New { closes: 0 }, sent: SortedMap::new(), staged: SortedMap::new() }
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> FetchSession<K, V> {
    /// Fetches a partition from here with the next request.
    pub fn set(&mut self, key: K, value: V) {
        if self.sent.get(&key) == Some(&value) {
            self.staged.remove(&key);
        } else {
            self.staged.insert(key, Some(value));
        }
    }

    /// Fetches a partition no longer.
    pub fn remove(&mut self, key: &K) {
        if self.sent.contains_key(key) {
            self.staged.insert(key.clone(), None);
        } else {
            self.staged.remove(key);
        }
    }

    /// Fetches these partitions and no others with the next request.
    pub fn set_all(&mut self, wanted: SortedMap<K, V>) {
        self.staged.retain(|key, _| wanted.contains_key(key));
        for key in self.sent.keys().filter(|key| !wanted.contains_key(*key)) {
            self.staged.insert(key.clone(), None);
        }
        for (key, value) in wanted {
            self.set(key, value);
        }
    }

    /// True when the next request would name a partition that is new, or has moved.
    pub fn has_news(&self) -> bool {
        self.staged.values().any(Option::is_some)
    }

    /// True when there is nothing to fetch.
    pub fn is_empty(&self) -> bool {
        !self.has_news() && self.sent.keys().all(|key| self.staged.contains_key(key))
    }

    /// False while the broker has not answered the request that opens the session.
    pub fn may_request(&self) -> bool {
        self.state != State::Opening
    }

    /// True when the next request opens a session: better not to wait with it, because nothing can be sent meanwhile.
    pub fn opens(&self) -> bool {
        matches!(self.state, State::New { .. })
    }

    /// Where the broker fetches a partition from, after the last request.
    pub fn sent(&self, key: &K) -> Option<&V> {
        self.sent.get(key)
    }

    /// The next request.
    pub fn request(&mut self) -> SessionRequest<K, V> {
        let mut before = Vec::new();
        let mut changed = Vec::new();
        let mut forgotten = Vec::new();
        for (key, value) in std::mem::take(&mut self.staged) {
            let old = match &value {
                Some(value) => self.sent.insert(key.clone(), value.clone()),
                None => self.sent.remove(&key),
            };
            before.extend(old.map(|old| (key.clone(), old)));
            match value {
                Some(value) => changed.push((key, value)),
                None => forgotten.push(key),
            }
        }
        let (session_id, epoch, full) = match self.state {
            State::New { closes } => (closes, INITIAL_EPOCH, true),
            State::Opening | State::Refused => (0, FINAL_EPOCH, true),
            State::Open { id, epoch } => (id, epoch, false),
        };
        if full {
            changed = self.sent.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            forgotten.clear();
        }
        self.state = match self.state {
            State::New { .. } => State::Opening,
            State::Open { id, epoch } => State::Open { id, epoch: next_epoch(epoch) },
            state => state,
        };
        SessionRequest { session_id, epoch, full, changed, forgotten, before }
    }

    /// The broker has answered the last request, with this session id: 0 when it has no slot.
    pub fn answered(&mut self, session_id: i32) {
        self.state = match self.state {
            State::Opening if session_id != 0 => State::Open { id: session_id, epoch: 1 },
            State::Opening => State::Refused,
            // Nothing was left in it, and the broker has closed it.
            State::Open { .. } if session_id == 0 => return self.reset(None),
            state => state,
        };
    }

    /// A request failed, with this error of the whole response, or without an answer: what the broker has is not known any
    /// more. The next request names everything.
    pub fn failed(&mut self, error: Option<ErrorCode>) {
        self.reset(error);
    }

    fn reset(&mut self, error: Option<ErrorCode>) {
        let closes = match self.state {
            State::Open { id, .. } if error != Some(ErrorCode::FetchSessionIdNotFound) => id,
            State::New { closes } => closes,
            _ => 0,
        };
        self.state = State::New { closes };
        for (key, value) in std::mem::take(&mut self.sent) {
            self.staged.entry(key).or_insert(Some(value));
        }
        self.staged.retain(|_, value| value.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> FetchSession<u8, u64> {
        let mut session = FetchSession::default();
        session.set(1, 10);
        session.set(2, 20);
        let request = session.request();
        assert_eq!((request.session_id, request.epoch, request.full), (0, 0, true));
        assert_eq!(request.changed, [(1, 10), (2, 20)]);
        assert!(!session.may_request(), "the broker has not said the session's id");
        session.answered(77);
        session
    }

    #[test]
    fn after_the_first_request_only_changes_are_said() {
        let mut session = opened();
        assert!(!session.has_news());
        let idle = session.request();
        assert_eq!((idle.session_id, idle.epoch, idle.full), (77, 1, false));
        assert_eq!((idle.changed, idle.forgotten), (vec![], vec![]));
        session.set(1, 11);
        session.set(2, 20);
        session.set(3, 30);
        let request = session.request();
        assert_eq!((request.epoch, request.changed), (2, vec![(1, 11), (3, 30)]));
        assert_eq!(request.before, [(1, 10)]);
        session.remove(&1);
        session.remove(&3);
        session.set(3, 30);
        let request = session.request();
        assert_eq!((request.epoch, request.changed, request.forgotten), (3, vec![], vec![1]));
        assert_eq!(session.sent(&3), Some(&30));
        assert_eq!(session.sent(&1), None);
    }

    #[test]
    fn after_a_failure_everything_is_said_again_and_the_old_session_closed() {
        let mut session = opened();
        session.set(1, 11);
        session.remove(&2);
        session.failed(None);
        let request = session.request();
        assert_eq!((request.session_id, request.epoch, request.full), (77, 0, true));
        assert_eq!(request.changed, [(1, 11)]);
        session.answered(78);
        session.failed(Some(ErrorCode::FetchSessionIdNotFound));
        let request = session.request();
        assert_eq!((request.session_id, request.epoch), (0, 0));
    }

    #[test]
    fn without_a_slot_every_request_is_a_full_one() {
        let mut session = FetchSession::default();
        session.set(1, 10);
        session.request();
        session.answered(0);
        for _ in 0..2 {
            let request = session.request();
            assert_eq!((request.session_id, request.epoch, request.full), (0, -1, true));
            assert_eq!(request.changed, [(1, 10)]);
        }
    }

    #[test]
    fn all_at_once_is_the_same_as_one_by_one() {
        let mut session = opened();
        session.set_all(SortedMap::from([(2, 21), (4, 40)]));
        let request = session.request();
        assert_eq!((request.changed, request.forgotten), (vec![(2, 21), (4, 40)], vec![1]));
        session.set_all(SortedMap::new());
        assert!(session.is_empty());
    }

    #[test]
    fn epochs_begin_again_at_one() {
        assert_eq!((next_epoch(0), next_epoch(i32::MAX)), (1, 1));
    }
}
