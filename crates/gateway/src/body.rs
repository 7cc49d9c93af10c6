//! The config as it is sent: pieces rendered once, hashed once, shared by every gateway. Knows nothing of what the
//! pieces say.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use md5::{Digest, Md5};
use serde::{Serialize, Serializer};

/// Kong's `configuration_hash`: md5 of a config's text when it was sent as `text/yaml`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigHash(u128);

impl ConfigHash {
    /// 32 zeros: no config is loaded.
    pub const EMPTY: Self = Self(0);

    /// Reads 32 hex digits, as `GET /status` has them.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex { u128::from_str_radix(text, 16).ok().map(Self) } else { None }
    }

    /// Whether no config is loaded.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// What Kong will say of this text.
    pub fn of(text: &[u8]) -> Self {
        Self::finish(Md5::new_with_prefix(text))
    }

    fn finish(hasher: Md5) -> Self {
        Self(u128::from_be_bytes(hasher.finalize().into()))
    }
}

impl fmt::Display for ConfigHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for ConfigHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A whole config, ready to be sent to any number of gateways. Clones share it.
#[derive(Clone)]
pub struct ConfigBody(Arc<Inner>);

/// A rendered piece, shared with whoever rendered it.
pub type Piece = Arc<[u8]>;

struct Inner {
    pieces: Vec<Piece>,
    len: u64,
    hash: ConfigHash,
    /// The hasher as it was before some of the pieces, so that an unchanged beginning need not be hashed again.
    marks: Vec<Mark>,
}

#[derive(Clone)]
struct Mark {
    piece: usize,
    len: u64,
    hasher: Md5,
}

/// Bytes between two marks: md5 does some 600 MB/s, and a config may have 10 MB.
const MARK_EVERY: u64 = 256 << 10;
/// Bytes that are sent at once: all that a push to one more gateway costs in memory, while it lasts.
const FRAME: usize = 32 << 10;

impl ConfigBody {
    /// Takes the rendered pieces, in order. They are hashed here, once, and never copied.
    pub fn new<P: Into<Piece>>(pieces: impl IntoIterator<Item = P>) -> Self {
        Self::build(pieces, None)
    }

    /// The same as [`ConfigBody::new`], but hashes only from the first piece on that differs from this body's: what
    /// changes often is best put last.
    #[must_use]
    pub fn next<P: Into<Piece>>(&self, pieces: impl IntoIterator<Item = P>) -> Self {
        Self::build(pieces, Some(&self.0))
    }

    fn build<P: Into<Piece>>(pieces: impl IntoIterator<Item = P>, before: Option<&Inner>) -> Self {
        let pieces: Vec<Piece> = pieces.into_iter().map(P::into).filter(|piece| !piece.is_empty()).collect();
        let mut marks = before.map_or_else(Vec::new, |before| {
            let same = pieces.iter().zip(&before.pieces).take_while(|(new, old)| is_same(new, old)).count();
            before.marks.iter().take_while(|mark| mark.piece <= same).cloned().collect()
        });
        let start = Mark { piece: 0, len: 0, hasher: Md5::new() };
        let Mark { piece: first, mut len, mut hasher } = marks.last().cloned().unwrap_or(start);
        for (at, piece) in pieces.iter().enumerate().skip(first) {
            if len >= marks.last().map_or(0, |mark| mark.len) + MARK_EVERY {
                marks.push(Mark { piece: at, len, hasher: hasher.clone() });
            }
            hasher.update(piece);
            len += piece.len() as u64;
        }
        Self(Arc::new(Inner { pieces, len, hash: ConfigHash::finish(hasher), marks }))
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether there is not a single byte.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// What `GET /status` will say once a gateway has loaded it.
    pub fn hash(&self) -> ConfigHash {
        self.0.hash
    }

    /// The pieces, none of them empty.
    pub fn pieces(&self) -> &[Piece] {
        &self.0.pieces
    }

    /// The body of one request.
    pub fn stream(&self) -> BodyStream {
        BodyStream { body: Some(self.clone()), next: 0, left: self.0.len }
    }
}

/// Whether two pieces are the same, for sure and cheaply: the same memory, or short.
fn is_same(a: &Piece, b: &Piece) -> bool {
    Arc::ptr_eq(a, b) || (a.len() <= 64 && a == b)
}

/// Says how much, never what: a config holds private keys.
impl fmt::Debug for ConfigBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigBody({} bytes, {})", self.0.len, self.0.hash)
    }
}

/// The body of one request: a config's pieces one after the other, or nothing.
#[derive(Debug, Default)]
pub struct BodyStream {
    body: Option<ConfigBody>,
    next: usize,
    left: u64,
}

impl BodyStream {
    /// The next pieces, gathered: small ones would cost a system call each. One that is long by itself is not copied.
    fn gather(&mut self) -> Option<Bytes> {
        let rest = self.body.as_ref()?.pieces().get(self.next..)?;
        let first = rest.first()?;
        if first.len() >= FRAME {
            self.next += 1;
            return Some(Bytes::from_owner(first.clone()));
        }
        let mut frame = Vec::with_capacity(FRAME);
        let fitting = rest.iter().take_while(|piece| {
            let fits = frame.len() + piece.len() <= FRAME;
            if fits {
                frame.extend_from_slice(piece);
            }
            fits
        });
        self.next += fitting.count();
        Some(frame.into())
    }
}

impl Body for BodyStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.gather();
        self.left -= frame.as_ref().map_or(0, |frame| frame.len() as u64);
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    /// Exact, so that the request carries a content-length.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    fn body(pieces: &[&'static str]) -> ConfigBody {
        ConfigBody::new(pieces.iter().map(|piece| piece.as_bytes()))
    }

    #[test]
    fn hash_is_that_of_the_whole_text() {
        let whole = body(&[r#"{"_format_version":"3.0","#, "", r#""services":[]}"#]);
        assert_eq!(whole.hash(), ConfigHash::of(br#"{"_format_version":"3.0","services":[]}"#));
        assert_eq!(whole.len(), 39);
        assert_eq!(ConfigHash::of(b"abc").to_string(), "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn hashes_read_back() {
        let hash = ConfigHash::of(b"x");
        assert_eq!(ConfigHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(ConfigHash::parse(&"0".repeat(32)), Some(ConfigHash::EMPTY));
        for text in ["", "0", &"g".repeat(32), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            assert_eq!(ConfigHash::parse(text), None, "{text:?}");
        }
    }

    #[tokio::test]
    async fn gathers_short_pieces_and_copies_no_long_one() {
        let long = "x".repeat(FRAME);
        let whole = ConfigBody::new(["ab", "c", &long, "def"].map(str::as_bytes));
        for _ in 0..2 {
            let mut stream = whole.stream();
            assert_eq!(stream.size_hint().exact(), Some(6 + FRAME as u64));
            let mut frames = Vec::new();
            while let Some(frame) = stream.frame().await {
                frames.push(frame.unwrap().into_data().unwrap());
            }
            assert_eq!(frames, ["abc", &long, "def"]);
            assert_eq!(frames[1].as_ptr(), whole.pieces()[2].as_ptr());
            assert!(stream.is_end_stream());
        }
        assert!(BodyStream::default().is_end_stream());
    }

    #[tokio::test]
    async fn what_is_streamed_is_the_whole_text() {
        let pieces: Vec<Vec<u8>> = (0..2_000).map(|n| vec![b'a' + (n % 26) as u8; n % 97]).collect();
        let whole = ConfigBody::new(pieces.clone());
        assert_eq!(whole.stream().collect().await.unwrap().to_bytes(), pieces.concat());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_is_hashed_on_is_hashed_right(
            sizes in proptest::collection::vec(prop_oneof![1usize..100, 30_000usize..200_000], 1..16),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..3), 1..6),
        ) {
            let piece = |seed: usize, size: usize| Piece::from(vec![u8::try_from(seed % 251).unwrap(); size]);
            let mut pieces: Vec<Piece> = sizes.iter().enumerate().map(|(seed, size)| piece(seed, *size)).collect();
            let mut body = ConfigBody::new(pieces.clone());
            for (edit, (at, kind)) in edits.into_iter().enumerate() {
                let at = at.index(pieces.len());
                match kind {
                    0 => pieces[at] = piece(edit + 100, 70_000),
                    1 => pieces.insert(at, piece(edit + 100, 10)),
                    _ if pieces.len() > 1 => drop(pieces.remove(at)),
                    _ => {}
                }
                body = body.next(pieces.clone());
                let whole = pieces.concat();
                prop_assert_eq!(body.hash(), ConfigHash::of(&whole));
                prop_assert_eq!(body.len(), whole.len() as u64);
            }
        }
    }

    #[test]
    fn debug_output_does_not_tell_secrets() {
        assert!(!format!("{:?}", body(&["secret"])).contains("secret"));
    }
}
