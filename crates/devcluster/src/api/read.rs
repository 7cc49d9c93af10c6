//! Lists: pages of one version, selected and continued. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::forms;
use super::kinds::Kind;
use super::request::{Form, Listing};
use super::selectors::Selection;
use super::store::{Key, Store};

/// Where the next page begins, and of which version it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    revision: u64,
    start: Key,
}

impl Token {
    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(json!([self.revision, self.start.0, self.start.1]).to_string())
    }

    fn read(text: &str) -> Outcome<Self> {
        let decoded = URL_SAFE_NO_PAD.decode(text).ok();
        let parts: Option<(u64, String, String)> = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (revision, namespace, name) = parts
            .ok_or_else(|| Failure::bad_request("continue key is not valid: it was not given out by this server"))?;
        Ok(Self { revision, start: (namespace, name) })
    }
}

/// The version of which a list is, and where it begins.
fn start(store: &Store, listing: &Listing) -> Outcome<Token> {
    let newest = store.revision();
    if !listing.token.is_empty() {
        if listing.version.is_some_and(|version| version > 0) {
            let message = "specifying resource version is not allowed when using continue";
            return Err(Failure::bad_request(message));
        }
        let token = Token::read(&listing.token)?;
        if token.revision < store.oldest() {
            let resumed = Token { revision: newest, ..token };
            let message = "The provided continue parameter is too old to display a consistent list result. You can start a \
                 new list without the continue parameter, or use the continue token in this response to retrieve the \
                 remainder of the results. Continuing with the provided token results in an inconsistent list - objects \
                 that were created, modified, or deleted between the time the first chunk was returned and now may show \
                 up in the list.";
            return Err(Failure::expired(message).resuming(resumed.write()));
        }
        return Ok(token);
    }
    match listing.version {
        Some(version) if version > newest => Err(Failure::too_large_version(version, newest)),
        Some(version) if listing.exact => Ok(Token { revision: version, start: Key::default() }),
        _ => Ok(Token { revision: newest, start: Key::default() }),
    }
}

/// A page.
pub(crate) struct Page<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) version: &'a str,
    /// Empty for the whole cluster.
    pub(crate) namespace: &'a str,
    pub(crate) selection: &'a Selection,
    pub(crate) listing: &'a Listing,
}

impl Page<'_> {
    /// Reads it.
    pub(crate) fn read(&self, store: &Store, form: Form, now: i64) -> Outcome<Value> {
        let Token { revision, start } = start(store, self.listing)?;
        let objects = store
            .list(&self.kind.id(), revision, &start)
            .map_err(|_| Failure::expired("The resourceVersion for the provided list is too old."))?;
        let inside = |key: &Key| self.namespace.is_empty() || key.0 == self.namespace;
        let mut rest = objects.into_iter().filter(|(key, _)| inside(key)).peekable();
        let limit = if self.listing.limit == 0 { usize::MAX } else { self.listing.limit };
        let page: Vec<_> = rest.by_ref().filter(|(_, object)| self.selection.takes(object)).take(limit).collect();
        let mut meta = json!({ "resourceVersion": revision.to_string() });
        // As at an API server, whatever is left promises another page, selected or not.
        if let Some((key, _)) = rest.peek() {
            meta["continue"] = Token { revision, start: (*key).clone() }.write().into();
            if self.selection.is_all() {
                meta["remainingItemCount"] = rest.count().into();
            }
        }
        let objects: Vec<&Value> = page.iter().map(|(_, object)| &**object).collect();
        Ok(forms::many(&objects, self.kind, self.version, form, meta, now))
    }
}
