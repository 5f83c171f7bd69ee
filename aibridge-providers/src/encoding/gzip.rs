use std::mem;

use flate2::Crc;

use super::{
    deflate::Inflate,
    stage::{Corrupt, Progress, Stage},
};

/// `gzip` (RFC 1952): one or more members, each with its checksum and length checked.
pub(super) struct Gzip {
    part: Part,
    /// The flags of the member's header that stand for parts still to come.
    flags: u8,
    inflate: Inflate,
    crc: Crc,
}

/// Where in a member the next byte is.
enum Part {
    /// Byte `n` of the fixed header.
    Fixed(u8),
    /// The length of the extra field: its low byte, once read.
    ExtraLen(Option<u8>),
    /// So many bytes of the extra field.
    Extra(u16),
    /// A text that ends in a zero byte: the file's name, or a comment.
    Text,
    /// So many bytes of the header's checksum, which decompressors need not check (2.3.1.2).
    HeaderCrc(u8),
    Body,
    /// The bytes of checksum and length read so far.
    Trailer([u8; 8], usize),
    /// After a member; another one may follow.
    End,
}

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

impl Gzip {
    pub(super) fn new() -> Gzip {
        Gzip { part: Part::Fixed(0), flags: 0, inflate: Inflate::new(false), crc: Crc::new() }
    }

    /// Takes a byte of header or trailer.
    fn take(&mut self, byte: u8) -> Result<(), Corrupt> {
        self.part = match mem::replace(&mut self.part, Part::End) {
            Part::End => {
                *self = Gzip::new();
                return self.take(byte);
            }
            Part::Fixed(at) => {
                match (at, byte) {
                    (0, 0x1f) | (1, 0x8b) | (2, 8) | (4..=9, _) => {}
                    (3, flags) if flags & RESERVED == 0 => self.flags = flags,
                    _ => return Err(Corrupt),
                }
                if at < 9 { Part::Fixed(at + 1) } else { self.next_part() }
            }
            Part::ExtraLen(None) => Part::ExtraLen(Some(byte)),
            Part::ExtraLen(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.next_part(),
                len => Part::Extra(len),
            },
            Part::Extra(1) | Part::HeaderCrc(1) => self.next_part(),
            Part::Extra(left) => Part::Extra(left - 1),
            Part::HeaderCrc(left) => Part::HeaderCrc(left - 1),
            Part::Text if byte == 0 => self.next_part(),
            Part::Text => Part::Text,
            Part::Body => Part::Body,
            Part::Trailer(mut bytes, at) => {
                bytes[at] = byte;
                if at + 1 < bytes.len() {
                    Part::Trailer(bytes, at + 1)
                } else {
                    let expected = u64::from(self.crc.amount()) << 32 | u64::from(self.crc.sum());
                    if u64::from_le_bytes(bytes) != expected {
                        return Err(Corrupt);
                    }
                    Part::End
                }
            }
        };
        Ok(())
    }

    /// The next part that the flags announce, in the order of RFC 1952, 2.3.
    fn next_part(&mut self) -> Part {
        for (flag, part) in
            [(EXTRA, Part::ExtraLen(None)), (NAME, Part::Text), (COMMENT, Part::Text), (HEADER_CRC, Part::HeaderCrc(2))]
        {
            if self.flags & flag != 0 {
                self.flags &= !flag;
                return part;
            }
        }
        Part::Body
    }
}

impl Stage for Gzip {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Corrupt> {
        let mut read = 0;
        loop {
            if let Part::Body = self.part {
                let progress = self.inflate.run(&input[read..], output)?;
                self.crc.update(&output[..progress.written]);
                if self.inflate.ended {
                    self.part = Part::Trailer([0; 8], 0);
                }
                read += progress.read;
                if progress.written > 0 || !self.inflate.ended {
                    return Ok(Progress { read, written: progress.written });
                }
            }
            let Some(byte) = input.get(read) else { return Ok(Progress { read, written: 0 }) };
            self.take(*byte)?;
            read += 1;
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self.part, Part::End)
    }
}
