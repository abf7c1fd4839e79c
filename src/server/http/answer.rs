//! What is answered to each request.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use super::exchange::Reading;
use super::listen::Site;
use super::metrics::{self, Format, Scrape};
use super::{guard, health, status};
use crate::server::persistence;

const JSON: &str = "application/json";

type Answer = Response<Full<Bytes>>;

pub async fn answer(site: &Site, request: &Request<Incoming>) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered.\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    if !site.guard.lets_through(request.uri(), request.headers()) {
        return text(StatusCode::MISDIRECTED_REQUEST, guard::REFUSAL);
    }
    match request.uri().path() {
        "/" => page(site),
        "/metrics" => {
            site.note_scrape();
            let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
            metrics_of(site, &site.exchange.read().await, Format::asked_for(accept))
        }
        "/healthz" => verdict(health::liveness(&site.exchange.read().await, persistence::is_held())),
        "/readyz" => {
            let strict = request.uri().query().is_some_and(|query| query.split('&').any(|word| word == "strict"));
            verdict(health::readiness(&site.exchange.read().await, strict))
        }
        "/status.json" => {
            let status = status::status(&site.exchange.read().await, &site.system);
            respond(StatusCode::OK, JSON, status)
        }
        _ => text(StatusCode::NOT_FOUND, "There are /, /metrics, /healthz, /readyz and /status.json here.\n"),
    }
}

/// Where the event loop does not answer, the last figures are shown, and say so. Before there were any, there is nothing to
/// show.
fn metrics_of(site: &Site, reading: &Reading, format: Format) -> Answer {
    let Some(figures) = &reading.figures else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "The server has not started yet.\n");
    };
    let (age, is_stalled) = (reading.age, reading.stalled.is_some());
    let scrape = Scrape { figures, age, is_stalled, http: site.figures() };
    respond(StatusCode::OK, format.content_type(), metrics::write(&scrape, format))
}

fn page(site: &Site) -> Answer {
    let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", site.page.html().to_owned());
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(site.page.policy()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn verdict((is_yes, text): (bool, String)) -> Answer {
    let status = if is_yes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond(status, JSON, text)
}

fn text(status: StatusCode, body: &'static str) -> Answer {
    respond(status, "text/plain; charset=utf-8", body)
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
