//! Text of the expressions router: predicates, literals, and their combination.
//!
//! One way of writing each thing, so that equal routes have equal text: a single term bare, several in parentheses.

/// A string literal: quoted, with backslash, quote, newline, carriage return and tab escaped.
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The regular expressions in an expression.
pub fn regexes(expression: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), expression);
    while let Some((before, quoted)) = rest.split_once('"') {
        let (text, after) = unquoted(quoted);
        if before.ends_with(" ~ ") {
            found.push(text);
        }
        rest = after;
    }
    found
}

/// What a literal stands for whose first quote is before this text, and what follows its last one.
fn unquoted(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, &quoted[at + 1..]),
            '\\' => text.extend(chars.next().map(|(_, escaped)| match escaped {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            })),
            c => text.push(c),
        }
    }
    (text, "")
}

/// `field operator "text"`.
pub fn text(field: &str, operator: &str, value: &str) -> String {
    format!("{field} {operator} {}", literal(value))
}

/// `field == number`.
pub fn number(field: &str, value: u64) -> String {
    format!("{field} == {value}")
}

/// All of these: `(a) && (b)`, or the only one as it is. `None` for none.
pub fn all(terms: impl IntoIterator<Item = String>) -> Option<String> {
    join(terms, " && ")
}

/// Any of these: `(a) || (b)`, or the only one as it is. `None` for none.
pub fn any(terms: impl IntoIterator<Item = String>) -> Option<String> {
    join(terms, " || ")
}

/// A router goes one step further down for each term beside another, and its stack has an end: more terms than these are
/// joined in groups, groups of groups, and so on.
const WIDEST: usize = 64;

fn join(terms: impl IntoIterator<Item = String>, operator: &str) -> Option<String> {
    let mut terms: Vec<String> = terms.into_iter().collect();
    while terms.len() > WIDEST {
        terms = terms.chunks(WIDEST).map(|group| side_by_side(group, operator)).collect();
    }
    (!terms.is_empty()).then(|| side_by_side(&terms, operator))
}

fn side_by_side(terms: &[String], operator: &str) -> String {
    match terms {
        [only] => only.clone(),
        terms => terms.iter().map(|term| format!("({term})")).collect::<Vec<_>>().join(operator),
    }
}

/// A host, where a leading `*` stands for any beginning and a trailing one for any end.
pub fn host(host: &str) -> String {
    match (host.strip_prefix('*'), host.strip_suffix('*')) {
        (Some(end), _) => text("http.host", "=^", end),
        (None, Some(start)) => text("http.host", "^=", start),
        (None, None) => text("http.host", "==", host),
    }
}

/// The field of a header: lower case, `-` as `_`.
pub fn header_field(name: &str) -> String {
    format!("http.headers.{}", name.to_ascii_lowercase().replace('-', "_"))
}

/// A regular expression that starts at the beginning.
pub fn anchored(regex: &str) -> String {
    if regex.starts_with('^') { regex.to_owned() } else { format!("^{regex}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_term_stands_bare() {
        assert_eq!(all(["a".to_owned()]).as_deref(), Some("a"));
        assert_eq!(any(["a".to_owned(), "b".to_owned(), "c".to_owned()]).as_deref(), Some("(a) || (b) || (c)"));
        assert_eq!(all([]), None);
    }

    #[test]
    fn many_terms_are_joined_in_groups() {
        for count in [WIDEST, WIDEST + 1, 10_000] {
            let joined = any((0..count).map(|n| n.to_string())).unwrap();
            let numbers: Vec<_> = joined.split(|c: char| !c.is_ascii_digit()).filter(|text| !text.is_empty()).collect();
            assert_eq!(numbers, (0..count).map(|n| n.to_string()).collect::<Vec<_>>(), "all are there, in order");
            let deeper = |depth: &mut i32, c: char| {
                *depth += i32::from(c == '(') - i32::from(c == ')');
                Some(*depth)
            };
            assert!(joined.chars().scan(0, deeper).max() <= Some(3), "{count} are nested too deep");
        }
    }

    #[test]
    fn literals_cannot_end_early() {
        assert_eq!(literal("a\"\\\n\r\tb"), r#""a\"\\\n\r\tb""#);
    }

    #[test]
    fn regular_expressions_are_found_again() {
        let (odd, misleading) = ("^/a\\.\"\n\r\t(ä)", r#"a ~ "b"#);
        let terms = [text("http.path", "~", odd), text("http.host", "==", misleading), text("http.path", "~", "^/b")];
        assert_eq!(regexes(&all(terms).unwrap()), [odd, "^/b"]);
        assert_eq!(regexes("net.dst.port == 80"), Vec::<String>::new());
    }

    #[test]
    fn wildcards_of_hosts_match_an_end() {
        assert_eq!(host("*.x.io"), r#"http.host =^ ".x.io""#);
        assert_eq!(host("x.*"), r#"http.host ^= "x.""#);
        assert_eq!(host("x.io"), r#"http.host == "x.io""#);
    }
}
