//! Orders that people count on, each by its name.

use std::collections::BTreeSet;

use silverback_translation::RouterFlavor::{Expressions, Traditional};

use super::judge::Judge;
use super::kong::Request;
use super::routers::{self, Routes};
use super::scene::{Header, Kind, Match, Path, Route, Rule, Scene};
use super::spec;

const PREFIX: Match = Match { path: Path::Prefix("/x"), method: None, headers: Vec::new() };

fn of(path: Path) -> Match {
    Match { path, ..PREFIX }
}

impl Match {
    fn get(self) -> Self {
        Self { method: Some("GET"), ..self }
    }

    fn with(mut self, name: &'static str) -> Self {
        self.headers.push(Header { name, value: "v", regex: false });
        self
    }
}

/// A route of a day, with a rule for each match.
fn route(name: &str, day: u8, host: &'static str, matches: impl IntoIterator<Item = Match>) -> Route {
    let hosts = [host].into_iter().filter(|host| !host.is_empty()).collect();
    let rules = matches.into_iter().map(|it| Rule { matches: vec![it], rewrites: false }).collect();
    Route { namespace: "n", name: name.to_owned(), created: day, hosts, listener: None, rules }
}

/// Requests of a path with all headers; with `n0`, with `n1`, and with both.
fn ask(path: &str) -> Request {
    let headers = vec![("n0", "v"), ("n1", "v")];
    Request { scheme: "http", host: "a.b.test".to_owned(), path: path.to_owned(), method: "GET", headers }
}

/// Requests with the rules that they go to.
fn held(kind: Kind, routes: impl Into<Vec<Route>>, wanted: &[(Request, &str)]) {
    let scene = Scene { kind, routes: routes.into() };
    for (request, rule) in wanted {
        let specified = spec::winner(&scene, request).map(|it| it.service());
        assert_eq!(specified.as_deref(), Some(*rule), "{request:?} by the specification");
        for flavour in [Expressions, Traditional] {
            let judge = Judge::new(&scene, flavour);
            let routers: Vec<Box<dyn Routes + '_>> = match flavour {
                Expressions => vec![Box::new(routers::Expressions::new(&judge.routes))],
                Traditional => vec![
                    Box::new(routers::Traditional::new(&judge.routes, true)),
                    Box::new(routers::Compatible::new(&judge.routes)),
                ],
            };
            for router in routers {
                let got: BTreeSet<String> = router.answers(request).into_iter().map(|it| it.service).collect();
                let wanted = BTreeSet::from([(*rule).to_owned()]);
                assert_eq!(got, wanted, "{flavour:?}: {request:?} of {scene:?}{}", judge.list());
            }
            assert_eq!(judge.told_without_need(usize::MAX), None, "{flavour:?}");
        }
    }
}

#[test]
fn a_longer_prefix_comes_before_a_shorter_one_with_a_method() {
    let longer = route("a", 2, "a.b.test", [of(Path::Prefix("/x/x"))]);
    let shorter = route("b", 1, "a.b.test", [PREFIX.get()]);
    let post = Request { method: "POST", ..ask("/x/x") };
    let wanted = [(ask("/x/x"), "n/a rule 0"), (ask("/x/y"), "n/b rule 0"), (post, "n/a rule 0")];
    held(Kind::Http, [longer, shorter], &wanted);
}

#[test]
fn a_host_comes_before_none_with_headers() {
    let host = route("a", 2, "a.b.test", [PREFIX]);
    let headers = route("b", 1, "", [PREFIX.get().with("n0").with("n1")]);
    let elsewhere = Request { host: "far.away".to_owned(), ..ask("/x") };
    held(Kind::Http, [host, headers], &[(ask("/x"), "n/a rule 0"), (elsewhere, "n/b rule 0")]);
}

#[test]
fn a_host_comes_before_a_wildcard_with_a_method() {
    let host = route("a", 2, "a.b.test", [PREFIX]);
    let wildcard = route("b", 1, "*.b.test", [of(Path::Exact("/x")).get()]);
    let elsewhere = Request { host: "d.b.test".to_owned(), ..ask("/x") };
    held(Kind::Http, [host, wildcard], &[(ask("/x"), "n/a rule 0"), (elsewhere, "n/b rule 0")]);
}

#[test]
fn a_longer_wildcard_comes_before_a_shorter_one() {
    let longer = route("b", 2, "*.b.test", [PREFIX]);
    let shorter = route("a", 1, "*.test", [PREFIX]);
    let elsewhere = Request { host: "a.test".to_owned(), ..ask("/x") };
    held(Kind::Http, [longer, shorter], &[(ask("/x"), "n/b rule 0"), (elsewhere, "n/a rule 0")]);
}

#[test]
fn the_oldest_of_equal_matches_comes_first() {
    let routes = [route("a", 2, "a.b.test", [PREFIX]), route("b", 1, "a.b.test", [PREFIX])];
    held(Kind::Http, routes, &[(ask("/x/y"), "n/b rule 0")]);
}

#[test]
fn the_first_by_name_of_equally_old_ones_comes_first() {
    let routes = [route("b", 1, "a.b.test", [PREFIX]), route("a", 1, "a.b.test", [PREFIX])];
    held(Kind::Http, routes, &[(ask("/x"), "n/a rule 0")]);
}

#[test]
fn the_first_rule_of_equal_matches_comes_first() {
    let routes = [route("a", 1, "a.b.test", [PREFIX.with("n0"), PREFIX.with("n1")])];
    let second = Request { headers: vec![("n1", "v")], ..ask("/x") };
    held(Kind::Http, routes, &[(ask("/x"), "n/a rule 0"), (second, "n/a rule 1")]);
}

#[test]
fn an_exact_path_comes_before_the_same_prefix_of_another_route() {
    let exact = route("b", 2, "a.b.test", [of(Path::Exact("/x"))]);
    let prefix = route("a", 1, "a.b.test", [PREFIX]);
    held(Kind::Http, [exact, prefix], &[(ask("/x"), "n/b rule 0"), (ask("/x/y"), "n/a rule 0")]);
}

#[test]
fn an_exact_path_comes_before_a_prefix_with_a_method_and_headers() {
    let exact = route("b", 2, "a.b.test", [of(Path::Exact("/x/x"))]);
    let prefix = route("a", 1, "a.b.test", [PREFIX.get().with("n0")]);
    held(Kind::Http, [exact, prefix], &[(ask("/x/x"), "n/b rule 0"), (ask("/x/y"), "n/a rule 0")]);
}

#[test]
fn a_method_comes_before_headers() {
    let routes = [route("b", 2, "a.b.test", [PREFIX.get()]), route("a", 1, "a.b.test", [PREFIX.with("n0").with("n1")])];
    held(Kind::Http, routes, &[(ask("/x"), "n/b rule 0")]);
}

#[test]
fn more_headers_come_before_fewer() {
    let more = route("b", 2, "a.b.test", [PREFIX.with("n0").with("n1")]);
    let fewer = route("a", 1, "a.b.test", [PREFIX.with("n0"), PREFIX]);
    let one = Request { headers: vec![("n0", "v")], ..ask("/x") };
    let none = Request { headers: vec![], ..ask("/x") };
    let wanted = [(ask("/x"), "n/b rule 0"), (one, "n/a rule 0"), (none, "n/a rule 1")];
    held(Kind::Http, [more, fewer], &wanted);
}

#[test]
fn paths_alone_are_in_order_where_prefixes_are_rewritten_too() {
    let paths =
        [Path::Prefix("/"), Path::Prefix("/x"), Path::Prefix("/x/x"), Path::Exact("/x/x"), Path::Exact("/x/x/y")];
    let mut paths = route("a", 1, "a.b.test", paths.map(of));
    let wanted = [("/a", 0), ("/x", 1), ("/x/y", 1), ("/x/x", 3), ("/x/x/z", 2), ("/x/x/y", 4)];
    let wanted = wanted.map(|(path, rule)| (ask(path), format!("n/a rule {rule}")));
    let wanted: Vec<_> = wanted.iter().map(|(request, rule)| (request.clone(), rule.as_str())).collect();
    for rewritten in [&[][..], &[0, 2], &[1]] {
        paths.rules.iter_mut().enumerate().for_each(|(at, rule)| rule.rewrites = rewritten.contains(&at));
        held(Kind::Http, [paths.clone()], &wanted);
    }
}

#[test]
fn a_longer_service_comes_before_a_method_and_both_before_one() {
    let call = |service, method| of(Path::Call(service, method));
    let service = route("a", 1, "a.b.test", [call(Some("a.B"), None).with("n0")]);
    let both = route("b", 2, "a.b.test", [call(Some("a.B"), Some("Get"))]);
    let method = route("c", 1, "a.b.test", [call(None, Some("Get")).with("n0").with("n1")]);
    let post = |path| Request { method: "POST", ..ask(path) };
    let wanted =
        [(post("/a.B/Get"), "n/b rule 0"), (post("/a.B/GetAll"), "n/a rule 0"), (post("/a.C/Get"), "n/c rule 0")];
    held(Kind::Grpc, [service, both, method], &wanted);
}

#[test]
fn a_call_of_a_host_comes_before_one_of_a_wildcard() {
    let call = |method| of(Path::Call(Some("a.B"), method));
    let host = route("b", 2, "a.b.test", [call(None)]);
    let wildcard = route("a", 1, "*.b.test", [call(Some("Get")).with("n0")]);
    held(Kind::Grpc, [host, wildcard], &[(ask("/a.B/Get"), "n/b rule 0")]);
}
