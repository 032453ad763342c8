//! The environ of a request: PEP 3333, "environ Variables", and RFC 3875 §4.1.

use crate::gil::Kept;
use crate::input::Input;
use crate::memo::{Key, Memos};
use crate::raw::latin1;
use crate::template::{Constants, Place, Template};
use crate::tools::Tools;
use crate::wsgi::Wsgi;
use dragoman_engine::{Exchange, Peer, Request};
use dragoman_http1::{Framing, Host, RequestLine, TargetForm, Version, decode_path};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a connection keeps between its requests.
#[derive(Default)]
pub struct Memory {
    hint: usize,
    peer: Option<PeerNames>,
}

struct PeerNames {
    address: Kept,
    port: Kept,
}

/// Makes environs.
pub struct Environs {
    templates: Vec<Template>,
    names: HashMap<Vec<u8>, Py<PyString>>,
    root_path: Vec<u8>,
    root_text: Py<PyString>,
    notice: OnceLock<Notice>,
    has_told_of_underscore: AtomicBool,
}

/// Writes a line to the error log.
pub type Notice = Box<dyn Fn(String) + Send + Sync>;

/// Fields whose environ names are made once. Others are made as they come: a peer must not fill a table.
const COMMON_FIELDS: &str = "ACCEPT ACCEPT_CHARSET ACCEPT_ENCODING ACCEPT_LANGUAGE AUTHORIZATION CACHE_CONTROL CONNECTION \
    COOKIE DNT EXPECT FORWARDED HOST IF_MATCH IF_MODIFIED_SINCE IF_NONE_MATCH IF_RANGE IF_UNMODIFIED_SINCE KEEP_ALIVE \
    ORIGIN PRAGMA PRIORITY RANGE REFERER SEC_CH_UA SEC_CH_UA_MOBILE SEC_CH_UA_PLATFORM SEC_FETCH_DEST SEC_FETCH_MODE \
    SEC_FETCH_SITE SEC_FETCH_USER TE TRACEPARENT TRACESTATE TRANSFER_ENCODING UPGRADE UPGRADE_INSECURE_REQUESTS \
    USER_AGENT VIA X_CSRFTOKEN X_FORWARDED_FOR X_FORWARDED_HOST X_FORWARDED_PORT X_FORWARDED_PROTO X_REAL_IP \
    X_REQUESTED_WITH X_REQUEST_ID";

impl Environs {
    /// Templates for each of `places`.
    pub fn new(places: &[Place], constants: &Constants<'_>) -> PyResult<Self> {
        let py = constants.errors.py();
        let root_path = constants.root_path.trim_end_matches('/').as_bytes().to_vec();
        let names = COMMON_FIELDS.split_whitespace().map(|name| {
            let name = format!("HTTP_{name}");
            (name.clone().into_bytes(), PyString::intern(py, &name).unbind())
        });
        Ok(Self {
            templates: places.iter().map(|place| Template::new(place, constants)).collect::<PyResult<_>>()?,
            names: names.collect(),
            root_text: latin1(py, &root_path)?.unbind(),
            root_path,
            notice: OnceLock::new(),
            has_told_of_underscore: AtomicBool::new(false),
        })
    }

    /// Where to say what the operator should know of requests; set once, when the engine is there.
    pub fn tell_by(&self, notice: Notice) {
        let _ = self.notice.set(notice);
    }

    /// The environ of one request: a dict of its own.
    pub fn build<'py>(
        &self,
        memos: &mut Memos,
        exchange: &mut Exchange<'_, Wsgi>,
        tools: &Tools<'py>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = tools.lease.py();
        let request = exchange.request();
        let environ = match request.line.form {
            TargetForm::Origin => self.recall(memos, exchange, &request, tools)?,
            // The target decides HTTP_HOST as well, so that the block alone says too little.
            TargetForm::Absolute | TargetForm::Asterisk => self.make(memos, exchange, &request, tools)?,
        };
        if request.facts.is_forwarded {
            self.set_forwarded(&environ, exchange, &request)?;
        }
        if !matches!(request.facts.framing, Framing::None | Framing::Length(0)) {
            let (input, decoded_length) = Input::new(exchange.take_body(), &tools.lease);
            environ.set_item(intern!(py, "wsgi.input"), Bound::new(py, input)?)?;
            if let Some(length) = decoded_length {
                environ.set_item(intern!(py, "CONTENT_LENGTH"), length.to_string())?;
            }
        }
        Ok(environ)
    }

    /// A copy of the block's memo, brought up to this request's target and peer.
    fn recall<'py>(
        &self,
        memos: &mut Memos,
        exchange: &mut Exchange<'_, Wsgi>,
        request: &Request<'_>,
        tools: &Tools<'py>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = tools.lease.py();
        let key = Key { listener: exchange.listener(), version: request.line.version, block: request.block };
        let index = match memos.find(exchange.memory().hint, &key) {
            Ok(index) => index,
            Err(absent) if memos.admits(&absent, &key) => {
                memos.insert(absent, &key, self.of_block(py, key.listener, request)?)
            }
            Err(_) => return self.make(memos, exchange, request, tools),
        };
        exchange.memory().hint = index;
        let is_new_lease = memos.changes_lease(index, tools.identity());
        let peer = peer_names(py, memos, exchange)?;
        let memo = memos.get(index);
        let environ = memo.environ.bind(py).clone();
        let mut update = || {
            if is_new_lease {
                set_tools(&environ, tools)?;
            }
            if memo.changes_target(&request.line) {
                self.set_target(&environ, &request.line)?;
            }
            let Some(peer) = peer else { return Ok(()) };
            let changes = memo.changes_peer(peer.address.identity(), peer.port.identity());
            set_peer(&environ, peer, changes)
        };
        if let Err(error) = update() {
            memo.forget();
            return Err(error);
        }
        environ.copy()
    }

    /// An environ made for this request alone.
    fn make<'py>(
        &self,
        memos: &mut Memos,
        exchange: &mut Exchange<'_, Wsgi>,
        request: &Request<'_>,
        tools: &Tools<'py>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = tools.lease.py();
        let environ = self.of_block(py, exchange.listener(), request)?;
        self.set_target(&environ, &request.line)?;
        if let Some(peer) = peer_names(py, memos, exchange)? {
            set_peer(&environ, peer, (true, true))?;
        }
        set_tools(&environ, tools)?;
        Ok(environ)
    }

    /// What follows from the fields (and from the authority of an absolute-form target, which wins over Host).
    fn of_block<'py>(&self, py: Python<'py>, listener: usize, request: &Request<'_>) -> PyResult<Bound<'py, PyDict>> {
        let template = &self.templates[listener];
        let environ = template.environ.bind(py).copy()?;
        if request.line.version == Version::Http10 {
            environ.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.0"))?;
        }
        let mut key = Vec::with_capacity(64);
        for (name, value) in request.fields.iter(request.block) {
            if self.environ_key(name, request, &mut key) {
                self.add_field(&environ, &key, value)?;
            }
        }
        if let Some(authority) = request.line.authority {
            // RFC 9112 §3.2.2: the Host field is ignored, the target's host replaces it.
            environ.set_item(intern!(py, "HTTP_HOST"), latin1(py, authority)?)?;
        }
        if template.is_unix
            && let Some(host) = host_of(request)
        {
            let (name, port) = split_host(host);
            environ.set_item(intern!(py, "SERVER_NAME"), latin1(py, name)?)?;
            if !port.is_empty() {
                environ.set_item(intern!(py, "SERVER_PORT"), latin1(py, port)?)?;
            }
        }
        Ok(environ)
    }

    /// What a trusted proxy tells of its client, in a dict that is this request's own already. HTTPS is not set: PEP 3333
    /// has it for a server that speaks TLS itself, and gunicorn does not set it either.
    fn set_forwarded(
        &self,
        environ: &Bound<'_, PyDict>,
        exchange: &Exchange<'_, Wsgi>,
        request: &Request<'_>,
    ) -> PyResult<()> {
        let py = environ.py();
        let is_unix = self.templates[exchange.listener()].is_unix;
        let forwarded = exchange.forwarded();
        if let Some(client) = forwarded.client {
            environ.set_item(intern!(py, "REMOTE_ADDR"), latin1(py, client.to_string().as_bytes())?)?;
            if !is_unix {
                // The connection's own is the proxy's, and of the client's nothing is told.
                environ.set_item(intern!(py, "REMOTE_PORT"), intern!(py, ""))?;
            }
        }
        if forwarded.is_https {
            environ.set_item(intern!(py, "wsgi.url_scheme"), intern!(py, "https"))?;
            if is_unix && host_of(request).is_none_or(|host| split_host(host).1.is_empty()) {
                environ.set_item(intern!(py, "SERVER_PORT"), intern!(py, "443"))?;
            }
        }
        Ok(())
    }

    /// Writes the environ's name of a field to `key`; `false` for a field that is not passed on.
    fn environ_key(&self, name: &[u8], request: &Request<'_>, key: &mut Vec<u8>) -> bool {
        key.clear();
        if name.contains(&b'_') {
            // It would spoof the field with a dash in its place.
            self.tell_of_underscore(name);
            return false;
        }
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        if is(b"proxy") || is(b"transfer-encoding") && request.facts.framing == Framing::Chunked {
            // HTTP_PROXY is a setting of many clients (CVE-2016-5385); the chunked coding is decoded already.
            return false;
        }
        if !is(b"content-type") && !is(b"content-length") {
            key.extend_from_slice(b"HTTP_");
        }
        key.extend(name.iter().map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }));
        true
    }

    fn add_field(&self, environ: &Bound<'_, PyDict>, key: &[u8], value: &[u8]) -> PyResult<()> {
        let py = environ.py();
        let name = match self.names.get(key) {
            Some(name) => name.bind(py).clone(),
            None => latin1(py, key)?,
        };
        let value = latin1(py, value)?;
        match environ.get_item(&name)? {
            None => environ.set_item(name, value),
            Some(first) => {
                // RFC 9110 §5.3; RFC 6265 §5.4 for Cookie.
                let separator = if key == b"HTTP_COOKIE" { "; " } else { "," };
                environ.set_item(name, first.add(separator)?.add(value)?)
            }
        }
    }

    fn set_target(&self, environ: &Bound<'_, PyDict>, line: &RequestLine<'_>) -> PyResult<()> {
        let py = environ.py();
        let target = latin1(py, line.target)?;
        environ.set_item(intern!(py, "REQUEST_METHOD"), method(py, line.method)?)?;
        environ.set_item(intern!(py, "RAW_URI"), &target)?;
        environ.set_item(intern!(py, "REQUEST_URI"), &target)?;
        environ.set_item(intern!(py, "QUERY_STRING"), latin1(py, line.query)?)?;
        let mut decoded = Vec::new();
        let path = if line.path_is_encoded {
            decode_path(line.path, &mut decoded);
            decoded.as_slice()
        } else {
            line.path
        };
        match path.strip_prefix(self.root_path.as_slice()) {
            Some(rest) if !self.root_path.is_empty() && matches!(rest.first(), None | Some(b'/')) => {
                environ.set_item(intern!(py, "SCRIPT_NAME"), &self.root_text)?;
                environ.set_item(intern!(py, "PATH_INFO"), latin1(py, rest)?)
            }
            _ => {
                environ.set_item(intern!(py, "SCRIPT_NAME"), intern!(py, ""))?;
                let path = if path.len() == line.target.len() { target } else { latin1(py, path)? };
                environ.set_item(intern!(py, "PATH_INFO"), path)
            }
        }
    }

    #[cold]
    fn tell_of_underscore(&self, name: &[u8]) {
        if self.has_told_of_underscore.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(notice) = self.notice.get() {
            let name = String::from_utf8_lossy(name);
            notice(format!(
                "the request field {name:?} was not passed on: a name with an underscore would stand for the one with \
                 a dash (said once)"
            ));
        }
    }
}

/// The peer's address and port as str objects, made once for each connection; `None` on a unix socket.
fn peer_names<'e>(
    py: Python<'_>,
    memos: &mut Memos,
    exchange: &'e mut Exchange<'_, Wsgi>,
) -> PyResult<Option<&'e PeerNames>> {
    if exchange.memory().peer.is_none() {
        let Peer::Tcp(peer) = *exchange.peer() else { return Ok(None) };
        let address = Kept::new(memos.address(py, peer.ip())?);
        let port = Kept::new(latin1(py, peer.port().to_string().as_bytes())?);
        exchange.memory().peer = Some(PeerNames { address, port });
    }
    Ok(exchange.memory().peer.as_ref())
}

fn set_peer(environ: &Bound<'_, PyDict>, peer: &PeerNames, (address, port): (bool, bool)) -> PyResult<()> {
    let py = environ.py();
    if address {
        environ.set_item(intern!(py, "REMOTE_ADDR"), peer.address.bind(py))?;
    }
    if port {
        environ.set_item(intern!(py, "REMOTE_PORT"), peer.port.bind(py))?;
    }
    Ok(())
}

fn set_tools(environ: &Bound<'_, PyDict>, tools: &Tools<'_>) -> PyResult<()> {
    let py = environ.py();
    environ.set_item(intern!(py, "wsgi.early_hints"), &tools.early_hints)?;
    environ.set_item(intern!(py, "dragoman.disconnected"), &tools.disconnected)
}

fn method<'py>(py: Python<'py>, method: &[u8]) -> PyResult<Bound<'py, PyString>> {
    let known = match method {
        b"GET" => intern!(py, "GET"),
        b"POST" => intern!(py, "POST"),
        b"HEAD" => intern!(py, "HEAD"),
        b"PUT" => intern!(py, "PUT"),
        b"DELETE" => intern!(py, "DELETE"),
        b"PATCH" => intern!(py, "PATCH"),
        b"OPTIONS" => intern!(py, "OPTIONS"),
        _ => return latin1(py, method),
    };
    Ok(known.clone())
}

/// The host that was asked for: of two, the target's.
fn host_of<'t>(request: &Request<'t>) -> Option<&'t [u8]> {
    // RFC 9112 §3.2.2.
    request.line.authority.or(match request.facts.host {
        Host::Named { start, len } => request.block.get(start as usize..(start + len) as usize),
        Host::Absent | Host::Empty => None,
    })
}

/// `uri-host [ ":" port ]`, already checked, into host and port (empty when absent). RFC 3986 §3.2.2: the colons of an
/// IPv6 address are within brackets.
fn split_host(host: &[u8]) -> (&[u8], &[u8]) {
    match host.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if host[at] == b':' => (&host[..at], &host[at + 1..]),
        _ => (host, b""),
    }
}
