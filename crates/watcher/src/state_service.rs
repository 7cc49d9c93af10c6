//! The gRPC service of Kubernetes state.

use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use silverback_model::{CollectionId, ObjectKey};
use silverback_proto::v1::{self, collection_status, state_server::State};
use silverback_resources::registry::{self, Kind};
use silverback_service::paging::Page;
use silverback_sync::{CollectionView, Publisher, SharedPublisher, State as Completeness};
use tonic::{Request, Response, Status};

use crate::redact;

/// Serves a publisher.
pub(crate) struct StateService {
    pub(crate) publisher: SharedPublisher,
    pub(crate) kinds: Arc<[&'static Kind]>,
}

#[tonic::async_trait]
impl State for StateService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let peer = request.remote_addr().map(|address| address.to_string()).unwrap_or_default();
        let request = request.into_inner();
        tracing::info!(client = request.client, peer, cursors = request.cursors.len(), "a consumer follows");
        Ok(Response::new(Box::pin(self.publisher.watch(request)?)))
    }

    async fn get_head(&self, _: Request<v1::GetHeadRequest>) -> Result<Response<v1::Commit>, Status> {
        Ok(Response::new(v1::Commit::from(&self.publisher.read(Publisher::head))))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Result<Response<v1::ListResponse>, Status> {
        let request = request.into_inner();
        let kind = self.kind(&request.kind)?;
        let page = Page::asked(request.page_size, &request.page_token)?;
        let after = page.after.as_ref().map(|(namespace, name)| ObjectKey::new(namespace, name));
        let start = (after.as_ref().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let wanted = |key: &ObjectKey| request.namespace.is_empty() || key.namespace == request.namespace;
        Ok(Response::new(self.publisher.read(|publisher| {
            let (mut found, mut frontier) = (Vec::new(), None);
            for (_, view) in publisher.collections().filter(|(id, _)| id.kind == kind.id.as_str()) {
                frontier = Some(view.frontier.into());
                found.extend(view.items.range(start).filter(|(key, _)| wanted(key)).take(page.size + 1));
            }
            found.sort_by_key(|(key, _)| *key);
            let next_page_token = page.cut(&mut found, |(key, _)| (&key.namespace, &key.name));
            let items = found.into_iter().map(|(_, item)| shown(kind, item.to_wire())).collect();
            v1::ListResponse { items, next_page_token, frontier }
        })))
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::Item>, Status> {
        let request = request.into_inner();
        let kind = self.kind(&request.kind)?;
        let key: ObjectKey = request.key.map(Into::into).unwrap_or_default();
        let found = self.publisher.read(|publisher| {
            publisher
                .collections()
                .filter(|(id, _)| id.kind == kind.id.as_str())
                .find_map(|(_, view)| view.items.get(&key).map(|item| shown(kind, item.to_wire())))
        });
        found.map(Response::new).ok_or_else(|| Status::not_found(format!("there is no {} {key}", kind.id)))
    }

    async fn list_kinds(&self, _: Request<v1::ListKindsRequest>) -> Result<Response<v1::ListKindsResponse>, Status> {
        let kinds = self.publisher.read(|publisher| v1::ListKindsResponse {
            lineage: publisher.lineage().to_string(),
            kinds: self
                .kinds
                .iter()
                .map(|kind| {
                    let mine = publisher.collections().filter(|(id, _)| id.kind == kind.id.as_str());
                    wire_kind(kind, mine.map(|(id, view)| status(id, &view)).collect())
                })
                .collect(),
        });
        Ok(Response::new(kinds))
    }
}

impl StateService {
    fn kind(&self, name: &str) -> Result<&'static Kind, Status> {
        registry::by_name(name).ok_or_else(|| {
            let known: Vec<_> = self.kinds.iter().map(|kind| kind.id.as_str()).collect();
            Status::invalid_argument(format!("{name:?} is no kind that is watched; there are {}", known.join(", ")))
        })
    }
}

fn shown(kind: &Kind, item: v1::Item) -> v1::Item {
    v1::Item { body: redact::body(kind.id.as_str(), &item.body), ..item }
}

fn wire_kind(kind: &Kind, collections: Vec<v1::CollectionStatus>) -> v1::Kind {
    v1::Kind {
        kind: kind.kind.to_owned(),
        group: kind.group.to_owned(),
        version: kind.best_version().to_owned(),
        namespaced: kind.namespaced(),
        optional: !kind.required(),
        collections,
    }
}

fn status(id: &CollectionId, view: &CollectionView<'_>) -> v1::CollectionStatus {
    let state = match (view.state, view.stale) {
        (Completeness::Starting, _) => collection_status::State::Starting,
        (Completeness::Complete, None) => collection_status::State::Complete,
        (Completeness::Complete, Some(_)) => collection_status::State::Stale,
        (Completeness::Absent, _) => collection_status::State::Absent,
    };
    v1::CollectionStatus {
        collection: Some(id.into()),
        state: state.into(),
        frontier: Some(view.frontier.into()),
        count: view.items.len() as u64,
        digest: view.digest.to_string(),
        message: view.stale.unwrap_or_default().to_owned(),
    }
}
