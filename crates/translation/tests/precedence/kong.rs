//! Routes as Kong has them, and whether they take a request: what its routers have in common. Which of several is tried
//! first is in [`super::routers`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{LazyLock, Mutex};

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use silverback_kong::Collection;
use silverback_translation::Translator;

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub scheme: &'static str,
    pub host: String,
    pub path: String,
    pub method: &'static str,
    /// In lower case.
    pub headers: Vec<(&'static str, &'static str)>,
}

/// The fields that decide about requests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Route {
    pub name: String,
    pub hosts: Vec<String>,
    pub paths: Vec<String>,
    pub methods: Vec<String>,
    pub headers: BTreeMap<String, Vec<String>>,
    pub protocols: Vec<String>,
    pub regex_priority: i64,
    pub expression: Option<String>,
    pub priority: u64,
    plugins: Vec<Value>,
    /// The rule that its service is for.
    #[serde(skip)]
    pub service: String,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    pub service: String,
    /// As the service sees it.
    pub path: String,
}

/// Captures of a route's path, if it has some.
pub type Captured = Option<String>;

/// All routes of a translation.
pub fn routes(translator: &Translator) -> Vec<Route> {
    let services = translator.entities().into_iter().filter(|(key, _)| key.collection == Collection::Services);
    let routes = services.flat_map(|(_, entity)| {
        let service = entity.rendered.value();
        let routes = Vec::<Route>::deserialize(&service["routes"]).unwrap();
        // A service for each rule, and with expressions for each host of a GRPCRoute.
        let parts: Vec<&str> = service["name"].as_str().unwrap().split('.').collect();
        let rule = rule(parts[1], parts[2], parts.last().unwrap());
        routes.into_iter().map(|route| Route { service: rule.clone(), ..route }).collect::<Vec<_>>()
    });
    routes.collect()
}

/// How a service is called that a rule has for itself.
pub fn rule(namespace: &str, name: &str, at: impl fmt::Display) -> String {
    format!("{namespace}/{name} rule {at}")
}

/// A regular expression that is anchored where it begins. Each is compiled once.
pub fn regex(pattern: &str) -> Regex {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap();
    let new = || Regex::new(&format!("^(?:{pattern})")).unwrap();
    compiled.entry(pattern.to_owned()).or_insert_with(new).clone()
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&'static str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

impl Route {
    pub fn is_plain(&self) -> bool {
        !self.hosts.is_empty() && !self.hosts.iter().any(|host| host.contains('*'))
    }

    /// Whether all but the path takes a request.
    pub fn takes(&self, request: &Request) -> bool {
        let host = |host: &String| is_within(&request.host, host);
        let headers = self.headers.iter().all(|(name, values)| {
            let asked = request.header(name);
            values.iter().any(|value| match value.strip_prefix("~*") {
                Some(pattern) => asked.is_some_and(|asked| regex(&format!(".*{pattern}")).is_match(asked)),
                None => asked.is_some_and(|asked| value.eq_ignore_ascii_case(asked)),
            })
        });
        let methods = self.methods.is_empty() || self.methods.iter().any(|method| method == request.method);
        (self.hosts.is_empty() || self.hosts.iter().any(host)) && headers && methods
    }

    /// What becomes of a request that it takes. A route for `https` alone answers others with 426, and one for `http` alone
    /// takes others: protocols are no matter of the routers.
    pub fn answer(&self, request: &Request, captured: Captured) -> Answer {
        let any = |names: [&str; 2]| names.iter().any(|name| self.protocols.iter().any(|it| it == name));
        if request.scheme == "http" && any(["https", "grpcs"]) && !any(["http", "grpc"]) {
            return Answer { service: "426".into(), path: request.path.clone() };
        }
        let rewritten = self.plugins.iter().find_map(|it| it["config"]["replace"]["uri"].as_str());
        let path = rewritten.map_or(request.path.clone(), |template| evaluated(template, captured));
        Answer { service: self.service.clone(), path }
    }
}

/// Whether a route's host, with a wildcard for one or several labels, is that of a request.
pub fn is_within(asked: &str, host: &str) -> bool {
    host.strip_prefix('*').map_or(host == asked, |suffix| asked.ends_with(suffix))
}

/// How a path is matched, and what it captures.
pub fn captured(path: &str, request: &Request) -> Option<Captured> {
    match path.strip_prefix('~') {
        Some(pattern) => {
            let found = regex(pattern).captures(&request.path)?;
            Some(found.get(1).map(|it| it.as_str().to_owned()))
        }
        None => request.path.starts_with(path).then_some(None),
    }
}

/// A template of `request-transformer`, of the two kinds that there are for what is below a prefix.
fn evaluated(template: &str, captured: Captured) -> String {
    let below = captured.as_ref().map(|it| format!("/{it}")).unwrap_or_default();
    let root = r#"$(uri_captures[1] == nil and "" or "/" .. uri_captures[1])"#;
    let path = template.replace(root, &below).replace("$(uri_captures[1])", &captured.unwrap_or_default());
    assert!(!path.contains("$("), "{template} is not known here");
    // Whether a slash alone is captured is left to Kong.
    path.trim_end_matches('/').to_owned()
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, hosts, paths, methods, headers, protocols, regex_priority, expression, priority, .. } = self;
        write!(f, "{name}: ")?;
        match expression {
            Some(expression) => write!(f, "{expression} priority {priority:#x}")?,
            None => write!(f, "{hosts:?} {paths:?} {methods:?} {headers:?} regex_priority {regex_priority:#x}")?,
        }
        write!(f, " {protocols:?} -> {}", self.service)
    }
}
