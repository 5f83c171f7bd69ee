//! The outbox: starts that are durable and not yet rows.
//!
//! A start is urgent and its row is expensive: it touches five B-trees, and most rows are written again when the
//! interception ends. So what makes starts durable is one append to a file for all that wait, and the rows follow with
//! the next batch, often together with the end. The batch notes the number of the last append it covers. A process that
//! is killed in between leaves the outbox, and the next one turns into rows what has a higher number.
//!
//! There are two files. One is appended to until it holds [`ROTATE`] bytes and everything in the other has become rows;
//! then the other is written over from its beginning. A record is a header (length, number and checksum, little
//! endian) and its content. Reading a file ends where that does not fit or the number is not the next one: at what was
//! torn, or what is left of the time before.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// In bytes.
const ROTATE: usize = 1 << 20;

const HEADER: usize = 20;

/// The files, for appending.
pub(super) struct Outbox {
    /// The one appended to, and the other.
    files: [Segment; 2],
    number: u64,
    buffer: Vec<u8>,
}

struct Segment {
    file: File,
    /// Where the next record goes.
    end: u64,
    /// The number of the last record.
    last: u64,
}

impl Outbox {
    /// Opens the outbox beside the database at `path`, overwriting what it holds. `number` is the last one used.
    pub(super) fn open(path: &Path, number: u64) -> io::Result<Outbox> {
        let open = |path: PathBuf| -> io::Result<Segment> {
            let file = super::open::options().create(true).truncate(true).write(true).open(path)?;
            Ok(Segment { file, end: 0, last: 0 })
        };
        let [first, second] = paths(path);
        Ok(Outbox { files: [open(first)?, open(second)?], number, buffer: Vec::new() })
    }

    /// Appends what `fill` writes as one record. Returns its number. Everything up to `applied` has become rows.
    pub(super) fn append(&mut self, applied: u64, fill: impl FnOnce(&mut Vec<u8>)) -> io::Result<u64> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; HEADER]);
        fill(&mut self.buffer);
        let number = self.number + 1;
        let (header, content) = self.buffer.split_at_mut(HEADER);
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[4..12].copy_from_slice(&number.to_le_bytes());
        header[12..].copy_from_slice(&checksum(number, content).to_le_bytes());

        if self.files[0].end >= ROTATE as u64 && self.files[1].last <= applied {
            self.files[1].file.seek(SeekFrom::Start(0))?;
            self.files[1].end = 0;
            self.files.swap(0, 1);
        }
        let segment = &mut self.files[0];
        if let Err(error) = segment.file.write_all(&self.buffer) {
            // Half a record is written over by the next one.
            segment.file.seek(SeekFrom::Start(segment.end))?;
            return Err(error);
        }
        segment.end += self.buffer.len() as u64;
        segment.last = number;
        self.number = number;
        // What one huge group needed is not kept for ever.
        self.buffer.shrink_to(ROTATE);
        Ok(number)
    }
}

/// The contents of all records with a number above `applied`, in order, and the last number.
pub(super) fn read(path: &Path, applied: u64) -> io::Result<(Vec<Vec<u8>>, u64)> {
    let mut records = Vec::new();
    for path in paths(path) {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut rest = &bytes[..];
        let mut before = None;
        while let Some((number, content, after)) = next(rest) {
            if before.is_some_and(|before| number != before + 1) {
                break;
            }
            before = Some(number);
            rest = after;
            if number > applied {
                records.push((number, content.to_vec()));
            }
        }
    }
    records.sort_unstable_by_key(|(number, _)| *number);
    let last = records.last().map_or(applied, |(number, _)| *number);
    Ok((records.into_iter().map(|(_, content)| content).collect(), last))
}

/// The first record's number and content, and what follows it.
fn next(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (content, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let number = u64::from_le_bytes(*number);
    (checksum(number, content) == u64::from_le_bytes(*sum)).then_some((number, content, rest))
}

/// Tells a torn record from a whole one; eight bytes at a time, multiplied with an odd constant and folded.
fn checksum(number: u64, content: &[u8]) -> u64 {
    let mix = |sum: u64, word: u64| {
        let sum = (sum ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        sum ^ (sum >> 32)
    };
    let (words, rest) = content.as_chunks::<8>();
    let mut sum = mix(content.len() as u64, number);
    for word in words {
        sum = mix(sum, u64::from_le_bytes(*word));
    }
    for byte in rest {
        sum = mix(sum, u64::from(*byte));
    }
    sum
}

fn paths(database: &Path) -> [PathBuf; 2] {
    ["-outbox0", "-outbox1"].map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(outbox: &mut Outbox, applied: u64, text: &str) -> u64 {
        outbox.append(applied, |buffer| buffer.extend_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn what_was_appended_is_read_back_from_where_it_matters() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        assert_eq!(read(&path, 3).unwrap(), (vec![], 3));
        let mut outbox = Outbox::open(&path, 7).unwrap();
        for (number, text) in [(8, "one"), (9, "and a second"), (10, "")] {
            assert_eq!(append(&mut outbox, 0, text), number);
        }
        assert_eq!(read(&path, 8).unwrap(), (vec![b"and a second".to_vec(), vec![]], 10));
    }

    #[test]
    fn a_torn_record_ends_the_file_wherever_it_was_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let mut outbox = Outbox::open(&path, 0).unwrap();
        append(&mut outbox, 0, "whole");
        append(&mut outbox, 0, "torn in the middle");
        let [file, _] = paths(&path);
        let bytes = std::fs::read(&file).unwrap();
        for length in HEADER + 5..bytes.len() {
            std::fs::write(&file, &bytes[..length]).unwrap();
            assert_eq!(read(&path, 0).unwrap(), (vec![b"whole".to_vec()], 1), "{length}");
            let mut other = bytes.clone();
            other[length] ^= 1;
            std::fs::write(&file, &other).unwrap();
            assert_eq!(read(&path, 0).unwrap(), (vec![b"whole".to_vec()], 1), "{length}");
        }
    }

    #[test]
    fn a_file_is_written_over_only_when_its_records_are_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let mut outbox = Outbox::open(&path, 0).unwrap();
        let large = "x".repeat(ROTATE / 4);
        // The fourth fills the first file, the eighth the second; nothing is rows yet, so that one grows.
        for number in 1..=12 {
            assert_eq!(append(&mut outbox, 0, &large), number);
        }
        assert_eq!(read(&path, 0).unwrap().0.len(), 12);
        // The first file's are rows: over it goes.
        for number in 13..=14 {
            assert_eq!(append(&mut outbox, 4, &large), number);
        }
        let (records, last) = read(&path, 4).unwrap();
        assert_eq!((records.len(), last), (10, 14));
        // What is left of the time before is not taken for new.
        assert_eq!(read(&path, 0).unwrap().0.len(), 10);
    }
}
