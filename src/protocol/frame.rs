//! Frames: a length of four bytes (big endian, signed), then that many bytes. Kafka's framing of every request and
//! response; on a stream of bytes they may arrive cut anywhere.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// The largest frame taken by default. Kafka's `socket.request.max.bytes` is 100 MiB; a tab has less to give.
pub const FRAME_BYTES_MAX_DEFAULT: usize = 16 * 1024 * 1024;

/// The stream is not Kafka's, or asks for too much. Remedy: close the connection; there is no way back into step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The length is below zero.
    NegativeLength(i32),
    /// The length is above the limit.
    TooLarge {
        /// As sent.
        length: usize,
        /// The limit.
        max: usize,
    },
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::NegativeLength(length) => write!(f, "a frame of length {length}"),
            FrameError::TooLarge { length, max } => {
                write!(f, "a frame of {length} bytes is larger than the limit of {max} bytes")
            }
        }
    }
}

/// Cuts a stream of bytes into frames. Holds one incomplete frame at most, and no more of it than has arrived.
#[derive(Debug)]
pub struct FrameReader {
    bytes_max: usize,
    /// Whole pieces as they arrived, so that a frame that came in one piece is never copied.
    pieces: VecDeque<Bytes>,
    held: usize,
}

impl FrameReader {
    /// A reader that refuses frames above `bytes_max`.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, pieces: VecDeque::new(), held: 0 }
    }

    /// Takes what arrived.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.held += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    /// The next whole frame, without its length; none until more bytes arrive.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<Bytes, FrameError>> {
        let length = i32::from_be_bytes(self.peek()?);
        let Ok(length) = usize::try_from(length) else {
            return Some(Err(FrameError::NegativeLength(length)));
        };
        if length > self.bytes_max {
            return Some(Err(FrameError::TooLarge { length, max: self.bytes_max }));
        }
        if self.held < 4 + length {
            return None;
        }
        self.take(4);
        Some(Ok(self.take(length)))
    }

    fn peek(&self) -> Option<[u8; 4]> {
        let mut bytes = self.pieces.iter().flat_map(|piece| piece.iter().copied());
        Some([bytes.next()?, bytes.next()?, bytes.next()?, bytes.next()?])
    }

    /// Takes `count` bytes, which must be held.
    fn take(&mut self, count: usize) -> Bytes {
        self.held -= count;
        let mut gathered = BytesMut::new();
        while let Some(front) = self.pieces.front_mut() {
            let wanted = count - gathered.len();
            let taken = front.split_to(wanted.min(front.len()));
            if !front.has_remaining() {
                self.pieces.pop_front();
            }
            if gathered.is_empty() && taken.len() == count {
                return taken;
            }
            gathered.extend_from_slice(&taken);
            if gathered.len() == count {
                break;
            }
        }
        gathered.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        for body in [&b"abc"[..], b"", b"defgh"] {
            bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
            bytes.extend_from_slice(body);
        }
        bytes
    }

    #[test]
    fn frames_come_out_whole_however_the_stream_is_cut() {
        let stream = stream();
        for size in 1..=stream.len() {
            let mut reader = FrameReader::new(100);
            let mut frames = Vec::new();
            for piece in stream.chunks(size) {
                reader.push(Bytes::copy_from_slice(piece));
                while let Some(frame) = reader.next() {
                    frames.push(frame.unwrap());
                }
            }
            assert_eq!(frames, [&b"abc"[..], b"", b"defgh"]);
        }
    }

    #[test]
    fn a_length_below_zero_or_above_the_limit_is_refused_before_its_body_arrives() {
        let mut reader = FrameReader::new(10);
        reader.push(Bytes::copy_from_slice(&11i32.to_be_bytes()));
        assert_eq!(reader.next(), Some(Err(FrameError::TooLarge { length: 11, max: 10 })));
        let mut reader = FrameReader::new(10);
        reader.push(Bytes::copy_from_slice(&(-1i32).to_be_bytes()));
        assert_eq!(reader.next(), Some(Err(FrameError::NegativeLength(-1))));
    }
}
