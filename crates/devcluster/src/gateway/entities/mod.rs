//! The entities that a Kong gateway without a database knows: which there are, how they hang together, and their
//! schemas, one file per family. Rules of their own are in `schema`; the facts are Kong 3.9.3's.

mod certificates;
mod consumers;
mod plugin_configs;
mod plugins;
mod routes;
mod services;
mod upstreams;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::schema::custom::Custom;
use super::schema::rule::Rule;
use super::schema::{Field, Record, Schema, document};
use super::settings::RouterFlavor;

pub(crate) use plugins::NAMES as PLUGIN_NAMES;

/// Every kind with its schema, for one router flavour and one set of plugin schemas.
#[derive(Debug)]
pub(crate) struct Registry {
    /// Parents before the kinds that refer to them.
    schemas: Vec<Schema>,
    /// For each kind, those that refer to it, with the field that does.
    children: BTreeMap<&'static str, Vec<(&'static str, String)>>,
}

impl Registry {
    /// `plugin_schemas` is a folder of `NAME.json` documents; `own_plugins` are documents of further plugins.
    pub(crate) fn new(
        flavor: RouterFlavor,
        plugin_schemas: Option<&Path>,
        own_plugins: &BTreeMap<String, Value>,
    ) -> Self {
        let mut documents = plugin_schemas.map(read_documents).unwrap_or_default();
        let own = own_plugins.iter().map(|(name, document)| (name.clone(), Arc::new(document::record(document))));
        documents.extend(own);
        let installed = plugins::NAMES.iter().map(|(name, _)| *name).chain(own_plugins.keys().map(String::as_str));
        let mut schemas = vec![
            consumers::consumers(),
            certificates::certificates(),
            services::services(),
            routes::routes(flavor),
            certificates::snis(),
            upstreams::upstreams(),
            upstreams::targets(),
            plugins::plugins(installed, &documents),
            certificates::ca_certificates(),
            plugins::vaults(),
            certificates::key_sets(),
            certificates::keys(),
            services::filter_chains(),
        ];
        schemas.extend(consumers::credentials());
        let mut children: BTreeMap<&'static str, Vec<(&'static str, String)>> = BTreeMap::new();
        for schema in &schemas {
            for (field, parent) in schema.references() {
                children.entry(parent).or_default().push((schema.name, field.to_owned()));
            }
        }
        Self { schemas, children }
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&Schema> {
        self.schemas.iter().find(|schema| schema.name == kind)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Schema> {
        self.schemas.iter()
    }

    /// The kinds that refer to this one, with the field that does: these may be nested in it.
    pub(crate) fn children(&self, kind: &str) -> &[(&'static str, String)] {
        self.children.get(kind).map(Vec::as_slice).unwrap_or_default()
    }

    /// The field by which `child` refers to `parent`, when it does.
    pub(crate) fn link(&self, parent: &str, child: &str) -> Option<&str> {
        self.children(parent).iter().find(|(kind, _)| *kind == child).map(|(_, field)| field.as_str())
    }
}

fn read_documents(folder: &Path) -> BTreeMap<String, Arc<Record>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let read = |path: &Path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        let document: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        Some((name, Arc::new(document::record(&document))))
    };
    entries.filter_map(|entry| read(&entry.path())).collect()
}

const PROTOCOLS: [&str; 8] = ["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"];
const HTTP_PROTOCOLS: [&str; 4] = ["grpc", "grpcs", "http", "https"];

fn custom(custom: Custom) -> Field {
    Field::string().rule(Rule::Custom(custom))
}

fn id() -> Field {
    Field::string().rule(Rule::Uuid).auto()
}

fn uuids() -> Field {
    Field::array(Field::string().rule(Rule::Uuid))
}

fn seconds() -> Field {
    Field::integer().rule(Rule::Timestamp).auto()
}

fn millis() -> Field {
    Field::number().rule(Rule::Timestamp).auto()
}

fn name() -> Field {
    custom(Custom::Utf8Name).unique()
}

fn tags() -> Field {
    Field::set(custom(Custom::Tag))
}

fn port() -> Field {
    Field::integer().between(0, 65535)
}

fn path() -> Field {
    custom(Custom::Path)
        .rule(Rule::StartsWith("/".to_owned()))
        .rule(Rule::MatchNone(patterns([("//", "must not have empty segments")])))
}

/// Header names to lists of values.
fn headers() -> Field {
    Field::map(custom(Custom::HeaderName), Field::array(Field::string()))
}

fn pattern(pattern: &str) -> Option<regex::Regex> {
    regex::Regex::new(pattern).ok()
}

fn patterns<const N: usize>(patterns: [(&str, &str); N]) -> Vec<(regex::Regex, String)> {
    patterns.into_iter().filter_map(|(regex, message)| Some((pattern(regex)?, message.to_owned()))).collect()
}

fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}
