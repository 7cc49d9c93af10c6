use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::registry::{self, KINDS};

/// The oracle: walks the parsed object and asks of every leaf's path whether an entry keeps it.
fn naive(kind: &Kind, path: &mut Vec<String>, value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(|item| naive(kind, path, item)).collect()),
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (name, field) in fields {
                path.push(name.clone());
                if reaches(kind, path) {
                    kept.insert(name.clone(), naive(kind, path, field));
                }
                path.pop();
            }
            Value::Object(kept)
        }
        scalar => scalar.clone(),
    }
}

fn reaches(kind: &Kind, path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["metadata"] => true,
        ["metadata", "labels"] => kind.labels != Entries::Only(&[]),
        ["metadata", "annotations"] => kind.annotations != Entries::Only(&[]),
        ["metadata", "labels", name, ..] => admits(kind.labels, name),
        ["metadata", "annotations", name, ..] => admits(kind.annotations, name),
        ["metadata", name, ..] => kind.metadata.contains(name),
        _ => kind.fields.iter().any(|field| {
            let field: Vec<&str> = field.split('.').collect();
            field.starts_with(&path) || path.starts_with(&field)
        }),
    }
}

fn admits(entries: Entries, name: &str) -> bool {
    match entries {
        Entries::Except(dropped) => !dropped.contains(&name),
        Entries::Only(kept) => kept.contains(&name),
    }
}

/// Objects made of the words that the registry's paths use, and of some others.
fn objects(words: Vec<String>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
    ];
    let word = proptest::sample::select(words);
    let fields = word.clone();
    let inner = leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(fields.clone(), inner, 0..8).prop_map(|fields| json!(fields)),
        ]
    });
    proptest::collection::btree_map(word, inner, 0..12).prop_map(|fields| json!(fields))
}

fn words(kind: &Kind) -> Vec<String> {
    let mut words: Vec<String> = kind.fields.iter().flat_map(|path| path.split('.')).map(str::to_owned).collect();
    words.extend(kind.metadata.iter().map(|word| word.to_string()));
    for entries in [kind.labels, kind.annotations] {
        let (Entries::Except(names) | Entries::Only(names)) = entries;
        words.extend(names.iter().map(|word| word.to_string()));
    }
    let others = ["metadata", "labels", "annotations", "managedFields", "status", "apiVersion", "kind", "x", "é\"\n"];
    words.extend(others.map(str::to_owned));
    words
}

fn kinds_with_objects() -> impl Strategy<Value = (&'static Kind, Value)> {
    (0..KINDS.len()).prop_flat_map(|at| (Just(&KINDS[at]), objects(words(&KINDS[at]))))
}

proptest! {
    #[test]
    fn reading_text_equals_trimming_the_parsed_object((kind, object) in kinds_with_objects()) {
        let projection = kind.projection();
        let read = projection.read(object.to_string().as_bytes()).unwrap();
        let mut expected = naive(kind, &mut Vec::new(), &object);
        if kind.short_endpoints {
            short::shorten(&mut expected);
        }
        prop_assert_eq!(&read, &expected);

        let mut trimmed = object.clone();
        projection.trim(&mut trimmed);
        prop_assert_eq!(&trimmed, &read);

        let again = projection.read(read.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&again, &read);
    }

    #[test]
    fn a_text_that_was_cut_is_refused((kind, object) in kinds_with_objects(), at in any::<proptest::sample::Index>()) {
        let text = object.to_string().into_bytes();
        prop_assert!(kind.projection().read(&text[..at.index(text.len())]).is_err());
    }
}

#[test]
fn an_endpoint_slice_keeps_addresses_and_little_else() {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "web-x", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 3,
            "labels": {"kubernetes.io/service-name": "web", "team": "a"},
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"},
            "ownerReferences": [{"name": "web"}], "managedFields": [{"manager": "m"}],
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "nodeName": "n", "zone": "z"}],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    });
    let kept = json!({
        "metadata": {
            "name": "web-x", "namespace": "shop", "uid": "u", "resourceVersion": "7",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "endpoints": ["10.0.0.1"],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    });
    let read = KindId::ENDPOINT_SLICE.kind().projection().read(slice.to_string().as_bytes()).unwrap();
    assert_eq!(read, kept);
}

#[test]
fn the_copy_of_the_last_apply_is_dropped_and_other_annotations_are_kept() {
    let ingress = json!({"metadata": {"name": "a", "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": "{}", "konghq.com/strip-path": "true"}}});
    let read = KindId::INGRESS.kind().projection().read(ingress.to_string().as_bytes()).unwrap();
    assert_eq!(read, json!({"metadata": {"name": "a", "annotations": {"konghq.com/strip-path": "true"}}}));
}

#[test]
fn the_version_is_taken_out_once() {
    let mut object = json!({"metadata": {"name": "a", "namespace": "shop", "resourceVersion": "12"}});
    assert_eq!(key(&object), Some(ObjectKey::new("shop", "a")));
    assert_eq!(take_version(&mut object).as_deref(), Some("12"));
    assert_eq!(take_version(&mut object), None);
    assert_eq!(object, json!({"metadata": {"name": "a", "namespace": "shop"}}));
    assert_eq!(key(&json!({"metadata": {"namespace": "shop"}})), None);
}

#[test]
fn a_fault_names_the_object_if_it_can() {
    let projection = KindId::SERVICE.kind().projection();
    let late = projection.read(br#"{"metadata":{"name":"web","namespace":"shop"},"spec":{"ports":[}"#).unwrap_err();
    assert_eq!(late.object, Some(ObjectKey::new("shop", "web")));
    assert!(late.to_string().starts_with("Service shop/web cannot be read: expected value at line 1"), "{late}");
    let early = projection.read(br#"{"metadata":{"name":"web""#).unwrap_err();
    assert!(early.to_string().starts_with("Service cannot be read: EOF while parsing"), "{early}");
    assert!(projection.read(b"[]").is_err());
    assert!(projection.read(b"{} {}").is_err());
}

#[test]
fn a_list_is_read_page_by_page() {
    let projection = KindId::CONFIG_MAP.kind().projection();
    let page = projection
        .read_list(
            br#"{"kind":"ConfigMapList","metadata":{"resourceVersion":"9","continue":"t","remainingItemCount":4},
                "items":[{"metadata":{"name":"a","managedFields":[]},"data":{"k":"v"},"immutable":true}]}"#,
        )
        .unwrap();
    let expected = ListPage {
        version: "9".into(),
        continue_token: Some("t".into()),
        items: vec![json!({"metadata": {"name": "a"}, "data": {"k": "v"}})],
    };
    assert_eq!(page, expected);

    let last = projection.read_list(br#"{"items":null,"metadata":{"resourceVersion":"9","continue":""}}"#).unwrap();
    assert_eq!(last, ListPage { version: "9".into(), ..ListPage::default() });
}

#[test]
fn what_is_no_list_is_never_taken_for_an_empty_one() {
    let projection = KindId::CONFIG_MAP.kind().projection();
    for text in
        ["{}", "null", "[]", "", r#"{"kind":"Status","metadata":{},"code":500}"#, r#"{"items":[]}"#, r#"{"items":{}}"#]
    {
        assert!(projection.read_list(text.as_bytes()).is_err(), "{text}");
    }
    let cut = projection.read_list(br#"{"metadata":{},"items":[{"metadata":{"name":"a"}},{"meta"#).unwrap_err();
    assert_eq!(cut.object, Some(ObjectKey::new("", "a")));
}

#[test]
fn the_trim_digest_tells_every_change_of_what_is_kept() {
    let describe = |edit: fn(&mut Kind)| {
        let mut kind = KindId::SERVICE.kind().clone();
        edit(&mut kind);
        Projection::of(&kind).describe()
    };
    let base = KindId::SERVICE.kind().projection().describe();
    assert_eq!(describe(|_| {}), base);
    assert_eq!(describe(|kind| kind.volume = registry::Volume::Small), base);
    assert_ne!(describe(|kind| kind.fields = &["spec"]), base);
    assert_ne!(describe(|kind| kind.labels = Entries::Only(&[])), base);
    assert_ne!(describe(|kind| kind.annotations = Entries::Except(&[])), base);
    assert_eq!(registry::trim_digest(), registry::trim_digest());
}
