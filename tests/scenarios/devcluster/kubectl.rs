//! `kubectl` at the development cluster, where it is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use silverback_devcluster::api::{ApiHandle, ApiServer, Effect, Settings, Tls};
use silverback_resources::crds;

/// `kubectl` with a kubeconfig.
struct Kubectl<'a> {
    kubeconfig: &'a Path,
}

impl Kubectl<'_> {
    fn is_installed() -> bool {
        let found = Command::new("kubectl").args(["version", "--client"]).output().is_ok_and(|it| it.status.success());
        if !found {
            eprintln!("skipped: kubectl is not installed");
        }
        found
    }

    /// Runs it, and gives what it prints; an error holds what it says went wrong.
    async fn run(&self, args: &str, stdin: &str) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::new("kubectl");
        // Its cache of discovery would outlive this server.
        let cache = self.kubeconfig.with_extension("cache");
        command.arg("--kubeconfig").arg(self.kubeconfig).arg("--cache-dir").arg(cache).args(args.split(' '));
        // `kubectl edit` hands its file to this.
        command.env("KUBE_EDITOR", "sed -i s/9090/9191/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            tokio::io::AsyncWriteExt::write_all(&mut pipe, stdin.as_bytes()).await?;
        }
        let output = tokio::time::timeout(crate::story::SOON, child.wait_with_output()).await;
        let output = output.with_context(|| format!("kubectl {args} does not end"))??;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "kubectl {args} fails: {err}");
        Ok(format!("{out}{err}"))
    }

    /// Runs it in vain, and wants these in what it prints.
    async fn is_refused(&self, args: &str, stdin: &str, parts: &[&str]) -> anyhow::Result<()> {
        let said = self.run(args, stdin).await;
        let said = said.err().with_context(|| format!("kubectl {args} is not refused"))?.to_string();
        for part in parts {
            ensure!(said.contains(part), "kubectl {args} is refused without {part:?}: {said}");
        }
        Ok(())
    }

    /// Runs it, and wants these in what it prints.
    async fn says(&self, args: &str, stdin: &str, parts: &[&str]) -> anyhow::Result<()> {
        let said = self.run(args, stdin).await?;
        for part in parts {
            ensure!(said.contains(part), "kubectl {args} does not say {part:?} but:\n{said}");
        }
        Ok(())
    }
}

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  ports:
    - { name: http, port: 80, targetPort: 8080 }
    - { name: extra, port: 81 }
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: { name: limit, namespace: shop }
plugin: rate-limiting
config: { minute: 5, policy: local }
";

/// A development cluster behind TLS, since `kubectl` sends its token, by which it is known there, over nothing else.
async fn cluster(folder: &Path, definitions: Vec<serde_json::Value>) -> anyhow::Result<(ApiHandle, PathBuf)> {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let (cert_pem, key_pem) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let tls = Some(Tls { cert_pem, key_pem, client_ca_pem: None });
    let api = ApiServer::start(Settings { definitions, tls, ..Settings::default() }).await?;
    let kubeconfig = folder.join("kubeconfig");
    std::fs::write(&kubeconfig, api.kubeconfig("somebody"))?;
    Ok((api, kubeconfig))
}

const APPLY: &str = "apply --validate=false -f -";
const NAMESPACE: &str = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#;

#[tokio::test]
async fn kubectl_gets_applies_patches_and_deletes() -> anyhow::Result<()> {
    if !Kubectl::is_installed() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (api, kubeconfig) = cluster(folder.path(), crds::all()).await?;
    let kubectl = Kubectl { kubeconfig: &kubeconfig };

    kubectl.says("get namespaces", "", &["NAME", "STATUS", "AGE", "kube-system", "Active"]).await?;
    kubectl.says("api-resources", "", &["kongplugins", "ingresses", "leases", "ns"]).await?;
    kubectl.says("api-versions", "", &["configuration.konghq.com/v1", "networking.k8s.io/v1"]).await?;
    kubectl.says(APPLY, NAMESPACE, &["namespace/shop created"]).await?;
    let created = ["service/web created", "kongplugin.configuration.konghq.com/limit created", "fills in no defaults"];
    kubectl.says(APPLY, SERVICE, &created).await?;
    kubectl.says(APPLY, SERVICE, &["service/web unchanged", "limit unchanged"]).await?;
    let without_extra = SERVICE.replace("    - { name: extra, port: 81 }\n", "").replace("8080", "9090");
    let other = without_extra.replace("minute: 5", "hour: 7");
    kubectl.says(APPLY, &other, &["service/web configured", "limit configured"]).await?;
    let ports = "get service web -n shop -o jsonpath={.spec.ports[*].port}/{.spec.ports[0].targetPort}";
    kubectl.says(ports, "", &["80/9090"]).await?;
    let config = "get kongplugin limit -n shop -o jsonpath={.config}";
    let said = kubectl.run(config, "").await?;
    ensure!(said.contains("\"hour\":7") && !said.contains("minute"), "applying again leaves {said}");
    kubectl.says("edit service web -n shop --validate=false", "", &["service/web edited"]).await?;
    kubectl.says(ports, "", &["80/9191"]).await?;

    kubectl.says("get kongplugins -A", "", &["NAMESPACE", "NAME", "shop", "limit", "rate-limiting"]).await?;
    kubectl.says("get svc,kongplugins -n shop -o name", "", &["service/web", "/limit"]).await?;
    kubectl.says("get services -n shop -o yaml", "", &["kind: List", "targetPort: 9191"]).await?;
    kubectl.says("get services -n shop -o wide", "", &["TYPE", "PORTS", "AGE"]).await?;
    kubectl.says("describe service web -n shop", "", &["Name:", "web", "TargetPort:", "9191/"]).await?;
    kubectl.says("label service web -n shop tier=front", "", &["service/web labeled"]).await?;
    kubectl.says("get services -n shop -l tier=front", "", &["web"]).await?;
    kubectl.says("annotate kongplugin limit -n shop by=hand", "", &["annotated"]).await?;
    let patch = r#"patch service web -n shop --type=json -p=[{"op":"replace","path":"/spec/ports/0/port","value":82}]"#;
    kubectl.says(patch, "", &["service/web patched"]).await?;
    kubectl.says("wait service web -n shop --for=jsonpath={.spec.ports[0].port}=82", "", &["condition met"]).await?;
    kubectl.says("replace --validate=false -f -", SERVICE, &["service/web replaced", "limit replaced"]).await?;
    // Over TLS it says who it is, so faults can be its own.
    api.faults().inject_for("somebody", Effect::Answer { status: 403, retry_after: None, times: Some(1) });
    let forbidden = kubectl.run("get kongplugin limit -n shop", "").await;
    ensure!(forbidden.is_err(), "the fault for somebody missed: {forbidden:?}");
    kubectl.says("delete kongplugin limit -n shop", "", &["deleted"]).await?;
    kubectl.says("delete namespace shop", "", &["namespace \"shop\" deleted"]).await?;
    Ok(())
}

#[tokio::test]
async fn kubectl_is_told_what_is_not_done() -> anyhow::Result<()> {
    if !Kubectl::is_installed() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (_api, kubeconfig) = cluster(folder.path(), crds::all()).await?;
    let kubectl = Kubectl { kubeconfig: &kubeconfig };
    kubectl.run(APPLY, NAMESPACE).await?;
    kubectl.is_refused("apply --server-side --validate=false -f -", SERVICE, &["server-side apply"]).await?;
    kubectl.is_refused("apply -f -", SERVICE, &["OpenAPI", "--validate=false"]).await?;
    kubectl.is_refused("explain service", "", &["OpenAPI"]).await?;
    kubectl.run(APPLY, SERVICE).await?;
    kubectl.is_refused("delete service web -n shop --cascade=foreground", "", &["garbage collection"]).await?;
    kubectl.is_refused("get --raw /api/v1/namespaces/shop/pods/web/log", "", &["pods", "nothing runs here"]).await?;
    kubectl.is_refused("auth can-i get secrets", "", &["authorization"]).await?;
    Ok(())
}

/// Definitions of other hands, as large and as full of rules as they come.
#[tokio::test]
async fn kubectl_applies_definitions_of_others() -> anyhow::Result<()> {
    let Some(bundle) = crate::gateway_api::bundle("gateway-api-v1.7.0/standard") else { return Ok(()) };
    if !Kubectl::is_installed() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (_api, kubeconfig) = cluster(folder.path(), Vec::new()).await?;
    let kubectl = Kubectl { kubeconfig: &kubeconfig };
    let texts = std::fs::read_dir(bundle)?
        .map(|entry| std::fs::read_to_string(entry?.path()))
        .collect::<Result<Vec<_>, _>>()?;
    let definitions = texts.iter().filter(|text| text.contains("kind: CustomResourceDefinition"));
    let said = kubectl.run(APPLY, &definitions.map(String::as_str).collect::<Vec<_>>().join("\n---\n")).await?;
    for part in ["created", "neither holds objects against schemas", "defaults of schemas", "CEL rules"] {
        ensure!(said.contains(part), "it does not say {part:?} but:\n{said}");
    }
    kubectl.says("get crd", "", &["httproutes.gateway.networking.k8s.io"]).await
}
