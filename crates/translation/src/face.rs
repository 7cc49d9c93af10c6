//! What a backend shows of itself: a Service with its annotations, or a KongServiceFacade whose annotations lie over
//! those of the Service behind it.

use std::sync::Arc;

use silverback_resources::crds::KongServiceFacade;
use silverback_resources::types::{Meta, Service};

use crate::source::{Maker, Source};

/// A Service, or a facade of one.
#[derive(Clone, Debug)]
pub(crate) enum Face {
    /// The Service itself.
    Service(Arc<Service>),
    /// A facade, with the annotations of both.
    Facade(Box<KongServiceFacade>, Arc<Service>),
}

impl Face {
    /// The facade of a Service.
    pub(crate) fn facade(facade: &KongServiceFacade, service: Arc<Service>) -> Self {
        let mut annotations = service.metadata.annotations.clone();
        annotations.extend(facade.metadata.annotations.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut facade = facade.clone();
        facade.metadata = Meta { annotations, ..facade.metadata };
        Self::Facade(Box::new(facade), service)
    }

    /// The object whose annotations and tags count.
    pub(crate) fn source(&self) -> Source<'_> {
        match self {
            Self::Service(service) => Source::of(&**service),
            Self::Facade(facade, _) => Source::of(&**facade),
        }
    }

    /// The objects it consists of.
    pub(crate) fn makers(&self) -> impl Iterator<Item = Maker> + use<> {
        let behind = match self {
            Self::Service(_) => None,
            Self::Facade(_, service) => Some(Source::of(&**service).maker()),
        };
        [self.source().maker()].into_iter().chain(behind)
    }
}
