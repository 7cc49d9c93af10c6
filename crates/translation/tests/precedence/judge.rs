//! Who takes the requests of a scene, and who should.

use std::collections::BTreeSet;

use silverback_translation::{RouterFlavor, Settings, Translator, upsert};

use super::kong::{self, Answer, Request, Route};
use super::routers::Routes;
use super::scene::{Kind, Scene};
use super::spec::{self, Winner};

/// What is promised of a router.
pub struct Promise {
    /// Whether the order may be another one where it is told of the match that should have come first.
    pub told: bool,
    /// Whether another may come first of those that Kong puts in no order.
    pub ties: bool,
}

/// A scene, and what became of it.
pub struct Judge<'s> {
    scene: &'s Scene,
    pub routes: Vec<Route>,
    /// Matches that something is said of: their objects, and where they are.
    told: BTreeSet<(String, String)>,
}

impl<'s> Judge<'s> {
    pub fn new(scene: &'s Scene, flavour: RouterFlavor) -> Self {
        let mut translator = Translator::new(Settings { router_flavor: flavour, ..Settings::default() });
        translator.apply(scene.manifests().iter().map(upsert).collect());
        let told = translator.diagnostics().flat_map(|(_, all)| all);
        let told = told.filter(|it| it.field.contains("].matches[")).map(|it| (it.object.key.to_string(), it.field));
        Self { scene, routes: kong::routes(&translator), told: told.collect() }
    }

    /// What is wrong with the order; `None`: nothing.
    pub fn wrong(&self, router: &dyn Routes, promise: &Promise) -> Option<String> {
        requests(self.scene).iter().find_map(|request| {
            let answers = router.answers(request);
            let (wanted, right) = match spec::winner(self.scene, request) {
                Some(winner) => {
                    let wanted = Answer { service: winner.service(), path: winner.path(request) };
                    let right = answers.contains(&wanted) && (promise.ties || answers.len() == 1);
                    (format!("{wanted:?}, {}", winner.field()), right || promise.told && self.is_told(&winner))
                }
                None => ("nobody".to_owned(), answers.is_empty() || self.is_for_the_other_scheme(request)),
            };
            (!right).then(|| format!("{request:?}\nis for {wanted}\nand answered by {answers:?} of\n{}", self.list()))
        })
    }

    fn is_told(&self, winner: &Winner<'_>) -> bool {
        let Winner { route, .. } = winner;
        self.told.contains(&(format!("{}/{}", route.namespace, route.name), winner.field()))
    }

    /// Routes of one scheme may answer the requests of the other, as long as nobody else should.
    fn is_for_the_other_scheme(&self, request: &Request) -> bool {
        let scheme = if request.scheme == "http" { "https" } else { "http" };
        spec::winner(self.scene, &Request { scheme, ..request.clone() }).is_some()
    }

    /// A match that something is said of, though there are no regular expressions, and it has fewer routes than `bound`.
    pub fn told_without_need(&self, bound: usize) -> Option<String> {
        let kind = if self.scene.kind == Kind::Http { "httproute" } else { "grpcroute" };
        let few = |object: &str, field: &str| {
            let place = field.trim_end_matches(']').replace("spec.rules[", "").replace("].matches[", ".");
            let name = format!("{kind}.{}.{place}", object.replace('/', "."));
            self.routes.iter().filter(|it| it.name.starts_with(&name)).count() < bound
        };
        let needless = self.told.iter().find(|(object, field)| !self.scene.has_regex() && few(object, field));
        needless.map(|(object, field)| format!("{object} {field} is told of, of\n{}", self.list()))
    }

    /// The routes, one a line.
    pub fn list(&self) -> String {
        self.routes.iter().map(|it| format!("  {it}\n")).collect()
    }
}

/// Requests of every kind that routes of a scene tell apart.
fn requests(scene: &Scene) -> Vec<Request> {
    let http = ["/", "/x", "/xx", "/x/x", "/x/y", "/x/x/y", "/x/x/y/z"];
    let grpc = ["/a.B/Get", "/a.B/GetAll", "/a.B.C/Get", "/a/Get", "/a/b"];
    let (paths, methods) = match scene.kind {
        Kind::Http => (&http[..], &["GET", "POST"][..]),
        Kind::Grpc => (&grpc[..], &["POST"][..]),
    };
    let headers =
        [vec![], vec![("n0", "v")], vec![("n1", "v")], vec![("n0", "v"), ("n1", "v")], vec![("n0", "w"), ("n1", "v")]];
    let apart = scene.routes.iter().any(|it| it.listener.is_some());
    let schemes = if apart { &["http", "https"][..] } else { &["http"][..] };
    let mut requests = Vec::new();
    for host in ["a.b.test", "d.b.test", "a.test", "far.away"] {
        for path in paths {
            for method in methods {
                for headers in &headers {
                    requests.extend(schemes.iter().map(|scheme| Request {
                        scheme,
                        host: host.to_owned(),
                        path: (*path).to_owned(),
                        method,
                        headers: headers.clone(),
                    }));
                }
            }
        }
    }
    requests
}
