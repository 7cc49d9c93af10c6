//! KongConsumerGroup: consumers that share plugins. Only Enterprise gateways know groups.

use std::collections::BTreeSet;

use silverback_kong::ids::{self, IdKind};
use silverback_kong::{Collection, ConsumerGroup, EntityKey};
use silverback_resources::crds::KongConsumerGroup;

use crate::annotations::{PLUGINS, list};
use crate::claims::PluginRef;
use crate::inputs::View;
use crate::output::Reason;
use crate::plugins::{PluginKey, Plugins};
use crate::product::Made;
use crate::source::{Maker, Notes, Source};

/// A group of ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// The group.
    pub group: ConsumerGroup,
    /// The object.
    pub maker: Maker,
    /// Creation time.
    pub created: String,
    /// The plugins it names: those that exist.
    pub plugins: BTreeSet<PluginKey>,
    /// What is wrong.
    pub notes: Notes,
}

/// A group, if it is ours and the gateways know groups.
pub(crate) fn group(object: &KongConsumerGroup, plugins: &Plugins, view: &View<'_>) -> Option<Group> {
    let meta = &object.metadata;
    let control_plane = object.spec.as_ref().and_then(|spec| spec.control_plane_ref.as_ref());
    let elsewhere = control_plane.is_some_and(|control_plane| !control_plane.is_ingress_controller());
    if elsewhere || !view.class().owns(meta, &view.settings.ingress_class) {
        return None;
    }
    let source = Source::of(object);
    let settings = &view.settings;
    let fill = settings.feature_gates.fill_ids;
    let mut group = Group {
        group: ConsumerGroup {
            id: fill.then(|| ids::id(IdKind::ConsumerGroup, &settings.workspace, &meta.name)),
            name: meta.name.clone(),
            tags: source.tags(),
        },
        maker: source.maker(),
        created: meta.creation_timestamp.clone(),
        plugins: BTreeSet::new(),
        notes: Notes::default(),
    };
    if !settings.enterprise() {
        let message = "the group is left out: only Kong Enterprise knows consumer groups";
        group.notes.error(&group.maker.object, "", Reason::UnsupportedFeature, message);
        return Some(group);
    }
    group.notes.bad_tags(&source);
    let named: Vec<PluginRef> = list(meta, PLUGINS).iter().map(|text| PluginRef::parse(text)).collect();
    (group.plugins, _) = plugins.find_all(&group.maker.object, &named, view, &mut group.notes);
    Some(group)
}

impl Group {
    /// The group's entity.
    pub(crate) fn entity(&self) -> Made {
        let key = EntityKey::new(Collection::ConsumerGroups, &*self.group.name);
        Made::new(key, &self.group, [self.maker.clone()])
    }
}
