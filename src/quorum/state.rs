//! What a quorum node must never forget: its epoch, its vote, and the id of its storage; and how they are written.
//!
//! ```text
//!  0  version    i16  1
//!  2  epoch      i32
//!  6  voted for  i32  -1 for nobody
//! 10  directory  uuid          (not in version 0)
//! ```

use bytes::Bytes;

use crate::protocol::compact::{Malformed, Reader, Writer};
use crate::types::{BrokerId, LeaderEpoch, Uuid};

/// The epoch, and the candidate that got this node's vote in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuorumState {
    /// The highest epoch seen.
    pub epoch: LeaderEpoch,
    /// Who has this node's vote in it.
    pub voted_for: Option<BrokerId>,
    /// Names this storage (KIP-853): a node that has lost it is not the voter it was. Nil until it got one.
    pub directory: Uuid,
}

impl QuorumState {
    /// As stored.
    pub fn encode(self) -> Bytes {
        let mut w = Writer::default();
        w.i16(1);
        w.i32(self.epoch.0);
        w.i32(self.voted_for.map_or(-1, |id| id.0));
        w.uuid(self.directory);
        Bytes::from(w.finish())
    }

    /// From storage; none when the bytes are not what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Option<QuorumState> {
        let read = |mut r: Reader<'_>| -> Result<QuorumState, Malformed> {
            let version = r.i16()?;
            let (epoch, vote) = (LeaderEpoch(r.i32()?), r.i32()?);
            let directory = match version {
                0 => Uuid::nil(),
                1 => r.uuid()?,
                _ => return Err(Malformed),
            };
            Ok(QuorumState { epoch, voted_for: (vote >= 0).then_some(BrokerId(vote)), directory })
        };
        read(Reader::new(bytes)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        for voted_for in [None, Some(BrokerId(3))] {
            let state = QuorumState { epoch: LeaderEpoch(7), voted_for, directory: Uuid::from_u128(5) };
            assert_eq!(QuorumState::decode(&state.encode()), Some(state));
        }
        assert_eq!(QuorumState::decode(b"short"), None);
    }

    #[test]
    fn what_was_written_before_there_were_directories_is_read() {
        let state =
            QuorumState { epoch: LeaderEpoch(7), voted_for: Some(BrokerId(3)), directory: Uuid::nil() };
        assert_eq!(QuorumState::decode(&[0, 0, 0, 0, 0, 7, 0, 0, 0, 3]), Some(state));
    }
}
