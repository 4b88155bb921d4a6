//! What a quorum node must never forget: its epoch and its vote; and how they are written.
//!
//! ```text
//! 0  version    i16  0
//! 2  epoch      i32
//! 6  voted for  i32  -1 for nobody
//! ```

use bytes::Bytes;

use crate::types::{BrokerId, LeaderEpoch};

/// The epoch, and the candidate that got this node's vote in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuorumState {
    /// The highest epoch seen.
    pub epoch: LeaderEpoch,
    /// Who has this node's vote in it.
    pub voted_for: Option<BrokerId>,
}

impl QuorumState {
    /// As stored.
    pub fn encode(self) -> Bytes {
        let mut bytes = Vec::with_capacity(10);
        bytes.extend_from_slice(&0i16.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&self.voted_for.map_or(-1, |id| id.0).to_be_bytes());
        Bytes::from(bytes)
    }

    /// From storage; none when the bytes are not what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Option<QuorumState> {
        let bytes: &[u8; 10] = bytes.try_into().ok()?;
        let (version, rest) = bytes.split_first_chunk::<2>()?;
        let (epoch, vote) = rest.split_first_chunk::<4>()?;
        let vote = i32::from_be_bytes(vote.try_into().ok()?);
        (i16::from_be_bytes(*version) == 0).then_some(QuorumState {
            epoch: LeaderEpoch(i32::from_be_bytes(*epoch)),
            voted_for: (vote >= 0).then_some(BrokerId(vote)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        for voted_for in [None, Some(BrokerId(3))] {
            let state = QuorumState { epoch: LeaderEpoch(7), voted_for };
            assert_eq!(QuorumState::decode(&state.encode()), Some(state));
        }
        assert_eq!(QuorumState::decode(b"short"), None);
    }
}
