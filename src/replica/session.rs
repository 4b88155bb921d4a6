//! Fetch sessions as the broker keeps them (KIP-227): what a fetcher asks for, and what it was told last, so that requests
//! and responses only say what has changed.
//!
//! | a request with session id, epoch | does |
//! |---|---|
//! | any, -1 | closes that session; is answered without one |
//! | any, 0 | closes that session; opens another, if there is a slot |
//! | id, the session's next epoch | goes on: takes the request's changes |
//! | id, another epoch | INVALID_FETCH_SESSION_EPOCH |
//! | an id that is not there | FETCH_SESSION_ID_NOT_FOUND |
//! | id, but by names where the session goes by topic ids, or the other way | FETCH_SESSION_TOPIC_ID_ERROR |
//!
//! There are `max.incremental.fetch.session.cache.slots`. When all are taken, a new session takes the place of one that was
//! not used for two minutes; or, of those that are not too young, of one that matters less: a consumer's before a
//! follower's, a smaller one before a larger one. Else the fetcher gets session id 0 and does without.
//!
//! An incremental response has a partition when it has records, an error, or a diverging epoch, or when its high watermark
//! or log start is not what the fetcher was told. Who got records goes to the end of the line, so that under
//! `fetch.max.bytes` none starves.

use bytes::Bytes;

use crate::mutation::{Mutation, mutated};
use crate::protocol::ErrorCode;
use crate::protocol::fetch_session::next_epoch;
use crate::protocol::messages;
use crate::protocol::messages::fetch_response::PartitionData;
use crate::rng::Rng;
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant};
use crate::types::Uuid;

use super::fetch::FetchEntry;

/// A session that was not used for this long may go; a younger one than this may not, for one of its kind (Kafka's
/// `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const EVICTION: Duration = Duration::from_secs(120);

/// Names a session; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionId(pub(super) i32);

/// How a fetch uses sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionUse {
    /// Not at all.
    None,
    /// It opens one.
    Opens,
    /// It is the session's fetch of this number.
    Continues { id: SessionId, round: u64 },
}

/// What a fetcher was told of a partition last; -1 for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) high_watermark: i64,
    pub(super) log_start: i64,
}

impl Told {
    /// Nothing yet.
    pub(super) const NOTHING: Told = Told { high_watermark: -1, log_start: -1 };

    /// What this says. After an error everything is said again.
    fn by(data: &PartitionData) -> Told {
        let high_watermark = if data.error_code == 0 { data.high_watermark } else { -1 };
        Told { high_watermark, log_start: data.log_start_offset }
    }

    /// True when the fetcher must hear of it.
    fn is_news(self, data: &PartitionData) -> bool {
        let records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        let moved = self.high_watermark != data.high_watermark || self.log_start != data.log_start_offset;
        let moved = moved && !mutated(Mutation::SessionForgetsHighWatermark);
        records || moved || data.error_code != 0 || data.diverging_epoch.epoch >= 0
    }
}

/// How a partition is named in a session.
type Name = (messages::TopicName, Uuid, i32);

#[derive(Debug)]
struct Cached {
    entry: FetchEntry,
    /// The fetch that named it last: what was told in earlier ones counts no more.
    round: u64,
}

#[derive(Debug)]
struct Session {
    /// A follower's.
    privileged: bool,
    by_id: bool,
    created: Instant,
    last_used: Instant,
    /// Of the next request.
    epoch: i32,
    /// Counts its fetches.
    round: u64,
    /// In the order they are served.
    line: SortedMap<u64, Cached>,
    places: SortedMap<Name, u64>,
    next_place: u64,
    /// Its size when it was touched last.
    size: usize,
}

/// A smaller one goes first.
type Importance = (bool, usize, SessionId);

/// All sessions of a broker.
#[derive(Debug)]
pub(super) struct FetchSessions {
    slots: usize,
    rng: Rng,
    sessions: SortedMap<SessionId, Session>,
    by_use: SortedSet<(Instant, SessionId)>,
    /// What may go for a session of its kind.
    evictable: SortedSet<Importance>,
    /// What may go for a follower's.
    evictable_by_privileged: SortedSet<Importance>,
}

impl FetchSessions {
    /// No session yet. `slots` is `max.incremental.fetch.session.cache.slots`.
    pub(super) fn new(slots: usize, rng: Rng) -> Self {
        Self {
            slots,
            rng,
            sessions: SortedMap::new(),
            by_use: SortedSet::new(),
            evictable: SortedSet::new(),
            evictable_by_privileged: SortedSet::new(),
        }
    }

    /// What a request does with its session; `named` and `forgotten` are what it says of partitions. Gives the partitions to
    /// fetch, in order.
    pub(super) fn take(
        &mut self,
        now: Instant,
        (id, epoch): (i32, i32),
        by_id: bool,
        named: Vec<FetchEntry>,
        forgotten: impl Iterator<Item = Name>,
    ) -> Result<(SessionUse, Vec<FetchEntry>), ErrorCode> {
        let id = SessionId(id);
        if epoch == 0 || epoch == -1 {
            self.close(id);
            let session = if epoch == 0 { SessionUse::Opens } else { SessionUse::None };
            return Ok((session, named));
        }
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.epoch = next_epoch(epoch);
        session.round += 1;
        named.into_iter().for_each(|entry| session.put(entry));
        forgotten.for_each(|name| session.forget(&name));
        let (round, entries) = (session.round, session.entries());
        if entries.is_empty() {
            self.close(id);
            return Ok((SessionUse::None, entries));
        }
        self.touch(now, id);
        Ok((SessionUse::Continues { id, round }, entries))
    }

    /// A session for a fetch that is answered with `data`. None when there is no slot.
    pub(super) fn open(
        &mut self,
        now: Instant,
        privileged: bool,
        by_id: bool,
        entries: &[FetchEntry],
        data: &[PartitionData],
    ) -> Option<SessionId> {
        if self.sessions.len() >= self.slots && !self.evict_for(now, privileged, entries.len()) {
            return None;
        }
        let mut id = SessionId(0);
        while id.0 == 0 || self.sessions.contains_key(&id) {
            id = SessionId(self.rng.below(i32::MAX as u64) as i32);
        }
        let mut session = Session {
            privileged,
            by_id,
            created: now,
            last_used: now,
            epoch: 1,
            round: 0,
            line: SortedMap::new(),
            places: SortedMap::new(),
            next_place: 0,
            size: 0,
        };
        for (entry, data) in entries.iter().zip(data) {
            session.put(entry.clone());
            session.told(&entry.name(), Told::by(data));
        }
        self.sessions.insert(id, session);
        self.touch(now, id);
        Some(id)
    }

    /// Whether a session's response must have this partition, and takes note that it has.
    pub(super) fn says(
        &mut self,
        id: SessionId,
        round: u64,
        entry: &FetchEntry,
        data: &PartitionData,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return entry.told.is_news(data) };
        let Session { places, line, next_place, .. } = session;
        // Named anew since, or forgotten: this fetch goes by what it was then.
        let Some(place) = places.get_mut(&entry.name()) else { return entry.told.is_news(data) };
        let Some(cached) = line.get_mut(place).filter(|cached| cached.round <= round) else {
            return entry.told.is_news(data);
        };
        let news = cached.entry.told.is_news(data);
        cached.entry.told = Told::by(data);
        if data.records.as_ref().is_some_and(|records: &Bytes| !records.is_empty())
            && let Some(cached) = line.remove(place)
        {
            *next_place += 1;
            *place = *next_place;
            line.insert(*place, cached);
        }
        news
    }

    fn close(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.by_use.remove(&(session.last_used, id));
        let importance = (session.privileged, session.size, id);
        self.evictable.remove(&importance);
        self.evictable_by_privileged.remove(&importance);
    }

    fn touch(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        self.by_use.remove(&(session.last_used, id));
        session.last_used = now;
        self.by_use.insert((now, id));
        let before = (session.privileged, session.size, id);
        self.evictable.remove(&before);
        self.evictable_by_privileged.remove(&before);
        session.size = session.places.len();
        let importance = (session.privileged, session.size, id);
        let old = now.since(session.created) > EVICTION;
        if old {
            self.evictable.insert(importance);
        }
        if old || !session.privileged {
            self.evictable_by_privileged.insert(importance);
        }
    }

    /// Makes room for a session of this importance, if it may.
    fn evict_for(&mut self, now: Instant, privileged: bool, size: usize) -> bool {
        if let Some((last_used, id)) = self.by_use.first().copied()
            && now.since(last_used) > EVICTION
        {
            self.close(id);
            return true;
        }
        let evictable = if privileged { &self.evictable_by_privileged } else { &self.evictable };
        match evictable.first().copied() {
            Some(least) if least <= (privileged, size, SessionId(0)) => {
                self.close(least.2);
                true
            }
            _ => false,
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }
}

impl Session {
    fn cached(&mut self, name: &Name) -> Option<&mut Cached> {
        self.line.get_mut(self.places.get(name)?)
    }

    /// A partition that the request names: new, or in its place from somewhere else.
    fn put(&mut self, entry: FetchEntry) {
        let (name, round) = (entry.name(), self.round);
        if let Some(cached) = self.cached(&name) {
            // In another leader epoch the fetcher may have begun anew.
            let same = cached.entry.leader_epoch == entry.leader_epoch;
            let (told, round) = if same { (cached.entry.told, cached.round) } else { (Told::NOTHING, round) };
            *cached = Cached { entry, round };
            cached.entry.told = told;
            return;
        }
        self.next_place += 1;
        self.places.insert(name, self.next_place);
        self.line.insert(self.next_place, Cached { entry, round });
    }

    fn forget(&mut self, name: &Name) {
        if let Some(place) = self.places.remove(name) {
            self.line.remove(&place);
        }
    }

    fn told(&mut self, name: &Name, told: Told) {
        if let Some(cached) = self.cached(name) {
            cached.entry.told = told;
        }
    }

    fn entries(&self) -> Vec<FetchEntry> {
        self.line.values().map(|cached| cached.entry.clone()).collect()
    }
}
