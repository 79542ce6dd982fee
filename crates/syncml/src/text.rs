//! Characters of XML 1.0: which are legal (section 2.2), line ends (2.11) and escaping.

use std::borrow::Cow;

/// Whether XML 1.0 allows the character at all.
pub(crate) const fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether the character is white space of XML.
pub(crate) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Line ends become LF, illegal characters go. Borrows where nothing has to change.
pub(crate) fn tidy(text: &str) -> Cow<'_, str> {
    // No early exit: so the compiler makes a vector loop of it.
    let untidy = text
        .bytes()
        .fold(0, |found, byte| found | u8::from(is_suspect(byte)));
    if untidy == 0 {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    rewrite(&mut out, text, LINE_OR_ILLEGAL);
    Cow::Owned(out)
}

/// [`tidy`] for text that may be owned already.
pub(crate) fn tidy_cow(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => tidy(text),
        Cow::Owned(text) => match tidy(&text) {
            Cow::Owned(tidied) => Cow::Owned(tidied),
            Cow::Borrowed(_) => Cow::Owned(text),
        },
    }
}

/// Appends tidied text as character data.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    rewrite(out, text, LINE_OR_ILLEGAL | MARKUP);
}

/// Appends tidied text as the value of an attribute in double quotes.
pub(crate) fn push_attribute(out: &mut String, text: &str) {
    rewrite(out, &tidy(text), MARKUP | QUOTE);
}

/// Copies runs of ordinary bytes and replaces those whose class is in `classes`.
fn rewrite(out: &mut String, text: &str, classes: u8) {
    let mut run = 0;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        if CLASS[usize::from(byte)] & classes == 0 {
            at += 1;
            continue;
        }
        out.push_str(&text[run..at]);
        let (replacement, used) = replace(&text[at..], byte);
        out.push_str(replacement);
        at += used;
        run = at;
    }
    out.push_str(&text[run..]);
}

/// What stands for the special byte at the start of `rest`, and how many bytes it replaces.
fn replace(rest: &str, byte: u8) -> (&str, usize) {
    match byte {
        b'&' => ("&amp;", 1),
        b'<' => ("&lt;", 1),
        b'>' => ("&gt;", 1),
        b'"' => ("&quot;", 1),
        b'\t' => ("&#9;", 1),
        b'\n' => ("&#10;", 1),
        b'\r' if rest.as_bytes().get(1) == Some(&b'\n') => ("\n", 2),
        b'\r' => ("\n", 1),
        LEAD_OF_NONCHARACTERS if rest.starts_with(['\u{FFFE}', '\u{FFFF}']) => ("", 3),
        LEAD_OF_NONCHARACTERS => (&rest[..3], 3),
        _ => ("", 1),
    }
}

/// U+FFFE and U+FFFF begin with this byte in UTF-8, as do legal characters from U+F000 on.
const LEAD_OF_NONCHARACTERS: u8 = 0xEF;

const LINE_OR_ILLEGAL: u8 = 1;
const MARKUP: u8 = 2;
const QUOTE: u8 = 4;

const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        class[byte] = LINE_OR_ILLEGAL;
        byte += 1;
    }
    class[LEAD_OF_NONCHARACTERS as usize] = LINE_OR_ILLEGAL;
    class[b'&' as usize] = MARKUP;
    class[b'<' as usize] = MARKUP;
    class[b'>' as usize] = MARKUP;
    class[b'"' as usize] = QUOTE;
    class[b'\t' as usize] = QUOTE;
    class[b'\n' as usize] = QUOTE;
    class
};

const fn is_suspect(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t' && byte != b'\n') || byte == LEAD_OF_NONCHARACTERS
}

#[cfg(test)]
mod tests {
    use super::{is_legal, push_attribute, push_escaped, tidy};
    use proptest::prelude::*;
    use std::borrow::Cow;

    #[test]
    fn tidy_text_is_borrowed() {
        for text in ["", "plain\ttext\nÄ 中 😀 \u{7F}\u{85}", "<a>&amp;</a>"] {
            assert!(
                matches!(tidy(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
        }
    }

    #[test]
    fn line_ends_become_lf_and_illegal_characters_go() {
        let cases = [
            ("a\r\nb\rc\n\r\r\nd", "a\nb\nc\n\n\nd"),
            ("\u{0}a\u{1}\u{8}\u{B}\u{1F}b", "ab"),
            (
                "a\u{FFFE}\u{FFFF}\u{F000}\u{FEFF}\u{FFFD}b",
                "a\u{F000}\u{FEFF}\u{FFFD}b",
            ),
            ("\r", "\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(tidy(text), expected);
        }
    }

    #[test]
    fn markup_is_escaped_and_quotes_only_in_attributes() {
        let (mut data, mut attribute) = (String::new(), String::new());
        push_escaped(&mut data, "<a b=\"1\">]]>&\r\n\u{2}\t</a>");
        push_attribute(&mut attribute, "<\"\t\n&\r>");
        assert_eq!(data, "&lt;a b=\"1\"&gt;]]&gt;&amp;\n\t&lt;/a&gt;");
        assert_eq!(attribute, "&lt;&quot;&#9;&#10;&amp;&#10;&gt;");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn tidied_text_is_legal_and_stays_as_it_is(text in any::<String>()) {
            let tidied = tidy(&text).into_owned();
            prop_assert!(tidied.chars().all(|c| is_legal(c) && c != '\r'));
            prop_assert_eq!(tidy(&tidied).into_owned(), tidied);
        }
    }
}
