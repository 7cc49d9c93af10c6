//! What several tests need.
use std::path::PathBuf;

/// The recorded answers of a real Kong, where they exist.
pub(crate) fn recordings() -> Option<PathBuf> {
    let shared = std::env::var_os("SILVERBACK_SHARED").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = shared.unwrap_or(beside).join("reference/kong-admin");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no recordings of a real gateway (SILVERBACK_SHARED names their folder)");
    None
}
