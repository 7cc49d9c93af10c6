//! What the commands that need no cluster make of the Gateway API: `silverback render` of manifests good and bad, and
//! `silverback features`.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use silverback_test_support::binary;
use tokio::io::AsyncWriteExt as _;

/// Exit code, standard output and standard error of a command that is given a text.
async fn silverback(args: &[&str], input: &str) -> anyhow::Result<(i32, String, String)> {
    let mut command = tokio::process::Command::new(binary("silverback")?);
    command.args(args).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("no standard input")?.write_all(input.as_bytes()).await?;
    let output = child.wait_with_output().await?;
    let code = output.status.code().context("killed")?;
    Ok((code, String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

/// Several documents, some of which are no good.
const MANIFESTS: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: kong}
spec: {controllerName: konghq.com/kic-gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: main, namespace: shop}
spec:
  gatewayClassName: kong
  listeners: [{name: web, port: 80, protocol: HTTP}]
---
# nothing but a comment
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: good, namespace: shop}
spec:
  parentRefs: [{name: main}]
  unknown: {a: 1}
  rules:
  - matches: [{path: {type: PathPrefix, value: /plain}}]
    unknown: 5
    backendRefs: [{kind: Service, name: web, port: 80}]
  - matches: [{queryParams: [{name: q, value: x}]}]
    timeouts: {backendRequest: 1s}
    backendRefs: [{kind: Service, name: web, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: wrong-type, namespace: shop}
spec: {parentRefs: [{name: main}], rules: nothing}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: homeless}
spec: {parentRefs: [{name: main, namespace: shop}], rules: [{backendRefs: [{kind: Service, name: web, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: [HTTPRoute
---
apiVersion: gateway.networking.k8s.io/v9
kind: HTTPRoute
metadata: {name: future, namespace: shop}
spec: {parentRefs: [{name: main}], rules: [{}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: shop}
spec: {}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Secret
metadata: {name: plain, namespace: shop}
stringData: {key: hush}
---
apiVersion: networking.k8s.io/v1
kind: Ingresss
metadata: {name: odd, namespace: shop}
"#;

#[tokio::test]
async fn manifests_that_are_no_good_are_named_and_hide_no_other() -> anyhow::Result<()> {
    for flavor in ["traditional", "expressions"] {
        let args = ["render", "-f", "-", "-o", "json", "--router-flavor", flavor];
        let (code, rendered, said) = silverback(&args, MANIFESTS).await?;
        let config: Value = serde_json::from_str(&rendered)?;
        let services = config["services"].as_array().context("no services")?;
        let names: Vec<&str> = services.iter().filter_map(|service| service["name"].as_str()).collect();
        let wanted = ["httproute.shop.good.0", "httproute.shop.good.1"];
        // Query parameters cannot be told otherwise.
        let wanted = if flavor == "expressions" { &wanted[..] } else { &wanted[..1] };
        ensure!(code == 0 && names == wanted, "{flavor}: {names:?}, {code}: {said}");
        let field = if flavor == "expressions" { "expression" } else { "paths" };
        ensure!(!services[0]["routes"][0][field].is_null(), "{flavor}: {rendered}");
        for parts in [
            &["HTTPRoute", "shop/wrong-type", "expected a sequence"][..],
            &["document 3", "HTTPRoute good", "no field spec.unknown"],
            &["document 3", "HTTPRoute good", "no field spec.rules[0].unknown"],
            &["document 11", "Ingresss odd", "is Ingress of networking.k8s.io/v1 meant?"],
            &["HTTPRoute homeless", "metadata.namespace is missing", "--complete"],
            &["Secret plain", "stringData is not read", "--complete"],
            &["document 6", "is no valid YAML"],
            &["document 7", "v9 is not read"],
            &["document 8", "metadata.name is missing"],
        ] {
            let line = said.lines().find(|line| parts.iter().all(|part| line.contains(part)));
            ensure!(line.is_some(), "{flavor}: no line has {parts:?}: {said}");
        }
        ensure!(said.contains("queryParams") == (flavor == "traditional"), "{flavor}: {said}");
        ensure!(!said.contains("panicked"), "{said}");
        let (code, ..) = silverback(&[&args[..], &["--strict"]].concat(), MANIFESTS).await?;
        ensure!(code == 1, "{flavor}: --strict ends with {code}");
        let (code, rendered, said) = silverback(&[&args[..], &["--complete"]].concat(), MANIFESTS).await?;
        ensure!(code == 0 && !said.contains("--complete"), "{said}");
        // A Gateway takes routes of its own namespace alone.
        ensure!(!rendered.contains("httproute.default.homeless"), "{rendered}");
    }
    Ok(())
}

#[tokio::test]
async fn the_shop_of_the_examples_is_rendered_in_full() -> anyhow::Result<()> {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/shop");
    let args = ["render", "--complete", "--strict", "--show-secrets", "-f", shop];
    let (code, rendered, said) = silverback(&args, "").await?;
    ensure!(code == 0 && said.is_empty() && rendered.contains("keyauth_credentials"), "{code}: {said}");
    Ok(())
}

#[tokio::test]
async fn features_are_those_that_a_class_tells() -> anyhow::Result<()> {
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": { "name": "kong" },
        "spec": { "controllerName": "konghq.com/kic-gateway-controller" },
    });
    let mut all = Vec::new();
    for flavor in ["traditional", "expressions"] {
        let (code, listed, said) = silverback(&["features", "--router-flavor", flavor], "").await?;
        ensure!(code == 0 && said.is_empty(), "{flavor}: {code}: {said}");
        let listed: Vec<String> = listed.lines().map(str::to_owned).collect();
        let args = ["render", "-f", "-", "--show-status", "-o", "json", "--router-flavor", flavor];
        let (_, shown, said) = silverback(&args, &class.to_string()).await?;
        let shown: Value = serde_json::from_str(&shown).context(said)?;
        let status = &shown["GatewayClass.gateway.networking.k8s.io kong"];
        let told = status["supportedFeatures"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str());
        let told: Vec<&str> = told.collect();
        ensure!(!told.is_empty() && told == listed, "{flavor}: {told:?}, and listed are {listed:?}");
        all.push(listed);
    }
    let more: Vec<_> = all[1].iter().filter(|name| !all[0].contains(name)).collect();
    ensure!(more == ["HTTPRouteMethodMatching", "HTTPRouteQueryParamMatching"], "{more:?}");
    let (code, _, said) = silverback(&["features", "--router-flavor", "nonsense"], "").await?;
    ensure!(code == 2 && said.contains("expressions"), "{code}: {said}");
    Ok(())
}
