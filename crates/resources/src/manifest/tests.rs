use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::registry::KindId;

fn objects(text: &str) -> Vec<Value> {
    parse("f.yaml", text).into_iter().map(|entry| entry.object.unwrap()).collect()
}

fn value(text: &str) -> Value {
    objects(text).remove(0)
}

fn errors(text: &str) -> Vec<String> {
    load("f.yaml", text).into_iter().filter_map(|read| read.err().map(|error| error.to_string())).collect()
}

#[test]
fn documents_are_told_apart_by_markers_alone() {
    let text = "\
# a comment in front
---
# only this
---
a: 1
--- # said here
b: |
  ---
  -----BEGIN CERTIFICATE-----
c: \"x
  --- y\"
---
...
--- {d: 1}
---";
    let split: Vec<_> = split::documents(text).map(|document| document.line).collect();
    assert_eq!(split, [5, 7, 14]);
    let cert = "---\n-----BEGIN CERTIFICATE-----\n";
    assert_eq!(
        objects(text),
        [json!({"a": 1}), json!({"b": cert, "c": "x --- y"}), json!({"d": 1})],
        "markers inside scalars are text"
    );
}

#[test]
fn windows_lines_directives_and_byte_order_marks_do_no_harm() {
    assert_eq!(objects("\u{feff}a: 1\r\n---\r\nb: 2\r\n"), [json!({"a": 1}), json!({"b": 2})]);
    assert_eq!(objects("%YAML 1.1\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n"), [json!({"a": 1}), json!({"b": 2})]);
    assert_eq!(objects("\n# nothing\n---\n\n"), Vec::<Value>::new());
    assert_eq!(objects("~\n---\nnull\n"), Vec::<Value>::new());
}

#[test]
fn scalars_are_read_as_kubectl_reads_them() {
    assert_eq!(
        value("{a: yes, b: on, c: NO, d: off, e: true, f: y}"),
        json!({"a": true, "b": true, "c": false, "d": false, "e": true, "f": true})
    );
    assert_eq!(value("{a: 'yes', b: \"0644\"}"), json!({"a": "yes", "b": "0644"}));
    assert_eq!(
        value("{a: 0644, b: 0o17, c: 0x1F, d: 1_000, e: 08}"),
        json!({"a": 420, "b": 15, "c": 31, "d": 1000, "e": 8})
    );
    assert_eq!(value("{a: 18446744073709551615, b: -9223372036854775808}"), json!({"a": u64::MAX, "b": i64::MIN}));
    assert_eq!(value("{a: 80.0, b: 1e3, c: 1.5, d: -0.25}"), json!({"a": 80, "b": 1000, "c": 1.5, "d": -0.25}));
    assert_eq!(
        value("{a: 2026-01-01, b: 2026-01-01T00:00:00Z, c: 12:30:45, d: 1.2.3}"),
        json!({"a": "2026-01-01", "b": "2026-01-01T00:00:00Z", "c": "12:30:45", "d": "1.2.3"})
    );
    assert_eq!(value("a: ~\nb:\nc: null\nd: ''"), json!({"a": null, "b": null, "c": null, "d": ""}));
}

#[test]
fn keys_stay_as_they_are_written() {
    assert_eq!(value("on: 1\nyes: 2\n8080: 3\ntrue: 4"), json!({"on": 1, "yes": 2, "8080": 3, "true": 4}));
    assert_eq!(
        errors("kind: A\nkind: B"),
        ["f.yaml: document 1, line 2: is no valid YAML: duplicate mapping key: kind"]
    );
}

#[test]
fn anchors_and_merge_keys_are_followed_within_a_document() {
    let text = "x: &base {k: v, l: w}\ny: *base\nz:\n  <<: *base\n  k: mine";
    let base = json!({"k": "v", "l": "w"});
    assert_eq!(value(text), json!({"x": base, "y": base, "z": {"k": "mine", "l": "w"}}));
    assert!(errors("a: &a 1\n---\nb: *a")[1].contains("document 2, line 3: is no valid YAML"));
}

#[test]
fn alias_bombs_and_deep_nesting_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let below = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", "));
    }
    assert_eq!(errors(&bomb).len(), 1);
    let large = format!("a: &a {}\nb: [{}]\n", "x".repeat(4 << 20), ["*a"; 90].join(", "));
    assert_eq!(errors(&large).len(), 1, "a few aliases of something large");
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    assert_eq!(errors(&deep).len(), 1);
    assert_eq!(errors(&deep.replace('[', "{\"a\":").replace(']', "}")).len(), 1);
}

#[test]
fn a_bad_document_hides_no_other_and_is_placed() {
    let text = "kind: A\n---\n\na: [1\nb: 2\n---\nkind: B\n";
    let entries = parse("shop.yaml", text);
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0].object, Ok(json!({"kind": "A"})));
    assert_eq!(entries[2].object, Ok(json!({"kind": "B"})));
    assert_eq!(entries[2].place, Place { document: 3, line: 7, item: None });
    let error = entries[1].object.as_ref().unwrap_err();
    assert_eq!(error.place, Place { document: 2, line: 5, item: None });
    assert!(
        error.to_string().starts_with("shop.yaml: document 2, line 5: is no valid YAML: illegal placement"),
        "{error}"
    );
}

#[test]
fn json_is_read_as_json() {
    assert_eq!(value("{\"a\": \"\\ud83d\\ude00\",\n\t\"b\": 1e2}"), json!({"a": "😀", "b": 100}));
    assert_eq!(objects("{\"a\": 1}\n{\"b\": 2} {\"c\": 3}"), [json!({"a": 1}), json!({"b": 2}), json!({"c": 3})]);
    let entries = parse("f.json", "{\"a\": 1}\n{\"b\": }");
    assert_eq!(entries[0].object, Ok(json!({"a": 1})));
    let error = entries[1].object.as_ref().unwrap_err().to_string();
    assert_eq!(error, "f.json: document 1, line 2: is no valid JSON: expected value");
}

#[test]
fn lists_are_expanded() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- {kind: A}\n- kind: List\n- 7\n";
    let entries = parse("f.yaml", text);
    assert_eq!(entries.iter().map(|entry| entry.place.item).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert_eq!(objects(text), [json!({"kind": "A"}), json!({"kind": "List"}), json!(7)]);

    let typed = "apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: a}\n";
    assert_eq!(objects(typed), [json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}})]);
    assert_eq!(objects("kind: List\nitems:\n"), Vec::<Value>::new());
    let odd = "apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {items: [1]}";
    assert_eq!(objects(odd).len(), 1, "a kind that only ends like a list");
}

fn ingress(metadata: &str) -> String {
    format!("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {metadata}\n")
}

#[test]
fn objects_are_completed() {
    let read = load("f.yaml", &ingress("{name: web, labels: , annotations: {konghq.com/tags: }}")).remove(0).unwrap();
    assert_eq!(read.kind.map(|kind| kind.id), Some(KindId::INGRESS));
    assert_eq!(read.key, ObjectKey::new("default", "web"));
    let metadata = &read.object["metadata"];
    assert_eq!(metadata["namespace"], "default");
    assert_eq!(metadata["annotations"], json!({"konghq.com/tags": ""}));
    assert_eq!(metadata.get("labels"), None);
    assert_eq!(metadata["uid"], "5911c006-0280-5e38-8290-62978cd6352a");
}

#[test]
fn a_uid_depends_on_kind_namespace_and_name_alone() {
    let uid = |text: &str| load("f", text).remove(0).unwrap().object["metadata"]["uid"].as_str().unwrap().to_owned();
    let web = uid(&ingress("{name: web}"));
    assert_eq!(uid(&ingress("{name: web, namespace: default, labels: {a: b}}")), web);
    assert_ne!(uid(&ingress("{name: web, namespace: shop}")), web);
    assert_ne!(uid(&ingress("{name: other}")), web);
    assert_ne!(uid("apiVersion: v1\nkind: Service\nmetadata: {name: web}"), web);
    assert_eq!(uid(&ingress("{name: web, uid: given}")), "given");
}

#[test]
fn cluster_scoped_objects_have_no_namespace() {
    let text = "apiVersion: configuration.konghq.com/v1\nkind: KongClusterPlugin\nmetadata: {name: a, namespace: shop}";
    let read = load("f.yaml", text).remove(0).unwrap();
    assert_eq!(read.key, ObjectKey::new("", "a"));
    assert_eq!(read.object["metadata"].get("namespace"), None);
}

#[test]
fn kinds_that_are_not_read_pass() {
    let read = load("f.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {b: 1}}").remove(0);
    let read = read.unwrap();
    assert_eq!((read.kind, read.key), (None, ObjectKey::new("", "a")));
}

#[test]
fn plain_data_of_a_secret_is_encoded() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: b2xk, l: aGVyZQ==}\nstringData: {k: new}";
    let secret = load("f.yaml", text).remove(0).unwrap().object;
    assert_eq!(secret["data"], json!({"k": "bmV3", "l": "aGVyZQ=="}));
    assert_eq!(secret.get("stringData"), None);
    let error = errors("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {pin: 123456}").remove(0);
    assert!(
        error.ends_with("Secret default/a: stringData[\"pin\"] is a number, not a text; put it in quotes"),
        "{error}"
    );
    assert!(!error.contains("123456"));
}

#[test]
fn what_an_api_server_would_refuse_is_refused_with_a_reason() {
    let cases = [
        ("- a", "is a list, not an object with apiVersion, kind and metadata"),
        ("kind: Ingress", "apiVersion is missing"),
        ("apiVersion: v1", "kind is missing"),
        ("apiVersion: 1\nkind: Service", "apiVersion is a number, not a text; put it in quotes"),
        ("apiVersion: v1\nkind: Service", "Service: metadata is missing"),
        (&ingress("{}"), "Ingress: metadata.name is missing"),
        (&ingress("{name: 7}"), "Ingress: metadata.name is a number, not a text; put it in quotes"),
        (&ingress("{name: a/b}"), "Ingress: metadata.name \"a/b\" is no name: it must do as a part of a URL's path"),
        (
            &ingress("{name: a, namespace: no}"),
            "Ingress: metadata.namespace is a boolean, not a text; put it in quotes",
        ),
        (
            &ingress("{generateName: web-}"),
            "Ingress: metadata.generateName leaves the name to an API server; write metadata.name",
        ),
        (
            &ingress("{name: web, annotations: {konghq.com/strip-path: true}}"),
            "Ingress default/web: metadata.annotations[\"konghq.com/strip-path\"] is a boolean, not a text; put it in quotes",
        ),
        (&ingress("{name: web, labels: [a]}"), "Ingress default/web: metadata.labels is a list, not a map of texts"),
        (
            "apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: web}",
            "Ingress: apiVersion networking.k8s.io/v1beta1 is not read; write networking.k8s.io/v1",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(text), [format!("f.yaml: document 1, line 1: {expected}")], "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        load("f", &text);
    }

    #[test]
    fn any_mix_of_the_words_of_manifests_is_read_or_refused(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "---", "...", "\n", "\r\n", " ", "  ", "a", ":", "- ", "|", ">", "&a ", "*a", "<<: ", "{", "}", "[", "]", "\"", "'", "#",
                "%", "? ", "!!binary ", "kind: List", "items:", "apiVersion: v1", "metadata:", "name: a", "0x", "1e9", "~", ",", "\t",
            ]),
            0..40,
        )
    ) {
        load("f", &words.concat());
    }

    /// The oracle is the JSON writer: every JSON text is YAML, and several of them are documents.
    #[test]
    fn json_in_documents_comes_back(texts in proptest::collection::vec("[ -~\u{e9}\n]{0,40}", 1..5)) {
        let values: Vec<Value> = texts.iter().map(|text| json!({"text": text, "more": [text, 1, null, true]})).collect();
        let written: Vec<String> = values.iter().map(|value| serde_json::to_string_pretty(value).unwrap()).collect();
        prop_assert_eq!(&objects(&written.join("\n---\n")), &values);
        // Indented below a key it is no longer JSON text but a flow mapping of YAML.
        let below: Vec<String> = values.iter().map(|value| format!("below: {value}")).collect();
        let expected: Vec<Value> = values.iter().map(|value| json!({"below": value})).collect();
        prop_assert_eq!(objects(&below.join("\n---\n")), expected);
    }
}

#[test]
fn what_an_api_server_gave_out_stays_as_it_is_written() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, labels: {b: null}}\nstringData: {c: d}\n";
    let written = load_as_written("f.yaml", text).remove(0).unwrap().object;
    assert_eq!(written["metadata"], json!({"name": "a", "labels": {"b": ""}}));
    assert_eq!((written.get("data"), &written["stringData"]), (None, &json!({"c": "d"})));
    let completed = load("f.yaml", text).remove(0).unwrap().object;
    assert_eq!((completed["metadata"]["namespace"].as_str(), completed.get("stringData")), (Some("default"), None));
    assert!(load_as_written("f.yaml", "apiVersion: v1\nkind: Secret\n").remove(0).is_err());
}
