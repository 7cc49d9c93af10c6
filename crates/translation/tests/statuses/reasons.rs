//! The table of reasons, held to what it speaks of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::gateways::GOOD_LISTENER;
use super::{FINE, REFUSED};

/// What may be the cause of a reason's never being given.
const CAUSES: [&str; 5] = ["deprecated", "reserved", "mesh", "bundle 1.4", "other implementations"];

const SOURCES: [(&str, &str); 7] = [
    ("completed.rs", include_str!("completed.rs")),
    ("gateways.rs", include_str!("gateways.rs")),
    ("policies.rs", include_str!("policies.rs")),
    ("published.rs", include_str!("published.rs")),
    ("routes.rs", include_str!("routes.rs")),
    ("sets.rs", include_str!("sets.rs")),
    ("tls.rs", include_str!("tls.rs")),
];

/// A reason, and the file and name of the test that yields it or why none can.
struct Row {
    reason: &'static str,
    how: Result<(&'static str, &'static str), &'static str>,
}

/// The table, by constant.
fn table() -> BTreeMap<&'static str, Row> {
    let rows = include_str!("reasons.txt").lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (constant, rest) = line.split_once(' ').unwrap();
        let (reason, rest) = rest.split_once(' ').unwrap();
        let how = rest.strip_prefix("never: ").map_or_else(|| Ok(rest.split_once(' ').unwrap()), Err);
        (constant, Row { reason, how })
    });
    rows.collect()
}

/// The body of a test, with what the names of expectations in it stand for.
fn body(file: &str, test: &str) -> String {
    let (_, source) = SOURCES.iter().find(|(name, _)| *name == file).unwrap();
    let (_, rest) =
        source.split_once(&format!("#[test]\nfn {test}() {{\n")).unwrap_or_else(|| panic!("{file}: {test}"));
    let mut body = rest.split("\n}\n").next().unwrap().to_owned();
    for (name, value) in
        [("FINE", FINE.join(" ")), ("REFUSED", REFUSED.join(" ")), ("GOOD_LISTENER", GOOD_LISTENER.join(" "))]
    {
        if body.contains(name) {
            body.push_str(&value);
        }
    }
    body
}

#[test]
fn for_each_reason_there_is_a_test_that_yields_it_or_a_reason_why_none_can() {
    for (constant, row) in table() {
        match row.how {
            Ok((file, test)) => assert!(body(file, test).contains(row.reason), "{constant}: {file}: {test}"),
            Err(why) => assert!(CAUSES.contains(&why.split(": ").next().unwrap()), "{constant}: {why}"),
        }
    }
}

/// Reasons as the code has them, by their names in statuses.
fn given() -> BTreeSet<String> {
    let source = include_str!("../../../status/src/condition.rs");
    let (_, variants) = source.split_once("pub enum ConditionReason {\n").unwrap();
    let lines = variants.split("\n}\n").next().unwrap().lines().map(str::trim);
    let names = lines.filter_map(|line| line.strip_suffix(',').filter(|name| name.chars().all(char::is_alphabetic)));
    names.map(|name| name.replace("CaCertificate", "CACertificate")).collect()
}

#[test]
fn every_reason_that_is_given_is_in_the_table() {
    let yielded: BTreeSet<String> =
        table().values().filter(|row| row.how.is_ok()).map(|row| row.reason.to_owned()).collect();
    assert_eq!(given(), yielded);
}

/// Checkouts of kubernetes-sigs/gateway-api, of one bundle or of several, may lie below `SILVERBACK_GATEWAY_API`.
#[test]
fn the_table_has_every_reason_of_the_api() {
    let Some(root) = std::env::var_os("SILVERBACK_GATEWAY_API") else {
        println!("skipped: the sources of the API are not here (SILVERBACK_GATEWAY_API)");
        return;
    };
    let mut constants = BTreeMap::new();
    collect(Path::new(&root), &mut constants);
    assert!(constants.len() > 50, "{constants:?}");
    let table = table();
    for ((constant, reason), comment) in &constants {
        let row = table.get(constant.as_str()).unwrap_or_else(|| panic!("{constant} is not in the table"));
        assert_eq!(row.reason, reason, "{constant}");
        // The specification says itself which are not to be given.
        let reserved = comment.contains("reserved for future use");
        let cause = row.how.err().and_then(|why| why.split(": ").next());
        assert_eq!(cause == Some("reserved"), reserved, "{constant}: {comment}");
        assert_eq!(cause == Some("deprecated"), !reserved && comment.contains("Deprecated:"), "{constant}: {comment}");
    }
}

/// Lines such as `GatewayReasonInvalid GatewayConditionReason = "Invalid"`, with the comments above them in all sources.
fn collect(folder: &Path, constants: &mut BTreeMap<(String, String), String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, constants);
        } else if path.to_string_lossy().ends_with("_types.go") {
            let mut comment = String::new();
            for line in fs::read_to_string(&path).unwrap().lines() {
                if let [constant, kind, "=", value] = line.split_whitespace().collect::<Vec<_>>()[..]
                    && kind.ends_with("Reason")
                    && value.starts_with('"')
                {
                    let key = (constant.to_owned(), value.trim_matches('"').to_owned());
                    constants.entry(key).or_default().push_str(&comment);
                }
                if line.trim().starts_with("//") {
                    comment.push_str(line);
                } else {
                    comment.clear();
                }
            }
        }
    }
}
