//! Files of mappable images.

use uruk_image::Summary;

/// Bytes as the file of an image, with a header that fits them, as nobody who only alters a file can make it.
pub fn image(data: &[u8]) {
    const HEADER: usize = 64;
    let mut bytes = data.to_vec();
    bytes.resize(bytes.len().max(HEADER), 0);
    bytes[..12].copy_from_slice(b"URUK\x8d\n\x1a\r\x01\0\0\0");
    let length = bytes.len() as u64;
    bytes[16..24].copy_from_slice(&length.to_le_bytes());
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..32]).update(&bytes[HEADER..]);
    bytes[32..HEADER].copy_from_slice(hasher.finalize().as_bytes());
    if let Ok(summary) = Summary::read("image", &bytes) {
        assert!(summary.differences(&summary).is_empty());
        assert!(!summary.to_string().is_empty());
    }
}
