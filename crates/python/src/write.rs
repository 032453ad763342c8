//! What a request sends outside its iterable: `write()` of PEP 3333 and `wsgi.early_hints`.

use crate::body::report_unsent;
use crate::errors::Breach;
use crate::input::ClientDisconnected;
use crate::lease::Lease;
use crate::start_response::{Fault, each_field, fault_of, latin1_name, latin1_value};
use dragoman_http1::{FieldKind, ResponseHead};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Sends a block ahead of those of the iterable.
pub fn write_block<'py>(lease: Borrowed<'_, 'py, Lease>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let (py, lease) = (lease.py(), lease.get());
    let Ok(bytes) = data.cast::<PyBytes>() else {
        return Err(Breach::of(py, "write-not-bytes").value(data).at_caller().raise(lease));
    };
    let mut turn = lease.turn(py);
    let broken = if turn.is_ended {
        Some("write-after-end")
    } else if !turn.head.is_started() {
        Some("start-response-missing")
    } else {
        None
    };
    if let Some(rule) = broken {
        drop(turn);
        return Err(Breach::of(py, rule).value(data).at_caller().raise(lease));
    }
    if !bytes.as_bytes().is_empty() {
        let sent = turn.send(bytes, None);
        let is_flushed = turn.flush(py).is_ok();
        drop(turn);
        report_unsent(lease, sent, data, None, |breach| breach.at_caller());
        if !is_flushed {
            return Err(ClientDisconnected::new_err("the client is gone"));
        }
    }
    Ok(py.None().into_bound(py))
}

/// Sends 103 Early Hints (RFC 8297), or nothing where no field is left.
pub fn send_hints<'py>(lease: Borrowed<'_, 'py, Lease>, headers: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let (py, lease) = (lease.py(), lease.get());
    let (mut checked, mut fields, mut dropped) = (ResponseHead::new(), Vec::new(), Vec::new());
    // Any final status will do: only the fields are of use.
    let _ = checked.start(b"200 OK");
    let outcome = each_field(headers, |name, value| {
        let (name_bytes, value_bytes) = (latin1_name(name)?, latin1_value(name, value)?);
        match checked.field(name_bytes, value_bytes) {
            // RFC 9110 §8.6: no Content-Length in a 1xx response.
            Ok(FieldKind::Written) if name_bytes.eq_ignore_ascii_case(b"content-length") => {
                dropped.push(*Fault::of_field("header-hop-by-hop", name, value));
            }
            Ok(FieldKind::Written) => {
                for part in [name_bytes, b": ", value_bytes, b"\r\n"] {
                    fields.extend_from_slice(part);
                }
            }
            Ok(FieldKind::HopByHop) => dropped.push(*Fault::of_field("header-hop-by-hop", name, value)),
            Err(error) => return Err(fault_of(error, name, value)),
        }
        Ok(())
    });
    if let Err(fault) = outcome {
        return Err(fault.into_breach(py).raise(lease));
    }
    for fault in dropped {
        fault.into_breach(py).report(lease);
    }
    if !fields.is_empty()
        && let Some(exchange) = lease.turn(py).exchange()
    {
        // Advice only: that the client is gone shows where it matters.
        let _ = exchange.send_interim(103, &fields);
    }
    Ok(py.None().into_bound(py))
}
