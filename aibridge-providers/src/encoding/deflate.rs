use flate2::{Decompress, FlushDecompress, Status};

use super::stage::{Corrupt, Progress, Stage};

/// `deflate`: zlib (RFC 1950) by the letter; as servers have long sent raw DEFLATE (RFC 1951) under that name, that is
/// read too, as browsers do.
pub(super) struct Deflate {
    /// The first two bytes, which tell the two apart, until they are passed on.
    head: Vec<u8>,
    inflate: Option<Inflate>,
}

impl Deflate {
    pub(super) fn new() -> Deflate {
        Deflate { head: Vec::new(), inflate: None }
    }
}

impl Stage for Deflate {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Corrupt> {
        let mut taken = 0;
        if self.inflate.is_none() {
            taken = input.len().min(2 - self.head.len());
            self.head.extend_from_slice(&input[..taken]);
        }
        let inflate = match (&mut self.inflate, &self.head[..]) {
            (Some(inflate), []) => return inflate.run(input, output),
            (Some(inflate), _) => inflate,
            (none, &[first, second]) => none.insert(Inflate::new(is_zlib(first, second))),
            (None, _) => return Ok(Progress { read: taken, written: 0 }),
        };
        let progress = inflate.run(&self.head, output)?;
        self.head.drain(..progress.read);
        Ok(Progress { read: taken, written: progress.written })
    }

    fn is_complete(&self) -> bool {
        self.head.is_empty() && self.inflate.as_ref().is_some_and(|inflate| inflate.ended)
    }
}

/// Whether the two bytes are a zlib header (RFC 1950, 2.2). Raw DEFLATE beginning so would be a stored block with
/// padding that is not zero.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}

/// A DEFLATE stream, with or without its zlib frame.
pub(super) struct Inflate {
    state: Decompress,
    pub(super) ended: bool,
}

impl Inflate {
    pub(super) fn new(zlib: bool) -> Inflate {
        Inflate { state: Decompress::new(zlib), ended: false }
    }

    /// As [`Stage::run`]. Nothing may follow the end.
    pub(super) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Corrupt> {
        if self.ended {
            return if input.is_empty() { Ok(Progress::default()) } else { Err(Corrupt) };
        }
        let (read, written) = (self.state.total_in(), self.state.total_out());
        let status = self.state.decompress(input, output, FlushDecompress::Sync).map_err(|_| Corrupt)?;
        self.ended = status == Status::StreamEnd;
        Ok(Progress { read: since(read, self.state.total_in()), written: since(written, self.state.total_out()) })
    }
}

fn since(before: u64, now: u64) -> usize {
    usize::try_from(now - before).expect("no more than the slice's length")
}
