//! Whether Kong's routers can read what a match says. A route that they cannot is left out in the end, where no condition
//! tells of it: so it is asked before.

use silverback_kong::limits;
use silverback_resources::types::ValueMatch;

use super::{Invalid, unsupported};
use crate::matchable;

/// Whether values of this kind are regular expressions.
pub(super) fn is_regex(kind: Option<&str>) -> bool {
    kind == Some("RegularExpression")
}

/// Checks a regular expression.
pub(super) fn regex(field: impl Into<String>, text: &str) -> Result<(), Invalid> {
    match matchable::regex_problem(text) {
        None => Ok(()),
        Some(problem) => {
            Err(unsupported(field, format!("{text:?} is no regular expression that Kong can read: {problem}")))
        }
    }
}

/// Checks how headers are matched; `field` names the match.
pub(super) fn headers(field: &str, headers: &[ValueMatch], expressions: bool) -> Result<(), Invalid> {
    for (at, header) in headers.iter().enumerate() {
        let field = format!("{field}.headers[{at}]");
        if !limits::is_header_name(&header.name) {
            let problem = format!("{}: Kong matches by headers of letters, digits, - and _ alone", header.name);
            return Err(unsupported(format!("{field}.name"), problem));
        }
        if !expressions && header.name.eq_ignore_ascii_case("host") {
            return Err(unsupported(format!("{field}.name"), "hosts are matched by hostnames"));
        }
        value(&field, header)?;
    }
    Ok(())
}

/// Checks how query parameters are matched.
pub(super) fn queries(field: &str, queries: &[ValueMatch]) -> Result<(), Invalid> {
    for (at, query) in queries.iter().enumerate() {
        let field = format!("{field}.queryParams[{at}]");
        if query.name.is_empty() || !query.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            let problem = format!("{}: expressions name query parameters of letters, digits and _ alone", query.name);
            return Err(unsupported(format!("{field}.name"), problem));
        }
        value(&field, query)?;
    }
    Ok(())
}

fn value(field: &str, given: &ValueMatch) -> Result<(), Invalid> {
    match given.kind.as_deref() {
        None | Some("Exact") => Ok(()),
        kind if is_regex(kind) => regex(format!("{field}.value"), &given.value),
        Some(kind) => Err(unsupported(format!("{field}.type"), format!("{kind} is no way to match a value"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(kind: &str, name: &str, value: &str) -> [ValueMatch; 1] {
        [ValueMatch { kind: Some(kind.into()), name: name.into(), value: value.into() }]
    }

    #[test]
    fn what_routers_cannot_read_is_named() {
        let field = |checked: Result<(), Invalid>| checked.unwrap_err().1;
        assert_eq!(headers("m", &given("Exact", "x-a", "("), false), Ok(()));
        assert_eq!(field(headers("m", &given("RegularExpression", "x-a", "("), false)), "m.headers[0].value");
        assert_eq!(field(headers("m", &given("Exact", "x!a", ""), true)), "m.headers[0].name");
        assert_eq!(field(headers("m", &given("Exact", "Host", ""), false)), "m.headers[0].name");
        assert_eq!(headers("m", &given("Exact", "Host", ""), true), Ok(()));
        assert_eq!(field(headers("m", &given("Glob", "x", ""), true)), "m.headers[0].type");
        assert_eq!(queries("m", &given("Exact", "a_B1", "(")), Ok(()));
        for name in ["a-b", "a.b", "", "é"] {
            assert_eq!(field(queries("m", &given("Exact", name, ""))), "m.queryParams[0].name", "{name}");
        }
        let (_, _, problem) = regex("m", "/a[0-9").unwrap_err();
        assert_eq!(problem, "\"/a[0-9\" is no regular expression that Kong can read: unclosed character class");
    }
}
