//! Settings of a translation: what an operator chooses, and what the gateways say about themselves.
//!
//! Equal settings and equal objects give an equal config: everything that could make a difference is in here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use silverback_isolation::Feedback;
use silverback_kong::ids::{self, IdKind};
use silverback_model::{Digest, canonical};

use crate::publishing::Publishing;

/// How the gateways match routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouterFlavor {
    /// By fields: hosts, paths, methods, … (`traditional` and `traditional_compatible`).
    #[default]
    Traditional,
    /// By expressions with priorities.
    Expressions,
}

/// Which Kong the gateways run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edition {
    /// Kong Gateway OSS: consumer groups, licences and some fields are unknown to it.
    #[default]
    OpenSource,
    /// Kong Gateway Enterprise.
    Enterprise,
}

/// What becomes of a route or service whose plugin cannot be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingPlugins {
    /// It answers 500: the missing plugin might be the one that keeps people out.
    #[default]
    FailClosed,
    /// It goes live without the plugin, as with the Kong Ingress Controller.
    Kic,
}

/// Features that can be switched. Names and defaults are those of the Kong Ingress Controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct FeatureGates {
    /// Kept for its name: TCPRoute, UDPRoute, TLSRoute and BackendTLSPolicy need no gate here.
    pub gateway_alpha: bool,
    /// Entities get ids computed from their names.
    #[serde(rename = "FillIDs")]
    pub fill_ids: bool,
    /// The annotation `konghq.com/rewrite` of Ingresses.
    #[serde(rename = "RewriteURIs")]
    pub rewrite_uris: bool,
    /// KongServiceFacade as a backend of Ingresses.
    pub kong_service_facade: bool,
    /// KongCustomEntity.
    pub kong_custom_entity: bool,
    /// Redirect filters keep what is below a prefix: by the `redirect` plugin, which Kong has since 3.9, or by a program.
    /// Off: one place for all requests of a match, as KIC has it without that plugin.
    pub support_redirect_plugin: bool,
    /// Equal backends in several HTTPRoutes of a namespace share one service.
    #[serde(rename = "CombinedServicesFromDifferentHTTPRoutes")]
    pub combined_services: bool,
}

impl Default for FeatureGates {
    fn default() -> Self {
        Self {
            gateway_alpha: false,
            fill_ids: true,
            rewrite_uris: false,
            kong_service_facade: false,
            kong_custom_entity: true,
            support_redirect_plugin: true,
            combined_services: false,
        }
    }
}

/// A version of Kong, e.g. 3.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KongVersion {
    /// The 3 of 3.9.
    pub major: u32,
    /// The 9 of 3.9.
    pub minor: u32,
}

/// What no operator decided, so that the gateways do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Open {
    /// How they match routes.
    pub router_flavor: bool,
    /// Their version.
    pub kong_version: bool,
    /// Their edition.
    pub edition: bool,
}

impl RouterFlavor {
    /// By Kong's name for it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "traditional" | "traditional_compatible" => Some(Self::Traditional),
            "expressions" => Some(Self::Expressions),
            _ => None,
        }
    }
}

impl KongVersion {
    /// Reads e.g. `3.9`, `3.9.1` or `3.9.1.2-enterprise-edition`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Some(Self { major, minor }),
            _ => None,
        }
    }
}

/// The settings in force. The gateways may have a say in them, so that they may become others while rules hold them: then
/// every rule runs anew.
#[derive(Clone)]
pub(crate) struct InForce(Arc<RwLock<Arc<Settings>>>);

impl InForce {
    /// These are in force.
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(settings))))
    }

    /// Those that are in force now.
    pub(crate) fn now(&self) -> Arc<Settings> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts others in force.
    pub(crate) fn replace(&self, settings: Settings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

/// All settings of a translation. Defaults are the Kong Ingress Controller's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The class that objects must have to count.
    pub ingress_class: String,
    /// `controllerName` of the GatewayClasses that count.
    pub gateway_controller_name: String,
    /// Only this Gateway counts, as `namespace/name`; empty: all of our classes.
    pub gateway_to_reconcile: String,
    /// How gateways are published.
    pub publishing: Publishing,
    /// How the gateways match routes.
    pub router_flavor: RouterFlavor,
    /// Oldest version among the gateways.
    pub kong_version: KongVersion,
    /// Edition of the gateways.
    pub edition: Edition,
    /// Which of these three the gateways decide, as soon as they are known.
    pub open: Open,
    /// Names of the plugins that gateways can run; none: it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugins: Option<BTreeSet<String>>,
    /// Enterprise workspace; empty: none. It counts in ids.
    pub workspace: String,
    /// Features that can be switched.
    pub feature_gates: FeatureGates,
    /// What becomes of routes whose plugin is missing.
    pub missing_plugins: MissingPlugins,
    /// Appended to the DNS names of Services, e.g. `cluster.local`; empty: nothing.
    pub cluster_domain: String,
    /// Terminating endpoints stay, with weight 0.
    pub drain_support: bool,
    /// Routes of the Gateway API count where no Gateway of ours is there to take them: for manifests without Gateways.
    pub accept_unattached: bool,
    /// Schemas of the gateways' plugins by name, as `GET /schemas/plugins/NAME` answers. Empty: they are not known, and
    /// configurations are taken as they are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plugin_schemas: BTreeMap<String, Value>,
    /// Plugins get the defaults of these schemas: the gateways would add them themselves.
    pub plugin_defaults: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ingress_class: "kong".into(),
            gateway_controller_name: "konghq.com/kic-gateway-controller".into(),
            gateway_to_reconcile: String::new(),
            publishing: Publishing::default(),
            router_flavor: RouterFlavor::default(),
            kong_version: KongVersion { major: 3, minor: 9 },
            edition: Edition::default(),
            open: Open::default(),
            plugins: None,
            workspace: String::new(),
            feature_gates: FeatureGates::default(),
            missing_plugins: MissingPlugins::default(),
            cluster_domain: String::new(),
            drain_support: false,
            accept_unattached: false,
            plugin_schemas: BTreeMap::new(),
            plugin_defaults: false,
        }
    }
}

impl Settings {
    /// The settings for gateways that say this of themselves. Of differing ones the oldest version counts, Enterprise is
    /// what all of them are, and a plugin is known that any of them can run: a rollout brings them together.
    pub(crate) fn for_gateways<'a>(&self, feedback: impl Iterator<Item = &'a Feedback> + Clone) -> Self {
        let mut settings = self.clone();
        let kinds = || feedback.clone().flat_map(|feedback| &feedback.gateways);
        match feedback.clone().find_map(|feedback| RouterFlavor::named(&feedback.router_flavor)) {
            Some(flavor) if self.open.router_flavor => settings.router_flavor = flavor,
            _ => (),
        }
        match kinds().filter_map(|kind| KongVersion::parse(&kind.version)).min() {
            Some(oldest) if self.open.kong_version => settings.kong_version = oldest,
            _ => (),
        }
        if self.open.edition && kinds().next().is_some() {
            let all = kinds().all(|kind| kind.edition == "enterprise");
            settings.edition = if all { Edition::Enterprise } else { Edition::OpenSource };
        }
        if kinds().next().is_some() && kinds().all(|kind| !kind.plugins.is_empty()) {
            settings.plugins = Some(kinds().flat_map(|kind| kind.plugins.iter().cloned()).collect());
        }
        settings
    }

    /// Names the settings: replicas whose settings differ must not be mistaken for each other.
    pub fn digest(&self) -> Digest {
        // Plain data with string keys has a JSON form.
        Digest::of(canonical::of(self).unwrap_or_default().as_bytes())
    }

    /// Whether routes are expressions.
    pub fn expressions(&self) -> bool {
        self.router_flavor == RouterFlavor::Expressions
    }

    /// The id of what has a name, unless the gateways are to choose it.
    pub(crate) fn id(&self, kind: IdKind, name: &str) -> Option<String> {
        self.feature_gates.fill_ids.then(|| ids::id(kind, &self.workspace, name))
    }

    /// Whether what a plugin is bound to goes live without it where it cannot be had.
    pub fn fail_open(&self) -> bool {
        self.missing_plugins == MissingPlugins::Kic
    }

    /// Whether the gateways are Enterprise.
    pub fn enterprise(&self) -> bool {
        self.edition == Edition::Enterprise
    }
}

#[cfg(test)]
mod tests {
    use silverback_isolation::GatewayKind;

    use super::*;

    #[test]
    fn gateways_decide_what_is_open() {
        let kind = |version: &str, edition: &str, plugins: &[&str]| GatewayKind {
            version: version.into(),
            edition: edition.into(),
            plugins: plugins.iter().map(|name| (*name).to_owned()).collect(),
            ..GatewayKind::default()
        };
        let told = |router_flavor: &str, gateways| {
            [Feedback { router_flavor: router_flavor.into(), gateways, ..Feedback::default() }]
        };
        let open = Open { router_flavor: true, kong_version: true, edition: true };
        let settings = Settings { open, ..Settings::default() };
        let of = |told: &[Feedback]| settings.for_gateways(told.iter());
        assert_eq!((of(&[]), of(&told("", Vec::new()))), (settings.clone(), settings.clone()), "nothing is known");

        let enterprise = kind("3.10.0.1-enterprise-edition", "enterprise", &["cors", "house"]);
        let one = of(&told("expressions", vec![enterprise.clone()]));
        assert!(one.expressions() && one.enterprise());
        assert_eq!(one.kong_version, KongVersion { major: 3, minor: 10 });
        assert_eq!(one.plugins, Some(["cors".to_owned(), "house".to_owned()].into()));

        let mixed = of(&told("traditional", vec![enterprise.clone(), kind("3.9.1", "community", &["cors", "jwt"])]));
        assert!(!mixed.expressions() && !mixed.enterprise());
        assert_eq!(mixed.kong_version, KongVersion { major: 3, minor: 9 });
        assert_eq!(mixed.plugins.unwrap().len(), 3);
        let silent = of(&told("", vec![enterprise.clone(), kind("", "enterprise", &[])]));
        assert_eq!((silent.enterprise(), silent.expressions(), silent.plugins), (true, false, None));

        let decided = Settings { open: Open::default(), ..Settings::default() };
        let told = told("expressions", vec![enterprise]);
        let flags = decided.for_gateways(told.iter());
        assert_eq!(Settings { plugins: None, ..flags }, decided, "flags override");
    }

    #[test]
    fn every_setting_counts_in_the_digest() {
        let base = Settings::default();
        let changed = [
            Settings { ingress_class: "x".into(), ..base.clone() },
            Settings { drain_support: true, ..base.clone() },
            Settings {
                publishing: Publishing { addresses: vec!["a.test".into()], ..Publishing::default() },
                ..base.clone()
            },
            Settings { router_flavor: RouterFlavor::Expressions, ..base.clone() },
            Settings { feature_gates: FeatureGates { fill_ids: false, ..FeatureGates::default() }, ..base.clone() },
        ];
        for other in &changed {
            assert_ne!(base.digest(), other.digest());
        }
    }

    #[test]
    fn gates_are_read_by_their_known_names() {
        let gates: FeatureGates = serde_json::from_str(r#"{"FillIDs": false, "RewriteURIs": true}"#).unwrap();
        assert!(!gates.fill_ids && gates.rewrite_uris && gates.kong_custom_entity);
        assert!(serde_json::from_str::<FeatureGates>(r#"{"Nonsense": true}"#).is_err());
    }
}
