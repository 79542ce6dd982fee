//! The data of one entry, unpacked piece by piece in constant memory and checked against its headers.

use crate::{
    PackageError,
    entry::{Entry, Packing, cut_short},
};
use flate2::{Decompress, FlushDecompress, Status};
use std::io::Read;

/// Takes the bytes of an entry from a reader that stands at their beginning.
pub(crate) struct Unpacker<'e> {
    entry: &'e Entry,
    codec: Option<Decompress>,
    ended: bool,
    crc: crc32fast::Hasher,
    /// Packed bytes not read yet.
    packed_left: u64,
    /// Unpacked bytes not handed out yet.
    size_left: u64,
    input: Vec<u8>,
    /// How much of `input` was used.
    used: usize,
}

impl<'e> Unpacker<'e> {
    pub(crate) fn new(entry: &'e Entry) -> Self {
        Self {
            entry,
            codec: (entry.packing == Packing::Deflated).then(|| Decompress::new(false)),
            ended: false,
            crc: crc32fast::Hasher::new(),
            packed_left: entry.packed,
            size_left: entry.size,
            input: Vec::new(),
            used: 0,
        }
    }

    /// The next bytes, as many as fit the buffer or are left; none at the end.
    pub(crate) fn read(&mut self, reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, PackageError> {
        let wanted = buffer
            .len()
            .min(usize::try_from(self.size_left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..wanted];
        if self.codec.is_none() {
            reader.read_exact(buffer).map_err(cut_short)?;
            self.packed_left -= wanted as u64;
        } else {
            let mut filled = 0;
            while filled < wanted {
                if self.input_is_empty() {
                    self.refill(reader, PIECE)?;
                }
                let before = self.used;
                let output = self.inflate(&mut buffer[filled..])?;
                filled += output;
                if output == 0 && self.used == before {
                    return Err(self.damaged("size"));
                }
            }
        }
        self.take(buffer);
        Ok(wanted)
    }

    /// The next block, which has to come out of exactly the next `packed` bytes of the archive. `None` where these
    /// bytes make more or less.
    pub(crate) fn read_block(
        &mut self,
        reader: &mut impl Read,
        packed: u64,
        buffer: &mut [u8],
    ) -> Result<Option<usize>, PackageError> {
        if self.codec.is_none() {
            let read = self.read(reader, buffer)?;
            return Ok((read as u64 == packed).then_some(read));
        }
        let wanted = buffer
            .len()
            .min(usize::try_from(self.size_left).unwrap_or(usize::MAX));
        let end = self.packed_left.checked_sub(packed);
        let Some(end) = end else { return Ok(None) };
        let mut filled = 0;
        while self.packed_left > end || !self.input_is_empty() {
            if self.input_is_empty() {
                self.refill(reader, (self.packed_left - end).min(PIECE))?;
            }
            let before = self.used;
            let mut beyond = [0];
            let room = if filled < wanted {
                &mut buffer[filled..wanted]
            } else {
                &mut beyond[..]
            };
            let full = filled == wanted;
            let output = self.inflate(room)?;
            if (full && output > 0) || (output == 0 && self.used == before) {
                return Ok(None);
            }
            filled += output;
        }
        self.take(&buffer[..filled]);
        // Where a block ends without the whole stream, its compressor was flushed: that leaves a mark.
        let at_border = self.ended || self.input[..self.used].ends_with(FLUSHED);
        Ok((filled == wanted && at_border).then_some(wanted))
    }

    /// The end: nothing more may come out, and everything has to have been what the headers said.
    pub(crate) fn finish(mut self, reader: &mut impl Read) -> Result<(), PackageError> {
        while self.codec.is_some() && !self.ended {
            if self.input_is_empty() {
                self.refill(reader, PIECE)?;
            }
            let before = self.used;
            let more = self.inflate(&mut [0])?;
            let stuck = !self.ended && self.used == before;
            if more > 0 || stuck {
                return Err(self.damaged("size"));
            }
        }
        if self.packed_left > 0 || !self.input_is_empty() {
            Err(self.damaged("compressed size"))
        } else if self.size_left > 0 {
            Err(self.damaged("size"))
        } else if self.crc.clone().finalize() != self.entry.crc {
            Err(self.damaged("checksum"))
        } else {
            Ok(())
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.size_left -= bytes.len() as u64;
    }

    fn input_is_empty(&self) -> bool {
        self.used == self.input.len()
    }

    fn refill(&mut self, reader: &mut impl Read, most: u64) -> Result<(), PackageError> {
        let length = self.packed_left.min(most);
        self.input.clear();
        self.input.resize(usize::try_from(length).unwrap_or(0), 0);
        reader.read_exact(&mut self.input).map_err(cut_short)?;
        self.packed_left -= length;
        self.used = 0;
        Ok(())
    }

    fn inflate(&mut self, output: &mut [u8]) -> Result<usize, PackageError> {
        let Some(codec) = self.codec.as_mut().filter(|_| !self.ended) else {
            return Ok(0);
        };
        let (input_before, output_before) = (codec.total_in(), codec.total_out());
        let status = codec.decompress(&self.input[self.used..], output, FlushDecompress::None);
        let (read, written) = (codec.total_in() - input_before, codec.total_out() - output_before);
        self.used += usize::try_from(read).unwrap_or(0);
        match status {
            Ok(status) => self.ended = status == Status::StreamEnd,
            Err(_) => return Err(self.damaged("compression")),
        }
        Ok(usize::try_from(written).unwrap_or(0))
    }

    fn damaged(&self, field: &'static str) -> PackageError {
        PackageError::EntryDamaged {
            entry: self.entry.name.clone(),
            field,
        }
    }
}

/// Most packed bytes read at once: all of a block, whose worst packing adds little to its 64 KiB.
const PIECE: u64 = 96 << 10;
/// The empty stored block that a flush leaves.
const FLUSHED: &[u8] = &[0, 0, 0xff, 0xff];
