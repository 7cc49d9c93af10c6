//! The gRPC service of the gateways' configuration.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::Stream;
use silverback_kong::{Collection, EntityKey};
use silverback_model::{CollectionId, ObjectKey, ObjectRef, Sources};
use silverback_proto::v1::{self, config_server::Config, diagnostic, explain_request::Subject};
use silverback_service::paging::Page;
use silverback_sync::{Item, Publisher, SharedPublisher};
use silverback_translation::{Diagnostic, Severity, Translator};
use tonic::{Request, Response, Status};

use crate::{Diagnostics, Statuses, redact};

/// Serves a publisher, and explains.
pub(crate) struct ConfigService {
    pub(crate) publisher: SharedPublisher,
    pub(crate) diagnostics: Diagnostics,
    /// To be asked why an entity is what it is, and for nothing that it alone decides.
    pub(crate) translator: Arc<Mutex<Translator>>,
    pub(crate) statuses: Statuses,
}

#[tonic::async_trait]
impl Config for ConfigService {
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

    async fn get_entity(&self, request: Request<v1::GetEntityRequest>) -> Result<Response<v1::Item>, Status> {
        let key = request.into_inner().key.unwrap_or_default();
        let item = self.item(&key)?;
        Ok(Response::new(shown(&key.collection, &item)))
    }

    async fn list_entities(
        &self,
        request: Request<v1::ListEntitiesRequest>,
    ) -> Result<Response<v1::ListEntitiesResponse>, Status> {
        let request = request.into_inner();
        let page = Page::asked(request.page_size, &request.page_token)?;
        let wanted = |id: &CollectionId| request.collection.is_empty() || id.kind == request.collection;
        let is_next = |id: &CollectionId, item: &Item| {
            page.after.as_ref().is_none_or(|(kind, name)| (&id.kind, &item.key.name) > (kind, name))
        };
        Ok(Response::new(self.publisher.read(|publisher| {
            let collections = publisher.collections().filter(|(id, _)| wanted(id));
            let items = collections.flat_map(|(id, view)| view.items.values().map(move |item| (id, item)));
            let mut found: Vec<_> = items.filter(|(id, item)| is_next(id, item)).take(page.size + 1).collect();
            let next_page_token = page.cut(&mut found, |(id, item)| (&id.kind, &item.key.name));
            let entity = |(id, item): (&CollectionId, &Arc<Item>)| v1::Entity {
                key: Some(entity_key(id, item)),
                item: Some(shown(&id.kind, item)),
            };
            v1::ListEntitiesResponse {
                entities: found.into_iter().map(entity).collect(),
                next_page_token,
                generation: publisher.commit().map_or(0, |commit| commit.generation.0),
            }
        })))
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        match request.into_inner().subject {
            Some(Subject::Entity(key)) => self.explain_entity(&key).map(Response::new),
            Some(Subject::Object(object)) => {
                let key = object.key.map(ObjectKey::from).unwrap_or_default();
                self.explain_object(&ObjectRef::new(object.kind, key)).map(Response::new)
            }
            None => Err(Status::invalid_argument("name an entity or an object to explain")),
        }
    }
}

impl ConfigService {
    fn item(&self, key: &v1::EntityKey) -> Result<Item, Status> {
        let found = self.publisher.read(|publisher| {
            let view = publisher.collection(&CollectionId::all(&key.collection))?;
            view.items.get(&ObjectKey::new("", &key.name)).map(|item| Item::clone(item))
        });
        found.ok_or_else(|| Status::not_found(format!("there is no entity {}/{}", key.collection, key.name)))
    }

    fn explain_entity(&self, key: &v1::EntityKey) -> Result<v1::ExplainResponse, Status> {
        let item = self.item(key)?;
        let about = |object: &ObjectRef| item.sources.iter().any(|source| source.object == *object);
        Ok(v1::ExplainResponse {
            sources: item.sources.iter().map(|source| v1::Source::from(&source)).collect(),
            entities: Vec::new(),
            diagnostics: self.diagnostics(about),
            status: String::new(),
            trace: self.trace(key),
        })
    }

    fn explain_object(&self, object: &ObjectRef) -> Result<v1::ExplainResponse, Status> {
        let made = |sources: &Sources| sources.iter().any(|source| source.object == *object);
        let entities: Vec<_> = self.publisher.read(|publisher| {
            let all = publisher.collections().flat_map(|(id, view)| view.items.values().map(move |item| (id, item)));
            all.filter(|(_, item)| made(&item.sources)).map(|(id, item)| entity_key(id, item)).collect()
        });
        let diagnostics = self.diagnostics(|about| about == object);
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        let status = statuses.get(object).and_then(|status| serde_json::to_string(&**status).ok()).unwrap_or_default();
        if entities.is_empty() && diagnostics.is_empty() && status.is_empty() {
            return Err(Status::not_found(format!(
                "{object} took part in nothing: it does not exist, is of another class, or is used by nothing"
            )));
        }
        Ok(v1::ExplainResponse { sources: Vec::new(), entities, diagnostics, status, trace: String::new() })
    }

    /// Looked for at the translator, which may be a step ahead of what is published.
    fn trace(&self, key: &v1::EntityKey) -> String {
        let key = EntityKey::new(Collection::from(key.collection.as_str()), &*key.name);
        let translator = self.translator.lock().unwrap_or_else(PoisonError::into_inner);
        translator.trace(&key).map(|trace| trace.to_string()).unwrap_or_default()
    }

    fn diagnostics(&self, about: impl Fn(&ObjectRef) -> bool) -> Vec<v1::Diagnostic> {
        let all = self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(object, _)| about(object)).flat_map(|(_, found)| found).map(wire_diagnostic).collect()
    }
}

fn entity_key(id: &CollectionId, item: &Item) -> v1::EntityKey {
    v1::EntityKey { collection: id.kind.clone(), name: item.key.name.clone() }
}

fn shown(collection: &str, item: &Item) -> v1::Item {
    v1::Item { body: redact::body(collection, &item.body, &item.sources), ..item.to_wire() }
}

fn wire_diagnostic(diagnostic: &Diagnostic) -> v1::Diagnostic {
    v1::Diagnostic {
        object: Some((&diagnostic.object).into()),
        field: diagnostic.field.clone(),
        severity: match diagnostic.severity {
            Severity::Error => diagnostic::Severity::Error,
            Severity::Warning => diagnostic::Severity::Warning,
        }
        .into(),
        reason: format!("{:?}", diagnostic.reason),
        message: diagnostic.message.clone(),
    }
}
