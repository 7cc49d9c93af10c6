//! What is known of Kong's own plugins without asking a gateway: which only Enterprise has, and which cannot be bound to
//! consumers. A plugin that is not named here may be anybody's.

/// Plugins that come with Kong Gateway Enterprise alone.
const ENTERPRISE: [&str; 58] = [
    "ai-aws-guardrails",
    "ai-azure-content-safety",
    "ai-proxy-advanced",
    "ai-rag-injector",
    "ai-rate-limiting-advanced",
    "ai-sanitizer",
    "ai-semantic-cache",
    "ai-semantic-prompt-guard",
    "ai-semantic-response-guard",
    "app-dynamics",
    "application-registration",
    "canary",
    "confluent",
    "confluent-consume",
    "datakit",
    "degraphql",
    "exit-transformer",
    "forward-proxy",
    "graphql-proxy-cache-advanced",
    "graphql-rate-limiting-advanced",
    "header-cert-auth",
    "injection-protection",
    "jq",
    "json-threat-protection",
    "jwe-decrypt",
    "jwt-signer",
    "kafka-consume",
    "kafka-log",
    "kafka-upstream",
    "key-auth-enc",
    "konnect-application-auth",
    "ldap-auth-advanced",
    "mocking",
    "mtls-auth",
    "oas-validation",
    "oauth2-introspection",
    "opa",
    "openid-connect",
    "proxy-cache-advanced",
    "rate-limiting-advanced",
    "request-callout",
    "request-transformer-advanced",
    "request-validator",
    "response-transformer-advanced",
    "route-by-header",
    "route-transformer-advanced",
    "saml",
    "service-protection",
    "statsd-advanced",
    "tls-handshake-modifier",
    "tls-metadata-headers",
    "upstream-oauth",
    "upstream-timeout",
    "vault-auth",
    "websocket-size-limit",
    "websocket-validator",
    "xml-threat-protection",
    "ai-mcp-proxy",
];

/// Plugins that Kong 3.9 refuses to bind to a consumer: most of them are what tells who the consumer is.
const WITHOUT_CONSUMER: [&str; 15] = [
    "acl",
    "acme",
    "ai-request-transformer",
    "basic-auth",
    "bot-detection",
    "cors",
    "hmac-auth",
    "jwt",
    "key-auth",
    "ldap-auth",
    "oauth2",
    "post-function",
    "pre-function",
    "session",
    "standard-webhooks",
];

/// Types of entity that come with Enterprise plugins.
const ENTERPRISE_ENTITIES: [&str; 4] = [
    "degraphql_routes",
    "graphql_ratelimiting_advanced_cost_decoration",
    "graphql_ratelimiting_cost_decorations",
    "header_cert_auth_credentials",
];

/// Whether only Enterprise has this plugin.
pub fn is_enterprise(plugin: &str) -> bool {
    ENTERPRISE.contains(&plugin)
}

/// Whether only Enterprise has entities of this type.
pub fn is_enterprise_entity(entity_type: &str) -> bool {
    ENTERPRISE_ENTITIES.contains(&entity_type)
}

/// Whether this plugin can be bound to a consumer.
pub fn takes_consumers(plugin: &str) -> bool {
    !WITHOUT_CONSUMER.contains(&plugin)
}
