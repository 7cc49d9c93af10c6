//! Filters of HTTPRoutes as plugins of Kong.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use silverback_kong::Plugin;
use silverback_resources::types::{HeaderModifier, HttpFilter, Redirect, UrlRewrite};

use super::paths::Path;
use crate::claims::PluginRef;
use crate::settings::{KongVersion, Settings};

/// The first version with a redirect plugin.
const REDIRECT_PLUGIN: KongVersion = KongVersion { major: 3, minor: 9 };

/// What the filters of a rule come to, for one path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filtered {
    /// Plugins made for the route.
    pub(super) plugins: Vec<Plugin>,
    /// Plugins that are named.
    pub(super) named: Vec<PluginRef>,
}

/// Whether the prefix of a path is rewritten, so that what is below it must be captured.
pub(super) fn rewrites_prefix(filters: &[HttpFilter]) -> bool {
    filters.iter().filter_map(|filter| filter.url_rewrite.as_ref()).any(|it| prefix_replacement(it).is_some())
}

/// Whether what the filters come to depends on the path that matched.
pub(super) fn depend_on_path(filters: &[HttpFilter]) -> bool {
    rewrites_prefix(filters) || filters.iter().any(|filter| filter.request_redirect.is_some())
}

fn prefix_replacement(rewrite: &UrlRewrite) -> Option<&str> {
    let path = rewrite.path.as_ref().filter(|path| path.kind == "ReplacePrefixMatch")?;
    Some(path.replace_prefix_match.as_deref().unwrap_or_default())
}

/// The plugins of a rule's filters.
///
/// # Errors
/// The field and what is wrong: a filter that Kong cannot do.
pub(super) fn plugins(
    filters: &[HttpFilter],
    path: &Path,
    tags: &[String],
    settings: &Settings,
) -> Result<Filtered, (usize, String)> {
    let mut filtered = Filtered::default();
    let mut requests = Transformer::default();
    let mut responses = Transformer::default();
    for (at, filter) in filters.iter().enumerate() {
        match filter.kind.as_str() {
            "RequestHeaderModifier" => requests.modify(filter.request_header_modifier.as_ref()),
            "ResponseHeaderModifier" => responses.modify(filter.response_header_modifier.as_ref()),
            "URLRewrite" => requests.rewrite(filter.url_rewrite.as_ref(), path),
            "RequestRedirect" => {
                let redirect = filter.request_redirect.clone().unwrap_or_default();
                filtered.plugins.extend(redirected(&redirect, path, settings, &mut responses));
            }
            "ExtensionRef" => match &filter.extension_ref {
                Some(named) if named.kind == "KongPlugin" && named.group == "configuration.konghq.com" => {
                    filtered.named.push(PluginRef { namespace: None, name: named.name.clone() });
                }
                _ => return Err((at, "an ExtensionRef can only name a KongPlugin".to_owned())),
            },
            other => return Err((at, format!("Kong has nothing for the filter {other}"))),
        }
    }
    filtered.plugins.extend(requests.plugin("request-transformer"));
    filtered.plugins.extend(responses.plugin("response-transformer"));
    for plugin in &mut filtered.plugins {
        plugin.tags = tags.to_vec();
    }
    Ok(filtered)
}

/// The configuration of a transformer: lists of headers by what is done with them.
#[derive(Default)]
struct Transformer {
    headers: BTreeMap<&'static str, Vec<String>>,
    uri: Option<String>,
}

impl Transformer {
    fn add(&mut self, action: &'static str, header: String) {
        self.headers.entry(action).or_default().push(header);
    }

    fn modify(&mut self, modifier: Option<&HeaderModifier>) {
        let Some(modifier) = modifier else { return };
        for header in &modifier.set {
            self.set(&header.name, &header.value);
        }
        for header in &modifier.add {
            self.add("append", format!("{}:{}", header.name, header.value));
        }
        for name in &modifier.remove {
            self.add("remove", name.clone());
        }
    }

    /// Replaces a header that is there, and adds one that is not.
    fn set(&mut self, name: &str, value: &str) {
        self.add("replace", format!("{name}:{value}"));
        self.add("add", format!("{name}:{value}"));
    }

    fn rewrite(&mut self, rewrite: Option<&UrlRewrite>, path: &Path) {
        let Some(rewrite) = rewrite else { return };
        if let Some(host) = &rewrite.hostname {
            self.set("host", host);
        }
        if let Some(replacement) = prefix_replacement(rewrite) {
            self.uri = Some(path.rewritten(replacement));
        } else if let Some(full) = rewrite.path.as_ref().and_then(|path| path.replace_full_path.clone()) {
            self.uri = Some(if full.is_empty() { "/".to_owned() } else { full });
        }
    }

    fn plugin(self, name: &str) -> Option<Plugin> {
        let mut config: Map<String, Value> = self
            .headers
            .into_iter()
            .map(|(action, headers)| (action.to_owned(), json!({"headers": headers})))
            .collect();
        if let Some(uri) = self.uri {
            let replace = config.entry("replace").or_insert_with(|| json!({}));
            replace["uri"] = json!(uri);
        }
        (!config.is_empty()).then(|| Plugin { name: name.to_owned(), config, ..Plugin::default() })
    }
}

/// The plugin of a redirect. Where Kong has none that can do it, the answer is made of a status and a header.
fn redirected(redirect: &Redirect, path: &Path, settings: &Settings, responses: &mut Transformer) -> Option<Plugin> {
    let status = redirect.status_code.unwrap_or(302);
    let full = redirect.path.as_ref().filter(|path| path.kind == "ReplaceFullPath");
    let full = full.map(|path| path.replace_full_path.clone().unwrap_or_default());
    let origin = redirect.hostname.as_ref().filter(|host| !host.is_empty()).map(|host| {
        let scheme = redirect.scheme.as_deref().filter(|scheme| !scheme.is_empty()).unwrap_or("http");
        let port = redirect.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{host}{port}")
    });
    let new_path = full.as_deref().map(|path| if path == "/" && origin.is_some() { "" } else { path });
    let gate = settings.feature_gates.support_redirect_plugin && settings.kong_version >= REDIRECT_PLUGIN;
    let config = match origin {
        // The plugin takes no location without a host.
        Some(origin) if gate => json!({
            "status_code": status,
            "location": format!("{origin}{}", new_path.unwrap_or_default()),
            "keep_incoming_path": new_path.is_none(),
        }),
        origin => {
            let kept = if matches!(path, Path::Regex(_)) { "" } else { path.text() };
            let location = format!("{}{}", origin.unwrap_or_default(), new_path.unwrap_or(kept));
            let location = if location.is_empty() { "/".to_owned() } else { location };
            responses.add("add", format!("Location:{location}"));
            json!({"status_code": status})
        }
    };
    let name = if config.get("location").is_some() { "redirect" } else { "request-termination" };
    let Value::Object(config) = config else { return None };
    Some(Plugin { name: name.to_owned(), config, ..Plugin::default() })
}
