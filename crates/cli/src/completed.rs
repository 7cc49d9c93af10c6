//! Statuses of the Gateway API as pushers complete them: whether what an object leads to has reached the gateways.

use serde_json::Value;
use silverback_kong::EntityKey;
use silverback_model::{ObjectKey, ObjectRef};
use silverback_proto::v1::gateways_client::GatewaysClient;
use silverback_proto::v1::{self, entity_progress::State};
use silverback_status::{Held, ObjectStatus, Progress};
use tonic::transport::{Channel, Uri};

use crate::dial::{Dialer, refusal};

/// A status that a translator told, with what pushers know of it. Where none can be asked, that is said in the status; so
/// the second value is why. A status of a later version than this is left as it is.
pub(crate) async fn completed(
    status: &str,
    object: v1::ObjectRef,
    dialer: &Dialer,
    pushers: &[Uri],
) -> (Value, Option<String>) {
    let told = serde_json::from_str(status).unwrap_or_default();
    let Ok(status) = serde_json::from_str::<ObjectStatus>(status) else { return (told, None) };
    let key = object.key.map(ObjectKey::from).unwrap_or_default();
    let progress = progress(status.proofs(), dialer, pushers).await;
    let status = status.completed(&ObjectRef::new(object.kind, key), progress.as_ref().ok());
    (serde_json::to_value(status).unwrap_or(told), progress.err())
}

/// How far these entities are: what the pusher that leads says, another where that was not reached.
async fn progress(
    entities: impl Iterator<Item = &EntityKey>,
    dialer: &Dialer,
    urls: &[Uri],
) -> Result<Progress, String> {
    let key = |key: &EntityKey| v1::EntityKey { collection: key.collection.to_string(), name: key.name.to_string() };
    let request = v1::GetProgressRequest { entities: entities.map(key).collect() };
    let replicas = dialer.replicas("--pusher-url", urls).await.map_err(|error| format!("{error:#}"))?;
    let (mut found, mut unreached) = (None, Vec::new());
    for replica in replicas {
        let answer = match replica.channel {
            Ok(channel) => ask(channel, request.clone()).await.map_err(|status| refusal(&status)),
            Err(error) => Err(error),
        };
        match answer {
            Ok((true, progress)) => return Ok(from_wire(progress)),
            Ok((false, progress)) => found = Some(progress),
            Err(error) => unreached.push(format!("{}: {error}", replica.address)),
        }
    }
    found.map(from_wire).ok_or_else(|| unreached.join("; "))
}

/// Whether a pusher leads, and how far it says that all is.
async fn ask(
    channel: Channel,
    request: v1::GetProgressRequest,
) -> Result<(bool, v1::GetProgressResponse), tonic::Status> {
    let mut client = GatewaysClient::new(channel);
    let leader = client.get_leader(v1::GetLeaderRequest {}).await?.into_inner();
    Ok((leader.leading, client.get_progress(request).await?.into_inner()))
}

fn from_wire(progress: v1::GetProgressResponse) -> Progress {
    let entity = |entity: v1::EntityProgress| {
        let held = match entity.state() {
            State::Held => Held::AsWanted,
            State::Refused => {
                let object = |object: v1::ObjectRef| {
                    ObjectRef::new(object.kind, object.key.map(ObjectKey::from).unwrap_or_default())
                };
                Held::Refused { objects: entity.objects.into_iter().map(object).collect(), words: entity.reason }
            }
            State::Unspecified | State::Pending => Held::NotYet,
        };
        let key = entity.key.unwrap_or_default();
        (EntityKey::new(key.collection.as_str().into(), key.name), held)
    };
    Progress {
        gateways: progress.gateways as usize,
        configured: progress.configured,
        entities: progress.entities.into_iter().map(entity).collect(),
    }
}
