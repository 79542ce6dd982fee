//! Small true PNG files: squares of one colour, for logos.

/// A square of one colour with the given edge in pixels.
pub(crate) fn square(edge: u16, colour: [u8; 3]) -> Vec<u8> {
    let edge = u32::from(edge);
    // One bit a pixel with a palette of one colour: every row is a filter byte and zeros.
    let mut header = [edge.to_be_bytes(), edge.to_be_bytes()].concat();
    header.extend([1, 3, 0, 0, 0]);
    let row = 1 + edge.div_ceil(8) as usize;
    let pixels = vec![0; row * edge as usize];
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut png, *b"IHDR", &header);
    chunk(&mut png, *b"PLTE", &colour);
    chunk(&mut png, *b"IDAT", &zlib_stored(&pixels));
    chunk(&mut png, *b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let body = [&kind, content].concat();
    png.extend(length.to_be_bytes());
    png.extend(&body);
    png.extend(crc32(&body).to_be_bytes());
}

/// A zlib stream (RFC 1950) of uncompressed blocks.
fn zlib_stored(content: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = content.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(content).to_be_bytes());
    stream
}

fn adler32(content: &[u8]) -> u32 {
    let (low, high) = content.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn crc32(content: &[u8]) -> u32 {
    !content.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_known_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
    }

    #[test]
    fn a_square_has_the_size_asked_for() {
        let png = square(150, [1, 2, 3]);
        assert_eq!(&png[12..24], b"IHDR\0\0\0\x96\0\0\0\x96");
        assert!(png.ends_with(b"IEND\xae\x42\x60\x82"));
    }
}
