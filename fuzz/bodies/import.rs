//! Importing a topic's files, damaged or foreign: they are refused with a file that was given and a byte within it, or they
//! hold what they say.

use std::collections::BTreeMap;

use bytes::Bytes;
use tabmq::files::{FileError, PartitionWriter, TopicFacts, TopicReader, is_producible, rewrite};
use tabmq::protocol::batch::{batches, validate_batch};
use tabmq::protocol::records::{BatchOptions, decode_records};
use tabmq::types::{Offset, PartitionIndex, TopicName};

use super::script::{Script, placed, seal};

/// A path and its bytes, in the order they are given.
type Files = Vec<(String, Bytes)>;

pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let files = match script.byte() % 4 {
        0 => foreign(&mut script),
        _ => damaged(&mut script),
    };
    match read(&files) {
        Ok(facts) => holds(&facts, &files),
        Err(error) => {
            let sizes = files.iter().filter(|(path, _)| *path == error.file).map(|(_, bytes)| bytes.len());
            let size = sizes.max();
            assert!(size.is_some() || files.is_empty(), "{error}: no such file was given");
            assert!(error.at as usize <= size.unwrap_or(0), "{error}: the file has {size:?} bytes");
        }
    }
}

fn read(files: &Files) -> Result<TopicFacts, FileError> {
    let mut reader = TopicReader::default();
    for (path, bytes) in files {
        reader.read(path, bytes)?;
    }
    reader.finish()
}

fn holds(facts: &TopicFacts, files: &Files) {
    let bytes: BTreeMap<&str, &Bytes> = files.iter().map(|(path, bytes)| (path.as_str(), bytes)).collect();
    for partition in &facts.partitions {
        let (mut next, mut records) = (partition.start, 0);
        for path in &partition.logs {
            let file = bytes[path.as_str()];
            for found in batches(file) {
                let (header, range) = found.expect("an accepted file is whole batches");
                assert!(header.base_offset >= next, "offsets ascend");
                next = header.next_offset();
                assert!(range.len() <= facts.batch_bytes_max);
                let batch = file.slice(range);
                records += decode_records(&batch).expect("an accepted batch can be read").len() as u64;
                if !is_producible(&header) {
                    let new = rewrite(&batch).expect("an accepted batch can be rewritten");
                    new.iter()
                        .for_each(|new| assert!(validate_batch(&new.bytes).is_ok(), "a leader takes it"));
                }
            }
        }
        assert_eq!(records, partition.records);
        assert_eq!(partition.end, (next > partition.start).then_some(next));
    }
}

/// Paths like Kafka's, with anything in them.
fn foreign(script: &mut Script<'_>) -> Files {
    const NAMES: [&str; 8] = [
        "t-0/00000000000000000000.log",
        "t-0/00000000000000000000.index",
        "t-0/00000000000000000000.timeindex",
        "t-0/leader-epoch-checkpoint",
        "t-0/00000000000000000004.log",
        "t-1/00000000000000000000.log",
        "t-0/partition.metadata",
        "u-0/00000000000000000000.log",
    ];
    let mut files = Files::new();
    while !script.is_over() && files.len() < 8 {
        let name = match script.byte() {
            0xff => String::from_utf8_lossy(script.bytes()).into_owned(),
            other => NAMES[usize::from(other) % NAMES.len()].to_owned(),
        };
        files.push((name, Bytes::copy_from_slice(script.bytes())));
    }
    files
}

/// Files as they are written, then changed here and there.
fn damaged(script: &mut Script<'_>) -> Files {
    let mut files = Files::new();
    for partition in 0..1 + script.below(2) {
        let start = i64::from(script.byte());
        let topic = TopicName::from("orders");
        let segment_bytes = [300, 1500, 100_000][script.below(3)];
        let mut writer =
            PartitionWriter::new(topic, PartitionIndex(partition as i32), Offset(start), segment_bytes);
        let (mut next, mut epoch) = (start, 0);
        for _ in 0..script.below(12) {
            let options = BatchOptions { compression: script.codec(), ..BatchOptions::default() };
            let timestamp = i64::from(script.byte()) * 100 - 1;
            let mut batch = script.batch(options, timestamp).to_vec();
            if script.byte() == 0xff {
                script.damage(&mut batch);
                batch.resize(batch.len().max(61), 0);
                seal(&mut batch);
            }
            epoch += i32::from(script.byte() % 8 == 7);
            next += if script.byte() % 8 == 7 { 3 } else { 0 };
            let batch = placed(&batch, next, epoch);
            let Ok(pieces) = writer.write(&batch, Offset(i64::MAX)) else { break };
            pieces.into_iter().for_each(|piece| add(&mut files, piece.path.to_string(), &piece.bytes));
            next = writer.next_offset().0.max(next);
        }
        for piece in writer.finish() {
            add(&mut files, piece.path.to_string(), &piece.bytes);
        }
    }
    let unchanged = files.clone();
    for _ in 0..script.below(4) {
        if files.is_empty() {
            break;
        }
        let at = script.below(files.len());
        match script.byte() % 5 {
            0 => drop(files.remove(at)),
            1 => {
                let other = script.below(files.len());
                let bytes = files[other].1.clone();
                files[at].1 = bytes;
            }
            2 => files.push(files[at].clone()),
            _ => {
                let mut bytes = files[at].1.to_vec();
                script.damage(&mut bytes);
                files[at].1 = bytes.into();
            }
        }
    }
    changed_logs_are_refused(&unchanged, &files);
    files
}

fn add(files: &mut Files, path: String, bytes: &Bytes) {
    match files.iter_mut().find(|(known, _)| *known == path) {
        Some((_, file)) => *file = [file.as_ref(), bytes.as_ref()].concat().into(),
        None => files.push((path, bytes.clone())),
    }
}

/// One bit of a batch that its checksum covers: then nothing is imported.
fn changed_logs_are_refused(before: &Files, after: &Files) {
    let one_bit = |(old, new): (&(String, Bytes), &(String, Bytes))| -> Option<String> {
        let differ = old.1.iter().zip(&new.1).filter(|(old, new)| old != new).count();
        let at = old.1.iter().zip(&new.1).position(|(old, new)| old != new)?;
        let covered = batches(&old.1)
            .map_while(Result::ok)
            .any(|(_, range)| (range.start + 21..range.end).contains(&at));
        (old.0 == new.0 && old.1.len() == new.1.len() && differ == 1 && covered && old.0.ends_with(".log"))
            .then(|| old.0.clone())
    };
    if before.len() == after.len()
        && let Some(file) = before.iter().zip(after).find_map(one_bit)
    {
        assert!(read(after).is_err(), "{file} was changed, and taken");
    }
}

/// What a run begins with.
pub fn seeds() -> Vec<Vec<u8>> {
    let written = |partitions: u8, segment: u8, changes: &[u8]| {
        let mut bytes = vec![1, 0, partitions];
        for _ in 0..=partitions {
            bytes.extend([0, 0, segment, 0, 6]);
            (0..6).for_each(|n| bytes.extend([0, n % 5, n, 0, 2, 40 + n, 90, 200, 0, n, n]));
        }
        bytes.extend([0, (changes.len() / 8) as u8]);
        bytes.extend_from_slice(changes);
        bytes
    };
    let log = [0, 0, 29];
    let checkpoint = [3, 14];
    vec![
        written(0, 2, &[]),
        written(1, 1, &[]),
        written(1, 0, &[0, 1, 3, 0, 90, 0, 3, 0]),
        written(0, 0, &[0, 2, 3, 0, 40, 2, 0, 0]),
        written(0, 0, &[0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        [&log[..], &[0; 29], &checkpoint, b"0\n1\n0 0\n0\n2\n00"].concat(),
    ]
}
