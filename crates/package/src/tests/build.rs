//! A builder of packages in which one thing at a time can be wrong: what is altered before signing is signed as it is.

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compress, Compression, FlushCompress, Status};
use qm_store_sim::appx::{Hash, Signer, digest_blob};
use std::{fmt::Write as _, sync::LazyLock};

pub(super) const PUBLISHER: &str = "CN=Harborline Tools Oy, O=Harborline Tools Oy, L=Tampere, C=FI";

/// Making a signer takes a signature of its own.
pub(super) static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::simulated(PUBLISHER).unwrap());

/// An alteration of some bytes.
pub(super) type Edit = fn(&mut Vec<u8>);
/// An alteration of a document.
pub(super) type Rewrite = fn(String) -> String;

/// A file on its way into a package.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    pub(super) deflated: bool,
    /// Checksum and sizes stand behind the data, as MakeAppx writes them.
    pub(super) descriptor: bool,
    /// Listed in the block map.
    pub(super) mapped: bool,
    pub(super) local: Edit,
    pub(super) central: Edit,
    /// The bytes of the data and the descriptor.
    pub(super) data: Edit,
}

impl Part {
    pub(super) fn new(name: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            content: content.into(),
            deflated: false,
            descriptor: false,
            mapped: true,
            local: |_| {},
            central: |_| {},
            data: |_| {},
        }
    }
    pub(super) fn deflated(self) -> Self {
        Self {
            deflated: true,
            descriptor: true,
            ..self
        }
    }
    pub(super) fn unmapped(self) -> Self {
        Self {
            mapped: false,
            ..self
        }
    }

    /// The packed bytes, and how many each block takes.
    fn packed(&self) -> (Vec<u8>, Vec<usize>) {
        if !self.deflated {
            return (self.content.clone(), Vec::new());
        }
        let mut packer = Compress::new(Compression::fast(), false);
        let (mut all, mut sizes) = (Vec::new(), Vec::new());
        for block in self.content.chunks(BLOCK) {
            let mut out = Vec::with_capacity(2 * BLOCK);
            packer.compress_vec(block, &mut out, FlushCompress::Full).unwrap();
            sizes.push(out.len());
            all.extend(out);
        }
        let mut end = Vec::with_capacity(64);
        let status = packer.compress_vec(&[], &mut end, FlushCompress::Finish).unwrap();
        assert_eq!(status, Status::StreamEnd);
        all.extend(end);
        (all, sizes)
    }
}

/// A package or bundle to be made.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts of a test's package"
)]
pub(super) struct Package {
    pub(super) parts: Vec<Part>,
    pub(super) bundle: bool,
    /// With the end records of a large archive.
    pub(super) wide: bool,
    pub(super) block_map: Rewrite,
    pub(super) with_block_map: bool,
    pub(super) with_content_types: bool,
    /// The list of digests before it is signed.
    pub(super) blob: Edit,
    /// The signature before it is put in.
    pub(super) signature: Edit,
    pub(super) behind_signature: Option<Part>,
}

impl Package {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        Self {
            parts,
            bundle: false,
            wide: false,
            block_map: |text| text,
            with_block_map: true,
            with_content_types: true,
            blob: |_| {},
            signature: |_| {},
            behind_signature: None,
        }
    }

    /// An app with a stored and a deflated file of several blocks.
    pub(super) fn app() -> Self {
        Self::new(vec![
            Part::new("Assets/Logo%20(1).png", noise(150_000)),
            Part::new("Data/Tides.txt", b"high and low ".repeat(12_000)).deflated(),
            Part::new("Empty.txt", ""),
            Part::new("AppxManifest.xml", manifest("x64", "1.2.3.0", "")).deflated(),
        ])
    }

    /// The file, signed by the publisher.
    pub(super) fn build(&self) -> Vec<u8> {
        self.build_signed(Some(&SIGNER))
    }

    pub(super) fn build_signed(&self, signer: Option<&Signer>) -> Vec<u8> {
        let mut zip = Zip::default();
        let mut map = String::new();
        for part in &self.parts {
            let sizes = zip.add(part);
            if part.mapped {
                map_file(&mut map, part, &sizes, signer.map_or(Hash::Sha256, Signer::hash));
            }
        }
        let method = match signer.map_or(Hash::Sha256, Signer::hash) {
            Hash::Sha256 => "xmlenc#sha256",
            Hash::Sha384 => "xmldsig-more#sha384",
            Hash::Sha512 => "xmlenc#sha512",
        };
        let map = (self.block_map)(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<BlockMap xmlns=\"http://schemas.microsoft.com/appx/2010/blockmap\" \
             HashMethod=\"http://www.w3.org/2001/04/{method}\">{map}</BlockMap>"
        ));
        let types = "<Types><Default Extension=\"xml\" ContentType=\"text/xml\"/></Types>";
        if self.with_block_map {
            zip.add(&Part::new("AppxBlockMap.xml", map.as_str()).deflated());
        }
        if self.with_content_types {
            zip.add(&Part::new("[Content_Types].xml", types).deflated());
        }
        if let Some(signer) = signer {
            zip.add(&Part::new("AppxSignature.p7x", self.sign(signer, &zip, &map, types)).deflated());
        }
        if let Some(part) = &self.behind_signature {
            zip.add(part);
        }
        zip.finish(self.wide)
    }

    fn sign(&self, signer: &Signer, zip: &Zip, map: &str, types: &str) -> Vec<u8> {
        let hash = signer.hash();
        let mut blob = digest_blob(&[
            (b"AXPC", hash.digest(&zip.records)),
            (b"AXCD", hash.digest(&zip.directory(self.wide))),
            (b"AXCT", hash.digest(types.as_bytes())),
            (b"AXBM", hash.digest(map.as_bytes())),
        ]);
        (self.blob)(&mut blob);
        let mut signature = signer.sign(&blob, self.bundle).unwrap();
        (self.signature)(&mut signature);
        signature
    }
}

/// An archive under construction.
#[derive(Default)]
struct Zip {
    records: Vec<u8>,
    headers: Vec<u8>,
    entries: u64,
}

impl Zip {
    fn add(&mut self, part: &Part) -> Vec<usize> {
        let (packed, sizes) = part.packed();
        let offset = u32::try_from(self.records.len()).unwrap();
        let [flags, method] = [u16::from(part.descriptor) << 3, u16::from(part.deflated) << 3];
        let crc = crc32fast::hash(&part.content);
        let numbers = [
            crc,
            packed.len().try_into().unwrap(),
            part.content.len().try_into().unwrap(),
        ];
        let told = if part.descriptor { [0; 3] } else { numbers };
        let name_length = u16::try_from(part.name.len()).unwrap();
        let mut header = bytes16(&[45, flags, method, 0, 0x21]);
        header.extend(bytes32(&told));
        header.extend(bytes16(&[name_length, 0]));
        header.extend(part.name.bytes());
        let mut local = [b"PK\x03\x04", header.as_slice()].concat();
        (part.local)(&mut local);
        let mut data = packed;
        if part.descriptor {
            data.extend(b"PK\x07\x08");
            data.extend(crc.to_le_bytes());
            data.extend(u64::from(numbers[1]).to_le_bytes());
            data.extend(u64::from(numbers[2]).to_le_bytes());
        }
        (part.data)(&mut data);
        self.records.extend(local);
        self.records.extend(data);
        let mut central = [
            b"PK\x01\x02",
            bytes16(&[45, 45, flags, method, 0, 0x21]).as_slice(),
        ]
        .concat();
        central.extend(bytes32(&numbers));
        central.extend(bytes16(&[name_length, 0, 0, 0, 0, 0, 0]));
        central.extend(offset.to_le_bytes());
        central.extend(part.name.bytes());
        (part.central)(&mut central);
        self.headers.extend(central);
        self.entries += 1;
        sizes
    }

    /// Directory and end records.
    fn directory(&self, wide: bool) -> Vec<u8> {
        let [start, size] = [self.records.len() as u64, self.headers.len() as u64];
        let mut out = self.headers.clone();
        if wide {
            out.extend(b"PK\x06\x06");
            out.extend(44_u64.to_le_bytes());
            out.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for number in [self.entries, self.entries, size, start] {
                out.extend(number.to_le_bytes());
            }
            out.extend(b"PK\x06\x07\0\0\0\0");
            out.extend((start + size).to_le_bytes());
            out.extend(1_u32.to_le_bytes());
            out.extend(b"PK\x05\x06\0\0\0\0");
            out.extend([0xff; 12]);
        } else {
            out.extend(b"PK\x05\x06\0\0\0\0");
            let entries = u16::try_from(self.entries).unwrap();
            out.extend(bytes16(&[entries, entries]));
            out.extend(bytes32(&[size.try_into().unwrap(), start.try_into().unwrap()]));
        }
        out.extend([0, 0]);
        out
    }

    fn finish(self, wide: bool) -> Vec<u8> {
        let directory = self.directory(wide);
        [self.records, directory].concat()
    }
}

fn map_file(map: &mut String, part: &Part, sizes: &[usize], hash: Hash) {
    let name = percent_encoding::percent_decode_str(&part.name)
        .decode_utf8()
        .unwrap();
    let name = name.replace('/', "\\");
    let (size, header) = (part.content.len(), 30 + part.name.len());
    write!(map, "<File Name=\"{name}\" Size=\"{size}\" LfhSize=\"{header}\">").unwrap();
    for (at, block) in part.content.chunks(BLOCK).enumerate() {
        let packed = sizes
            .get(at)
            .map(|size| format!(" Size=\"{size}\""))
            .unwrap_or_default();
        write!(
            map,
            "<Block Hash=\"{}\"{packed}/>",
            STANDARD.encode(hash.digest(block))
        )
        .unwrap();
    }
    map.push_str("</File>");
}

/// A manifest; the identity may have more attributes.
pub(super) fn manifest(architecture: &str, version: &str, more: &str) -> String {
    format!(
        "<Package xmlns=\"http://schemas.microsoft.com/appx/manifest/foundation/windows10\">\
         <Identity Name=\"Harborline.Tides\" Publisher=\"{PUBLISHER}\" Version=\"{version}\" \
         ProcessorArchitecture=\"{architecture}\" {more}/><Properties><DisplayName>Tides</DisplayName></Properties></Package>"
    )
}

/// A bundle of packages under their names, with what its manifest says of each.
pub(super) fn bundle(members: &[(&str, &str, Vec<u8>)]) -> Package {
    let mut offset = 0;
    let mut list = String::new();
    let mut parts = Vec::new();
    for (name, attributes, content) in members {
        let start = offset + 30 + name.len();
        offset = start + content.len();
        let size = content.len();
        write!(
            list,
            "<Package {attributes} FileName=\"{name}\" Offset=\"{start}\" Size=\"{size}\"/>"
        )
        .unwrap();
        parts.push(Part::new(name, content.as_slice()).unmapped());
    }
    let manifest = format!(
        "<Bundle xmlns=\"http://schemas.microsoft.com/appx/2013/bundle\"><Identity Name=\"Harborline.Tides\" \
         Publisher=\"{PUBLISHER}\" Version=\"2026.304.0.0\"/><Packages>{list}</Packages></Bundle>"
    );
    parts.push(Part::new("AppxMetadata/AppxBundleManifest.xml", manifest).deflated());
    Package {
        bundle: true,
        ..Package::new(parts)
    }
}

/// Bytes that do not compress.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(length)
    .collect()
}

fn bytes16(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn bytes32(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

const BLOCK: usize = 64 << 10;
