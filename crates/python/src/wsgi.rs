//! The WSGI gateway: takes an exchange from the engine, calls the application, hands its answer back.

use crate::body;
use crate::environ::{Environs, Memory};
use crate::errors;
use crate::gil::{ThreadState, drop_released};
use crate::lease::{Lease, WsgiExchange};
use crate::memo::Memos;
use crate::raw::EnteredContext;
use crate::tools::Tools;
use dragoman_engine::{Exchange, Gateway};
use dragoman_http1::ResponseHead;
use pyo3::prelude::*;
use pyo3::types::{PyContext, PyDict};
use std::ptr::NonNull;
use std::sync::Arc;

/// What all requests share.
pub struct Shared {
    /// The WSGI application.
    pub application: Py<PyAny>,
    /// What is called for a request: the application, or its class's `__call__` bound to it.
    pub call: Py<PyAny>,
    /// Called with (rule id, facts) at a breach of the contract.
    pub report: Py<PyAny>,
    /// Called with (environ, exception) when the application raises.
    pub exception: Py<PyAny>,
    /// The context as it stood after the application was loaded; each request runs in a copy.
    pub context: Py<PyContext>,
    /// Makes environs.
    pub environs: Environs,
}

/// What calling `application` comes to. An instance of a class in Python costs a lookup, a tuple and a stack for each call;
/// its method, bound once, none of them: Flask, Django and Falcon are such, and most layers.
pub fn call_of(application: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let types = application.py().import("types")?;
    let Ok(call) = application.get_type().getattr("__call__") else {
        return Ok(application.clone().unbind());
    };
    if !call.is_instance(&types.getattr("FunctionType")?)? {
        return Ok(application.clone().unbind());
    }
    Ok(types.getattr("MethodType")?.call1((call, application))?.unbind())
}

/// The gateway.
pub struct Wsgi {
    shared: Arc<Shared>,
}

impl Wsgi {
    /// A gateway to the application in `shared`.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

/// What a serving thread reuses from request to request.
pub struct Lane {
    python: ThreadState,
    tools: Option<KeptTools>,
    memos: Memos,
    /// Head of the last response, for the access log.
    head: ResponseHead,
}

/// A lease and its functions between two requests.
struct KeptTools {
    lease: Py<Lease>,
    start_response: Py<PyAny>,
    write: Py<PyAny>,
    early_hints: Py<PyAny>,
    disconnected: Py<PyAny>,
}

impl Gateway for Wsgi {
    type Thread = Lane;
    type Memory = Memory;

    fn enter(&self) -> Lane {
        Lane { python: ThreadState::of_this_thread(), tools: None, memos: Memos::new(), head: ResponseHead::new() }
    }

    fn resume(&self, lane: &mut Lane) {
        lane.python.take();
        // SAFETY: the GIL has just been taken.
        drop_released(unsafe { Python::assume_attached() });
    }

    fn suspend(&self, lane: &mut Lane) {
        lane.python.give();
    }

    fn call(&self, lane: &mut Lane, exchange: &mut Exchange<'_, Self>) {
        // SAFETY: the engine calls between `resume` and `suspend`.
        let py = unsafe { Python::assume_attached() };
        let tools = match lane.tools(py, &self.shared) {
            Ok(tools) => tools,
            Err(error) => return refuse(py, exchange, error),
        };
        match self.shared.environs.build(&mut lane.memos, exchange, &tools) {
            Ok(environ) => self.answer(exchange, &tools, environ, &mut lane.head),
            Err(error) => {
                lane.head.clear();
                refuse(py, exchange, error);
            }
        }
        lane.keep(tools, exchange);
    }

    fn response_head<'t>(&self, lane: &'t Lane) -> Option<&'t ResponseHead> {
        lane.head.is_started().then_some(&lane.head)
    }

    fn leave(&self, lane: Lane) {
        lane.python.take();
        let Lane { python, tools, memos, head: _ } = lane;
        // PyO3 counts this thread as attached here, so that the references are dropped at once.
        Python::attach(|_| drop((tools, memos)));
        python.give();
    }
}

impl Wsgi {
    /// Calls the application, sends what it returns and closes it, all in one context of its own.
    fn answer<'py>(
        &self,
        exchange: &mut Exchange<'_, Self>,
        tools: &Tools<'py>,
        environ: Bound<'py, PyDict>,
        head: &mut ResponseHead,
    ) {
        let py = environ.py();
        let lease = tools.lease.get();
        // SAFETY: `exchange` is borrowed for the whole call and not used before `end`; `tools` keeps `write`.
        unsafe { lease.begin(NonNull::from(&mut *exchange).cast::<WsgiExchange>(), &tools.write) };
        match EnteredContext::copy_of(self.shared.context.bind(py)) {
            Ok(_context) => match self.shared.call.bind(py).call1((&environ, &tools.start_response)) {
                Ok(iterable) => body::respond(lease, &environ, iterable),
                Err(error) => errors::application_failed(lease, &environ, error),
            },
            Err(error) => errors::application_failed(lease, &environ, error),
        }
        lease.end(py, head);
    }
}

/// Answers for a request that did not come as far as the application: there was no memory for it.
#[cold]
fn refuse(py: Python<'_>, exchange: &mut Exchange<'_, Wsgi>, error: PyErr) {
    Python::attach(|_| error.write_unraisable(py, None));
    exchange.refuse(500, "server-error", "The server failed.");
}

impl Lane {
    /// The kept lease and functions, or new ones.
    fn tools<'py>(&mut self, py: Python<'py>, shared: &Arc<Shared>) -> PyResult<Tools<'py>> {
        match self.tools.take() {
            Some(kept) => Ok(Tools {
                lease: kept.lease.into_bound(py),
                start_response: kept.start_response.into_bound(py),
                write: kept.write.into_bound(py),
                early_hints: kept.early_hints.into_bound(py),
                disconnected: kept.disconnected.into_bound(py),
            }),
            None => Tools::new(Bound::new(py, Lease::new(shared.clone()))?),
        }
    }

    /// Keeps lease and functions for the next request if nobody else holds one of them; else they stay severed, so that
    /// a late call fails and never reaches the request of somebody else.
    fn keep(&mut self, tools: Tools<'_>, exchange: &Exchange<'_, Wsgi>) {
        if tools.are_ours(self.memos.holders(tools.identity())) {
            self.tools = Some(KeptTools {
                lease: tools.lease.unbind(),
                start_response: tools.start_response.unbind(),
                write: tools.write.unbind(),
                early_hints: tools.early_hints.unbind(),
                disconnected: tools.disconnected.unbind(),
            });
        } else {
            let line = exchange.request().line;
            tools.lease.get().retire(line.method, line.target);
        }
    }
}
