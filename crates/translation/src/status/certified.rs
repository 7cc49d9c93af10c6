//! Names in the certificates of listeners, of which those of one port should have none in common: a client may reuse a
//! connection for every name that its certificate has, and so reach one listener with what was made for another.

use std::collections::BTreeMap;

use silverback_resources::types::{Gateway, ListenerSet};

use crate::inputs::View;
use crate::kinds::gateway_api::{self, Entry, ListenerKey, Listening, Owner};
use crate::secrets;
use crate::source::Source;

/// The listeners of a Gateway at which TLS ends, with their ports and the names in their certificates.
pub(super) struct Certified(BTreeMap<ListenerKey, (u16, Vec<String>)>);

impl Certified {
    /// What a Gateway listens for.
    pub(super) fn of(listening: &Listening, view: &View<'_>) -> Self {
        let ending = listening.entries.iter().filter(|entry| entry.serves() && gateway_api::ends_tls(&entry.listener));
        let ending: Vec<&Entry> = ending.collect();
        let crowded = |entry: &Entry| ending.iter().filter(|it| it.listener.port == entry.listener.port).count() > 1;
        // Where nothing can overlap, nothing is looked at.
        let named = ending.iter().filter(|entry| crowded(entry)).filter_map(|entry| {
            let names = names(entry, view)?;
            Some(((entry.owner.clone(), entry.listener.name.clone()), (entry.listener.port, names)))
        });
        Self(named.collect())
    }

    /// Whether a listener's certificate has a name in common with that of another of its port.
    pub(super) fn overlap(&self, entry: &Entry) -> bool {
        let key = (entry.owner.clone(), entry.listener.name.clone());
        let Some((port, names)) = self.0.get(&key) else { return false };
        let mut others = self.0.iter().filter(|(other, (at, _))| **other != key && at == port);
        others.any(|(_, (_, others))| names.iter().any(|name| others.iter().any(|it| meet(name, it))))
    }
}

/// Whether two names of certificates have a host in common; `*` stands for one label.
fn meet(one: &str, other: &str) -> bool {
    let covers = |wide: &str, name: &str| {
        wide.strip_prefix("*.").is_some_and(|domain| name.split_once('.').is_some_and(|(_, rest)| rest == domain))
    };
    one == other || covers(one, other) || covers(other, one)
}

fn names(entry: &Entry, view: &View<'_>) -> Option<Vec<String>> {
    let certificate = |source: &Source<'_>| gateway_api::certificate(source, &entry.listener, view).ok().flatten();
    let secret = match &entry.owner {
        Owner::Gateway(key) => certificate(&Source::of::<Gateway>(&*view.ctx.get(&view.inputs.gateways, key)?)),
        Owner::Set(key) => {
            let set = view.ctx.get::<_, ListenerSet>(&view.inputs.listener_sets, key)?;
            certificate(&key.source(&set.metadata))
        }
    }?;
    let secret = view.secret(&secret)?;
    Some(secrets::names(&secret))
}
