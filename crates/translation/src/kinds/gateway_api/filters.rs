//! Filters of HTTPRoutes and GRPCRoutes as plugins of Kong.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use silverback_kong::Plugin;
use silverback_resources::types::{HeaderModifier, HttpFilter, UrlRewrite};
use silverback_status::ConditionReason;

use super::paths::{Path, absolute, verbatim};
use super::redirect::{self, Front};
use super::{Invalid, cors};
use crate::claims::PluginRef;
use crate::plugins;
use crate::settings::Settings;

/// What the filters of a rule come to, for one path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filtered {
    /// Plugins made for the route.
    pub(super) plugins: Vec<Plugin>,
    /// Plugins that are named, with the place of the filter.
    pub(super) named: Vec<(usize, PluginRef)>,
    /// Filters that name what is no filter: requests must not pass without them.
    pub(super) unresolved: Vec<(usize, String)>,
}

/// Where a rule is served, as far as filters depend on it.
pub(super) struct Place<'a> {
    /// The path that matched.
    pub(super) path: &'a Path,
    /// The listeners.
    pub(super) front: &'a Front,
    /// The settings.
    pub(super) settings: &'a Settings,
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
/// The reason, the field below the rule, and what is wrong: a filter that Kong cannot do.
pub(super) fn plugins(filters: &[HttpFilter], place: &Place<'_>) -> Result<Filtered, Invalid> {
    let mut filtered = Filtered::default();
    let mut requests = Transformer::default();
    let mut responses = Transformer::default();
    let unsupported = |at: usize, field: &str, problem: String| {
        let field = format!("filters[{at}]{field}");
        (ConditionReason::UnsupportedValue, field, problem)
    };
    compatible(filters)?;
    for (at, filter) in filters.iter().enumerate() {
        match filter.kind.as_str() {
            "RequestHeaderModifier" => requests.modify(filter.request_header_modifier.as_ref()),
            "ResponseHeaderModifier" => responses.modify(filter.response_header_modifier.as_ref()),
            "URLRewrite" => {
                let of_prefix = filter.url_rewrite.as_ref().and_then(prefix_replacement).is_some();
                if of_prefix && !place.path.is_prefix() {
                    let problem = "only a rule that matches a prefix can replace it".to_owned();
                    return Err(unsupported(at, ".urlRewrite.path", problem));
                }
                requests.rewrite(filter.url_rewrite.as_ref(), place.path);
            }
            "RequestRedirect" => {
                let redirect = filter.request_redirect.clone().unwrap_or_default();
                let redirected = redirect::redirect(&redirect, place)
                    .map_err(|(field, problem)| unsupported(at, &format!(".requestRedirect.{field}"), problem))?;
                redirected
                    .location
                    .into_iter()
                    .for_each(|location| responses.add("add", format!("Location:{location}")));
                filtered.plugins.push(redirected.plugin);
            }
            "CORS" => {
                let plugin = cors::plugin(&filter.cors.clone().unwrap_or_default());
                filtered.plugins.push(plugin.map_err(|(field, it)| unsupported(at, &format!(".cors.{field}"), it))?);
            }
            "ExtensionRef" => match &filter.extension_ref {
                Some(named) if named.kind == "KongPlugin" && named.group == "configuration.konghq.com" => {
                    filtered.named.push((at, PluginRef { namespace: None, name: named.name.clone() }));
                }
                _ => filtered.unresolved.push((at, "an ExtensionRef can only name a KongPlugin".to_owned())),
            },
            other => return Err(unsupported(at, ".type", format!("Kong has nothing for the filter {other}"))),
        }
    }
    filtered.plugins.extend(requests.plugin("request-transformer", verbatim));
    filtered.plugins.extend(responses.plugin("response-transformer", str::to_owned));
    if !filtered.unresolved.is_empty() {
        filtered.plugins = vec![plugins::closed()];
    }
    Ok(filtered)
}

/// A request is either sent elsewhere or rewritten, and done each once.
fn compatible(filters: &[HttpFilter]) -> Result<(), Invalid> {
    let place = |kind: &str| filters.iter().position(|filter| filter.kind == kind);
    if let (Some(_), Some(at)) = (place("RequestRedirect"), place("URLRewrite")) {
        let problem = "a rule has either a URLRewrite or a RequestRedirect".to_owned();
        return Err((ConditionReason::IncompatibleFilters, format!("filters[{at}]"), problem));
    }
    for (at, filter) in filters.iter().enumerate() {
        let once = matches!(filter.kind.as_str(), "URLRewrite" | "RequestRedirect" | "CORS");
        if once && place(&filter.kind) != Some(at) {
            let problem = format!("a rule has one filter {} at most", filter.kind);
            return Err((ConditionReason::IncompatibleFilters, format!("filters[{at}]"), problem));
        }
    }
    Ok(())
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
            self.uri = Some(verbatim(&absolute(&full)));
        }
    }

    /// The plugin, where there is something to do; `write` makes of a text what the plugin takes for it.
    fn plugin(self, name: &str, write: fn(&str) -> String) -> Option<Plugin> {
        let headers = self.headers.into_iter().map(|(action, headers)| {
            let headers: Vec<String> = headers.iter().map(|header| write(header)).collect();
            (action.to_owned(), json!({"headers": headers}))
        });
        let mut config: Map<String, Value> = headers.collect();
        if let Some(uri) = self.uri {
            let replace = config.entry("replace").or_insert_with(|| json!({}));
            replace["uri"] = json!(uri);
        }
        (!config.is_empty()).then(|| Plugin { name: name.to_owned(), config, ..Plugin::default() })
    }
}
