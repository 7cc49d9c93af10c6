//! What Kong runs for us, run: programs of redirects against the part of Kong that they call, and templates of changed
//! requests as Kong's template engine reads them. Skipped with a word where there is no Lua.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use silverback_translation::{RouterFlavor, Settings, render};

use crate::golden::MINUTE;
use crate::world::Dice;

/// Stands for Kong: what its sandbox gives to a program, and how its templates are rendered.
const KONG: &str = r#"
local function hex(text) return (text:gsub(".", function(c) return string.format("%02x", c:byte()) end)) end
local function run(code, scheme, host, port, path, query)
  local answer
  local request = {
    get_forwarded_scheme = function() return scheme end, get_forwarded_host = function() return host end,
    get_forwarded_port = function() return port end,
    get_raw_path = function() return path end, get_raw_query = function() return query end,
  }
  local exit = function(status, body, headers) answer = status .. " " .. hex(headers.Location) end
  local program = assert(loadstring(code))
  setfenv(program, { kong = { request = request, response = { exit = exit } }, string = string })
  program()
  print(answer)
end
local function render(template)
  print("0 " .. hex((template:gsub("%$(%b())", function(code)
    return tostring(setfenv(assert(loadstring("return " .. code)), { uri_captures = { "/below" } })())
  end))))
end
"#;

/// The first Lua there is, of the version that Kong has.
fn lua() -> Option<&'static str> {
    let works = |name: &&&str| Command::new(name).arg("-v").output().is_ok_and(|output| output.status.success());
    let found = ["luajit", "lua5.1"].iter().find(works).copied();
    if found.is_none() {
        println!("skipped: there is neither luajit nor lua5.1");
    }
    found
}

/// Numbers for whatever is not a letter or digit: a literal of Lua that has nothing in common with how ours are written.
fn lua_text(text: &str) -> String {
    text.bytes().fold(String::from("\""), |mut out, byte| {
        let _ = write!(out, "\\{byte:03}");
        out
    }) + "\""
}

/// Runs lines after [`KONG`]; each prints a number and a text.
fn run(lua: &str, lines: &[String]) -> Vec<(u16, String)> {
    let mut child = Command::new(lua).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut script = child.stdin.take().unwrap();
    write!(script, "{KONG}\n{}", lines.join("\n")).unwrap();
    drop(script);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "a program fails: see above");
    let told = String::from_utf8(output.stdout).unwrap();
    let answers = told.lines().map(|line| {
        let (status, hex) = line.split_once(' ').unwrap();
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        (status.parse().unwrap(), String::from_utf8(bytes).unwrap())
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), lines.len());
    answers
}

/// The first plugin of a type that a rule with one filter comes to.
fn plugin(name: &str, listeners: &Value, prefix: &str, filter: &Value, flavor: RouterFlavor) -> Option<Value> {
    let api = |kind: &str, name: &str, spec: Value| {
        let metadata = json!({"name": name, "namespace": if kind == "GatewayClass" { "" } else { "n" }});
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
    };
    let matches = json!([{"path": {"type": "PathPrefix", "value": prefix}}]);
    let rules = json!([{"matches": matches, "filters": [filter]}]);
    let objects = [
        api("GatewayClass", "kong", json!({"controllerName": "konghq.com/kic-gateway-controller"})),
        api("Gateway", "g", json!({"gatewayClassName": "kong", "listeners": listeners})),
        api("HTTPRoute", "r", json!({"parentRefs": [{"name": "g"}], "rules": rules})),
    ];
    let settings = Settings { router_flavor: flavor, ..Settings::default() };
    let (document, _) = render(&objects, &settings, &[], MINUTE);
    let document = document.value();
    let plugins = document.pointer("/services/0/routes/0/plugins")?.as_array()?.clone();
    plugins.into_iter().find(|plugin| plugin["name"] == name)
}

fn program(listeners: &Value, prefix: &str, redirect: &Value) -> String {
    let filter = json!({"type": "RequestRedirect", "requestRedirect": redirect});
    let both = [RouterFlavor::Traditional, RouterFlavor::Expressions].map(|flavor| {
        let plugin = plugin("pre-function", listeners, prefix, &filter, flavor);
        plugin.unwrap_or_else(|| panic!("{redirect} is no program"))["config"]["access"][0].clone()
    });
    assert_eq!(both[0], both[1]);
    both[0].as_str().unwrap().to_owned()
}

/// A request for a url, as a program sees it.
fn request(code: &str, url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, rest) = rest.split_at(rest.find('/').unwrap());
    let (host, port) = authority.rsplit_once(':').unwrap();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let [code, scheme, host, path, query] = [code, scheme, host, path, query].map(lua_text);
    format!("run({code}, {scheme}, {host}, {port}, {path}, {query})")
}

#[test]
fn programs_send_clients_where_the_specification_says() {
    let Some(lua) = lua() else { return };
    let web = json!([{"name": "web", "port": 8080, "protocol": "HTTP"}]);
    let secret = json!({"certificateRefs": [{"name": "x"}]});
    let both = json!([{"name": "web", "port": 80, "protocol": "HTTP"},
        {"name": "secure", "port": 8443, "protocol": "HTTPS", "tls": secret}]);
    let two = json!([{"name": "a", "port": 8080, "protocol": "HTTP", "hostname": "a.test"},
        {"name": "b", "port": 8081, "protocol": "HTTP", "hostname": "b.test"}]);
    let prefix = |new: &str| json!({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": new}});
    let full = json!({"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}, "scheme": "https"});
    // Listeners, prefix, redirect; what is asked for; where it is sent.
    let cases: [(&Value, &str, Value, &str, &str); 18] = [
        // "If redirect scheme is not-empty, the redirect port MUST be the well-known port associated with it."
        (&web, "/", json!({"scheme": "https"}), "http://a.test:8000/x", "https://a.test/x"),
        (&web, "/", json!({"scheme": "http"}), "https://a.test:8000/x?q=1&r", "http://a.test/x?q=1&r"),
        // "If redirect scheme is empty, the redirect port MUST be the Gateway Listener port."
        (&web, "/a", prefix("/b"), "http://a.test:8000/a/x", "http://a.test:8080/b/x"),
        (&both, "/a", prefix("/b"), "http://a.test:8000/a", "http://a.test/b"),
        (&both, "/a", prefix("/b"), "https://a.test:8000/a/", "https://a.test:8443/b/"),
        // Several listeners of one scheme: as the client had it.
        (&two, "/a", prefix("/b"), "http://b.test:8081/a", "http://b.test:8081/b"),
        // "Implementations SHOULD NOT add the port number in the 'Location' header" where the scheme has it anyway.
        (&web, "/", json!({"port": 80}), "http://a.test:8000/x", "http://a.test/x"),
        (&web, "/", json!({"port": 443}), "http://a.test:8000/x", "http://a.test:443/x"),
        (&web, "/", json!({"port": 443}), "https://a.test:8000/x", "https://a.test/x"),
        (&web, "/", json!({"port": 8443, "scheme": "https"}), "http://a.test:8000/x", "https://a.test:8443/x"),
        (&web, "/", full, "http://a.test:8000/x/y?q", "https://a.test/new?q"),
        // Request path, prefix, replacement, and what it comes to: the table of HTTPPathModifier.
        (&both, "/foo", prefix("/xyz/"), "http://a.test:8000/foo/bar", "http://a.test/xyz/bar"),
        (&both, "/foo/", prefix("/xyz"), "http://a.test:8000/foo/bar", "http://a.test/xyz/bar"),
        (&both, "/foo", prefix(""), "http://a.test:8000/foo/bar", "http://a.test/bar"),
        (&both, "/foo", prefix("/"), "http://a.test:8000/foo", "http://a.test/"),
        // What is below stays as the client wrote it, however the prefix was written.
        (&both, "/foo/b", prefix("x"), "http://a.test:80//f%6Fo/b/%20%0d%0a/", "http://a.test/x/%20%0d%0a/"),
        (&both, "/", prefix("/x"), "http://a.test:8000/foo", "http://a.test/x/foo"),
        (&both, "/v1.0", prefix("/x"), "http://[::1]:80/v1.0/%2e", "http://[::1]/x/%2e"),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(listeners, prefix, redirect, url, _)| request(&program(listeners, prefix, redirect), url))
        .collect();
    for (case, (status, location)) in cases.iter().zip(run(lua, &lines)) {
        assert_eq!((status, &*location), (302, case.4), "{case:?}");
    }
}

/// Random text of what ends literals, templates and lines.
fn text(dice: &mut Dice) -> String {
    const PARTS: [&str; 22] = [
        "a",
        "/",
        "\"",
        "'",
        "\\",
        "\n",
        "\r",
        "\0",
        "]]",
        "[[",
        "--",
        "%s",
        "%",
        "$(",
        "$(",
        ")",
        "(",
        "\\\"",
        "é",
        "0",
        "..os.exit(1)..",
        "{{",
    ];
    (0..dice.roll(10)).map(|_| PARTS[dice.roll(PARTS.len())]).collect()
}

#[test]
fn whatever_texts_hold_programs_and_templates_give_them_as_they_are() {
    let Some(lua) = lua() else { return };
    let listeners = json!([{"name": "web", "port": 80, "protocol": "HTTP"}]);
    let mut lines = Vec::new();
    let mut wanted = Vec::new();
    for seed in 1..300 {
        let mut dice = Dice::new(seed);
        let (path, value) = (text(&mut dice), text(&mut dice));
        let new = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": format!("/{path}")});
        let code = program(&listeners, "/a", &json!({"hostname": "a.test", "path": new, "statusCode": 307}));
        lines.push(request(&code, "http://other:1/a/below"));
        let rewritten = format!("{}/below", format!("/{path}").trim_end_matches('/'));
        wanted.push((307, format!("http://a.test{rewritten}")));
        let mut expected = BTreeMap::new();
        let filter = match dice.roll(3) {
            0 => {
                expected.insert("/replace/uri", format!("/{path}"));
                let full = json!({"type": "ReplaceFullPath", "replaceFullPath": format!("/{path}")});
                json!({"type": "URLRewrite", "urlRewrite": {"path": full}})
            }
            1 => {
                expected.insert("/replace/uri", rewritten);
                json!({"type": "URLRewrite", "urlRewrite": {"path": new}})
            }
            _ => {
                expected.insert("/append/headers/0", format!("X-Add:{value}"));
                let add = json!([{"name": "X-Add", "value": value}]);
                json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": add}})
            }
        };
        let plugin = plugin("request-transformer", &listeners, "/a", &filter, RouterFlavor::Traditional);
        for (pointer, text) in expected {
            // A plugin that Kong would refuse for other reasons is left out, with its route.
            let Some(config) = plugin.as_ref().map(|plugin| &plugin["config"]) else { continue };
            lines.push(format!("render({})", lua_text(config.pointer(pointer).unwrap().as_str().unwrap())));
            wanted.push((0, text));
        }
    }
    let got = run(lua, &lines);
    for ((got, wanted), line) in got.iter().zip(&wanted).zip(&lines) {
        assert_eq!(got, wanted, "{line}");
    }
}
