//! RDB files written byte by byte, so that the tests do not trust the code that they test.

/// Builds a file part by part; [`RdbFile::finish`] ends it with the checksum.
pub struct RdbFile {
    bytes: Vec<u8>,
}

impl RdbFile {
    pub fn new(version: u32) -> Self {
        Self { bytes: format!("REDIS{version:04}").into_bytes() }
    }

    /// As other servers begin one, such as `VALKEY080`.
    pub fn with_header(header: &str) -> Self {
        Self { bytes: header.as_bytes().to_vec() }
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn aux(self, key: &str, value: &str) -> Self {
        self.raw(&[0xfa]).text(key.as_bytes()).text(value.as_bytes())
    }

    pub fn select(self, database: u32) -> Self {
        self.raw(&[0xfe]).length(database)
    }

    pub fn sizes(self, keys: u32, expiring: u32) -> Self {
        self.raw(&[0xfb]).length(keys).length(expiring)
    }

    pub fn expires_at_ms(self, when: u64) -> Self {
        self.raw(&[0xfc]).raw(&when.to_le_bytes())
    }

    pub fn string(self, key: &[u8], value: &[u8]) -> Self {
        self.raw(&[0]).text(key).text(value)
    }

    /// The end mark and the checksum over all that comes before it.
    pub fn finish(self) -> Vec<u8> {
        let ended = self.raw(&[0xff]);
        let checksum = crc64::crc64(0, &ended.bytes);
        ended.raw(&checksum.to_le_bytes()).bytes
    }

    /// Versions below 5 have no checksum.
    pub fn finish_without_checksum(self) -> Vec<u8> {
        self.raw(&[0xff]).bytes
    }

    /// A length in the shortest of its forms.
    pub fn length(self, length: u32) -> Self {
        match length {
            0..64 => self.raw(&[u8::try_from(length).expect("below 64")]),
            64..16384 => self.raw(&(0x4000 | u16::try_from(length).expect("below 16384")).to_be_bytes()),
            _ => self.raw(&[0x80]).raw(&length.to_be_bytes()),
        }
    }

    pub fn text(self, text: &[u8]) -> Self {
        self.length(u32::try_from(text.len()).expect("a short text")).raw(text)
    }
}
