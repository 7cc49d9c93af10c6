//! Splitting a text into its YAML documents.
//!
//! `---` marks a document only at the very start of a line and before white space: YAML forbids it there inside any
//! scalar, so lines suffice. Splitting first is what keeps one bad document from hiding the rest.

/// A document that holds something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document<'t> {
    /// From its marker (if any) to the next one.
    pub(super) text: &'t str,
    /// Line of `text`'s first character, from 1.
    pub(super) line: usize,
}

/// The documents of a text, blank ones left out.
pub(super) fn documents(text: &str) -> impl Iterator<Item = Document<'_>> {
    let mut found = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let (mut offset, mut directives) = (0, false);
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let (begins, ends) = (is_marker(line, "---"), is_marker(line, "..."));
        if begins && !directives || ends {
            let next = if ends { offset + line.len() } else { offset };
            found.push(Document { text: &text[start..offset], line: start_line });
            (start, start_line) = (next, at + 1 + usize::from(ends));
        }
        // Directives stand before the marker of the document that they belong to.
        directives = line.starts_with('%') && is_blank(&text[start..offset]) || directives && !begins;
        offset += line.len();
    }
    found.push(Document { text: &text[start..], line: start_line });
    found.into_iter().filter(|document| !is_blank(document.text)).map(Document::skip_blank_lines)
}

impl Document<'_> {
    /// Leaves out blank lines and comments in front, so that `line` says where it really begins.
    fn skip_blank_lines(mut self) -> Self {
        while let Some(line) = self.text.split_inclusive('\n').next().filter(|line| is_blank(line)) {
            self.text = &self.text[line.len()..];
            self.line += 1;
        }
        self
    }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Holds nothing but white space, comments and bare markers.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim_start_matches('\u{feff}');
        let content = if is_marker(line, "---") { &line[3..] } else { line };
        let content = content.trim();
        content.is_empty() || content.starts_with('#')
    })
}
