//! As much of CEL as the rules use, so that rules can be tried on objects.
//!
//! Follows the language where it matters: reading a missing field is an error, an error refuses the object, and `&&`
//! and `||` forget an error on one side when the other side decides.

use std::collections::BTreeMap;

use serde_json::Value;

/// A missing field, or a type that does not fit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault;

type Outcome = Result<Value, Fault>;
type Env = BTreeMap<String, Value>;

#[derive(Debug)]
pub(super) enum Expr {
    Literal(Value),
    Name(String),
    List(Vec<Expr>),
    Field(Box<Expr>, String),
    Has(Box<Expr>, String),
    Not(Box<Expr>),
    Size(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    Each(Macro, Box<Expr>, String, Box<Expr>),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Macro {
    All,
    Exists,
    Filter,
}

/// Parses a rule; panics on what the rules have no need of.
pub(super) fn parse(rule: &str) -> Expr {
    let mut parser = Parser { tokens: tokens(rule), at: 0 };
    let parsed = parser.conditional();
    assert_eq!(parser.at, parser.tokens.len(), "{rule} goes on after {:?}", &parser.tokens[..parser.at]);
    parsed
}

const SYMBOLS: [&str; 18] =
    ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "?", ":", "(", ")", "[", "]", ",", ".", "in "];

fn tokens(rule: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = rule.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' || first == '"' {
            2 + rest[1..].find(first).unwrap()
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            symbol.len()
        } else {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        };
        assert!(length > 0, "{rest}");
        found.push(rest[..length].trim_end().to_owned());
        rest = rest[length..].trim_start();
    }
    found
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    fn take(&mut self, token: &str) -> bool {
        let taken = self.peek() == token;
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, token: &str) {
        assert!(self.take(token), "{token} expected at {} of {:?}", self.at, self.tokens);
    }

    fn conditional(&mut self) -> Expr {
        let condition = self.either();
        if !self.take("?") {
            return condition;
        }
        let then = self.conditional();
        self.expect(":");
        Expr::If(condition.into(), then.into(), self.conditional().into())
    }

    fn either(&mut self) -> Expr {
        let mut left = self.both();
        while self.take("||") {
            left = Expr::Binary("||", left.into(), self.both().into());
        }
        left
    }

    fn both(&mut self) -> Expr {
        let mut left = self.relation();
        while self.take("&&") {
            left = Expr::Binary("&&", left.into(), self.relation().into());
        }
        left
    }

    fn relation(&mut self) -> Expr {
        let left = self.unary();
        match ["==", "!=", "<=", ">=", "<", ">", "in"].into_iter().find(|operator| self.take(operator)) {
            Some(operator) => Expr::Binary(operator, left.into(), self.unary().into()),
            None => left,
        }
    }

    fn unary(&mut self) -> Expr {
        if self.take("!") { Expr::Not(self.unary().into()) } else { self.postfix() }
    }

    fn postfix(&mut self) -> Expr {
        let mut expr = self.primary();
        while self.take(".") {
            let name = self.next();
            if !self.take("(") {
                // Words of the language are written this way where they name a field.
                expr = Expr::Field(expr.into(), name.trim_matches('_').to_owned());
                continue;
            }
            expr = match name.as_str() {
                "size" => Expr::Size(expr.into()),
                "all" => self.each(Macro::All, expr),
                "exists" => self.each(Macro::Exists, expr),
                "filter" => self.each(Macro::Filter, expr),
                other => panic!("function {other}"),
            };
            self.expect(")");
        }
        expr
    }

    fn each(&mut self, kind: Macro, list: Expr) -> Expr {
        let variable = self.next();
        self.expect(",");
        Expr::Each(kind, list.into(), variable, self.conditional().into())
    }

    fn primary(&mut self) -> Expr {
        let token = self.next();
        match token.as_str() {
            "(" => {
                let inner = self.conditional();
                self.expect(")");
                inner
            }
            "[" => {
                let mut items = Vec::new();
                while !self.take("]") {
                    items.push(self.conditional());
                    self.take(",");
                }
                Expr::List(items)
            }
            "true" => Expr::Literal(true.into()),
            "false" => Expr::Literal(false.into()),
            "has" => {
                self.expect("(");
                let Expr::Field(of, name) = self.postfix() else { panic!("has() of no field") };
                self.expect(")");
                Expr::Has(of, name)
            }
            "size" => {
                self.expect("(");
                let of = self.conditional();
                self.expect(")");
                Expr::Size(of.into())
            }
            text if text.starts_with(['\'', '"']) => Expr::Literal(text[1..text.len() - 1].into()),
            number if number.starts_with(|c: char| c.is_ascii_digit()) => {
                Expr::Literal(number.parse::<i64>().unwrap().into())
            }
            name => Expr::Name(name.to_owned()),
        }
    }
}

impl Expr {
    /// Whether a rule holds.
    pub(super) fn holds(&self, env: &Env) -> bool {
        self.eval(env) == Ok(Value::Bool(true))
    }

    fn eval(&self, env: &Env) -> Outcome {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Name(name) => env.get(name).cloned().ok_or(Fault)?,
            Self::List(items) => items.iter().map(|item| item.eval(env)).collect::<Result<Vec<_>, _>>()?.into(),
            Self::Field(of, name) => of.eval(env)?.get(name).cloned().ok_or(Fault)?,
            Self::Has(of, name) => of.eval(env)?.get(name).is_some().into(),
            Self::Not(inner) => (!inner.truth(env)?).into(),
            Self::Size(inner) => match inner.eval(env)? {
                Value::Array(items) => items.len().into(),
                Value::String(text) => text.chars().count().into(),
                _ => return Err(Fault),
            },
            Self::If(condition, then, other) => {
                return if condition.truth(env)? { then.eval(env) } else { other.eval(env) };
            }
            Self::Binary("&&", left, right) => one_decides(left.truth(env), right.truth(env), false)?.into(),
            Self::Binary("||", left, right) => one_decides(left.truth(env), right.truth(env), true)?.into(),
            Self::Binary(operator, left, right) => compare(operator, &left.eval(env)?, &right.eval(env)?)?.into(),
            Self::Each(kind, list, variable, body) => {
                let Value::Array(items) = list.eval(env)? else { return Err(Fault) };
                let mut inner = env.clone();
                let mut kept = Vec::new();
                for item in &items {
                    inner.insert(variable.clone(), item.clone());
                    if body.truth(&inner)? {
                        kept.push(item.clone());
                    }
                }
                match kind {
                    Macro::Filter => kept.into(),
                    Macro::All => (kept.len() == items.len()).into(),
                    Macro::Exists => (!kept.is_empty()).into(),
                }
            }
        })
    }

    fn truth(&self, env: &Env) -> Result<bool, Fault> {
        self.eval(env)?.as_bool().ok_or(Fault)
    }
}

fn one_decides(left: Result<bool, Fault>, right: Result<bool, Fault>, decider: bool) -> Result<bool, Fault> {
    if left == Ok(decider) || right == Ok(decider) {
        return Ok(decider);
    }
    left.and(right)
}

fn compare(operator: &str, left: &Value, right: &Value) -> Result<bool, Fault> {
    let numbers = || Some((left.as_i64()?, right.as_i64()?));
    match operator {
        "==" => Ok(left == right),
        "!=" => Ok(left != right),
        "in" => right.as_array().map(|items| items.contains(left)).ok_or(Fault),
        "<=" => numbers().map(|(left, right)| left <= right).ok_or(Fault),
        ">=" => numbers().map(|(left, right)| left >= right).ok_or(Fault),
        "<" => numbers().map(|(left, right)| left < right).ok_or(Fault),
        ">" => numbers().map(|(left, right)| left > right).ok_or(Fault),
        other => panic!("operator {other}"),
    }
}

/// A rule and the path of the value it is about.
pub(super) struct Rule {
    pub(super) path: Vec<String>,
    pub(super) text: String,
    parsed: Expr,
}

/// The rules of a schema.
pub(super) fn rules(schema: &Value) -> Vec<Rule> {
    fn collect(path: &mut Vec<String>, schema: &Value, out: &mut Vec<Rule>) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let text = rule["rule"].as_str().unwrap();
            assert!(rule["message"].as_str().is_some_and(|message| !message.is_empty()), "{text} has no message");
            out.push(Rule { path: path.clone(), text: text.to_owned(), parsed: parse(text) });
        }
        for (name, below) in schema["properties"].as_object().into_iter().flatten() {
            path.push(name.clone());
            collect(path, below, out);
            path.pop();
        }
    }
    let mut found = Vec::new();
    collect(&mut Vec::new(), schema, &mut found);
    found
}

/// Whether an update from `old` to `new` (or a creation) passes one rule.
pub(super) fn passes(rule: &Rule, old: Option<&Value>, new: &Value) -> bool {
    let at = |value: &Value| rule.path.iter().try_fold(value.clone(), |value, name| value.get(name).cloned());
    let Some(new) = at(new) else { return true };
    let mut env = Env::from([("self".to_owned(), new)]);
    if rule.text.contains("oldSelf") {
        let Some(old) = old.and_then(at) else { return true };
        env.insert("oldSelf".to_owned(), old);
    }
    rule.parsed.holds(&env)
}

#[test]
fn the_language_is_understood() {
    let env = Env::from([("self".to_owned(), serde_json::json!({"a": 1, "s": "xy", "l": [1, 2], "namespace": ""}))]);
    let cases = [
        ("has(self.a) && !has(self.b)", true),
        ("has(self.b.c)", false),
        ("!has(self.b.c)", false),
        ("has(self.b.c) || self.a == 1", true),
        ("!(has(self.b.c) && self.a == 2)", true),
        ("self.a == 1 ? has(self.s) : self.b == 1", true),
        ("size(self.s) == 2 && self.l.size() >= 2", true),
        ("self.s in ['xy', \"z\"]", true),
        ("[true, false].filter(x, x == true).size() <= 1", true),
        ("self.l.all(x, x > 0) && !self.l.exists(x, x == 3)", true),
        ("has(self.__namespace__)", true),
        ("false || true && false", false),
    ];
    for (rule, expected) in cases {
        assert_eq!(parse(rule).holds(&env), expected, "{rule}");
    }
}
