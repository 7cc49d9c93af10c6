//! The text of a kept configuration: a line that says what it is, then one for each entity; compressed, and cut into parts
//! that fit a Secret. Pure.

use std::io::{BufRead, BufReader, Read as _, Write};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use silverback_isolation::{Config, Piece};
use silverback_kong::{EntityKey, Rendered};
use silverback_model::{Commit, Provenance};

use crate::plan::Accepted;

/// Longest part: a Secret holds 1 MiB, with what else is in it.
pub(crate) const LONGEST_PART: usize = 960 << 10;
/// What is longer than this when it is unpacked is no configuration of ours.
const LONGEST_TEXT: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
struct Head {
    accepted: Timestamp,
    commit: Commit,
    entities: usize,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: EntityKey,
    body: String,
    sources: Vec<Provenance>,
}

/// Packs a configuration.
pub(crate) fn pack(accepted: &Accepted) -> anyhow::Result<Vec<u8>> {
    let mut out = ZlibEncoder::new(Vec::new(), Compression::fast());
    let head = Head { accepted: accepted.at, commit: accepted.commit.clone(), entities: accepted.config.len() };
    write_line(&mut out, &head)?;
    for (key, piece) in accepted.config.iter() {
        let body = String::from_utf8_lossy(piece.rendered.bytes()).into_owned();
        write_line(&mut out, &Line { key: key.clone(), body, sources: piece.sources.iter().collect() })?;
    }
    Ok(out.finish()?)
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Unpacks what [`pack`] made. Errors tell nothing of the content.
pub(crate) fn unpack(bytes: &[u8]) -> anyhow::Result<Accepted> {
    let mut lines = BufReader::new(ZlibDecoder::new(bytes).take(LONGEST_TEXT)).lines();
    let mut next = || lines.next().context("it ends too early")?.context("it cannot be unpacked");
    let head: Head = serde_json::from_str(&next()?).ok().context("its first line is not understood")?;
    let mut config = Config::new();
    for at in 0..head.entities {
        let line: Line =
            serde_json::from_str(&next()?).ok().with_context(|| format!("entity {at} is not understood"))?;
        let rendered = Rendered::of_canonical(&line.key, line.body.into_bytes().into());
        config.insert(line.key, Piece::new(rendered, line.sources));
    }
    // The end holds a checksum.
    ensure!(lines.next().is_none(), "it does not end where it should");
    ensure!(config.len() == head.entities, "an entity is there twice");
    Ok(Accepted { commit: head.commit, config: Arc::new(config), at: head.accepted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_model::{
        CollectionId, Digest, Frontier, Frontiers, Generation, Inputs, ObjectKey, ObjectRef, SetDigest, Version,
    };

    #[test]
    fn what_is_packed_is_unpacked() {
        let key = EntityKey::new("services".into(), "a");
        let object = ObjectRef::new("Ingress.networking.k8s.io", ObjectKey::new("shop", "a"));
        let source = Provenance { object, uid: "u".into(), version: "7".into() };
        let rendered = Rendered::of_value(&key, &serde_json::json!({"name": "a", "host": "ä\n"}));
        let config = Config::from([(key, Piece::new(rendered, vec![source]))]);
        let frontier = Frontier { seen: Version::from_counter(5), changed: Version::from_counter(3) };
        let frontiers = Frontiers([(CollectionId::in_namespace("Secret", "shop"), frontier)].into());
        let digests = [(CollectionId::all("Service"), SetDigest(Digest(7)))].into();
        let inputs = Inputs { frontiers, digests, ..Inputs::default() };
        let commit = Commit { generation: Generation(5), expressions: true, inputs, ..Commit::default() };
        let accepted = Accepted { commit, config: Arc::new(config), at: Timestamp::UNIX_EPOCH };
        let packed = pack(&accepted).unwrap();
        let unpacked = unpack(&packed).unwrap();
        assert_eq!((unpacked.commit, unpacked.config, unpacked.at), (accepted.commit, accepted.config, accepted.at));
        for end in 0..packed.len() {
            assert!(unpack(&packed[..end]).is_err(), "the first {end} bytes");
        }
        assert!(unpack(b"nonsense").is_err());
    }
}
