//! What a trusted proxy tells of its client: its address by X-Forwarded-For, its scheme by the fields that gunicorn knows.
//!
//! From anybody else they are fields like others.
//!
//! RFC 7239's Forwarded is not read: of the two forms a proxy that passes on what it does not know leaves both, and only
//! one can be right.

use crate::gateway::Peer;
use dragoman_http1::FieldTable;
use std::net::{IpAddr, SocketAddr};

/// What is told of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The client's address. `None`: nothing was told, and the peer of the connection is the client.
    pub client: Option<IpAddr>,
    /// The client spoke https.
    pub is_https: bool,
}

/// What the fields of one request come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading<'b> {
    pub forwarded: Forwarded,
    /// A field whose value means nothing, and which counts as absent.
    pub malformed: Option<(&'b [u8], &'b [u8])>,
}

/// Two fields say http and https: one of them is the client's own, and nobody knows which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// Whose word counts: `--forwarded-allow-ips`. A peer on a unix socket is always trusted, as in gunicorn: the permissions of
/// its file have said who may connect.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    is_everybody: bool,
    networks: Vec<Network>,
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    prefix_len: u32,
}

/// A field name, the values that mean https, and those that mean http.
type SchemeField = (&'static [u8], &'static [&'static [u8]], &'static [&'static [u8]]);

/// The fields for the scheme. `wss` and `ws` are what some proxies send for a request to upgrade; `ssl` and `on` are
/// gunicorn's.
const SCHEMES: [SchemeField; 3] = [
    (b"x-forwarded-proto", &[b"https", b"wss"], &[b"http", b"ws"]),
    (b"x-forwarded-protocol", &[b"ssl", b"https"], &[b"http"]),
    (b"x-forwarded-ssl", &[b"on"], &[b"off"]),
];

impl Trusted {
    /// From `*`, addresses, and networks such as `10.0.0.0/8`. `Err`: the text that is none of them.
    pub fn new(texts: &[String]) -> Result<Self, String> {
        let mut trusted = Self::default();
        for text in texts {
            match text.as_str() {
                "*" => trusted.is_everybody = true,
                text => trusted.networks.push(Network::parse(text).ok_or_else(|| text.to_owned())?),
            }
        }
        Ok(trusted)
    }

    /// What `peer` tells by the fields of a block. Their order says nothing, apart from that of X-Forwarded-For's lines.
    pub(crate) fn read<'b>(
        &self,
        peer: &Peer,
        fields: &FieldTable,
        block: &'b [u8],
    ) -> Result<Reading<'b>, Contradiction> {
        if !self.trusts(peer) {
            return Ok(Reading::default());
        }
        let mut scheme = None;
        let mut chain = Chain::default();
        let mut malformed = None;
        for (name, value) in fields.iter(block).rev() {
            if name.eq_ignore_ascii_case(b"x-forwarded-for") {
                self.follow(&mut chain, value);
                if chain.is_malformed {
                    malformed.get_or_insert((name, value));
                }
                continue;
            }
            match is_https(name, value) {
                None => {}
                Some(Err(())) => {
                    malformed.get_or_insert((name, value));
                }
                Some(Ok(is_https)) if scheme.is_some_and(|earlier| earlier != is_https) => return Err(Contradiction),
                Some(Ok(is_https)) => scheme = Some(is_https),
            }
        }
        let client = if chain.is_malformed { None } else { chain.nearest };
        Ok(Reading { forwarded: Forwarded { client, is_https: scheme == Some(true) }, malformed })
    }

    fn trusts(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Unix => true,
            Peer::Tcp(address) => self.is_everybody || self.is_proxy(address.ip().to_canonical()),
        }
    }

    /// Whether the address is a proxy's. `*` says who may connect, not that every address on earth is a proxy: else the
    /// client could put any address before its own.
    fn is_proxy(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Goes on along X-Forwarded-For, from its end: each proxy has appended the address that it saw, so that everything
    /// before the last one that is no proxy's is that client's own invention, and is not looked at.
    fn follow(&self, chain: &mut Chain, value: &[u8]) {
        // RFC 9110 §5.6.1.2: empty members of a list count for nothing.
        for member in value.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
            if chain.is_over {
                return;
            }
            match address(member) {
                Some(address) => {
                    chain.nearest = Some(address);
                    chain.is_over = !self.is_proxy(address);
                }
                None => (chain.is_over, chain.is_malformed) = (true, true),
            }
        }
    }
}

/// How far X-Forwarded-For was followed.
#[derive(Default)]
struct Chain {
    /// The member that was reached last.
    nearest: Option<IpAddr>,
    is_over: bool,
    is_malformed: bool,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix_len): (IpAddr, Option<u32>) = match text.split_once('/') {
            Some((address, prefix_len)) => (address.parse().ok()?, Some(prefix_len.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let bits = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        let prefix_len = prefix_len.unwrap_or(bits);
        let network = match address.to_canonical() {
            // An IPv4 address in IPv6's clothes, as connections to [::] have it, is the IPv4 address.
            canonical @ IpAddr::V4(_) if bits == 128 => {
                Self { address: canonical, prefix_len: prefix_len.checked_sub(96)? }
            }
            address => Self { address, prefix_len },
        };
        (prefix_len <= bits).then_some(network)
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(32 - self.prefix_len).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(128 - self.prefix_len).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// What a field says of the scheme: `None` for another field, `Err` for a value that means nothing.
fn is_https(name: &[u8], value: &[u8]) -> Option<Result<bool, ()>> {
    let (_, https, http) = SCHEMES.iter().find(|(known, ..)| name.eq_ignore_ascii_case(known))?;
    // RFC 3986 §3.1: schemes are the same in any case.
    let is_among = |words: &[&[u8]]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    Some(if is_among(https) {
        Ok(true)
    } else if is_among(http) {
        Ok(false)
    } else {
        Err(())
    })
}

/// An address, with a port that some gateways append and that is not used.
fn address(member: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(member).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => text.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip())).ok()?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::{Contradiction, Forwarded, Reading, Trusted};
    use crate::gateway::Peer;
    use dragoman_http1::{FieldTable, Limits, Version, fields};

    const PROXY: &str = "10.0.0.1:5000";

    fn trusted(texts: &[&str]) -> Trusted {
        Trusted::new(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("good texts")
    }

    fn peer(text: &str) -> Peer {
        if text == "unix" { Peer::Unix } else { Peer::Tcp(text.parse().expect("an address")) }
    }

    /// The reading, and the name of the field that was ignored.
    fn read(
        trusted: &Trusted,
        from: &str,
        lines: &[(&str, &str)],
    ) -> Result<(Option<String>, bool, Option<String>), Contradiction> {
        let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let block = format!("Host: a\r\n{lines}\r\n").into_bytes();
        let mut table = FieldTable::new();
        let facts = fields(&block, Version::Http11, &Limits::default(), &mut table).expect("good fields");
        let reading = trusted.read(&peer(from), &table, &block)?;
        assert!(facts.is_forwarded || reading == Reading::default(), "the flag is not set for what is read");
        let Reading { forwarded: Forwarded { client, is_https }, malformed } = reading;
        let ignored = malformed.map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        Ok((client.map(|client| client.to_string()), is_https, ignored))
    }

    fn client(trusted: &Trusted, value: &str) -> Option<String> {
        read(trusted, PROXY, &[("X-Forwarded-For", value)]).expect("no contradiction").0
    }

    #[test]
    fn each_field_for_the_scheme_is_read_in_any_case() {
        let trusted = trusted(&["10.0.0.1"]);
        for (name, value, is_https) in [
            ("X-Forwarded-Proto", "https", true),
            ("x-forwarded-proto", "HTTPS", true),
            ("X-Forwarded-Proto", "wss", true),
            ("X-Forwarded-Proto", "http", false),
            ("X-Forwarded-Protocol", "ssl", true),
            ("X-Forwarded-Protocol", "https", true),
            ("X-Forwarded-Ssl", "on", true),
            ("X-FORWARDED-SSL", "off", false),
        ] {
            assert_eq!(read(&trusted, PROXY, &[(name, value)]), Ok((None, is_https, None)), "{name}: {value}");
        }
    }

    #[test]
    fn fields_that_contradict_each_other_are_refused_and_equal_ones_are_not() {
        let trusted = trusted(&["*"]);
        let secure = ("X-Forwarded-Proto", "https");
        for other in [("X-Forwarded-Ssl", "off"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Protocol", "http")] {
            assert_eq!(read(&trusted, PROXY, &[secure, other]), Err(Contradiction));
            assert_eq!(read(&trusted, PROXY, &[other, secure]), Err(Contradiction));
        }
        assert_eq!(read(&trusted, PROXY, &[secure, ("X-Forwarded-Ssl", "on"), secure]), Ok((None, true, None)));
    }

    #[test]
    fn a_value_that_means_nothing_counts_as_absent_and_is_named() {
        let trusted = trusted(&["*"]);
        for (name, value) in [
            ("X-Forwarded-Proto", "https, http"),
            ("X-Forwarded-Proto", "gopher"),
            ("X-Forwarded-Proto", ""),
            ("X-Forwarded-Ssl", "https"),
            ("X-Forwarded-For", "unknown"),
            ("X-Forwarded-For", "192.0.2.1, _hidden"),
            ("X-Forwarded-For", "192.0.2.010"),
            ("X-Forwarded-For", "192.0.2.1:99999"),
            ("X-Forwarded-For", "[::1"),
            ("X-Forwarded-For", "[192.0.2.1]"),
            ("X-Forwarded-For", "fe80::1%eth0"),
            ("X-Forwarded-For", "\u{ff11}.2.3.4"),
        ] {
            assert_eq!(
                read(&trusted, PROXY, &[(name, value)]),
                Ok((None, false, Some(name.into()))),
                "{name}: {value}"
            );
        }
        let lines = [("X-Forwarded-Ssl", "on"), ("X-Forwarded-Proto", "?"), ("X-Forwarded-For", "192.0.2.1")];
        let expected = Ok((Some("192.0.2.1".into()), true, Some("X-Forwarded-Proto".into())));
        assert_eq!(read(&trusted, PROXY, &lines), expected, "the others count nevertheless");
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        let trusted = trusted(&["10.0.0.0/8", "2001:db8::/32"]);
        for (value, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("6.6.6.6, 192.0.2.1", Some("192.0.2.1")),
            ("6.6.6.6, 192.0.2.1, 10.3.4.5, 2001:db8::7", Some("192.0.2.1")),
            // What stands before the client is its own invention, however odd.
            ("<script>, 192.0.2.1, 10.3.4.5", Some("192.0.2.1")),
            // Never half of a field: behind a proxy stands what is no address.
            ("unknown, 10.3.4.5", None),
            // The request began at a proxy.
            ("10.1.1.1, 10.2.2.2", Some("10.1.1.1")),
            (" , 192.0.2.1 ,, ", Some("192.0.2.1")),
            (",", None),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("2A00:0:0::1", Some("2a00::1")),
            ("[2a00::1]", Some("2a00::1")),
            ("[2a00::1]:443", Some("2a00::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1, ::ffff:10.0.0.9", Some("192.0.2.1")),
        ] {
            assert_eq!(client(&trusted, value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn several_lines_are_one_list_in_their_order() {
        let lines = [("X-Forwarded-For", "6.6.6.6, 192.0.2.1"), ("X-Forwarded-For", "10.0.0.7")];
        let expected = Ok((Some("192.0.2.1".into()), false, None));
        assert_eq!(read(&trusted(&["10.0.0.0/8"]), PROXY, &lines), expected);
    }

    #[test]
    fn a_star_trusts_who_connects_and_not_what_it_passes_on() {
        assert_eq!(client(&trusted(&["*"]), "6.6.6.6, 192.0.2.1").as_deref(), Some("192.0.2.1"));
        let with_proxies = trusted(&["*", "172.16.0.0/12"]);
        assert_eq!(client(&with_proxies, "192.0.2.1, 172.17.0.2").as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn fields_of_anybody_else_say_nothing_and_contradict_nothing() {
        let lines = [
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Ssl", "off"),
            ("X-Forwarded-Protocol", "?"),
        ];
        for from in ["203.0.113.9:1", "[2001:db8::9]:1"] {
            assert_eq!(read(&trusted(&["10.0.0.1"]), from, &lines), Ok((None, false, None)));
        }
        assert_eq!(read(&trusted(&[]), PROXY, &lines), Ok((None, false, None)));
    }

    #[test]
    fn names_with_underscores_never_count() {
        let lines = [("X_Forwarded_For", "192.0.2.1"), ("X_Forwarded-Proto", "https")];
        assert_eq!(read(&trusted(&["*"]), PROXY, &lines), Ok((None, false, None)));
    }

    #[test]
    fn a_unix_socket_is_trusted_and_so_is_an_ipv4_peer_of_a_socket_for_both() {
        let line = [("X-Forwarded-Proto", "https")];
        assert_eq!(read(&trusted(&[]), "unix", &line), Ok((None, true, None)));
        for networks in [&["127.0.0.1"][..], &["127.0.0.0/8"], &["::ffff:127.0.0.0/104"], &["0.0.0.0/0"]] {
            assert_eq!(read(&trusted(networks), "[::ffff:127.0.0.1]:9", &line), Ok((None, true, None)), "{networks:?}");
        }
        assert_eq!(read(&trusted(&["::/0"]), PROXY, &line), Ok((None, false, None)), "IPv6 is not IPv4");
    }

    #[test]
    fn a_network_ends_where_its_prefix_says() {
        for (network, inside, outside) in [
            ("192.0.2.64/26", "192.0.2.127:1", "192.0.2.128:1"),
            ("192.0.2.7/32", "192.0.2.7:1", "192.0.2.6:1"),
            ("2001:db8::/127", "[2001:db8::1]:1", "[2001:db8::2]:1"),
            ("2001:db8::5", "[2001:db8::5]:1", "[2001:db8::4]:1"),
        ] {
            assert!(trusted(&[network]).trusts(&peer(inside)), "{network} {inside}");
            assert!(!trusted(&[network]).trusts(&peer(outside)), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["", "proxy", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "::ffff:10.0.0.0/8"] {
            assert_eq!(Trusted::new(&[text.to_owned()]).err().as_deref(), Some(text));
        }
    }
}
