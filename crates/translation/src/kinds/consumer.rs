//! KongConsumer: a consumer with the credentials of its Secrets, in its groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_kong::ids::{self, IdKind};
use silverback_kong::{Collection, Consumer, ConsumerGroupConsumer, EntityKey, plugin_facts};
use silverback_model::ObjectKey;
use silverback_resources::crds::KongConsumer;

use crate::annotations::{PLUGINS, list};
use crate::claims::PluginRef;
use crate::credentials::{self, Unique};
use crate::inputs::View;
use crate::output::Reason;
use crate::plugins::{PluginKey, Plugins};
use crate::product::Made;
use crate::settings::{MissingPlugins, Settings};
use crate::source::{Maker, Notes, Source, annotation_field};

/// A consumer of ours, before it is known whether another one claims the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// The consumer.
    pub consumer: Consumer,
    /// The object.
    pub maker: Maker,
    /// Creation time.
    pub created: String,
    /// The Secrets that hold each unique value.
    pub unique: BTreeMap<Unique, Vec<Maker>>,
    /// All Secrets.
    pub secrets: Vec<Maker>,
    /// Names of the groups it is in: those that exist.
    pub groups: Vec<String>,
    /// The plugins it names: those that exist.
    pub plugins: BTreeSet<PluginKey>,
    /// What is wrong.
    pub notes: Notes,
}

impl Candidate {
    /// The name that plugins refer to it by: Kong finds consumers by no other.
    pub(crate) fn name(&self) -> Option<&str> {
        self.consumer.username.as_deref()
    }

    /// The names by which Kong tells consumers apart.
    pub(crate) fn identities(&self) -> Vec<Unique> {
        let name = self.consumer.username.as_deref().map(|name| Unique::new("username", name));
        let id = self.consumer.custom_id.as_deref().map(|id| Unique::new("custom_id", id));
        name.into_iter().chain(id).collect()
    }
}

/// A consumer, if it is ours and has a name. `group_exists` tells of groups of ours in the consumer's namespace.
pub(crate) fn candidate(
    object: &KongConsumer,
    plugins: &Plugins,
    group_exists: impl Fn(&ObjectKey) -> bool,
    view: &View<'_>,
) -> Option<Candidate> {
    let meta = &object.metadata;
    let control_plane = object.spec.as_ref().and_then(|spec| spec.control_plane_ref.as_ref());
    let elsewhere = control_plane.is_some_and(|control_plane| !control_plane.is_ingress_controller());
    if elsewhere || !view.class().owns(meta, &view.settings.ingress_class) {
        return None;
    }
    let source = Source::of(object);
    let given = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    let (username, custom_id) = (given(&object.username), given(&object.custom_id));
    let mut notes = Notes::default();
    notes.bad_tags(&source);
    if username.is_none() && custom_id.is_none() {
        let message = "the consumer is left out: it has neither a username nor a custom_id";
        notes.error(&source.reference(), "username", Reason::InvalidValue, message);
    }
    let mut candidate = Candidate {
        consumer: Consumer {
            id: id(username.as_deref(), &view.settings),
            username,
            custom_id,
            tags: source.tags(),
            ..Consumer::default()
        },
        maker: source.maker(),
        created: meta.creation_timestamp.clone(),
        unique: BTreeMap::new(),
        secrets: Vec::new(),
        groups: Vec::new(),
        plugins: BTreeSet::new(),
        notes,
    };
    for (at, name) in object.credentials.iter().enumerate() {
        candidate.credential(ObjectKey::new(meta.namespace.clone(), name.clone()), at, view);
    }
    for (at, name) in object.consumer_groups.iter().enumerate() {
        let key = ObjectKey::new(meta.namespace.clone(), name.clone());
        if !group_exists(&key) {
            let message =
                format!("the consumer is not in group {name:?}: there is no KongConsumerGroup {key} of our class");
            let field = format!("consumerGroups[{at}]");
            candidate.notes.error(&candidate.maker.object, field, Reason::ReferenceNotFound, message);
        } else if !candidate.groups.contains(name) {
            candidate.groups.push(name.clone());
        }
    }
    let named: Vec<PluginRef> = list(meta, PLUGINS).iter().map(|text| PluginRef::parse(text)).collect();
    (candidate.plugins, _) = plugins.find_all(&candidate.maker.object, &named, view, &mut candidate.notes);
    candidate.drop_unbindable(plugins, view);
    if candidate.name().is_none() && !candidate.plugins.is_empty() {
        let message =
            "no plugin runs for this consumer: it needs a username, since Kong finds consumers by no other name";
        candidate.notes.error(&candidate.maker.object, "username", Reason::InvalidValue, message);
    }
    Some(candidate)
}

fn id(username: Option<&str>, settings: &Settings) -> Option<String> {
    let username = username.filter(|_| settings.feature_gates.fill_ids)?;
    Some(ids::id(IdKind::Consumer, &settings.workspace, username))
}

impl Candidate {
    /// Kong refuses some plugins for a consumer. They run for everybody where a route or service names them.
    fn drop_unbindable(&mut self, plugins: &Plugins, view: &View<'_>) {
        if view.settings.missing_plugins == MissingPlugins::Kic {
            return;
        }
        let (maker, notes) = (&self.maker, &mut self.notes);
        self.plugins.retain(|key| {
            let name = plugins.spec(key, view).map(|spec| spec.name.clone()).unwrap_or_default();
            let fine = plugin_facts::takes_consumers(&name);
            if !fine {
                let message = format!("a {name} plugin cannot run for one consumer; name it at a route or a Service");
                notes.error(&maker.object, annotation_field(PLUGINS), Reason::InvalidPlugin, message);
            }
            fine
        });
    }

    fn credential(&mut self, key: ObjectKey, at: usize, view: &View<'_>) {
        let field = format!("credentials[{at}]");
        let Some(secret) = view.secret(&key) else {
            let message = format!("the credential is left out: Secret {key} does not exist");
            self.notes.error(&self.maker.object, field, Reason::SecretNotFound, message);
            return;
        };
        let maker = Source::of(&*secret).maker();
        if self.secrets.contains(&maker) {
            return;
        }
        self.notes.bad_tags(&Source::of(&*secret));
        match credentials::add(&secret, &mut self.consumer, &view.settings) {
            Ok(unique) => {
                if let Some(unique) = unique {
                    self.unique.entry(unique).or_default().push(maker.clone());
                }
                self.secrets.push(maker);
            }
            Err(problem) => {
                let message = format!("the credential is left out: Secret {key}: {problem}");
                self.notes.error(&self.maker.object, field, Reason::InvalidSecret, &message);
                self.notes.error(&maker.object, "", Reason::InvalidSecret, message);
            }
        }
    }

    /// The consumer's entities: itself and its memberships.
    pub(crate) fn entities(&self, settings: &Settings) -> Vec<Made> {
        let Some(name) = self.consumer.username.as_deref().or(self.consumer.custom_id.as_deref()) else {
            return Vec::new();
        };
        let makers = || self.secrets.iter().chain([&self.maker]).cloned();
        let mut made = vec![Made::new(EntityKey::new(Collection::Consumers, name), &self.consumer, makers())];
        if settings.enterprise() {
            for group in &self.groups {
                let member = ConsumerGroupConsumer { consumer: name.to_owned(), consumer_group: group.clone() };
                let key = EntityKey::new(Collection::ConsumerGroupConsumers, format!("{name}/{group}"));
                made.push(Made::new(key, &member, [self.maker.clone()]));
            }
        }
        made
    }
}

/// What keeps a consumer out: another one that has the same name and is older, or the same credential.
pub(crate) fn conflicts(
    candidate: &Candidate,
    key: &ObjectKey,
    others: impl Fn(&Unique) -> Vec<(ObjectKey, Arc<Candidate>)>,
) -> Notes {
    let mut notes = Notes::default();
    for identity in candidate.identities() {
        let senior = |(other, it): &(ObjectKey, Arc<Candidate>)| (&it.created, other) < (&candidate.created, key);
        if let Some((other, _)) = others(&identity).into_iter().find(senior) {
            let message =
                format!("the consumer is left out: KongConsumer {other} has the same {} and is older", identity.what);
            notes.error(&candidate.maker.object, identity.what, Reason::Conflict, message);
        }
    }
    for (unique, secrets) in &candidate.unique {
        let rivals: Vec<_> = others(unique).into_iter().map(|(other, _)| other).filter(|other| other != key).collect();
        if rivals.is_empty() && secrets.len() < 2 {
            continue;
        }
        let with = match rivals.first() {
            Some(other) => format!("KongConsumer {other} has the same {}", unique.what),
            None => format!("two of its credentials have the same {}", unique.what),
        };
        notes.error(
            &candidate.maker.object,
            "credentials",
            Reason::Conflict,
            format!("the consumer is left out: {with}"),
        );
        for secret in secrets {
            notes.error(&secret.object, "", Reason::Conflict, format!("the credential's consumer is left out: {with}"));
        }
    }
    notes
}
