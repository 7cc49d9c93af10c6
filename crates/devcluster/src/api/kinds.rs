//! Which kinds are served: those every cluster has that a controller of gateways reads or writes, and those that
//! CustomResourceDefinitions declare. Nothing but names; it never knows an object.

use serde_json::{Value, json};

use super::failure::qualified;

/// A column of `kubectl get`.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// `string`, `date`, `integer`, …
    pub(crate) of: String,
    pub(crate) path: String,
    /// Above 0: only with `-o wide`.
    pub(crate) priority: i64,
}

/// A kind, and where it is served.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) group: String,
    /// Served versions; objects look the same in all of them.
    pub(crate) versions: Vec<String>,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// It has a `/status`, which is written apart from the rest.
    pub(crate) status: bool,
    /// From a CustomResourceDefinition: updates must name the version they are made to.
    pub(crate) custom: bool,
    pub(crate) columns: Vec<Column>,
}

impl Kind {
    /// `plural.group`: the name of its collection in the store, and of its definition.
    pub(crate) fn id(&self) -> String {
        qualified(&self.group, &self.plural)
    }

    /// `group/version`.
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    pub(crate) fn serves(&self, version: &str) -> bool {
        self.versions.iter().any(|served| served == version)
    }

    /// It is CustomResourceDefinition.
    pub(crate) fn defines_kinds(&self) -> bool {
        self.plural == "customresourcedefinitions" && self.group == "apiextensions.k8s.io"
    }

    /// `metadata.generation` counts changes of what is wished for.
    pub(crate) fn counts_generations(&self) -> bool {
        self.custom || self.group == "networking.k8s.io" || self.plural == "customresourcedefinitions"
    }

    /// An update may leave the version out and overwrite whatever is there.
    pub(crate) fn overwrites(&self) -> bool {
        !self.custom && self.plural != "customresourcedefinitions" && self.plural != "leases"
    }

    /// An update of what is not there creates it.
    pub(crate) fn creates_on_update(&self) -> bool {
        matches!(self.plural.as_str(), "leases" | "events" | "endpoints") && !self.custom
    }

    /// A deletion is answered with the object as it was last, not with a mere success.
    pub(crate) fn shows_deleted(&self) -> bool {
        !self.custom && matches!(self.plural.as_str(), "services" | "namespaces" | "serviceaccounts")
    }

    /// Its declaration in lists of resources, one for the kind and one for its status.
    pub(crate) fn declarations(&self) -> Vec<Value> {
        let mut verbs = vec!["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        if self.plural == "namespaces" {
            verbs.retain(|verb| *verb != "deletecollection");
        }
        let mut main = json!({
            "name": self.plural, "singularName": self.singular, "namespaced": self.namespaced, "kind": self.kind,
            "verbs": verbs,
        });
        if !self.short_names.is_empty() {
            main["shortNames"] = json!(self.short_names);
        }
        if !self.categories.is_empty() {
            main["categories"] = json!(self.categories);
        }
        let status = json!({
            "name": format!("{}/status", self.plural), "singularName": "", "namespaced": self.namespaced,
            "kind": self.kind, "verbs": ["get", "patch", "update"],
        });
        if self.status { vec![main, status] } else { vec![main] }
    }

    /// What a CustomResourceDefinition declares.
    pub(crate) fn declared_by(crd: &Value) -> Option<Self> {
        let spec = &crd["spec"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = |value: &Value| value.as_array().into_iter().flatten().filter_map(text).collect();
        let versions: Vec<&Value> =
            spec["versions"].as_array()?.iter().filter(|version| version["served"] == true).collect();
        let kind = text(&spec["names"]["kind"])?;
        let columns = versions.first().and_then(|version| version["additionalPrinterColumns"].as_array());
        Some(Self {
            group: text(&spec["group"])?,
            versions: versions.iter().filter_map(|version| text(&version["name"])).collect(),
            plural: text(&spec["names"]["plural"])?,
            singular: text(&spec["names"]["singular"]).unwrap_or_else(|| kind.to_lowercase()),
            kind,
            short_names: texts(&spec["names"]["shortNames"]),
            categories: texts(&spec["names"]["categories"]),
            namespaced: spec["scope"] == "Namespaced",
            status: versions.iter().any(|version| version["subresources"]["status"].is_object()),
            custom: true,
            columns: columns.map_or_else(|| vec![age()], |columns| columns.iter().filter_map(column).collect()),
        })
    }
}

fn column(declared: &Value) -> Option<Column> {
    Some(Column {
        name: declared["name"].as_str()?.to_owned(),
        of: declared["type"].as_str()?.to_owned(),
        path: declared["jsonPath"].as_str()?.to_owned(),
        priority: declared["priority"].as_i64().unwrap_or_default(),
    })
}

fn age() -> Column {
    let path = ".metadata.creationTimestamp".to_owned();
    Column { name: "Age".to_owned(), of: "date".to_owned(), path, priority: 0 }
}

/// Group, kind, plural, short name, namespaced, status, columns as `NAME=path`.
type Row =
    (&'static str, &'static str, &'static str, &'static str, bool, bool, &'static [(&'static str, &'static str)]);

const BUILT_IN: &[Row] = &[
    ("", "Namespace", "namespaces", "ns", false, true, &[("Status", ".status.phase")]),
    ("", "Service", "services", "svc", true, true, &[("Type", ".spec.type"), ("Ports", ".spec.ports[*].port")]),
    ("", "Secret", "secrets", "", true, false, &[("Type", ".type")]),
    ("", "ConfigMap", "configmaps", "cm", true, false, &[]),
    ("", "Event", "events", "ev", true, false, &[("Type", ".type"), ("Reason", ".reason"), ("Message", ".message")]),
    ("", "ServiceAccount", "serviceaccounts", "sa", true, false, &[]),
    ("events.k8s.io", "Event", "events", "ev", true, false, &[("Reason", ".reason"), ("Note", ".note")]),
    ("coordination.k8s.io", "Lease", "leases", "", true, false, &[("Holder", ".spec.holderIdentity")]),
    (
        "discovery.k8s.io",
        "EndpointSlice",
        "endpointslices",
        "",
        true,
        false,
        &[("Ports", ".ports[*].port"), ("Endpoints", ".endpoints[*].addresses[*]")],
    ),
    (
        "networking.k8s.io",
        "Ingress",
        "ingresses",
        "ing",
        true,
        true,
        &[("Class", ".spec.ingressClassName"), ("Hosts", ".spec.rules[*].host")],
    ),
    ("networking.k8s.io", "IngressClass", "ingressclasses", "", false, false, &[("Controller", ".spec.controller")]),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd",
        false,
        true,
        &[("Scope", ".spec.scope")],
    ),
];

/// The kinds that are always there.
pub(crate) fn built_in() -> Vec<Kind> {
    BUILT_IN.iter().map(read).collect()
}

fn read((group, kind, plural, short, namespaced, status, columns): &Row) -> Kind {
    let shown = columns.iter().map(|(name, path)| Column {
        name: (*name).to_owned(),
        of: "string".to_owned(),
        path: (*path).to_owned(),
        priority: 0,
    });
    let categories: &[&str] = if *plural == "services" { &["all"] } else { &[] };
    Kind {
        group: (*group).to_owned(),
        versions: vec!["v1".to_owned()],
        kind: (*kind).to_owned(),
        plural: (*plural).to_owned(),
        singular: kind.to_lowercase(),
        short_names: Some(*short).filter(|short| !short.is_empty()).map(str::to_owned).into_iter().collect(),
        categories: categories.iter().map(|category| (*category).to_owned()).collect(),
        namespaced: *namespaced,
        status: *status,
        custom: false,
        columns: shown.chain([age()]).collect(),
    }
}
