//! Nothing leaves that a gateway would refuse: what comes out of every case is put before the stand-in gateway, whose
//! judgement is held to a real Kong's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use silverback_devcluster::gateway::{self, GatewayHandle, StandInGateway};
use silverback_translation::{RouterFlavor, Settings, render};

use crate::golden::{MINUTE, folders, objects, own};
use crate::parity::shared;

/// The schemas of a real Kong's plugins, where they are at hand: then configurations of plugins are judged as well.
pub fn schemas() -> Option<PathBuf> {
    shared().map(|folder| folder.join("../reference/kong-schemas/plugins")).filter(|it| it.is_dir())
}

/// Reads a folder of schemas.
pub fn read(folder: &Path) -> BTreeMap<String, Value> {
    let schema = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap())
    };
    fs::read_dir(folder).unwrap().map(|entry| schema(entry.unwrap().path())).collect()
}

/// A gateway that judges.
pub async fn gateway(flavor: RouterFlavor) -> GatewayHandle {
    let router_flavor = match flavor {
        RouterFlavor::Traditional => gateway::RouterFlavor::TraditionalCompatible,
        RouterFlavor::Expressions => gateway::RouterFlavor::Expressions,
    };
    let settings = gateway::Settings { router_flavor, plugin_schemas: schemas(), ..gateway::Settings::default() };
    StandInGateway::start(settings).await.unwrap()
}

#[tokio::test]
async fn gateways_take_what_is_translated() {
    let mut cases = folders(&own());
    match shared() {
        Some(folder) => cases.extend(folders(&folder)),
        None => println!("skipped: the recorded cases are not here (SILVERBACK_SHARED)"),
    }
    let mut refused: BTreeMap<String, String> = BTreeMap::new();
    for flavor in [RouterFlavor::Traditional, RouterFlavor::Expressions] {
        let gateway = gateway(flavor).await;
        let mut settings = Settings { router_flavor: flavor, ..Settings::default() };
        settings.plugin_schemas = schemas().map(|folder| read(&folder)).unwrap_or_default();
        settings.feature_gates.rewrite_uris = true;
        settings.feature_gates.kong_service_facade = true;
        settings.feature_gates.gateway_alpha = true;
        for (case, plugin_defaults) in cases.iter().flat_map(|case| [(case, false), (case, true)]) {
            settings.plugin_defaults = plugin_defaults;
            let (document, _) = render(&objects(&case.join("in.yaml")), &settings, &[], MINUTE);
            if let Err(answer) = gateway.alter_config(&document.value().to_string()) {
                let name = case.file_name().unwrap().to_string_lossy();
                refused.insert(format!("{name} ({flavor:?}, with defaults: {plugin_defaults})"), answer);
            }
        }
    }
    assert!(refused.is_empty(), "{} refused: {refused:#?}", refused.len());
}
