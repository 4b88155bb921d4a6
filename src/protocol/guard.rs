//! Reading a message without trusting its lengths.
//!
//! kafka-protocol's array decoders reserve room for as many elements as the wire says before they read the first one:
//! a frame of 20 bytes can ask for 2^31 elements and so end the process (allocation failure is an abort, not an error).
//! Its decoders are generic over the buffer, so the buffer is ours: [`Guard`] hands out the frame's bytes and refuses
//! the numbers that can only be such a claim. It knows no schema. It knows what the decoders read after a length:
//!
//! - after the length of bytes or of a string, exactly that many bytes, at once;
//! - after the length of an array, the first field of an element, which is never such a run of bytes;
//! - after a number that is no length, whatever comes next, whatever the number was.
//!
//! Every number above [`ARRAY_LENGTH_MAX`] is answered with a small stand-in, and the next read tells what it was.
//!
//! - Varints are lengths of one kind or another in every schema served. If that many bytes are asked for next, they are
//!   handed out, as many as the number really said; if not, the frame is refused. (The price: a tagged field with a
//!   number above the limit, or an array that long, is refused too.)
//! - An int32 may also be a plain number, such as a timeout. If bytes are not asked for next, it was a plain number or
//!   an array's length, and a second pass finds out which: it answers `i32::MIN`, at which an array's decoder gives up
//!   at once, while a plain number changes nothing of what is read. If that pass comes to its end there is no such array,
//!   and a third one reads the true numbers. Frames without large plain numbers, the usual case, take one pass.
//!
//! A boolean above 127 looks like the start of a varint. So each single byte read is judged as if one began there: the
//! tail of a varint is a smaller number than the whole, hence no honest frame is refused for it. One whose tail is larger (of
//! five bytes that each say that more follow) is refused: the decoder would take the stand-in for its last bits.
//!
//! What stays unbounded by that is many arrays that are all really there; the number of reads of one message is limited
//! to [`READS_MAX`].

use std::ops::Range;

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::{ByteBuf, NotEnoughBytesError};

use crate::sorted::SortedSet;

/// The longest array read, in elements. An element takes up to a few hundred bytes of memory.
pub(super) const ARRAY_LENGTH_MAX: usize = 16 * 1024;
/// Reads of one message at most; an element costs one at least.
pub(super) const READS_MAX: usize = 512 * 1024;

/// What a large number is answered with. An array of so many elements, or so many bytes, harms nobody.
const STAND_IN: usize = 2;

/// Reads a message that has no array with an int32 length (a header), and moves `bytes` past it.
pub(super) fn read_header<T>(
    bytes: &mut Bytes,
    read: impl Fn(&mut Guard) -> Result<T, String>,
) -> Result<T, String> {
    let mut guard = Guard::new(bytes.clone(), Pass::Final, SortedSet::new());
    let header = guard.run(read)?;
    *bytes = guard.bytes;
    Ok(header)
}

/// Reads a message.
pub(super) fn read_body<T>(
    bytes: &Bytes,
    read: impl Fn(&mut Guard) -> Result<T, String>,
) -> Result<T, String> {
    let mut first = Guard::new(bytes.clone(), Pass::Explore, SortedSet::new());
    let body = first.run(&read);
    if !first.doubtful {
        return body;
    }
    Guard::new(bytes.clone(), Pass::Prove, first.byte_lengths.clone()).run(&read)?;
    Guard::new(bytes.clone(), Pass::Final, first.byte_lengths).run(&read)
}

/// How a large int32 is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// With the stand-in: which are lengths of bytes?
    Explore,
    /// With `i32::MIN` unless it is the length of bytes: is one of them an array's length?
    Prove,
    /// With itself: none is an array's length.
    Final,
}

/// A frame's bytes, handed to kafka-protocol's decoders.
#[derive(Debug)]
pub(super) struct Guard {
    bytes: Bytes,
    pass: Pass,
    /// Where a large int32 was found to be the length of bytes: how much of the message was left before it.
    byte_lengths: SortedSet<usize>,
    /// The large number that was just answered with the stand-in.
    pending: Option<Pending>,
    /// A large int32 was not the length of bytes.
    doubtful: bool,
    /// The byte that was just handed out may be one of a varint that goes on.
    in_varint: bool,
    reads: usize,
    refused: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
enum Pending {
    Varint { claimed: usize },
    Int32 { claimed: usize, left_before: usize },
}

impl Guard {
    fn new(bytes: Bytes, pass: Pass, byte_lengths: SortedSet<usize>) -> Self {
        Self {
            bytes,
            pass,
            byte_lengths,
            pending: None,
            doubtful: false,
            in_varint: false,
            reads: 0,
            refused: None,
        }
    }

    fn run<T>(&mut self, read: impl Fn(&mut Guard) -> Result<T, String>) -> Result<T, String> {
        let result = read(self);
        self.no_bytes_asked();
        match self.refused {
            Some(reason) => Err(reason.to_owned()),
            None => result,
        }
    }

    /// Nothing more is read: the rest of the message is gone, so that the decoder stops soon, and its result won't count.
    fn refuse(&mut self, reason: &'static str) {
        self.refused.get_or_insert(reason);
        self.bytes.clear();
    }

    fn count_read(&mut self) {
        self.reads += 1;
        if self.reads > READS_MAX {
            self.refuse("it has too many fields");
        }
    }

    /// Something else than bytes is read, or nothing any more.
    fn no_bytes_asked(&mut self) {
        match (self.pending.take(), self.pass) {
            (None, _) => {}
            (Some(Pending::Int32 { .. }), Pass::Explore) => self.doubtful = true,
            (Some(_), _) => self.refuse("an array or a tag is too large"),
        }
    }

    fn before_number(&mut self) {
        self.in_varint = false;
        self.no_bytes_asked();
        self.count_read();
    }

    /// The varint that begins at the next byte, and its size, as kafka-protocol reads it: the fifth byte is the last one
    /// in any case, and what does not fit 32 bits is lost.
    fn peek_varint(&self) -> (usize, usize) {
        let mut value = 0u32;
        let mut size = 0;
        for byte in self.bytes.iter().take(5) {
            value |= u32::from(byte & 0x7f) << (7 * size);
            size += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        (value as usize, size)
    }
}

impl Buf for Guard {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    // Every read without a method of its own below ends here.
    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.before_number();
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let in_varint = self.in_varint;
        self.before_number();
        // Most bytes are small lengths of their own.
        if self.bytes.first().is_some_and(|byte| byte & 0x80 == 0) {
            return self.bytes.try_get_u8();
        }
        let (value, size) = self.peek_varint();
        if value <= ARRAY_LENGTH_MAX {
            self.in_varint = true;
            return self.bytes.try_get_u8();
        }
        if in_varint {
            self.refuse("a number is too long");
            return self.bytes.try_get_u8();
        }
        self.bytes.advance(size);
        self.pending = Some(Pending::Varint { claimed: value });
        Ok(STAND_IN as u8)
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        self.before_number();
        let left_before = self.bytes.len();
        let value = self.bytes.try_get_i32()?;
        let claimed = match usize::try_from(value) {
            Ok(claimed) if claimed > ARRAY_LENGTH_MAX => claimed,
            _ => return Ok(value),
        };
        if self.pass == Pass::Explore || self.byte_lengths.contains(&left_before) {
            self.pending = Some(Pending::Int32 { claimed, left_before });
            return Ok(STAND_IN as i32);
        }
        Ok(if self.pass == Pass::Prove { i32::MIN } else { value })
    }
}

impl ByteBuf for Guard {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.before_number();
        self.bytes.split_to(size)
    }

    fn try_get_bytes(&mut self, size: usize) -> Result<Bytes, NotEnoughBytesError> {
        self.count_read();
        let size = match self.pending.take() {
            None => size,
            Some(Pending::Int32 { claimed, left_before }) => {
                self.byte_lengths.insert(left_before);
                claimed
            }
            // A compact length counts from one, the size of a tagged field from zero; the stand-in came back with the
            // same difference.
            Some(Pending::Varint { claimed }) => claimed - STAND_IN.saturating_sub(size).min(1),
        };
        if size > self.bytes.len() {
            return Err(NotEnoughBytesError);
        }
        Ok(self.bytes.split_to(size))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
