//! The command line, read once into values that cannot be wrong.

use crate::group::Limit;
use crate::pattern::{Body, PATTERN_BYTES};
use crate::plan::{Fields, Template};
use crate::response::Expected;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// How to call the client.
pub const USAGE: &str = "\
bench-client ADDRESS (--seconds S | --requests N) [--stall S] --group NAME [group options] [--group NAME …]

Group options (each group runs on a thread of its own):
  --connections N     connections of the closed loop (default 1)
  --path TARGET       request target (default /)
  --method METHOD     method (default GET, or POST with --body-bytes)
  --depth N           requests pipelined at a time (default 1)
  --fresh             a new connection for each request
  --browser           a browser's header set
  --body-bytes N      send so many bytes of the pattern
  --chunk-bytes N     send the body in chunks of so many bytes
  --reply-text TEXT   the answer's body is this text
  --reply-bytes N     the answer's body is so many bytes of the pattern
  --reply-echo        the answer's body is the request's
  --status N          the answer's status (default 200)
  --mixed SEED        the mixed plan for apps/mixed.py instead of one request
  --aborted SEED      its aborted requests alone: the client leaves at a random point, by FIN or by RST
";

/// One run.
pub struct Options {
    /// Where the server listens.
    pub address: SocketAddr,
    /// When each group stops sending.
    pub limit: Limit,
    /// The longest time without an answer.
    pub stall: Duration,
    /// At least one group.
    pub groups: Vec<GroupOptions>,
}

/// One group of a run.
pub struct GroupOptions {
    /// Its name in the report.
    pub name: String,
    /// Number of connections, at least one.
    pub connections: usize,
    /// What it sends.
    pub load: Load,
}

/// What a group sends.
pub enum Load {
    /// One request again and again, so many at a time.
    Repeat(Box<Template>, usize),
    /// The mixed plan of this seed.
    Mixed(u64),
    /// Its aborted requests alone.
    Aborted(u64),
}

/// Reads the arguments after the program's name; the error is one sentence for the caller.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut arguments = arguments.peekable();
    let address: SocketAddr = number("ADDRESS", arguments.next())?;
    let (mut limit, mut stall, mut groups) = (None, Duration::from_secs(30), Vec::new());
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--seconds" => limit = Some(Limit::Time(seconds(&flag, arguments.next())?)),
            "--requests" => limit = Some(Limit::Requests(number(&flag, arguments.next())?)),
            "--stall" => stall = seconds(&flag, arguments.next())?,
            "--group" => groups.push(Draft::new(value(&flag, arguments.next())?)),
            _ => match groups.last_mut() {
                Some(group) => group.set(&flag, &mut arguments)?,
                None => return Err(format!("{flag}: not a flag of the run; group options follow --group")),
            },
        }
    }
    let groups = groups.into_iter().map(|draft| draft.finish(address)).collect::<Result<Vec<_>, _>>()?;
    match limit {
        _ if groups.is_empty() => Err("want at least one --group".into()),
        None => Err("want --seconds or --requests".into()),
        Some(limit) => Ok(Options { address, limit, stall, groups }),
    }
}

struct Draft {
    name: String,
    connections: usize,
    path: String,
    method: Option<String>,
    depth: usize,
    is_fresh: bool,
    fields: Fields,
    body: Option<Body>,
    chunk_bytes: usize,
    reply: Option<Body>,
    is_echo: bool,
    status: u16,
    mixed: Option<Load>,
}

impl Draft {
    fn new(name: String) -> Self {
        Self {
            name,
            connections: 1,
            path: "/".into(),
            method: None,
            depth: 1,
            is_fresh: false,
            fields: Fields::Plain,
            body: None,
            chunk_bytes: 0,
            reply: None,
            is_echo: false,
            status: 200,
            mixed: None,
        }
    }

    fn set(&mut self, flag: &str, arguments: &mut impl Iterator<Item = String>) -> Result<(), String> {
        match flag {
            "--connections" => self.connections = number(flag, arguments.next())?,
            "--path" => self.path = value(flag, arguments.next())?,
            "--method" => self.method = Some(value(flag, arguments.next())?),
            "--depth" => self.depth = number(flag, arguments.next())?,
            "--fresh" => self.is_fresh = true,
            "--browser" => self.fields = Fields::Browser,
            "--body-bytes" => self.body = Some(slice(flag, arguments.next())?),
            "--chunk-bytes" => self.chunk_bytes = number(flag, arguments.next())?,
            "--reply-text" => self.reply = Some(Body::literal(value(flag, arguments.next())?.as_bytes())),
            "--reply-bytes" => self.reply = Some(slice(flag, arguments.next())?),
            "--reply-echo" => self.is_echo = true,
            "--status" => self.status = number(flag, arguments.next())?,
            "--mixed" => self.mixed = Some(Load::Mixed(number(flag, arguments.next())?)),
            "--aborted" => self.mixed = Some(Load::Aborted(number(flag, arguments.next())?)),
            _ => return Err(format!("{flag}: no such option\n\n{USAGE}")),
        }
        Ok(())
    }

    fn finish(self, address: SocketAddr) -> Result<GroupOptions, String> {
        let name = self.name;
        if self.connections == 0 || self.depth == 0 {
            return Err(format!("group {name}: --connections and --depth are at least 1"));
        }
        if self.is_fresh && self.depth > 1 {
            return Err(format!("group {name}: --fresh closes after each answer, so nothing can be pipelined"));
        }
        if let Some(load) = self.mixed {
            return Ok(GroupOptions { name, connections: self.connections, load });
        }
        let reply = if self.is_echo { self.body.clone() } else { self.reply };
        let Some(reply) = reply else {
            return Err(format!(
                "group {name}: want --reply-text, --reply-bytes, or --reply-echo with --body-bytes: every body is checked"
            ));
        };
        let method = self.method.unwrap_or_else(|| if self.body.is_some() { "POST" } else { "GET" }.into());
        let expected = Expected { status: self.status, body: reply, is_head: method == "HEAD", request_id: 0 };
        let template = Template {
            method,
            target: self.path,
            host: address.to_string(),
            fields: self.fields,
            body: self.body,
            chunk_bytes: self.chunk_bytes,
            is_fresh: self.is_fresh,
            expected,
        };
        Ok(GroupOptions { name, connections: self.connections, load: Load::Repeat(Box::new(template), self.depth) })
    }
}

fn value(flag: &str, text: Option<String>) -> Result<String, String> {
    text.ok_or_else(|| format!("{flag}: want a value\n\n{USAGE}"))
}

fn number<T: FromStr>(flag: &str, text: Option<String>) -> Result<T, String> {
    let text = value(flag, text)?;
    text.parse().map_err(|_| format!("{flag} {text:?}: not a value of the kind wanted\n\n{USAGE}"))
}

fn seconds(flag: &str, text: Option<String>) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number(flag, text)?).map_err(|error| format!("{flag}: {error}"))
}

fn slice(flag: &str, text: Option<String>) -> Result<Body, String> {
    let length = number(flag, text)?;
    if length > PATTERN_BYTES { Err(format!("{flag}: at most {PATTERN_BYTES}")) } else { Ok(Body::slice(0, length)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn options_belong_to_the_group_before_them() {
        let options =
            parsed("127.0.0.1:1 --seconds 1 --group a --connections 16 --reply-text x --group b --reply-text y").ok();
        let connections: Vec<usize> =
            options.iter().flat_map(|options| &options.groups).map(|group| group.connections).collect();
        assert_eq!(connections, [16, 1]);
    }

    #[test]
    fn a_group_that_would_check_no_body_is_refused() {
        assert!(parsed("127.0.0.1:1 --seconds 1 --group a").is_err());
    }

    #[test]
    fn a_run_without_an_end_is_refused() {
        assert!(parsed("127.0.0.1:1 --group a --reply-text x").is_err());
    }
}
