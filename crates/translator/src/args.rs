//! Flags of the translator.

use anyhow::Context as _;
use silverback_model::ObjectKey;
use silverback_service::addresses::WatcherUrl;
use silverback_service::values::{Listen, NamespacedName};
use silverback_translation::{
    Edition, FeatureGates, KongVersion, MissingPlugins, Open, Publishing, RouterFlavor, Settings,
};

/// Flags of the translator.
#[derive(Clone, Debug, clap::Args)]
pub struct TranslatorArgs {
    /// Where the translator serves the configuration over gRPC.
    #[arg(
        long,
        env = "CONTROLLER_TRANSLATOR_BIND_ADDRESS",
        default_value = "127.0.0.1:7602",
        value_name = "ADDRESS",
        help_heading = "Translator"
    )]
    pub translator_bind_address: Listen,

    /// Whom it follows.
    #[command(flatten, next_help_heading = "Translator")]
    pub watchers: WatcherUrl,

    /// What translation depends on.
    #[command(flatten)]
    pub translation: TranslationArgs,
}

/// Flags that decide what the configuration looks like.
#[derive(Clone, Debug, clap::Args)]
pub struct TranslationArgs {
    /// Class that Ingresses and Kong's objects must have to count.
    #[arg(
        long,
        env = "CONTROLLER_INGRESS_CLASS",
        default_value = "kong",
        value_name = "NAME",
        help_heading = "Translation"
    )]
    pub ingress_class: String,

    /// How the gateways match routes; as they say when it is left out.
    #[arg(long, env = "CONTROLLER_ROUTER_FLAVOR", value_name = "FLAVOR", help_heading = "Translation")]
    pub router_flavor: Option<Flavor>,

    /// Features to switch, as `Name=true,Other=false`.
    #[arg(
        long,
        env = "CONTROLLER_FEATURE_GATES",
        default_value = "",
        hide_default_value = true,
        value_name = "GATES",
        help_heading = "Translation"
    )]
    pub feature_gates: String,

    /// Oldest version of Kong among the gateways; as they say when it is left out.
    #[arg(long, env = "CONTROLLER_KONG_VERSION", value_name = "VERSION", help_heading = "Translation")]
    pub kong_version: Option<String>,

    /// Edition of the gateways; as they say when it is left out.
    #[arg(long, env = "CONTROLLER_EDITION", value_name = "EDITION", help_heading = "Translation")]
    pub edition: Option<EditionFlag>,

    /// What becomes of a route whose plugin is missing, or refused by gateways: it answers an error, or goes live without
    /// as with KIC.
    #[arg(
        long,
        env = "CONTROLLER_MISSING_PLUGINS",
        default_value = "fail-closed",
        value_name = "WAY",
        help_heading = "Translation"
    )]
    pub missing_plugins: MissingPluginsFlag,

    /// Appended to the DNS names of Services, e.g. cluster.local.
    #[arg(
        long,
        env = "CONTROLLER_CLUSTER_DOMAIN",
        default_value = "",
        hide_default_value = true,
        value_name = "DOMAIN",
        help_heading = "Translation"
    )]
    pub cluster_domain: String,

    /// `controllerName` of the GatewayClasses whose Gateways count.
    #[arg(
        long,
        env = "CONTROLLER_GATEWAY_API_CONTROLLER_NAME",
        default_value = "konghq.com/kic-gateway-controller",
        value_name = "NAME",
        help_heading = "Translation"
    )]
    pub gateway_api_controller_name: String,

    /// The only Gateway that counts; all of our classes when it is left out.
    #[arg(
        long,
        env = "CONTROLLER_GATEWAY_TO_RECONCILE",
        default_value = "",
        hide_default_value = true,
        value_name = "NAMESPACE/NAME",
        help_heading = "Translation"
    )]
    pub gateway_to_reconcile: String,

    /// Service in front of the gateways: listeners are refused at ports that it has not, and its addresses are those of
    /// Gateways. It must be among what is watched.
    #[arg(long, env = "CONTROLLER_PUBLISH_SERVICE", value_name = "NAMESPACE/NAME", help_heading = "Translation")]
    pub publish_service: Option<NamespacedName>,

    /// The Service for UDP, where that is another.
    #[arg(long, env = "CONTROLLER_PUBLISH_SERVICE_UDP", value_name = "NAMESPACE/NAME", help_heading = "Translation")]
    pub publish_service_udp: Option<NamespacedName>,

    /// Where gateways are reached, instead of the addresses of --publish-service; repeatable.
    #[arg(
        long,
        env = "CONTROLLER_PUBLISH_STATUS_ADDRESS",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = address,
        help_heading = "Translation"
    )]
    pub publish_status_address: Vec<String>,

    /// The same for UDP, instead of the addresses of --publish-service-udp.
    #[arg(
        long,
        env = "CONTROLLER_PUBLISH_STATUS_ADDRESS_UDP",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = address,
        help_heading = "Translation"
    )]
    pub publish_status_address_udp: Vec<String>,

    /// Keep terminating endpoints, with weight 0.
    #[arg(
        long,
        env = "CONTROLLER_ENABLE_DRAIN_SUPPORT",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        help_heading = "Translation"
    )]
    pub enable_drain_support: bool,

    /// Equal backends in several HTTPRoutes of a namespace share one Kong service.
    #[arg(
        long,
        env = "CONTROLLER_COMBINED_SERVICES_FROM_DIFFERENT_HTTPROUTES",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        help_heading = "Translation"
    )]
    pub combined_services_from_different_httproutes: bool,
}

/// A router flavour as Kong names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Flavor {
    /// Fields.
    Traditional,
    /// Fields, matched by the newer router.
    TraditionalCompatible,
    /// Expressions.
    Expressions,
}

/// An edition of Kong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum EditionFlag {
    /// The open source one.
    Oss,
    /// Enterprise.
    Enterprise,
}

/// What becomes of a route whose plugin is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MissingPluginsFlag {
    /// It answers an error.
    FailClosed,
    /// It goes live without the plugin.
    Kic,
}

impl TranslatorArgs {
    /// The settings these flags stand for.
    ///
    /// # Errors
    /// Names the flag whose value cannot be used.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        self.translation.settings()
    }
}

impl TranslationArgs {
    /// The settings these flags stand for.
    ///
    /// # Errors
    /// Names the flag whose value cannot be used.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let mut feature_gates = gates(&self.feature_gates)?;
        feature_gates.combined_services |= self.combined_services_from_different_httproutes;
        // What is used until gateways are known.
        let before = Settings::default();
        Ok(Settings {
            ingress_class: self.ingress_class.clone(),
            router_flavor: match self.router_flavor {
                Some(Flavor::Traditional | Flavor::TraditionalCompatible) => RouterFlavor::Traditional,
                Some(Flavor::Expressions) => RouterFlavor::Expressions,
                None => before.router_flavor,
            },
            kong_version: self.kong_version.as_deref().map(version).transpose()?.unwrap_or(before.kong_version),
            edition: match self.edition {
                Some(EditionFlag::Oss) => Edition::OpenSource,
                Some(EditionFlag::Enterprise) => Edition::Enterprise,
                None => before.edition,
            },
            open: Open {
                router_flavor: self.router_flavor.is_none(),
                kong_version: self.kong_version.is_none(),
                edition: self.edition.is_none(),
            },
            feature_gates,
            missing_plugins: match self.missing_plugins {
                MissingPluginsFlag::FailClosed => MissingPlugins::FailClosed,
                MissingPluginsFlag::Kic => MissingPlugins::Kic,
            },
            cluster_domain: self.cluster_domain.clone(),
            drain_support: self.enable_drain_support,
            gateway_controller_name: self.gateway_api_controller_name.clone(),
            gateway_to_reconcile: self.gateway_to_reconcile.clone(),
            publishing: Publishing {
                service: self.publish_service.as_ref().map(key),
                service_udp: self.publish_service_udp.as_ref().map(key),
                addresses: self.publish_status_address.clone(),
                addresses_udp: self.publish_status_address_udp.clone(),
            },
            ..Settings::default()
        })
    }
}

fn key(name: &NamespacedName) -> ObjectKey {
    ObjectKey::new(&*name.namespace, &*name.name)
}

/// An IP address or a DNS name, as statuses may have it.
fn address(text: &str) -> Result<String, String> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        !label.is_empty()
            && label.starts_with(letter)
            && label.ends_with(letter)
            && label.chars().all(|c| letter(c) || c == '-')
    };
    let name = text.len() <= 253 && text.split('.').all(label);
    if name || text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    Err("an IP address or a DNS name in lower case is expected".to_owned())
}

/// Gates of KIC that make no difference here, or name what is always so.
const IDLE_GATES: [&str; 4] =
    ["SanitizeKonnectConfigDumps", "FallbackConfiguration", "ExpressionRoutes", "GatewayAlpha"];

fn gates(text: &str) -> anyhow::Result<FeatureGates> {
    let mut given = serde_json::Map::new();
    for gate in text.split(',').map(str::trim).filter(|gate| !gate.is_empty()) {
        let (name, value) = gate
            .split_once('=')
            .with_context(|| format!("--feature-gates {gate}: NAME=true or NAME=false is expected"))?;
        let value: bool =
            value.parse().with_context(|| format!("--feature-gates {gate}: true or false is expected after the ="))?;
        let known = serde_json::to_value(FeatureGates::default())?.get(name).is_some();
        if !known && IDLE_GATES.contains(&name) {
            continue;
        }
        given.insert(name.to_owned(), value.into());
    }
    serde_json::from_value(given.into()).map_err(|error| anyhow::anyhow!("--feature-gates: {error}"))
}

fn version(text: &str) -> anyhow::Result<KongVersion> {
    KongVersion::parse(text)
        .with_context(|| format!("--kong-version {text}: a version such as 3.9 or 3.9.1 is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_read_as_kic_reads_them() {
        let gates = gates("RewriteURIs=true, FillIDs=false,FallbackConfiguration=true").unwrap();
        assert!(gates.rewrite_uris && !gates.fill_ids);
        for bad in ["RewriteURIs", "RewriteURIs=maybe", "Unknown=true"] {
            assert!(super::gates(bad).unwrap_err().to_string().contains("--feature-gates"), "{bad}");
        }
    }

    #[test]
    fn addresses_are_what_statuses_may_have() {
        for good in ["10.0.0.1", "2001:db8::1", "gateway.test", "a"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "http://a.test", "A.test", "a..test", "-a", "a:80", "*.a.test"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_may_have_a_patch_level() {
        assert_eq!(version("3.9.1").unwrap(), KongVersion { major: 3, minor: 9 });
        assert!(version("latest").is_err());
    }
}
