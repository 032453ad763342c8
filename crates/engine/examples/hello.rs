//! The engine with a plain Rust gateway on 127.0.0.1:PORT (argument, default 8000): the engine's own cost.

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    let port = std::env::args().nth(1).unwrap_or_else(|| "8000".into());
    let socket = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    let mut running = common::start_on(&socket, dragoman_engine::Options::default());
    println!("listening on http://{}", running.address);
    running.join();
}
