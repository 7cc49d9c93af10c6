//! A folder of manifests in place of a cluster.

use std::fs;

use serde_json::Value;

use super::manifests::{endpoints, ingress, service};

/// A folder with the manifests of an application, in the namespace `default`.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    /// With these files.
    pub(crate) fn of(manifests: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> anyhow::Result<Self> {
        let folder = Self(tempfile::tempdir()?);
        for (name, objects) in manifests {
            folder.write(name, &objects)?;
        }
        Ok(folder)
    }

    /// A Service `shop` with these endpoints, and an Ingress that leads /shop to it.
    pub(crate) fn shop(addresses: &[&str]) -> anyhow::Result<Self> {
        Self::of([("shop.yaml", vec![service("shop"), endpoints("shop", addresses), ingress("kong", "shop", "/shop")])])
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, objects: &[Value]) -> anyhow::Result<()> {
        // JSON is YAML too.
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        Ok(fs::write(self.0.path().join(name), text.join("\n---\n"))?)
    }

    /// As `--from` takes it.
    pub(crate) fn path(&self) -> String {
        self.0.path().display().to_string()
    }
}
