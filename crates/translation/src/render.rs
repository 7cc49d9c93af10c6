//! Rendering a set of objects at once, as for a folder of manifests.

use serde_json::Value;
use silverback_kong::Document;
use silverback_model::{ObjectKey, ObjectRef};

use crate::leave_out;
use crate::output::{Diagnostic, ObjectChange};
use crate::settings::Settings;
use crate::translator::Translator;

/// The reference of an object, from its own fields.
pub fn object_ref(object: &Value) -> ObjectRef {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = match text("/apiVersion").split_once('/') {
        Some((group, _)) => format!("{}.{group}", text("/kind")),
        None => text("/kind").to_owned(),
    };
    ObjectRef::new(kind, ObjectKey::new(text("/metadata/namespace"), text("/metadata/name")))
}

/// The change that an object is there.
pub fn upsert(object: &Value) -> ObjectChange {
    let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    ObjectChange { object: object_ref(object), version: version.to_owned(), content: Some(object.to_string().into()) }
}

/// The config that these objects make, and what is wrong with them: see [`translate`].
pub fn render(
    objects: &[Value],
    settings: &Settings,
    leave_out: &[String],
    minute: u64,
) -> (Document, Vec<Diagnostic>) {
    let translator = translate(objects, settings, leave_out, minute);
    let document =
        translator.entities().into_iter().map(|(key, entity)| (key.clone(), entity.rendered.clone())).collect();
    let diagnostics = translator.diagnostics().flat_map(|(_, all)| all).collect();
    (document, diagnostics)
}

/// What these objects come to. Objects of other kinds are ignored; a route of the Gateway API whose Gateways are not
/// among the objects counts as attached.
///
/// `leave_out` names objects, as `Kind/namespace/name`, that are to be treated as refused by the gateways: they, and
/// what depends on them, are left out. `minute` is the time in minutes since 1970: see [`Translator::apply_at`].
pub fn translate(objects: &[Value], settings: &Settings, leave_out: &[String], minute: u64) -> Translator {
    let left_out = leave_out::closure(objects, leave_out);
    let mut translator = Translator::new(Settings { accept_unattached: true, ..settings.clone() });
    let kept = objects.iter().filter(|object| !left_out.contains(&object_ref(object)));
    translator.apply_at(minute, kept.map(upsert).collect());
    translator
}
