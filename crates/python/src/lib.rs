//! The extension module `dragoman._native`: the WSGI gateway over the engine.

mod body;
mod convert;
mod empty_input;
mod environ;
mod errors;
mod file_wrapper;
mod gil;
mod input;
mod lease;
mod memo;
mod raw;
mod server;
mod start_response;
mod template;
mod tools;
mod write;
mod wsgi;

use pyo3::prelude::*;

/// The engine and the WSGI gateway.
// The GIL is what makes the gateway's use of the interpreter safe; free-threaded interpreters keep it for this module.
#[pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use crate::input::ClientDisconnected;
    #[pymodule_export]
    use crate::server::Server;

    use super::*;

    /// The ids of the contract rules that are checked natively.
    #[pyfunction]
    fn contract_rules() -> Vec<&'static str> {
        errors::RULES.iter().map(|(id, _)| *id).collect()
    }
}
