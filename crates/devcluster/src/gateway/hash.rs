//! Configuration hashes as Kong reckons them.

use md5::{Digest, Md5};

/// What a gateway without entities reports, whatever was posted.
pub(crate) const EMPTY: &str = "00000000000000000000000000000000";

/// The hash of a config that came as text: its md5, in hex.
pub(crate) fn of_text(text: &[u8]) -> String {
    in_hex(Md5::new_with_prefix(text))
}

/// What a hasher says, in hex.
pub(crate) fn in_hex(hasher: Md5) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of a config that came as a JSON object: a new one each time.
pub(crate) fn fresh() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
