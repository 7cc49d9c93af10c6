//! `silverback render`: manifests in, Kong's declarative configuration out, without a cluster.

mod input;
mod unknown;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;
use silverback_kong::{Collection, Document, EntityKey, Rendered};
use silverback_resources::registry::KindId;
use silverback_status::ObjectStatus;
use silverback_translation::{Entity, Translator};
use silverback_translator::{TranslationArgs, redact};

use input::{Problems, load, read};

/// Flags of `silverback render`.
#[derive(clap::Args)]
pub(crate) struct RenderArgs {
    /// Files and folders of manifests; `-` reads standard input.
    #[arg(short = 'f', long = "filename", required = true, num_args = 1.., value_name = "FILE")]
    filename: Vec<PathBuf>,

    #[command(flatten)]
    translation: TranslationArgs,

    /// Objects to treat as refused by the gateways: they, and what depends on them, are left out.
    #[arg(
        long,
        value_name = "KIND/NAMESPACE/NAME",
        value_delimiter = ',',
        default_value = "",
        hide_default_value = true
    )]
    leave_out: Vec<String>,

    /// A folder with the schemas of the gateways' plugins, NAME.json each, as `GET /schemas/plugins/NAME` answers:
    /// configurations that the gateways would refuse are left out.
    #[arg(long, value_name = "FOLDER")]
    kong_schemas: Option<PathBuf>,

    /// Give plugins the defaults of these schemas, as the gateways would: for comparing with what they show.
    #[arg(long, requires = "kong_schemas")]
    plugin_defaults: bool,

    /// Fill in what an API server would: the namespace `default`, uids, and `stringData` of Secrets. Without this,
    /// objects are taken as they are written.
    #[arg(long)]
    complete: bool,

    /// Show why an entity is what it is, instead of the configuration: the objects it was made from, then the rules
    /// that made it with all that they read, and all that they looked for and did not find.
    #[arg(long, value_name = "COLLECTION/NAME", conflicts_with = "show_status")]
    explain: Option<String>,

    /// Fail when something could not be translated, or has fields that its kind has not.
    #[arg(long)]
    strict: bool,

    /// Show private keys, credentials and other secrets, as gateways must get them.
    #[arg(long)]
    show_secrets: bool,

    /// Print the statuses of Gateway API objects, by object, in place of the configuration.
    #[arg(long)]
    show_status: bool,

    /// Form of the configuration: decK's, as YAML or JSON.
    #[arg(short, long, default_value = "yaml", value_name = "FORM")]
    output: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Yaml,
    Json,
}

impl RenderArgs {
    pub(crate) fn run(self) -> ExitCode {
        match self.render() {
            Ok(clean) if clean || !self.strict => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(2)
            }
        }
    }

    /// Whether everything could be translated.
    fn render(&self) -> anyhow::Result<bool> {
        let mut settings = self.translation.settings()?;
        if let Some(folder) = &self.kong_schemas {
            settings.plugin_schemas = schemas(folder)?;
            settings.plugin_defaults = self.plugin_defaults;
        }
        let mut problems = Problems::new();
        let mut objects = Vec::new();
        for path in &self.filename {
            for (name, text) in read(path)? {
                load(&name, &text, self.complete, &mut objects, &mut problems);
            }
        }
        let leave_out: Vec<String> = self.leave_out.iter().filter(|name| !name.is_empty()).cloned().collect();
        let translator = silverback_translation::translate(&objects, &settings, &leave_out, minute());
        for diagnostic in translator.diagnostics().flat_map(|(_, all)| all) {
            problems.tell(&diagnostic.to_string());
        }
        let text = match &self.explain {
            Some(entity) => explanation(entity, &translator)?,
            None if self.show_status => self.statuses(&translator)?,
            None => self.document(&translator)?,
        };
        std::io::stdout().write_all(text.as_bytes()).context("standard output")?;
        Ok(problems.count == 0)
    }
}

impl RenderArgs {
    fn document(&self, translator: &Translator) -> anyhow::Result<String> {
        let mut hidden = 0_usize;
        let entities = translator.entities().into_iter().map(|(key, entity)| {
            let rendered = if self.show_secrets { entity.rendered.clone() } else { without_secrets(&key, &entity) };
            hidden += usize::from(rendered != entity.rendered);
            (key, rendered)
        });
        let document: Document = entities.collect();
        if hidden > 0 {
            let told = "so that this is no configuration for gateways; --show-secrets shows them";
            eprintln!("note: secrets are shown as {:?} (entities: {hidden}), {told}", redact::REDACTED);
        }
        Ok(match self.output {
            Form::Yaml => document.to_yaml()?,
            Form::Json => document.to_json()? + "\n",
        })
    }

    fn statuses(&self, translator: &Translator) -> anyhow::Result<String> {
        let statuses = translator.statuses();
        let statuses: BTreeMap<String, &ObjectStatus> =
            statuses.iter().map(|(object, status)| (object.to_string(), &**status)).collect();
        Ok(match self.output {
            Form::Yaml => serde_saphyr::to_string(&statuses)?,
            Form::Json => serde_json::to_string_pretty(&statuses)? + "\n",
        })
    }
}

/// An entity as people may see it.
fn without_secrets(key: &EntityKey, entity: &Entity) -> Rendered {
    let mut value = entity.rendered.value();
    let from_secret = entity.provenance.iter().any(|maker| maker.object.kind == KindId::SECRET.as_str());
    redact::entity(key.collection.as_str(), &mut value, from_secret);
    Rendered::of_value(key, &value)
}

/// Why an entity is what it is, e.g. `services/shop.web.80`.
fn explanation(entity: &str, translator: &Translator) -> anyhow::Result<String> {
    let (collection, name) =
        entity.split_once('/').context("--explain: write COLLECTION/NAME, e.g. services/web.80")?;
    let key = EntityKey::new(Collection::from(collection), name);
    let in_words = || format!("--explain {entity}: there is no such entity; the names are those of the configuration");
    let (found, trace) = (translator.entity(&key), translator.trace(&key).with_context(in_words)?);
    let mut text = format!("{entity}\n");
    match found {
        Some(found) => {
            text.extend(found.provenance.iter().map(|maker| format!("  is made from {}\n", maker.object)));
        }
        None => text.push_str("  is held back: see the diagnostics of its objects\n"),
    }
    Ok(text + "\n" + &trace.to_string())
}

/// The schemas in a folder, or in the folder `plugins` within it.
fn schemas(folder: &Path) -> anyhow::Result<BTreeMap<String, Value>> {
    let within = folder.join("plugins");
    let folder = if within.is_dir() { &within } else { folder };
    let in_words = || format!("--kong-schemas {}: cannot be read", folder.display());
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(in_words)? {
        let path = entry.with_context(in_words)?.path();
        let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|end| end == "json")) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).with_context(in_words)?;
        let schema = serde_json::from_str(&text)
            .with_context(|| format!("--kong-schemas: {} is no schema in JSON", path.display()))?;
        all.insert(name.to_string_lossy().into_owned(), schema);
    }
    anyhow::ensure!(!all.is_empty(), "--kong-schemas {}: there is no NAME.json in it", folder.display());
    Ok(all)
}

/// Minutes since 1970.
fn minute() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() / 60
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: RenderArgs,
    }

    #[test]
    fn statuses_are_shown_by_object() {
        let args = Alone::try_parse_from(["render", "-f", "-", "--show-status", "-o", "json"]).unwrap().args;
        let class = serde_json::json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": { "name": "kong" },
            "spec": { "controllerName": "konghq.com/kic-gateway-controller" },
        });
        let translator = silverback_translation::translate(&[class], &args.translation.settings().unwrap(), &[], 0);
        let shown: Value = serde_json::from_str(&args.statuses(&translator).unwrap()).unwrap();
        assert_eq!(shown["GatewayClass.gateway.networking.k8s.io kong"]["conditions"][0]["type"], "Accepted");
    }
}
