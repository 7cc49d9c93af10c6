//! The fault taps over HTTP, so that people and scripts can break a development cluster and its gateways while they run.
//! `GET /` lists the taps. It holds no fault of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::api::{self, ApiHandle, Effect};
use crate::gateway::{self, FixedAnswer, GatewayHandle, LoadTime, On};
use crate::listener::{Listener, Serve, StartError};
use crate::query::Query;

/// What is listed, and what [`Order::carry_out`] understands.
const TAPS: &str = "\
POST to one of these; everything else goes on. N is the number of a gateway, from 1.

/gateways/N/hang                 hold every request without an answer
/gateways/N/hang-posts           hold configurations only
/gateways/N/refuse               close the ports
/gateways/N/answer?status=500    answer configurations with this status; &times=3 for so many only
/gateways/N/slow?seconds=5       take so long for each configuration
/gateways/N/cut?bytes=10         break each answer off after so many bytes
/gateways/N/restart              restart with the configuration
/gateways/N/wipe                 restart without it
/gateways/N/alter                put the configuration of the request's body in force, as a hand would
/gateways/N/clear                end all of these

/cluster/slow?seconds=1          take so much longer for each answer
/cluster/answer?status=429       answer with this status; &retry-after=1, &times=3
/cluster/silence                 keep watches open and say nothing
/cluster/partition?client=NAME   swallow everything from and to a client, such as watcher-a or pusher-b
/cluster/restart                 drop every connection; &version=N for the state after that write
/cluster/compact                 forget the history, so that old versions answer 410
/cluster/clear                   end all of these

/cluster/slow, answer and silence take &client=NAME, too.
";

/// Largest body that is read.
const BODY_LIMIT: usize = 10 << 20;

/// A running control endpoint. Dropping it stops it.
#[derive(Debug)]
pub struct Control(Listener<Server>);

impl Control {
    /// Listens for orders about a cluster and gateways.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(
        addr: SocketAddr,
        api: Arc<ApiHandle>,
        gateways: Arc<Vec<GatewayHandle>>,
    ) -> Result<Self, StartError> {
        Listener::start(addr, None, Server { api, gateways }).await.map(Self)
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.0.addr())
    }
}

#[derive(Clone, Debug)]
struct Server {
    api: Arc<ApiHandle>,
    gateways: Arc<Vec<GatewayHandle>>,
}

impl Serve for Server {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| respond(self.clone(), request));
        let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        // An error here is a client that went away.
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    }
}

async fn respond(server: Server, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (StatusCode::OK, TAPS.to_owned()),
        (&Method::POST, path) => {
            let order = Order { path: path.to_owned(), query: Query::parse(request.uri().query().unwrap_or_default()) };
            let body = Limited::new(request.into_body(), BODY_LIMIT).collect().await;
            let body = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
            match order.carry_out(&server, &body).await {
                Ok(()) => (StatusCode::OK, "done\n".to_owned()),
                Err(error) => (StatusCode::BAD_REQUEST, format!("{error}; GET / lists what can be done\n")),
            }
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, "orders are POSTs; GET / lists them\n".to_owned()),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    Ok(response)
}

struct Order {
    path: String,
    query: Query,
}

impl Order {
    /// A number of the query, which must be there.
    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, String> {
        let text = self.query.get(name);
        text.parse().map_err(|_| format!("{}: {name}= must be a number, not {text:?}", self.path))
    }

    /// One that may be left out.
    fn maybe<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        if self.query.get(name).is_empty() { Ok(None) } else { self.number(name).map(Some) }
    }

    fn seconds(&self) -> Result<Duration, String> {
        let seconds: f64 = self.number("seconds")?;
        Duration::try_from_secs_f64(seconds).map_err(|error| format!("{}: seconds=: {error}", self.path))
    }

    async fn carry_out(&self, server: &Server, body: &str) -> Result<(), String> {
        let parts: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["gateways", number, tap] => {
                let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                let gateway = place.and_then(|place| server.gateways.get(place));
                let gateway = gateway
                    .ok_or_else(|| format!("there is no gateway {number:?}: there are {}", server.gateways.len()))?;
                self.at_gateway(gateway, tap, body).await
            }
            ["cluster", tap] => self.at_cluster(&server.api, tap).await,
            _ => Err(format!("{} is no tap", self.path)),
        }
    }

    async fn at_gateway(&self, gateway: &GatewayHandle, tap: &str, body: &str) -> Result<(), String> {
        let faults = gateway.faults();
        let again = |error: StartError| error.to_string();
        match tap {
            "hang" => faults.hang(On::Everything),
            "hang-posts" => faults.hang(On::Posts),
            "refuse" => return gateway.set_listening(false).await.map_err(again),
            "answer" => {
                let status = self.number("status")?;
                let told = FixedAnswer::message(status, "told to by a fault tap");
                faults.answer(On::Posts, FixedAnswer { times: self.maybe("times")?, ..told });
            }
            "slow" => faults.load_time(LoadTime { base: self.seconds()?, ..LoadTime::default() }),
            "cut" => faults.cut_answers(On::Everything, self.number("bytes")?),
            "restart" => return gateway.restart(gateway::Restart::KeepingConfig, Duration::ZERO).await.map_err(again),
            "wipe" => return gateway.restart(gateway::Restart::Empty, Duration::ZERO).await.map_err(again),
            "alter" => return gateway.alter_config(body).map(drop),
            "clear" => {
                faults.clear();
                return gateway.set_listening(true).await.map_err(again);
            }
            _ => return Err(format!("{} is no tap", self.path)),
        }
        Ok(())
    }

    async fn at_cluster(&self, api: &ApiHandle, tap: &str) -> Result<(), String> {
        let effect = match tap {
            "slow" => Effect::Slow(self.seconds()?),
            "answer" => Effect::Answer {
                status: self.number("status")?,
                retry_after: self.maybe("retry-after")?,
                times: self.maybe("times")?,
            },
            "silence" => Effect::SilentWatches,
            "partition" if self.query.get("client").is_empty() => {
                return Err(format!("{}: client= is missing", self.path));
            }
            "partition" => Effect::Partition,
            "restart" => {
                let how = self.maybe("version")?.map_or(api::Restart::AsItWas, api::Restart::BackTo);
                return api.restart(how, Duration::ZERO).await.map_err(|error| error.to_string());
            }
            "compact" => {
                api.compact();
                return Ok(());
            }
            "clear" => {
                api.faults().clear();
                return Ok(());
            }
            _ => return Err(format!("{} is no tap", self.path)),
        };
        match self.query.get("client") {
            "" => api.faults().inject(effect),
            client => api.faults().inject_for(client, effect),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line of the list is understood; what is not listed is refused.
    #[tokio::test]
    async fn whatever_is_listed_can_be_ordered() {
        let api = crate::api::ApiServer::start(crate::api::Settings::default()).await.unwrap();
        let gateway = gateway::StandInGateway::start(gateway::Settings::default()).await.unwrap();
        let server = Server { api: Arc::new(api), gateways: Arc::new(vec![gateway]) };
        let listed = TAPS
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|word| word.contains("/N/") || word.starts_with("/cluster/"));
        let mut orders = 0;
        for tap in listed.filter(|tap| !tap.ends_with(',')) {
            let order = tap.replace("/N/", "/1/");
            let (path, query) = order.split_once('?').unwrap_or((&order, ""));
            let order = Order { path: path.to_owned(), query: Query::parse(query) };
            let config = r#"{"_format_version":"3.0"}"#;
            assert_eq!(order.carry_out(&server, config).await, Ok(()), "{tap}");
            orders += 1;
        }
        assert_eq!(orders, 17);
        for wrong in ["/gateways/2/hang", "/gateways/1/dance", "/cluster/partition", "/gateways/1/slow", "/x"] {
            let order = Order { path: wrong.to_owned(), query: Query::default() };
            assert!(order.carry_out(&server, "").await.is_err(), "{wrong}");
        }
    }
}
