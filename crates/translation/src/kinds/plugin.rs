//! KongPlugin and KongClusterPlugin: a plugin's configuration, put together from the object and from Secrets.

use serde_json::{Map, Value};
use silverback_kong::{Plugin as KongPlugin, defaults, limits, plugin_facts, schema};
use silverback_resources::crds::{ConfigPatch, ConfigSource, Plugin, PluginOrdering, SecretRef};
use silverback_resources::types::Named;

use crate::inputs::View;
use crate::output::Reason;
use crate::secrets;
use crate::settings::Settings;
use crate::source::{Maker, Notes, Source};

/// A plugin object, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spec {
    /// The plugin, not bound to anything yet; `None` when its configuration cannot be put together.
    pub plugin: Option<KongPlugin>,
    /// The type of plugin, e.g. `key-auth`.
    pub name: String,
    /// The object, and the Secrets it reads.
    pub makers: Vec<Maker>,
    /// Creation time.
    pub created: String,
    /// What is wrong.
    pub notes: Notes,
}

impl Spec {
    /// Whether requests may pass where this plugin should run and cannot: it only watches them.
    pub(crate) fn is_dispensable(&self) -> bool {
        DISPENSABLE.contains(&self.name.as_str())
    }
}

/// Plugins that let nobody in or out, and that requests do not miss.
const DISPENSABLE: [&str; 13] = [
    "correlation-id",
    "datadog",
    "file-log",
    "http-log",
    "loggly",
    "opentelemetry",
    "prometheus",
    "proxy-cache",
    "statsd",
    "syslog",
    "tcp-log",
    "udp-log",
    "zipkin",
];

/// Understands a plugin object.
pub(crate) fn spec<R>(object: &Plugin<R>, view: &View<'_>) -> Spec
where
    R: SecretRef,
    Plugin<R>: Named,
{
    let source = Source::of(object);
    let mut spec = Spec {
        plugin: None,
        name: object.plugin.clone(),
        makers: vec![source.maker()],
        created: object.metadata.creation_timestamp.clone(),
        notes: Notes::default(),
    };
    match config(object, view, &mut spec.makers)
        .and_then(|config| judge(&object.plugin, config, &object.protocols, &view.settings))
    {
        Ok(config) => {
            let ordering = ordering(object.ordering.as_ref());
            if ordering.is_some() && !view.settings.enterprise() {
                let message = "ordering is left out: only Kong Enterprise knows it";
                spec.notes.warn(&source.reference(), "ordering", Reason::UnsupportedFeature, message);
            }
            let instance_name = object.instance_name.clone().filter(|name| limits::is_name(name));
            if instance_name != object.instance_name {
                let message = "instance_name is left out: Kong wants letters, digits and .-_~";
                spec.notes.warn(&source.reference(), "instance_name", Reason::InvalidValue, message);
            }
            spec.notes.bad_tags(&source);
            let mut plugin = KongPlugin {
                name: object.plugin.clone(),
                instance_name,
                config,
                enabled: object.disabled.filter(|disabled| *disabled).map(|disabled| !disabled),
                protocols: object.protocols.clone(),
                ordering: ordering.filter(|_| view.settings.enterprise()),
                tags: source.tags(),
                ..KongPlugin::default()
            };
            if view.settings.plugin_defaults {
                fill_defaults(&mut plugin, &view.settings);
            }
            spec.plugin = Some(plugin);
        }
        Err((field, problem)) => {
            let message = format!("the plugin cannot be used: {problem}");
            spec.notes.error(&source.reference(), field, Reason::InvalidPlugin, message);
        }
    }
    spec
}

/// What the gateways would add by themselves.
fn fill_defaults(plugin: &mut KongPlugin, settings: &Settings) {
    let Some(schema) = settings.plugin_schemas.get(&plugin.name) else { return };
    defaults::fill(schema, &mut plugin.config);
    plugin.enabled = plugin.enabled.or(Some(true));
    if plugin.protocols.is_empty() {
        plugin.protocols = defaults::protocols(schema);
    }
}

type Problem = (&'static str, String);

fn config<R: SecretRef>(
    object: &Plugin<R>,
    view: &View<'_>,
    makers: &mut Vec<Maker>,
) -> Result<Map<String, Value>, Problem> {
    if object.plugin.is_empty() {
        return Err(("plugin", "it does not say which plugin it is".to_owned()));
    }
    let own = object.config.clone().unwrap_or_default();
    let patches = &object.config_patches;
    let mut config = match &object.config_from {
        Some(_) if !own.is_empty() => {
            return Err(("configFrom", "config and configFrom exclude each other".to_owned()));
        }
        Some(_) if !patches.is_empty() => {
            return Err(("configPatches", "configFrom and configPatches exclude each other".to_owned()));
        }
        Some(from) => {
            let text =
                read(from, &object.metadata.namespace, view, makers).map_err(|problem| ("configFrom", problem))?;
            parse(&text).ok_or(("configFrom", "the Secret's value is no object in JSON or YAML".to_owned()))?
        }
        None => Value::Object(own),
    };
    for patch in patches {
        apply(patch, &object.metadata.namespace, &mut config, view, makers)
            .map_err(|problem| ("configPatches", format!("{:?}: {problem}", shortened(&patch.path))))?;
    }
    match config {
        Value::Object(config) => Ok(config),
        _ => Err(("configPatches", "the configuration is no object any more".to_owned())),
    }
}

/// Lets a configuration pass that the gateways take, as far as that is known.
fn judge(
    name: &str,
    config: Map<String, Value>,
    protocols: &[String],
    settings: &Settings,
) -> Result<Map<String, Value>, Problem> {
    if let Some(protocol) = protocols.iter().find(|protocol| !limits::is_protocol(protocol, settings.enterprise())) {
        return Err(("protocols", format!("Kong has no protocol {protocol:?}")));
    }
    let known = settings.plugins.as_ref().map(|plugins| plugins.contains(name));
    if known == Some(false) {
        return Err(("plugin", format!("no gateway has a plugin {name}: see KONG_PLUGINS there")));
    }
    if known.is_none() && !settings.enterprise() && plugin_facts::is_enterprise(name) {
        return Err(("plugin", format!("only Kong Enterprise has {name}; say so with --edition enterprise")));
    }
    let Some(schema) = settings.plugin_schemas.get(name) else {
        if settings.plugin_schemas.is_empty() {
            return Ok(config);
        }
        return Err(("plugin", format!("the gateways have no plugin {name}")));
    };
    if let Some(protocol) = protocols.iter().find(|protocol| !schema::takes_protocol(schema, protocol)) {
        return Err(("protocols", format!("{name} does not run with protocol {protocol:?}")));
    }
    match schema::check(schema, &config).first() {
        Some(problem) => Err(("config", format!("{}: {}", problem.field, problem.message))),
        None => Ok(config),
    }
}

/// As much of a path as a message needs.
fn shortened(path: &str) -> String {
    path.chars().take(100).collect()
}

fn read<R: SecretRef>(
    from: &ConfigSource<R>,
    home: &str,
    view: &View<'_>,
    makers: &mut Vec<Maker>,
) -> Result<String, String> {
    let reference = &from.secret_key_ref;
    let key = reference.secret(home);
    let secret = view.secret(&key).ok_or_else(|| format!("Secret {key} does not exist"))?;
    makers.push(Source::of(&*secret).maker());
    secrets::text(&secret, reference.key()).map_err(|problem| format!("Secret {key}: {problem}"))
}

/// JSON, or else YAML; only objects.
fn parse(text: &str) -> Option<Value> {
    let value: Option<Value> = serde_json::from_str(text).ok().or_else(|| serde_saphyr::from_str(text).ok());
    value.filter(Value::is_object)
}

fn apply<R: SecretRef>(
    patch: &ConfigPatch<R>,
    home: &str,
    config: &mut Value,
    view: &View<'_>,
    makers: &mut Vec<Maker>,
) -> Result<(), String> {
    let text = read(&patch.value_from, home, view, makers)?;
    let value = serde_json::from_str(&text).map_err(|_| "the Secret's value is no JSON".to_owned())?;
    add(config, &patch.path, value)
}

/// No plugin's configuration is as deep; what is written below made-up parents without end would exhaust the stack of
/// whoever walks it.
const DEEPEST_PATH: usize = 32;

/// JSON Patch's `add`: parents that are missing are made; an empty path means the whole.
fn add(config: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let Some(rest) = path.strip_prefix('/') else {
        if !path.is_empty() {
            return Err("the path must start with /".to_owned());
        }
        *config = value;
        return Ok(());
    };
    let steps: Vec<String> = rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    if steps.len() > DEEPEST_PATH {
        return Err(format!("the path has {} parts; {DEEPEST_PATH} are the most that are taken", steps.len()));
    }
    let (last, parents) = steps.split_last().ok_or("the path is empty")?;
    let mut at = config;
    for step in parents {
        at = match at {
            Value::Object(fields) => fields.entry(step.clone()).or_insert_with(|| Value::Object(Map::new())),
            Value::Array(items) => {
                let index: usize = step.parse().map_err(|_| format!("{step:?} is no place in a list"))?;
                items.get_mut(index).ok_or_else(|| format!("there is no item {index}"))?
            }
            _ => return Err(format!("{step:?} is below a value that has nothing below it")),
        };
    }
    match at {
        Value::Object(fields) => {
            fields.insert(last.clone(), value);
        }
        Value::Array(items) => {
            let index = if last == "-" {
                items.len()
            } else {
                last.parse().map_err(|_| format!("{last:?} is no place in a list"))?
            };
            if index > items.len() {
                return Err(format!("there is no place {index} in the list"));
            }
            items.insert(index, value);
        }
        _ => return Err(format!("{last:?} is below a value that has nothing below it")),
    }
    Ok(())
}

fn ordering(ordering: Option<&PluginOrdering>) -> Option<Value> {
    let ordering = ordering?;
    let mut out = Map::new();
    for (name, phases) in [("before", &ordering.before), ("after", &ordering.after)] {
        if let Some(phases) = phases {
            out.insert(
                name.to_owned(),
                phases.iter().map(|(phase, plugins)| (phase.clone(), Value::from(plugins.clone()))).collect(),
            );
        }
    }
    Some(Value::Object(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn added(mut config: Value, path: &str, value: Value) -> Result<Value, String> {
        add(&mut config, path, value).map(|()| config)
    }

    #[test]
    fn patches_add_replace_and_insert() {
        assert_eq!(added(json!({}), "/a/b", json!(1)), Ok(json!({"a": {"b": 1}})));
        assert_eq!(added(json!({"a": 1}), "/a", json!(2)), Ok(json!({"a": 2})));
        assert_eq!(added(json!({"a": [1, 2]}), "/a/1", json!(9)), Ok(json!({"a": [1, 9, 2]})));
        assert_eq!(added(json!({"a": [1]}), "/a/-", json!(9)), Ok(json!({"a": [1, 9]})));
        assert_eq!(added(json!({"a": 1}), "", json!({"b": 2})), Ok(json!({"b": 2})));
        assert_eq!(added(json!({}), "/a~1b~0c", json!(1)), Ok(json!({"a/b~c": 1})));
    }

    #[test]
    fn patches_that_lead_nowhere_are_errors() {
        for (config, path) in
            [(json!({"a": 1}), "/a/b"), (json!({"a": [1]}), "/a/5"), (json!({"a": [1]}), "/a/x"), (json!({}), "a")]
        {
            assert!(added(config, path, json!(1)).is_err(), "{path}");
        }
        let deep = |parts: usize| added(json!({}), &"/a".repeat(parts), json!(1));
        assert!(deep(DEEPEST_PATH).is_ok());
        let problem = deep(1_000_000).unwrap_err();
        assert!(problem.contains("1000000 parts"), "{problem}");
    }

    #[test]
    fn configurations_are_json_or_yaml_objects() {
        assert_eq!(parse(r#"{"a": 1}"#), Some(json!({"a": 1})));
        assert_eq!(parse("a: 1\n"), Some(json!({"a": 1})));
        assert_eq!(parse("just a sentence"), None);
        assert_eq!(parse("a: [1"), None);
    }
}
