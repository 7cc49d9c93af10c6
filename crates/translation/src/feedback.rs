//! What gateways are and refuse, as the pusher told it back in ConfigMaps.
//!
//! What they refuse changes no entity: the pusher leaves it out, and so sees by itself when a rendering is another one. Here
//! the objects that a refused entity is made from are told.

use std::collections::{BTreeMap, BTreeSet};

use silverback_isolation::{FEEDBACK_LABEL, Feedback, Quarantined, is_rendered_so};
use silverback_kong::EntityKey;
use silverback_model::{Digest, ObjectKey};
use silverback_resources::types::ConfigMap;

use crate::output::{Diagnostic, Entity, ObjectChange, Reason, Severity};
use crate::source::Notes;

/// All feedback, and about which entities something was said because of it.
#[derive(Default)]
pub(crate) struct Told {
    by_map: BTreeMap<ObjectKey, Feedback>,
    said: BTreeSet<EntityKey>,
    changed: bool,
}

impl Told {
    /// Takes a change of a ConfigMap; other objects are ignored. Gives what is wrong with it.
    pub(crate) fn take(&mut self, change: &ObjectChange) -> Option<Diagnostic> {
        if change.object.kind != "ConfigMap" {
            return None;
        }
        let text = change.content.as_deref().filter(|text| text.contains(FEEDBACK_LABEL));
        let map = text.and_then(|text| serde_json::from_str::<ConfigMap>(text).ok());
        let map = map.filter(|map| map.metadata.labels.get(FEEDBACK_LABEL).is_some_and(|value| value == "true"));
        let key = &change.object.key;
        let read = map.map(|map| Feedback::from_data(&map.data));
        let (feedback, wrong) = match read.transpose() {
            Ok(feedback) => (feedback, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let before = match feedback {
            Some(feedback) => self.by_map.insert(key.clone(), feedback),
            None => self.by_map.remove(key),
        };
        self.changed |= before.as_ref() != self.by_map.get(key);
        wrong.map(|message| Diagnostic {
            object: change.object.clone(),
            field: "data".into(),
            severity: Severity::Warning,
            reason: Reason::InvalidValue,
            message,
        })
    }

    /// All that is told.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Feedback> + Clone {
        self.by_map.values()
    }

    /// Names what was told; zero for nothing.
    pub(crate) fn digest(&self) -> Digest {
        let digests = self.by_map.values().map(Feedback::digest).filter(|digest| *digest != Digest::default());
        let texts: Vec<String> = digests.map(|digest| digest.to_string()).collect();
        if texts.is_empty() { Digest::default() } else { Digest::of_parts(texts.iter().map(String::as_bytes)) }
    }

    /// The entities about which something else is to be said than before, when `touched` are other ones now.
    pub(crate) fn concerned(&mut self, touched: &BTreeSet<EntityKey>) -> BTreeSet<EntityKey> {
        let within: BTreeSet<EntityKey> = self.entries().map(|entry| entry.within.clone()).collect();
        if std::mem::take(&mut self.changed) {
            let before = std::mem::replace(&mut self.said, within.clone());
            return within.into_iter().chain(before).collect();
        }
        within.intersection(touched).cloned().collect()
    }

    /// What is to be said because of a piece of the configuration.
    pub(crate) fn notes(&self, key: &EntityKey, entity: Option<&Entity>) -> Notes {
        let mut notes = Notes::default();
        let Some(entity) = entity else { return notes };
        for entry in self.entries().filter(|entry| entry.within == *key) {
            if is_rendered_so(entry, &entity.rendered, &entity.provenance) {
                let closed = if entry.closed { ", and requests it concerned are answered with 500" } else { "" };
                let message = format!(
                    "the gateways refuse {} {}: {}; it is left out{closed}, until it or they are other ones",
                    entry.kind, entry.name, entry.reason
                );
                for object in &entry.objects {
                    notes.error(object, "", Reason::RefusedByGateways, message.clone());
                }
            }
        }
        notes
    }

    fn entries(&self) -> impl Iterator<Item = &Quarantined> {
        self.by_map.values().flat_map(|feedback| &feedback.quarantine)
    }

    /// Number of entries; zero when every object is gone.
    pub(crate) fn footprint(&self) -> usize {
        self.by_map.len() + self.said.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use silverback_isolation::{Config, GatewayKind, Named, Piece, Refusal, Search, Verdict};
    use silverback_model::ObjectRef;

    use super::*;
    use crate::{Edition, KongVersion, Open, RouterFlavor, Settings, Translator};

    fn change(kind: &str, name: &str, rest: serde_json::Value) -> ObjectChange {
        let mut object = rest;
        object["metadata"]["name"] = name.into();
        object["metadata"]["namespace"] = "shop".into();
        ObjectChange::upsert(kind, ObjectKey::new("shop", name), "1", object.to_string())
    }

    fn ingress(path: &str) -> ObjectChange {
        let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
        let paths = json!([{"path": path, "pathType": "Prefix", "backend": backend}]);
        let spec = json!({"ingressClassName": "kong", "rules": [{"http": {"paths": paths}}]});
        change("Ingress.networking.k8s.io", "web", json!({"spec": spec}))
    }

    fn feedback(quarantine: &[Quarantined]) -> ObjectChange {
        let data = Feedback { quarantine: quarantine.to_vec(), ..Feedback::default() }.to_data();
        let metadata = json!({"labels": {(FEEDBACK_LABEL): "true"}});
        change("ConfigMap", "told", json!({"metadata": metadata, "data": data}))
    }

    /// What the pusher makes of gateways that refuse every route.
    fn quarantine(translator: &Translator) -> Vec<Quarantined> {
        let piece = |entity: &Entity| Piece::new(entity.rendered.clone(), entity.provenance.clone());
        let config: Config = translator.entities().iter().map(|(key, entity)| (key.clone(), piece(entity))).collect();
        let mut search = Search::new(Vec::new());
        search.want(Arc::new(config), false);
        let named = vec![Named { kind: "route".into(), words: "no such path".into(), ..Named::default() }];
        let refusal = Refusal { named, ..Refusal::default() };
        search.judge(&Verdict::Refused(refusal), &BTreeSet::new(), true, jiff::Timestamp::UNIX_EPOCH);
        search.quarantine().to_vec()
    }

    #[test]
    fn the_makers_of_what_is_refused_are_told_until_it_is_another_one() {
        let mut translator = Translator::new(Settings::default());
        let service = change("Service", "web", json!({"spec": {"ports": [{"port": 80}]}}));
        translator.apply(vec![service, ingress("/a")]);
        let refused = quarantine(&translator);
        assert_eq!(refused.len(), 1);
        let object = ObjectRef::new("Ingress.networking.k8s.io", ObjectKey::new("shop", "web"));
        assert_eq!((refused[0].objects.as_slice(), translator.feedback()), (&[object.clone()][..], Digest::default()));

        let output = translator.apply(vec![feedback(&refused)]);
        assert!(output.changed.is_empty(), "the pusher leaves it out: it must see when it is another one");
        assert_ne!(translator.feedback(), Digest::default());
        let told = translator.diagnostics_of(&object);
        assert!(
            told.iter().any(|note| note.reason == Reason::RefusedByGateways && note.message.contains("no such path")),
            "{told:?}"
        );

        translator.apply(vec![ingress("/b")]);
        assert!(translator.diagnostics_of(&object).is_empty(), "it is another one now");
        translator.apply(vec![ingress("/a")]);
        assert!(!translator.diagnostics_of(&object).is_empty());
        translator.apply(vec![feedback(&[])]);
        assert!(translator.diagnostics_of(&object).is_empty());
        let broken = change(
            "ConfigMap",
            "told",
            json!({"metadata": {"labels": {(FEEDBACK_LABEL): "true"}}, "data": {"quarantine": "- {"}}),
        );
        let map = broken.object.clone();
        translator.apply(vec![broken]);
        assert!(translator.diagnostics_of(&map)[0].message.contains("written anew"));
    }

    fn facts(router_flavor: &str, gateways: Vec<GatewayKind>) -> ObjectChange {
        let told = Feedback { router_flavor: router_flavor.into(), gateways, ..Feedback::default() };
        let metadata = json!({"labels": {(FEEDBACK_LABEL): "true"}});
        change("ConfigMap", "told", json!({"metadata": metadata, "data": told.to_data()}))
    }

    fn shop() -> Vec<ObjectChange> {
        let plugin = |name: &str| {
            let kind = "KongPlugin.configuration.konghq.com";
            change(kind, name, json!({"plugin": name}))
        };
        let mut ingress = ingress("/a");
        let annotated = ingress.content.take().map(|text| {
            let mut object: serde_json::Value = serde_json::from_str(&text).unwrap();
            object["metadata"]["annotations"] = json!({"konghq.com/plugins": "cors,house"});
            object.to_string().into()
        });
        ingress.content = annotated;
        let service = change("Service", "web", json!({"spec": {"ports": [{"port": 80}]}}));
        vec![service, ingress, plugin("cors"), plugin("house")]
    }

    /// As if everything were translated anew, whatever was before.
    #[test]
    fn what_gateways_are_decides_what_no_operator_did() {
        let open = Open { router_flavor: true, kong_version: true, edition: true };
        let given = Settings { open, ..Settings::default() };
        let scratch = |settings: Settings| {
            let mut translator = Translator::new(settings);
            translator.apply(shop());
            translator.entities()
        };
        let mut translator = Translator::new(given.clone());
        translator.apply(shop());
        assert_eq!(translator.entities(), scratch(given.clone()));
        let plugins: BTreeSet<String> = ["cors".to_owned(), "request-termination".to_owned()].into();
        let kind = GatewayKind {
            version: "3.8.1".into(),
            edition: "enterprise".into(),
            plugins: plugins.clone(),
            ..GatewayKind::default()
        };
        translator.apply(vec![facts("expressions", vec![kind])]);
        let decided = Settings {
            router_flavor: RouterFlavor::Expressions,
            kong_version: KongVersion { major: 3, minor: 8 },
            edition: Edition::Enterprise,
            plugins: Some(plugins),
            ..given.clone()
        };
        assert_eq!(*translator.settings(), decided);
        assert_eq!(translator.entities(), scratch(decided));
        assert_ne!(translator.entities(), scratch(given.clone()));
        let object = ObjectRef::new("KongPlugin.configuration.konghq.com", ObjectKey::new("shop", "house"));
        let said = translator.diagnostics_of(&object);
        assert!(said.iter().any(|note| note.message.contains("no gateway has a plugin house")), "{said:?}");

        let map = facts("", Vec::new()).object;
        translator.apply(vec![ObjectChange::delete(map.kind, map.key)]);
        assert_eq!(translator.entities(), scratch(given));
        assert!(translator.diagnostics_of(&object).is_empty());
    }
}
