//! What of the Gateway API is supported, in the words of its conformance suite (`pkg/features` of
//! kubernetes-sigs/gateway-api). GatewayClasses say it in their status.

use crate::settings::Settings;

/// What a feature needs.
type Needs = fn(&Settings) -> bool;

const ALWAYS: Needs = |_| true;
const EXPRESSIONS: Needs = Settings::expressions;

/// Names, each with what it needs; sorted. What Kong does in part only is not here: mirrors, statuses of answers that
/// lead to another attempt, filters of single backends, isolation of listeners, limits for a whole request.
const FEATURES: &[(&str, Needs)] = &[
    ("BackendTLSPolicy", ALWAYS),
    ("GRPCRoute", ALWAYS),
    ("GRPCRouteNamedRouteRule", ALWAYS),
    ("GRPCRouteRequestHeaderModifier", ALWAYS),
    ("Gateway", ALWAYS),
    ("HTTPRoute", ALWAYS),
    ("HTTPRoute303RedirectStatusCode", ALWAYS),
    ("HTTPRoute307RedirectStatusCode", ALWAYS),
    ("HTTPRoute308RedirectStatusCode", ALWAYS),
    ("HTTPRouteBackendProtocolWebSocket", ALWAYS),
    ("HTTPRouteBackendTimeout", ALWAYS),
    ("HTTPRouteCORS", ALWAYS),
    ("HTTPRouteHostRewrite", ALWAYS),
    // Kong's own order puts a route with a method before one with a longer path.
    ("HTTPRouteMethodMatching", EXPRESSIONS),
    ("HTTPRouteNamedRouteRule", ALWAYS),
    ("HTTPRouteParentRefPort", ALWAYS),
    ("HTTPRoutePathRedirect", ALWAYS),
    ("HTTPRoutePathRewrite", ALWAYS),
    ("HTTPRoutePortRedirect", ALWAYS),
    ("HTTPRouteQueryParamMatching", EXPRESSIONS),
    ("HTTPRouteResponseHeaderModification", ALWAYS),
    ("HTTPRouteRetryConnectionError", ALWAYS),
    ("HTTPRouteSchemeRedirect", ALWAYS),
    ("ListenerSet", ALWAYS),
    ("ReferenceGrant", ALWAYS),
    ("TCPRoute", ALWAYS),
    ("TLSRoute", ALWAYS),
    ("TLSRouteModeMixed", ALWAYS),
    ("TLSRouteModeTerminate", ALWAYS),
    ("UDPRoute", ALWAYS),
];

/// The names of what is supported with these settings, in ascending order.
pub fn supported(settings: &Settings) -> Vec<&'static str> {
    FEATURES.iter().filter(|(_, needs)| needs(settings)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::RouterFlavor;

    /// Names that the conformance suite knows as of 1.7, but for those of meshes.
    const KNOWN: &str = "BackendTLSPolicy BackendTLSPolicySANValidation GRPCRoute GRPCRouteNamedRouteRule \
        GRPCRouteRequestHeaderModifier Gateway GatewayAddressEmpty GatewayBackendClientCertificate \
        GatewayFrontendClientCertificateValidation GatewayFrontendClientCertificateValidationInsecureFallback \
        GatewayHTTPListenerIsolation GatewayHTTPSListenerDetectMisdirectedRequests GatewayInfrastructurePropagation \
        GatewayPort8080 GatewayStaticAddresses HTTPRoute HTTPRoute303RedirectStatusCode HTTPRoute307RedirectStatusCode \
        HTTPRoute308RedirectStatusCode HTTPRouteBackendProtocolH2C HTTPRouteBackendProtocolWebSocket \
        HTTPRouteBackendRequestHeaderModification HTTPRouteBackendRequestRedirect HTTPRouteBackendTimeout \
        HTTPRouteBackendURLRewrite HTTPRouteCORS HTTPRouteDestinationPortMatching HTTPRouteHostRewrite \
        HTTPRouteMethodMatching HTTPRouteNamedRouteRule HTTPRouteParentRefPort HTTPRoutePathRedirect \
        HTTPRoutePathRewrite HTTPRoutePortRedirect HTTPRouteQueryParamMatching HTTPRouteRequestMirror \
        HTTPRouteRequestMultipleMirrors HTTPRouteRequestPercentageMirror HTTPRouteRequestTimeout \
        HTTPRouteResponseHeaderModification HTTPRouteRetry HTTPRouteRetryBackendTimeout \
        HTTPRouteRetryConnectionError HTTPRouteSchemeRedirect ListenerSet ReferenceGrant TCPRoute TLSRoute \
        TLSRouteModeMixed TLSRouteModeTerminate UDPRoute";

    #[test]
    fn the_conformance_suite_knows_every_name() {
        let known: Vec<&str> = KNOWN.split_whitespace().collect();
        let unknown: Vec<&str> = FEATURES.iter().map(|(name, _)| *name).filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn names_are_sorted_and_flavours_differ() {
        let of = |router_flavor| supported(&Settings { router_flavor, ..Settings::default() });
        let (traditional, expressions) = (of(RouterFlavor::Traditional), of(RouterFlavor::Expressions));
        assert!(expressions.is_sorted() && traditional.is_sorted());
        assert!(!traditional.contains(&"HTTPRouteQueryParamMatching"));
        assert!(expressions.contains(&"HTTPRouteQueryParamMatching") && expressions.len() <= 64);
    }
}
