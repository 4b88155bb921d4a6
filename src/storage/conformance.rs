//! What every storage must do, as a list of steps, and `check`, which takes a storage through them: the one in memory, the
//! one that loses its power, and (in a browser) IndexedDB.

use bytes::Bytes;

use super::{Storage, recovered};
use crate::log::io::{Chunk, IoId, IoOp, IoResult, Recovered, SegmentRow};
use crate::types::{LogId, Offset, PartitionIndex, TopicId, Uuid};

/// What the host does in a step.
#[derive(Debug, Clone)]
pub enum Action {
    /// Execute the operation and wait for its result.
    Execute(IoOp),
    /// Arrange that the next write fails.
    FailNextWrite,
    /// Close the storage and open it again (or, where it has no such notion, only look): check what it recovers.
    Reopen,
}

/// A storage under test.
#[expect(async_fn_in_trait, reason = "hosts have one thread")]
pub trait Subject {
    /// What it is.
    type Storage: Storage;

    /// The storage, as it is open now.
    fn storage(&self) -> &Self::Storage;

    /// The next write fails, whatever it is.
    fn fail_next_write(&mut self);

    /// Closes the storage, and opens it on what it holds.
    async fn reopen(&mut self);
}

/// Takes a storage through the suite; the error names the rule that it breaks.
pub async fn check(subject: &mut impl Subject) -> Result<(), String> {
    for (step, io) in steps().into_iter().zip(1..) {
        let found = match &step.action {
            Action::Execute(op) => {
                let mut results = subject.storage().execute(vec![(IoId(io), op.clone())]).await;
                match (results.pop(), results.is_empty()) {
                    (Some((id, result)), true) if id == IoId(io) => Found::Result(result),
                    (last, _) => return Err(format!("{}: one result of {io}: {last:?}", step.rule)),
                }
            }
            Action::FailNextWrite => {
                subject.fail_next_write();
                continue;
            }
            Action::Reopen => {
                subject.reopen().await;
                let recovered = recovered(subject.storage()).await;
                Found::Recovered(recovered.map_err(|error| format!("{}: {error:?}", step.rule))?)
            }
        };
        step.check(&found)?;
    }
    Ok(())
}

/// What the host found.
#[derive(Debug, Clone)]
pub enum Found {
    /// An operation's result.
    Result(IoResult),
    /// What opening recovered.
    Recovered(Recovered),
}

/// What must be found.
#[derive(Debug, Clone)]
pub enum Expect {
    /// Nothing to check.
    Nothing,
    /// `IoResult::Done`.
    Done,
    /// `IoResult::Failed`, whatever the error.
    Failed,
    /// `IoResult::Read` of these chunks, base and content, and perhaps of what follows them; of none when these are none.
    Chunks(Vec<(i64, &'static str)>),
    /// Opening recovers exactly this of the suite's logs and meta keys.
    State {
        /// Meta keys that begin with `conformance-`, with their values.
        meta: Vec<(&'static str, &'static str)>,
        /// Of the first log: bases of its rows with their content, then its tail.
        first: StateOf,
        /// Of the second log.
        second: StateOf,
    },
}

/// Rows and tail of one log, as base and content; both empty for a log that is not there.
#[derive(Debug, Clone, Default)]
pub struct StateOf {
    /// Segment rows.
    pub rows: Vec<(i64, &'static str)>,
    /// Chunks of the last segment.
    pub tail: Vec<(i64, &'static str)>,
}

/// One action and what it must lead to.
#[derive(Debug, Clone)]
pub struct Step {
    /// The rule this step is about.
    pub rule: &'static str,
    /// What to do.
    pub action: Action,
    /// What must come of it.
    pub expect: Expect,
}

impl Step {
    /// Compares what was found with what must be; the error names the rule and the difference.
    pub fn check(&self, found: &Found) -> Result<(), String> {
        let agrees = match (&self.expect, found) {
            (Expect::Nothing, _) => true,
            (Expect::Done, Found::Result(result)) => *result == IoResult::Done,
            (Expect::Failed, Found::Result(result)) => matches!(result, IoResult::Failed(_)),
            (Expect::Chunks(expected), Found::Result(IoResult::Read(chunks))) => {
                let more = !expected.is_empty() && chunks.is_sorted_by(|a, b| a.base < b.base);
                let count = if more { expected.len().min(chunks.len()) } else { chunks.len() };
                same(expected, chunks[..count].iter().map(|c| (c.base, &c.bytes)))
            }
            (Expect::State { meta, first, second }, Found::Recovered(recovered)) => {
                let found_meta: Vec<_> = recovered
                    .meta
                    .iter()
                    .filter(|(key, _)| key.starts_with("conformance-"))
                    .map(|(key, value)| (key.as_str(), value.as_ref()))
                    .collect();
                let meta: Vec<_> = meta.iter().map(|(key, value)| (*key, value.as_bytes())).collect();
                meta == found_meta
                    && first.agrees(recovered, first_log())
                    && second.agrees(recovered, second_log())
            }
            _ => false,
        };
        if agrees {
            return Ok(());
        }
        Err(format!("{}: {:?} should give {:?}, gave {:?}", self.rule, self.action, self.expect, found))
    }
}

impl StateOf {
    fn agrees(&self, recovered: &Recovered, log: LogId) -> bool {
        let found = recovered.logs.get(&log).cloned().unwrap_or_default();
        same(&self.rows, found.rows.iter().map(|r| (r.base, &r.bytes)))
            && same(&self.tail, found.tail.iter().map(|c| (c.base, &c.bytes)))
    }
}

fn same<'a>(expected: &[(i64, &str)], found: impl Iterator<Item = (Offset, &'a Bytes)>) -> bool {
    let found: Vec<(i64, &[u8])> = found.map(|(base, bytes)| (base.0, bytes.as_ref())).collect();
    let expected: Vec<(i64, &[u8])> = expected.iter().map(|(base, text)| (*base, text.as_bytes())).collect();
    expected == found
}

/// The log most steps are about.
pub fn first_log() -> LogId {
    LogId { topic_id: TopicId(Uuid::from_u128(0xC0F0)), partition: PartitionIndex(0) }
}

/// Another partition of the same topic: its neighbour in any ordering of keys.
pub fn second_log() -> LogId {
    LogId { partition: PartitionIndex(1), ..first_log() }
}

/// The suite. Chunk contents are plain text: a storage knows nothing of batches.
pub fn steps() -> Vec<Step> {
    let mut suite = Suite(Vec::new());
    appends_and_reads(&mut suite);
    truncations(&mut suite);
    poison(&mut suite);
    rewrites(&mut suite);
    deletions(&mut suite);
    suite.0
}

fn appends_and_reads(s: &mut Suite) {
    let log = first_log();
    s.read("a log never written has no chunks", log, 0, 100, &[]);
    s.done("an append puts its chunks and rows", append(log, &[(0, "aaaa"), (4, "bbbb")], &[(0, "row0")]));
    s.done("another log is apart", append(second_log(), &[(0, "zz")], &[(0, "other")]));
    s.done("an append may roll", append(log, &[(8, "cccc")], &[(0, "row0 closed"), (8, "row8")]));
    let all = &[(0, "aaaa"), (4, "bbbb"), (8, "cccc")];
    s.read("a read begins with the chunk that holds the offset", log, 5, 1, &all[1..]);
    s.read("a read at a chunk's base begins there", log, 4, 1, &all[1..]);
    s.read("a read gives at least two chunks", log, 0, 0, &all[..2]);
    s.read("a read goes on until the limit is reached", log, 0, 8, &all[..2]);
    s.read("a read goes on below the limit", log, 0, 9, all);
    s.read("a read crosses segments", log, 1, 100, &[(0, "aaaa"), (4, "bbbb"), (8, "cccc")]);
    s.read("a read beyond the end gives the last chunk", log, 99, 100, &[(8, "cccc")]);
    s.read("a read does not run into the next log", second_log(), 0, 100, &[(0, "zz")]);
    s.done("a small value is put", meta("conformance-a", "1"));
    s.done("a small value is replaced", meta("conformance-a", "2"));
    s.reopen(
        "opening gives all rows and the chunks of the last segment only",
        &[("conformance-a", "2")],
        (&[(0, "row0 closed"), (8, "row8")], &[(8, "cccc")]),
        (&[(0, "other")], &[(0, "zz")]),
    );
}

fn truncations(s: &mut Suite) {
    let log = first_log();
    s.done("a truncation between chunks", truncate(log, 8, None, &[]));
    s.reopen(
        "a truncation deletes chunks and rows from its offset on",
        &[("conformance-a", "2")],
        (&[(0, "row0 closed")], &[(0, "aaaa"), (4, "bbbb")]),
        (&[(0, "other")], &[(0, "zz")]),
    );
    s.done("a truncation within a chunk", truncate(log, 6, Some((4, "bb")), &[(0, "row0 open")]));
    s.done("an append continues after it", append(log, &[(6, "dd")], &[]));
    s.read("the kept front replaced the chunk", log, 4, 100, &[(4, "bb"), (6, "dd")]);
    // As only damage makes one: the batch before claims its offset, too.
    s.done("a chunk within another's offsets", append(log, &[(7, "overlaps")], &[]));
    s.done("a truncation behind both", truncate(log, 8, Some((6, "dd")), &[]));
    s.read("nothing stays between the kept front and the cut", log, 6, 100, &[(6, "dd")]);
    s.done(
        "a truncation to the very start may put a row",
        truncate(second_log(), 0, None, &[(100, "restart")]),
    );
    s.reopen(
        "rows of a truncation are put",
        &[("conformance-a", "2")],
        (&[(0, "row0 open")], &[(0, "aaaa"), (4, "bb"), (6, "dd")]),
        (&[(100, "restart")], &[]),
    );
}

fn poison(s: &mut Suite) {
    let log = first_log();
    s.0.push(Step { rule: "a write fails", action: Action::FailNextWrite, expect: Expect::Nothing });
    s.failed("the failed write", append(log, &[(8, "lost")], &[(8, "lost row")]));
    s.failed("an append after a failed write fails", append(log, &[(9, "hole")], &[]));
    s.read("nothing of either took effect", log, 6, 100, &[(6, "dd")]);
    s.done("other logs are not concerned", append(second_log(), &[(100, "yy")], &[]));
    s.done("neither are small values", meta("conformance-a", "3"));
    s.done("a truncation ends it", truncate(log, 8, None, &[]));
    s.done("then appends succeed", append(log, &[(8, "ee")], &[]));
    s.done("(undone, so that the state is the same as before)", truncate(log, 8, None, &[]));
    s.done("(undone too)", truncate(second_log(), 100, None, &[(100, "restart")]));
    s.done("(undone too)", meta("conformance-a", "2"));
    s.reopen(
        "a failed write leaves no trace",
        &[("conformance-a", "2")],
        (&[(0, "row0 open")], &[(0, "aaaa"), (4, "bb"), (6, "dd")]),
        (&[(100, "restart")], &[]),
    );
}

fn rewrites(s: &mut Suite) {
    let log = first_log();
    let rewrite =
        |from: i64, to: i64, chunks: Contents<'_>, rows: Contents<'_>, gone: &[i64]| IoOp::Rewrite {
            log,
            from: Offset(from),
            to: Offset(to),
            chunks: chunks.iter().map(chunk).collect(),
            rows: rows.iter().map(row).collect(),
            gone: gone.iter().map(|base| Offset(*base)).collect(),
        };
    s.done("two rolls", append(log, &[(8, "ee"), (10, "ff")], &[(8, "row8"), (10, "row10")]));
    s.done("a rewrite", rewrite(0, 8, &[(1, "ab")], &[(0, "row0 clean")], &[]));
    s.read("a rewrite replaces the chunks of its range", log, 0, 100, &[(1, "ab"), (8, "ee"), (10, "ff")]);
    s.read("a read in a gap begins below it", log, 7, 0, &[(1, "ab"), (8, "ee")]);
    s.done("a rewrite may merge segments", rewrite(8, 10, &[], &[(0, "row0 and 8")], &[8]));
    s.done("a rewrite of nothing puts its rows", rewrite(8, 8, &[], &[(0, "row0 and 8 too")], &[]));
    s.reopen(
        "rows that a rewrite names are gone, all others stay",
        &[("conformance-a", "2")],
        (&[(0, "row0 and 8 too"), (10, "row10")], &[(10, "ff")]),
        (&[(100, "restart")], &[]),
    );
    let before = &[(0, "aaaa"), (4, "bb"), (6, "dd")];
    s.done("(undone)", truncate(log, 0, None, &[]));
    s.done("(undone too)", append(log, before, &[(0, "row0 open")]));
}

fn deletions(s: &mut Suite) {
    let log = first_log();
    s.done("a roll", append(log, &[(8, "ee")], &[(0, "row0 closed"), (8, "row8")]));
    s.done("a deletion of the front", IoOp::DeleteBefore { log, before: Offset(8) });
    s.read("a read below the first chunk gives the first", log, 0, 100, &[(8, "ee")]);
    s.reopen(
        "rows of the deleted front are gone",
        &[("conformance-a", "2")],
        (&[(8, "row8")], &[(8, "ee")]),
        (&[(100, "restart")], &[]),
    );
    s.done("a deletion of a log", IoOp::DeleteLog { log });
    s.read("a deleted log has no chunks", log, 0, 100, &[]);
    s.done("a deletion of a log that is not there", IoOp::DeleteLog { log });
    s.reopen(
        "a deleted log is not recovered",
        &[("conformance-a", "2")],
        (&[], &[]),
        (&[(100, "restart")], &[]),
    );
}

/// Base and content of several chunks or rows.
type Contents<'a> = &'a [(i64, &'static str)];

struct Suite(Vec<Step>);

impl Suite {
    fn done(&mut self, rule: &'static str, op: IoOp) {
        self.0.push(Step { rule, action: Action::Execute(op), expect: Expect::Done });
    }

    fn failed(&mut self, rule: &'static str, op: IoOp) {
        self.0.push(Step { rule, action: Action::Execute(op), expect: Expect::Failed });
    }

    fn read(&mut self, rule: &'static str, log: LogId, from: i64, bytes_max: usize, expected: Contents<'_>) {
        let action = Action::Execute(IoOp::Read { log, from: Offset(from), bytes_max });
        self.0.push(Step { rule, action, expect: Expect::Chunks(expected.to_vec()) });
    }

    fn reopen(
        &mut self,
        rule: &'static str,
        meta: &[(&'static str, &'static str)],
        first: (Contents<'_>, Contents<'_>),
        second: (Contents<'_>, Contents<'_>),
    ) {
        let state =
            |(rows, tail): (Contents<'_>, Contents<'_>)| StateOf { rows: rows.to_vec(), tail: tail.to_vec() };
        let expect = Expect::State { meta: meta.to_vec(), first: state(first), second: state(second) };
        self.0.push(Step { rule, action: Action::Reopen, expect });
    }
}

fn append(log: LogId, chunks: Contents<'_>, rows: Contents<'_>) -> IoOp {
    let (chunks, rows) = (chunks.iter().map(chunk).collect(), rows.iter().map(row).collect());
    IoOp::Append { log, chunks, rows, flush: false }
}

fn truncate(log: LogId, to: i64, keep: Option<(i64, &'static str)>, rows: Contents<'_>) -> IoOp {
    let keep = keep.as_ref().map(chunk);
    IoOp::Truncate { log, to: Offset(to), keep, rows: rows.iter().map(row).collect() }
}

fn meta(key: &str, value: &'static str) -> IoOp {
    IoOp::WriteMeta { key: key.into(), value: Bytes::from_static(value.as_bytes()), flush: false }
}

fn chunk((base, text): &(i64, &'static str)) -> Chunk {
    Chunk { base: Offset(*base), bytes: Bytes::from_static(text.as_bytes()) }
}

fn row((base, text): &(i64, &'static str)) -> SegmentRow {
    SegmentRow { base: Offset(*base), bytes: Bytes::from_static(text.as_bytes()) }
}
