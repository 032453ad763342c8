//! Every way in which a message is refused: one kind per rule, with status, code, clause and text.

/// Why and where a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The rule.
    pub kind: RejectKind,
    /// Offset of the offending byte from the start of what was given.
    pub at: usize,
}

/// One variant per refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectKind {
    /// Placeholder of the skeleton.
    Placeholder,
}

impl RejectKind {
    /// Every kind, for tables and tests.
    pub const ALL: &'static [RejectKind] = &[RejectKind::Placeholder];
    /// The status code that the peer gets.
    pub fn status(self) -> u16 { todo!() }
    /// The stable reason code, kebab-case.
    pub fn code(self) -> &'static str { todo!() }
    /// The clause that asks for it, such as "RFC 9112 §6.3".
    pub fn clause(self) -> &'static str { todo!() }
    /// One sentence: what was wrong.
    pub fn text(self) -> &'static str { todo!() }
}
