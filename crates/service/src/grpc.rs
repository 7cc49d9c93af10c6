//! The gRPC server: a service with health and reflection, on one port.

use std::time::Duration;

use anyhow::Context as _;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;
use tonic_health::server::HealthReporter;

use crate::values::Listen;
use crate::{Context, admin::bind, hops};

const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Longest time a connection lasts, so that certificates and authorities that were rotated in are in force everywhere by
/// then, for people's clients, too. The services' own streams end before: each is a connection of its own.
const CONNECTION_AGE: Duration = Duration::from_secs(40 * 60);
/// How long calls on a connection of that age may take to end.
const CONNECTION_GRACE: Duration = Duration::from_secs(10);
/// How long calls in flight may take to end once the process is to stop.
const DRAIN: Duration = Duration::from_millis(500);

/// A service about to be served.
pub struct GrpcServer<'a> {
    /// The flag that says where, for errors.
    pub flag: &'a str,
    /// Where.
    pub listen: Listen,
    /// Full name of the service, e.g. `silverback.v1.State`, for its health.
    pub name: &'a str,
}

impl GrpcServer<'_> {
    /// Serves until the shutdown. Health follows readiness.
    ///
    /// # Errors
    /// When the address cannot or may not be listened on, or the server breaks.
    pub async fn serve(self, context: &Context, add: impl FnOnce(&mut RoutesBuilder)) -> anyhow::Result<()> {
        context.hops.may_listen(self.flag, self.listen)?;
        let listener = bind(self.flag, self.listen, context.port_offset).await?;
        tracing::info!(service = self.name, address = %listener.local_addr()?, tls = context.hops.are_secure(), "serving");
        let (reporter, health) = tonic_health::server::health_reporter();
        tokio::spawn(report_health(reporter, self.name.to_owned(), context.clone()));
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(silverback_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .with_service_name(self.name)
            .with_service_name("grpc.health.v1.Health")
            .with_service_name("grpc.reflection.v1.ServerReflection")
            .build_v1()?;
        let mut routes = RoutesBuilder::default();
        routes.add_service(health).add_service(reflection);
        add(&mut routes);
        let server = builder(CONNECTION_AGE, CONNECTION_GRACE).add_routes(routes.routes());
        let stop = context.shutdown.clone().cancelled_owned();
        let server = async {
            match context.hops.files() {
                Some(files) => server.serve_with_incoming_shutdown(hops::secure(listener, files), stop).await,
                None => server.serve_with_incoming_shutdown(hops::plain(listener), stop).await,
            }
        };
        let drained = async {
            context.shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            result = server => result.with_context(|| format!("serving {}", self.name)),
            // Streams never end by themselves; consumers resume elsewhere.
            () = drained => Ok(()),
        }
    }
}

/// A server whose connections live no longer than this.
fn builder(age: Duration, grace: Duration) -> Server {
    Server::builder().http2_keepalive_interval(Some(KEEP_ALIVE)).max_connection_age(age).max_connection_age_grace(grace)
}

async fn report_health(reporter: HealthReporter, service: String, context: Context) {
    let mut changed = context.readiness.changed();
    loop {
        let status = if context.readiness.is_ready() && !context.shutdown.is_cancelled() {
            tonic_health::ServingStatus::Serving
        } else {
            tonic_health::ServingStatus::NotServing
        };
        reporter.set_service_status(&service, status).await;
        reporter.set_service_status("", status).await;
        if context.shutdown.is_cancelled() {
            return;
        }
        tokio::select! {
            result = changed.changed() => if result.is_err() { return },
            () = context.shutdown.cancelled() => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::transport::Endpoint;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    #[tokio::test]
    async fn no_call_outlives_its_connection_and_no_connection_its_age() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (_reporter, health) = tonic_health::server::health_reporter();
        let short = Duration::from_millis(100);
        let server = builder(short, short).add_service(health);
        let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let mut watch = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        // A watch of health has no end of its own.
        let ended = async { while let Ok(Some(_)) = watch.message().await {} };
        tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the connection does not end");
        server.abort();
    }
}
