//! Pages of the lists that people ask a service for, told apart by the place of the last item: two names, of which the
//! first one holds no slash.
//!
//! Knows nothing of what is listed.

use tonic::Status;

const USUAL: usize = 500;
const LARGEST: usize = 5_000;

/// The page that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Items on it, at most.
    pub size: usize,
    /// The place of the last item on the page before; none for the first page.
    pub after: Option<(String, String)>,
}

impl Page {
    /// Reads what was asked: `size` items, or as many as is usual where it is 0, after the page that `token` ended.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the token is none of ours.
    pub fn asked(size: u32, token: &str) -> Result<Self, Status> {
        let size = if size == 0 { USUAL } else { LARGEST.min(size as usize) };
        let after = token.split_once('/').map(|(first, second)| (first.to_owned(), second.to_owned()));
        if after.is_none() && !token.is_empty() {
            return Err(Status::invalid_argument("page_token is none that was given out"));
        }
        Ok(Self { size, after })
    }

    /// Cuts items to the page, and gives the token that leads to the next one; empty where there is none. So the items
    /// must be one more than the page takes, where there are that many.
    pub fn cut<T>(&self, items: &mut Vec<T>, place: impl Fn(&T) -> (&str, &str)) -> String {
        if items.len() <= self.size {
            return String::new();
        }
        items.truncate(self.size);
        let last = items.last().map(place);
        last.map(|(first, second)| format!("{first}/{second}")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_until_all_is_told() {
        let all = [("a", "x"), ("a", "x/y"), ("b", ""), ("b", "z"), ("c", "x")];
        for size in 1..=6 {
            let (mut told, mut token) = (Vec::new(), String::new());
            loop {
                let page = Page::asked(size, &token).unwrap();
                let behind = |place: &&(&str, &str)| page.after.as_ref().is_none_or(|(a, b)| **place > (a, b));
                let mut items: Vec<_> = all.iter().filter(behind).take(page.size + 1).copied().collect();
                token = page.cut(&mut items, |place| *place);
                assert!(items.len() <= size as usize);
                told.extend(items);
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(told, all, "{size} a page");
        }
    }

    #[test]
    fn sizes_are_bounded_and_tokens_are_read() {
        let size = |asked| Page::asked(asked, "").unwrap().size;
        assert_eq!([size(0), size(7), size(u32::MAX)], [USUAL, 7, LARGEST]);
        assert_eq!(Page::asked(1, "nonsense").unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}
