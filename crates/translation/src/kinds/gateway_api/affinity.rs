//! Session persistence as Kong's sticky sessions.

use silverback_resources::types::SessionPersistence;

use super::{Invalid, unsupported};
use crate::claims::Affinity;
use crate::kinds::upstream_policy::STICKY_SESSIONS;
use crate::settings::Settings;

/// The cookie that keeps clients at their backend. `owner` and `at` name the rule, for cookies that have no name.
///
/// # Errors
/// The condition's reason, the field, and what Kong cannot do.
pub(super) fn affinity(
    given: &SessionPersistence,
    owner: &str,
    at: usize,
    settings: &Settings,
) -> Result<Affinity, Invalid> {
    let refused = |field: &str, problem: &str| Err(unsupported(format!("sessionPersistence{field}"), problem));
    let cookie = given.cookie.clone().unwrap_or_default();
    if given.kind.as_deref().is_some_and(|kind| kind != "Cookie") {
        return refused(".type", "Kong keeps clients at their backend by cookies alone");
    }
    if given.absolute_timeout.is_some() || given.idle_timeout.is_some() {
        return refused("", "Kong's cookies of sessions have no time");
    }
    if cookie.lifetime_type.as_deref().is_some_and(|kind| kind != "Session") {
        return refused(".cookie.lifetimeType", "Kong's cookies end with the browser's session");
    }
    if settings.kong_version < STICKY_SESSIONS {
        return refused("", "sticky sessions need Kong 3.11 or newer (--kong-version)");
    }
    let name = cookie.name.or_else(|| given.session_name.clone()).filter(|name| !name.is_empty());
    let path = cookie.path.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
    Ok(Affinity { cookie: name.unwrap_or_else(|| format!("kong-session-{owner}.{at}")), path })
}
