//! Endpoints in short: the address alone where it takes requests, which nearly all do.
//!
//! `{"addresses":["10.0.0.1"],"conditions":{"ready":true}}` becomes `"10.0.0.1"`, and one that does not take requests, or
//! is being shut down, `{"address":"10.0.0.1","ready":false,"terminating":true}` with what is not the usual. Kubernetes
//! says that all addresses of an endpoint are the same pod, and that unknown readiness counts as ready.

use serde_json::{Map, Value};

/// Writes the endpoints of an EndpointSlice in short. What is no endpoint stays as it is, for its reader to refuse.
pub(crate) fn shorten(slice: &mut Value) {
    if let Some(endpoints) = slice.get_mut("endpoints").and_then(Value::as_array_mut) {
        endpoints.iter_mut().for_each(shorten_one);
    }
}

fn shorten_one(endpoint: &mut Value) {
    let Some(address) = endpoint.pointer("/addresses/0").filter(|address| address.is_string()).cloned() else { return };
    let condition = |name: &str| endpoint.get("conditions").and_then(|all| all.get(name)).and_then(Value::as_bool);
    let (ready, terminating) = (condition("ready").unwrap_or(true), condition("terminating").unwrap_or(false));
    if ready && !terminating {
        *endpoint = address;
        return;
    }
    let mut short = Map::new();
    short.insert("address".to_owned(), address);
    if !ready {
        short.insert("ready".to_owned(), false.into());
    }
    if terminating {
        short.insert("terminating".to_owned(), true.into());
    }
    *endpoint = Value::Object(short);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_usual_is_left_out_and_what_is_not_is_kept() {
        let mut slice = json!({ "endpoints": [
            { "addresses": ["10.0.0.1", "10.0.0.2"], "conditions": { "ready": true, "terminating": false } },
            { "addresses": ["10.0.0.3"] },
            { "addresses": ["10.0.0.4"], "conditions": { "ready": false, "terminating": true } },
            { "addresses": [] }, { "addresses": [7] }, "odd",
        ]});
        shorten(&mut slice);
        let short = json!(["10.0.0.1", "10.0.0.3", { "address": "10.0.0.4", "ready": false, "terminating": true },
            { "addresses": [] }, { "addresses": [7] }, "odd"]);
        assert_eq!(slice["endpoints"], short);
        let again = slice.clone();
        shorten(&mut slice);
        assert_eq!(slice, again, "what is short stays as it is");
    }
}
