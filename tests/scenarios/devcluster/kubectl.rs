//! `kubectl` at the development cluster, where it is installed.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use silverback_devcluster::api::{ApiServer, Effect, Settings, Tls};
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

    /// Runs it, and gives what it prints.
    async fn run(&self, args: &str, stdin: &str) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::new("kubectl");
        // Its cache of discovery would outlive this server.
        let cache = self.kubeconfig.with_extension("cache");
        command.arg("--kubeconfig").arg(self.kubeconfig).arg("--cache-dir").arg(cache).args(args.split(' '));
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

#[tokio::test]
async fn kubectl_gets_applies_patches_and_deletes() -> anyhow::Result<()> {
    if !Kubectl::is_installed() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let (cert_pem, key_pem) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let tls = Some(Tls { cert_pem, key_pem, client_ca_pem: None });
    let api = ApiServer::start(Settings { definitions: crds::all(), tls, ..Settings::default() }).await?;
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, api.kubeconfig("somebody"))?;
    let kubectl = Kubectl { kubeconfig: &kubeconfig };

    kubectl.says("get namespaces", "", &["NAME", "STATUS", "AGE", "kube-system", "Active"]).await?;
    kubectl.says("api-resources", "", &["kongplugins", "ingresses", "leases", "ns"]).await?;
    let apply = "apply --validate=false -f -";
    let namespace = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#;
    kubectl.says(apply, namespace, &["namespace/shop created"]).await?;
    kubectl.says(apply, SERVICE, &["service/web created", "kongplugin.configuration.konghq.com/limit created"]).await?;
    kubectl.says(apply, SERVICE, &["service/web unchanged", "limit unchanged"]).await?;
    let without_extra = SERVICE.replace("    - { name: extra, port: 81 }\n", "").replace("8080", "9090");
    let other = without_extra.replace("minute: 5", "hour: 7");
    kubectl.says(apply, &other, &["service/web configured", "limit configured"]).await?;
    let ports = "get service web -n shop -o jsonpath={.spec.ports[*].port}/{.spec.ports[0].targetPort}";
    kubectl.says(ports, "", &["80/9090"]).await?;
    let config = "get kongplugin limit -n shop -o jsonpath={.config}";
    let said = kubectl.run(config, "").await?;
    ensure!(said.contains("\"hour\":7") && !said.contains("minute"), "applying again leaves {said}");

    kubectl.says("get kongplugins -A", "", &["NAMESPACE", "NAME", "shop", "limit", "rate-limiting"]).await?;
    kubectl.says("get svc,kongplugins -n shop -o name", "", &["service/web", "/limit"]).await?;
    kubectl.says("label service web -n shop tier=front", "", &["service/web labeled"]).await?;
    kubectl.says("get services -n shop -l tier=front", "", &["web"]).await?;
    kubectl.says("annotate kongplugin limit -n shop by=hand", "", &["annotated"]).await?;
    let patch = r#"patch service web -n shop --type=json -p=[{"op":"replace","path":"/spec/ports/0/port","value":82}]"#;
    kubectl.says(patch, "", &["service/web patched"]).await?;
    // Over TLS it says who it is, so faults can be its own.
    api.faults().inject_for("somebody", Effect::Answer { status: 403, retry_after: None, times: Some(1) });
    let forbidden = kubectl.run("get kongplugin limit -n shop", "").await;
    ensure!(forbidden.is_err(), "the fault for somebody missed: {forbidden:?}");
    kubectl.says("delete kongplugin limit -n shop", "", &["deleted"]).await?;
    kubectl.says("delete namespace shop", "", &["namespace \"shop\" deleted"]).await?;
    let refused = kubectl.run("apply --server-side --validate=false -f -", SERVICE).await;
    let refused = refused.err().context("server-side apply is not refused")?.to_string();
    ensure!(refused.contains("server-side apply"), "it is refused without a name: {refused}");
    Ok(())
}
