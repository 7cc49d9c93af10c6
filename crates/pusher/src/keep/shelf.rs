//! Where the last good configuration is kept: named Secrets, or files of a folder. Parts are written first, into the set
//! of slots that is not in use, and what points to them last: whatever happens between two writes, the configuration
//! before can still be read.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};
use serde::{Deserialize, Serialize};
use silverback_cluster::in_words;
use silverback_model::{Digest, Epoch, Generation};

use super::format::{LONGEST_PART, pack, unpack};
use crate::plan::Accepted;

/// Parts a configuration may have: so many Secrets have to be named in a Role.
const PARTS: usize = 8;
/// The type of the Secrets: nobody else's, so that nobody takes them for something else.
const TYPE: &str = "silverback.konghq.com/last-good";
const FIELD: &str = "content";

/// Where a configuration is kept.
pub(crate) enum Shelf {
    /// Secrets of a namespace, whose names begin so.
    Secrets { api: Box<Api<Secret>>, namespace: String, prefix: String },
    /// Files of a folder.
    Folder(PathBuf),
}

/// Which configuration is kept, and where its parts are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pointer {
    set: char,
    parts: usize,
    digest: Digest,
    generation: Generation,
    accepted: Timestamp,
    epoch: Option<Epoch>,
}

impl std::fmt::Display for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secrets { namespace, prefix, .. } => write!(f, "Secrets {namespace}/{prefix}-*"),
            Self::Folder(folder) => write!(f, "folder {}", folder.display()),
        }
    }
}

impl Shelf {
    /// The configuration that is kept; none when there never was one.
    pub(crate) async fn get(&self) -> anyhow::Result<Option<Accepted>> {
        let Some(pointer) = self.pointer().await? else { return Ok(None) };
        let mut packed = Vec::new();
        for at in 0..pointer.parts.min(PARTS) {
            let name = part(pointer.set, at);
            let bytes = self.read(&name).await?.with_context(|| format!("{self}: {name} is gone"))?;
            packed.extend_from_slice(&bytes);
        }
        ensure!(Digest::of(&packed) == pointer.digest, "{self}: the parts are not those that were written together");
        let unpacked = tokio::task::spawn_blocking(move || unpack(&packed)).await?;
        unpacked.map(Some).with_context(|| self.to_string())
    }

    /// Keeps a configuration instead of the one before. Does nothing when it is there already. Fails when somebody with a
    /// later epoch wrote.
    pub(crate) async fn put(&self, accepted: &Accepted, epoch: Option<&Epoch>) -> anyhow::Result<()> {
        let to_pack = accepted.clone();
        let packed = tokio::task::spawn_blocking(move || pack(&to_pack)).await??;
        // What is not understood is written over; what cannot be reached is not.
        let before: Option<Pointer> = self.read("").await?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let (Some(theirs), Some(ours)) = (before.as_ref().and_then(|it| it.epoch.as_ref()), epoch)
            && theirs > ours
        {
            bail!("{self}: a later leader, of epoch {theirs}, has written");
        }
        let digest = Digest::of(&packed);
        if before.as_ref().is_some_and(|before| before.digest == digest) {
            return Ok(());
        }
        let set = if before.is_some_and(|before| before.set == 'a') { 'b' } else { 'a' };
        let parts = self.put_parts(set, &packed).await?;
        let (generation, accepted) = (accepted.commit.generation, accepted.at);
        let pointer = Pointer { set, parts, digest, generation, accepted, epoch: epoch.cloned() };
        self.write("", &serde_json::to_vec(&pointer)?).await
    }

    async fn put_parts(&self, set: char, packed: &[u8]) -> anyhow::Result<usize> {
        let parts: Vec<&[u8]> = packed.chunks(LONGEST_PART).collect();
        ensure!(
            parts.len() <= PARTS,
            "the configuration has {} bytes when packed, and {PARTS} Secrets of {LONGEST_PART} bytes are the most there \
             may be: set --last-good-config-dir to a volume",
            packed.len()
        );
        for (at, bytes) in parts.iter().enumerate() {
            self.write(&part(set, at), bytes).await?;
        }
        Ok(parts.len())
    }

    async fn pointer(&self) -> anyhow::Result<Option<Pointer>> {
        let Some(bytes) = self.read("").await? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("{self}: what points to the parts is not understood"))
    }

    async fn read(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        match self {
            Self::Secrets { api, prefix, .. } => {
                let name = format!("{prefix}{name}");
                let secret = api.get_opt(&name).await.map_err(|error| self.trouble("get", &name, &error))?;
                Ok(secret.and_then(|secret| secret.data?.remove(FIELD)).map(|bytes| bytes.0))
            }
            Self::Folder(folder) => match std::fs::read(file(folder, name)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => {
                    Err(error).with_context(|| format!("--last-good-config-dir: {}", file(folder, name).display()))
                }
            },
        }
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Secrets { api, prefix, .. } => {
                let name = format!("{prefix}{name}");
                let before = api.get_opt(&name).await.map_err(|error| self.trouble("get", &name, &error))?;
                let data = Some([(FIELD.to_owned(), ByteString(bytes.to_vec()))].into());
                let written = match before {
                    // Its version goes along: of two who write at once, one fails.
                    Some(before) => {
                        let secret = Secret { data, ..before };
                        api.replace(&name, &PostParams::default(), &secret).await
                    }
                    None => {
                        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
                        let secret = Secret { metadata, data, type_: Some(TYPE.to_owned()), ..Secret::default() };
                        api.create(&PostParams::default(), &secret).await
                    }
                };
                written.map(drop).map_err(|error| self.trouble("update (create for the first time)", &name, &error))
            }
            Self::Folder(folder) => {
                let path = file(folder, name);
                replace(folder, &path, bytes).with_context(|| format!("--last-good-config-dir: {}", path.display()))
            }
        }
    }

    fn trouble(&self, verb: &str, name: &str, error: &kube::Error) -> anyhow::Error {
        let hint = match error {
            kube::Error::Api(status) if status.code == 403 => {
                format!(
                    "; grant {verb} on Secret {name}, or set --last-good-config-dir or --keep-last-good-config=false"
                )
            }
            _ => String::new(),
        };
        anyhow::anyhow!("{self}: {}{hint}", in_words(error))
    }
}

fn part(set: char, at: usize) -> String {
    format!("-{set}{at}")
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("last-good{name}"))
}

/// Replaces a file in one step: it is as before or as it shall be, never half.
pub(crate) fn replace(folder: &Path, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let Some(name) = path.file_name() else { bail!("it names no file") };
    std::fs::create_dir_all(folder)?;
    let mut draft = name.to_owned();
    draft.push(".new");
    let draft = path.with_file_name(draft);
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    // The new name lasts once the folder itself is written.
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests;
