//! Schemas of the statuses. Nobody here reads them, so they have no types.

use serde_json::{Value, json};

/// A label, or several with dots between them.
const DOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const KIND: &str = r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$";
/// How many conditions an object may have.
const MAX_CONDITIONS: u32 = 8;

fn waiting() -> Value {
    json!([{
        "type": "Programmed", "status": "Unknown", "reason": "Pending",
        "message": "Waiting for controller", "lastTransitionTime": "1970-01-01T00:00:00Z",
    }])
}

fn text(about: &str, min: u32, max: u32, pattern: Option<String>) -> Value {
    let mut schema = json!({"type": "string", "description": about, "maxLength": max});
    if min > 0 {
        schema["minLength"] = min.into();
    }
    if let Some(pattern) = pattern {
        schema["pattern"] = pattern.into();
    }
    schema
}

/// A name that may have a domain in front of it, as condition types do.
fn qualified_name() -> String {
    format!(r"^({DOMAIN}/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$")
}

fn conditions() -> Value {
    json!({
        "type": "array",
        "description": "What is known of the object; the type Programmed tells whether gateways have it.",
        "maxItems": MAX_CONDITIONS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "type": text("What the condition is about.", 0, 316, Some(qualified_name())),
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
                "reason": text(
                    "Why, in one word for programs.", 1, 1024, Some("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$".into())
                ),
                "message": text("Why, for people.", 0, 32768, None),
                "lastTransitionTime": {
                    "type": "string", "format": "date-time", "description": "When the status last changed.",
                },
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "Generation of the object that this was said of.",
                },
            },
        },
    })
}

/// Conditions, with Programmed unknown until something is known.
pub(super) fn programmed() -> Value {
    let mut conditions = conditions();
    conditions["default"] = waiting();
    json!({"type": "object", "description": "What became of the object.", "properties": {"conditions": conditions}})
}

/// As [`programmed`], and present once there is a status at all.
pub(super) fn programmed_required() -> Value {
    let mut status = programmed();
    status["required"] = json!(["conditions"]);
    status
}

/// As [`programmed`], with a default for the whole status.
pub(super) fn programmed_from_the_start() -> Value {
    json!({
        "type": "object", "description": "What became of the object.",
        "default": {"conditions": waiting()},
        "properties": {"conditions": conditions()},
    })
}

/// Adds what an operator writes of the object's counterpart in Konnect.
pub(super) fn with_konnect(mut status: Value) -> Value {
    let id = |about: &str| json!({"type": "string", "description": about});
    status["properties"]["konnect"] = json!({
        "type": "object",
        "description": "The object's counterpart in Konnect; written by another controller.",
        "properties": {
            "id": id("Its id."),
            "controlPlaneID": id("Id of its control plane."),
            "organizationID": id("Id of its organisation."),
            "serverURL": id("Where it lives."),
        },
    });
    status
}

fn object_ref(group_default: Option<&str>, kind_default: Option<&str>) -> Value {
    let mut group = text("API group.", 0, 253, Some(format!("^$|^{DOMAIN}$")));
    let mut kind = text("Kind.", 1, 63, Some(KIND.into()));
    if let Some(default) = group_default {
        group["default"] = default.into();
    }
    if let Some(default) = kind_default {
        kind["default"] = default.into();
    }
    json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "group": group,
            "kind": kind,
            "name": text("Name.", 1, 253, None),
            "namespace": text("Namespace; the object's own where none is given.", 1, 63, Some(LABEL.into())),
        },
    })
}

/// Per ancestor (a Gateway, or what stands for one) what it makes of a policy.
pub(super) fn ancestors() -> Value {
    let mut ancestor = object_ref(Some("gateway.networking.k8s.io"), Some("Gateway"));
    ancestor["description"] = "The ancestor.".into();
    ancestor["properties"]["sectionName"] = text("Part of it.", 1, 253, Some(format!("^{DOMAIN}$")));
    ancestor["properties"]["port"] =
        json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535, "description": "Port of it."});
    let mut conditions = conditions();
    conditions["minItems"] = 1.into();
    let controller = format!(r"^{DOMAIN}\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$");
    json!({
        "type": "object",
        "description": "What became of the policy.",
        "required": ["ancestors"],
        "properties": {"ancestors": {
            "type": "array",
            "description": "What each ancestor makes of it.",
            "maxItems": 16,
            "items": {
                "type": "object",
                "required": ["ancestorRef", "controllerName"],
                "properties": {
                    "ancestorRef": ancestor,
                    "controllerName": text("Controller that says so.", 1, 253, Some(controller)),
                    "conditions": conditions,
                },
            },
        }},
    })
}

/// Per controller what it makes of a licence.
pub(super) fn controllers() -> Value {
    let mut conditions = conditions();
    conditions["default"] = waiting();
    let mut controller = object_ref(None, None);
    controller["description"] = "The controller's own object.".into();
    json!({
        "type": "object",
        "description": "What became of the licence.",
        "properties": {"controllers": {
            "type": "array",
            "description": "What each controller makes of it.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["controllerName"],
            "items": {
                "type": "object",
                "required": ["controllerName"],
                "properties": {
                    "controllerName": {"type": "string", "description": "The controller."},
                    "controllerRef": controller,
                    "conditions": conditions,
                },
            },
        }},
    })
}

/// Addresses at which the object's traffic is taken, as Ingress has them.
pub(super) fn load_balancer() -> Value {
    let plain = |about: &str| json!({"type": "string", "description": about});
    json!({
        "type": "object",
        "description": "Where its traffic is taken.",
        "properties": {"loadBalancer": {
            "type": "object",
            "description": "The load balancer in front.",
            "properties": {"ingress": {
                "type": "array",
                "description": "Its addresses.",
                "x-kubernetes-list-type": "atomic",
                "items": {"type": "object", "properties": {
                    "ip": plain("Address."),
                    "hostname": plain("Name."),
                    "ipMode": plain("How the address is reached."),
                    "ports": {
                        "type": "array",
                        "description": "Ports at the address.",
                        "x-kubernetes-list-type": "atomic",
                        "items": {
                            "type": "object",
                            "required": ["error", "port", "protocol"],
                            "properties": {
                                "port": {"type": "integer", "format": "int32", "description": "Port."},
                                "protocol": plain("Protocol."),
                                "error": text("What is wrong with it.", 0, 316, Some(qualified_name())),
                            },
                        },
                    },
                }},
            }},
        }},
    })
}
