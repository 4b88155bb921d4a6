//! `.index` and `.timeindex`: entries of a fixed size, big-endian, offsets relative to the file's own.

use crate::types::Offset;

use super::fault::Fault;

const OFFSET_ENTRY_BYTES: usize = 8;
const TIME_ENTRY_BYTES: usize = 12;

/// The batch at `position` ends at `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OffsetEntry {
    pub offset: Offset,
    /// In the .log, in bytes.
    pub position: u32,
}

/// Up to and including the batch that ends at `offset`, no timestamp is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeEntry {
    /// Ms since the Unix epoch.
    pub timestamp: i64,
    pub offset: Offset,
}

/// The file of these entries, whose offsets are within `i32::MAX` of `base`.
pub(super) fn write_offsets(base: Offset, entries: &[OffsetEntry]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|entry| [relative(base, entry.offset), entry.position.to_be_bytes()].concat())
        .collect()
}

/// The file of these entries, whose offsets are within `i32::MAX` of `base`.
pub(super) fn write_times(base: Offset, entries: &[TimeEntry]) -> Vec<u8> {
    let entry_bytes =
        |entry: &TimeEntry| [&entry.timestamp.to_be_bytes()[..], &relative(base, entry.offset)[..]].concat();
    entries.iter().flat_map(entry_bytes).collect()
}

fn relative(base: Offset, offset: Offset) -> [u8; 4] {
    ((offset.0 - base.0) as i32).to_be_bytes()
}

/// The entries of a file, ascending; else the byte of the one that is wrong.
pub(super) fn parse_offsets(base: Offset, bytes: &[u8]) -> Result<Vec<OffsetEntry>, (usize, Fault)> {
    let mut entries: Vec<OffsetEntry> = Vec::new();
    for (at, bytes) in entries_of::<OFFSET_ENTRY_BYTES>(bytes)? {
        let [r0, r1, r2, r3, position @ ..] = bytes;
        let offset = absolute(base, [r0, r1, r2, r3]).ok_or((at, Fault::EntryDiffersFromLog))?;
        let entry = OffsetEntry { offset, position: u32::from_be_bytes(position) };
        if entries.last().is_some_and(|last| last.offset >= offset || last.position >= entry.position) {
            return Err((at, Fault::EntryNotAscending));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The entries of a file, ascending; else the byte of the one that is wrong.
pub(super) fn parse_times(base: Offset, bytes: &[u8]) -> Result<Vec<TimeEntry>, (usize, Fault)> {
    let mut entries: Vec<TimeEntry> = Vec::new();
    for (at, bytes) in entries_of::<TIME_ENTRY_BYTES>(bytes)? {
        let [t0, t1, t2, t3, t4, t5, t6, t7, relative @ ..] = bytes;
        let timestamp = i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        let offset = absolute(base, relative).ok_or((at, Fault::EntryDiffersFromLog))?;
        if entries.last().is_some_and(|last| last.timestamp >= timestamp || last.offset >= offset) {
            return Err((at, Fault::EntryNotAscending));
        }
        entries.push(TimeEntry { timestamp, offset });
    }
    Ok(entries)
}

fn absolute(base: Offset, relative: [u8; 4]) -> Option<Offset> {
    let relative = i32::from_be_bytes(relative);
    base.0.checked_add(i64::from(relative)).filter(|_| relative >= 0).map(Offset)
}

/// An entry's bytes, and where in the file they are.
type Placed<const N: usize> = (usize, [u8; N]);

/// The entries of `N` bytes with their places. The zeros at the end are left out: a broker keeps the index of its newest
/// segment at full length until it closes it.
fn entries_of<const N: usize>(bytes: &[u8]) -> Result<Vec<Placed<N>>, (usize, Fault)> {
    let (entries, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err((bytes.len() - rest.len(), Fault::EntryCut));
    }
    let used = entries.iter().rposition(|entry| *entry != [0; N]).map_or(0, |last| last + 1);
    Ok(entries.iter().take(used).enumerate().map(|(index, entry)| (index * N, *entry)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Offset = Offset(5_000_000_000);

    #[test]
    fn entries_read_back_as_written_whatever_zeros_follow() {
        let offsets = [(1, 4100), (i64::from(i32::MAX), u32::MAX)]
            .map(|(offset, position)| OffsetEntry { offset: BASE.plus(offset), position });
        let mut file = write_offsets(BASE, &offsets);
        assert_eq!(file.len(), 16);
        assert_eq!(parse_offsets(BASE, &file).unwrap(), offsets);
        file.extend([0; 80]);
        assert_eq!(parse_offsets(BASE, &file).unwrap(), offsets);
        let times =
            [(-5, 0), (7, 3)].map(|(timestamp, offset)| TimeEntry { timestamp, offset: BASE.plus(offset) });
        let mut file = write_times(BASE, &times);
        assert_eq!(file.len(), 24);
        assert_eq!(parse_times(BASE, &file).unwrap(), times);
        file.extend([0; 120]);
        assert_eq!(parse_times(BASE, &file).unwrap(), times);
    }

    #[test]
    fn an_entry_out_of_order_negative_or_cut_is_refused_with_its_byte() {
        let entry = |offset, position| OffsetEntry { offset: BASE.plus(offset), position };
        let file = write_offsets(BASE, &[entry(5, 10), entry(5, 20)]);
        assert_eq!(parse_offsets(BASE, &file), Err((8, Fault::EntryNotAscending)));
        let file = write_offsets(BASE, &[entry(5, 10), entry(6, 10)]);
        assert_eq!(parse_offsets(BASE, &file), Err((8, Fault::EntryNotAscending)));
        assert_eq!(parse_offsets(BASE, &file[..13]), Err((8, Fault::EntryCut)));
        assert_eq!(parse_offsets(BASE, &[0xff; 8]), Err((0, Fault::EntryDiffersFromLog)));
        let time = |timestamp, offset| TimeEntry { timestamp, offset: BASE.plus(offset) };
        let file = write_times(BASE, &[time(1, 1), time(1, 2)]);
        assert_eq!(parse_times(BASE, &file), Err((12, Fault::EntryNotAscending)));
        assert_eq!(parse_times(BASE, &file[..23]), Err((12, Fault::EntryCut)));
        assert_eq!(parse_times(BASE, &[0xff; 12]), Err((0, Fault::EntryDiffersFromLog)));
    }
}
