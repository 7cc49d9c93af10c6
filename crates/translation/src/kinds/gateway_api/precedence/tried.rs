//! In which order Kong's two traditional routers try routes: `get_priority` of `kong/router/transform.lua` for
//! `traditional_compatible`, `sort_categories` and `sort_routes` of `kong/router/traditional.lua` for `traditional`.
//! Neither asks for the order of the other.

use std::cmp::Ordering;

/// The things that a route matches by, as bits of the Lua router's categories.
pub(super) mod kinds {
    pub(in super::super) const HOST: u8 = 0x40;
    pub(in super::super) const HEADER: u8 = 0x20;
    pub(in super::super) const PATH: u8 = 0x10;
    pub(in super::super) const METHOD: u8 = 0x08;
    pub(in super::super) const SNI: u8 = 0x04;
}

/// The path by which a route matches a request. Kong splits routes by path, so that each path has its own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// None: the route matches whatever the path.
    None,
    /// A plain prefix of this length.
    Plain(usize),
    /// A regular expression of this `regex_priority`.
    Regex(u64),
}

/// What the routers compare of a route with one path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) kinds: u8,
    /// Whether there are hosts, none of them a wildcard.
    pub(super) plain_hosts: bool,
    pub(super) headers: usize,
    pub(super) form: Form,
}

impl Standing {
    /// Whether both routers try this one first.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.compatible().cmp(&other.compatible()) == Ordering::Greater
            && self.lua().cmp(&other.lua()) == Ordering::Greater
    }

    fn compatible(&self) -> impl Ord + use<> {
        (self.kinds.count_ones(), self.plain_hosts, self.headers.min(0xff), self.form)
    }

    fn lua(&self) -> impl Ord + use<> {
        let regex = matches!(self.form, Form::Regex(_));
        ((self.kinds.count_ones(), self.kinds), self.plain_hosts, regex, self.headers, self.form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_comes_first_only_where_both_routers_say_so() {
        let of = |kinds, plain_hosts, headers, form| Standing { kinds, plain_hosts, headers, form };
        let long = of(kinds::HOST | kinds::PATH, true, 0, Form::Plain(9));
        let method = of(kinds::HOST | kinds::PATH | kinds::METHOD, false, 0, Form::Plain(1));
        assert!(method.is_before(&long) && !long.is_before(&method), "what matches by more");
        let regex = of(kinds::HOST | kinds::PATH, true, 0, Form::Regex(0));
        assert!(regex.is_before(&long));
        assert!(of(kinds::HOST | kinds::PATH, true, 0, Form::Regex(1)).is_before(&regex));
        assert!(!regex.is_before(&regex), "a tie is no order");
        // The Lua router asks for headers before it asks for hosts, the other for regular expressions before neither.
        let header = of(kinds::HEADER | kinds::PATH, false, 1, Form::Plain(1));
        assert!(!header.is_before(&regex) && !regex.is_before(&of(kinds::HOST | kinds::HEADER, false, 1, Form::None)));
    }
}
