//! `leader-epoch-checkpoint`: where each leader epoch begins, as text.

use crate::types::{LeaderEpoch, Offset};

use super::fault::Fault;

/// One leader epoch and its first offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The first offset written in it.
    pub start: Offset,
}

const VERSION: &str = "0";

/// The file of these epochs, ascending.
pub(super) fn write(epochs: &[EpochStart]) -> String {
    let mut text = format!("{VERSION}\n{}\n", epochs.len());
    for EpochStart { epoch, start } in epochs {
        text.push_str(&format!("{epoch} {start}\n"));
    }
    text
}

/// The epochs of a file; else the byte of the line that is wrong.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<EpochStart>, (usize, Fault)> {
    let wrong = |at, what| Err((at, Fault::CheckpointMalformed(what)));
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return wrong(error.valid_up_to(), "not text"),
    };
    // Every line is ended, also the last: a file cut within a number must not read as a smaller one.
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').map(|line| {
        let start = at;
        at += line.len();
        (start, line.strip_suffix('\n'))
    });
    let end = bytes.len();
    match lines.next() {
        Some((_, Some(VERSION))) => {}
        _ => return wrong(0, "the first line is to be the version, 0"),
    }
    let count = match lines.next() {
        Some((at, Some(line))) => match line.parse::<usize>() {
            Ok(count) => count,
            Err(_) => return wrong(at, "the second line is to be the number of lines that follow"),
        },
        _ => return wrong(end.min(VERSION.len() + 1), "the second line is cut short"),
    };
    let mut epochs: Vec<EpochStart> = Vec::new();
    for (at, line) in lines {
        let Some(line) = line else { return wrong(at, "the last line is cut short") };
        let numbers = line.split_once(' ').and_then(|(epoch, start)| {
            let (epoch, start) = (epoch.parse::<i32>().ok()?, start.parse::<i64>().ok()?);
            (epoch >= 0 && start >= 0).then_some((LeaderEpoch(epoch), Offset(start)))
        });
        let Some((epoch, start)) = numbers else {
            return wrong(at, "a line is to be an epoch and a start offset");
        };
        if epochs.last().is_some_and(|last| last.epoch >= epoch || last.start >= start) {
            return wrong(at, "epochs and their start offsets are to ascend");
        }
        if epochs.len() == count {
            return wrong(at, "more lines than the second line says");
        }
        epochs.push(EpochStart { epoch, start });
    }
    if epochs.len() < count {
        return wrong(end, "fewer lines than the second line says");
    }
    Ok(epochs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(epoch: i32, start: i64) -> EpochStart {
        EpochStart { epoch: LeaderEpoch(epoch), start: Offset(start) }
    }

    #[test]
    fn epochs_read_back_as_written() {
        let epochs = vec![entry(0, 0), entry(3, 17), entry(4, 1_000_000_000_000)];
        assert_eq!(write(&epochs), "0\n3\n0 0\n3 17\n4 1000000000000\n");
        assert_eq!(parse(write(&epochs).as_bytes()), Ok(epochs));
        assert_eq!(parse(write(&[]).as_bytes()), Ok(vec![]));
    }

    #[test]
    fn every_cut_and_every_malformed_line_is_refused_with_its_byte() {
        let whole = write(&[entry(0, 0), entry(12, 345)]);
        for end in 0..whole.len() {
            assert!(parse(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        for (text, byte) in [
            ("1\n0\n", 0),
            ("0\nx\n", 2),
            ("0\n1\n", 4),
            ("0\n1\n0 0\n1 5\n", 8),
            ("0\n2\n1 0\n0 5\n", 8),
            ("0\n2\n0 5\n1 5\n", 8),
            ("0\n1\n-1 0\n", 4),
            ("0\n1\n0  0\n", 4),
            ("0\n1\n0 0 0\n", 4),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().0, byte, "{text:?}");
        }
        assert_eq!(parse(b"0\n1\n\xff").unwrap_err().0, 4);
    }
}
