//! The next page of a list, from a `Link` header (RFC 8288; OCI Distribution, "Listing Tags").

use reqwest::header::{HeaderMap, LINK};

/// Returns the reference of the link with the relation `next`.
pub(super) fn next(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(LINK).iter();
    values.filter_map(|value| value.to_str().ok()).find_map(parse)
}

fn parse(text: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (reference, after) = after.split_once('>')?;
        // Parameters end where the next link begins.
        let params = after.split(",<").next().unwrap_or_default();
        let params = params.split(", <").next().unwrap_or_default();
        if params.split(';').any(is_next) {
            return Some(reference.trim().to_owned());
        }
        rest = after;
    }
}

fn is_next(param: &str) -> bool {
    let Some((name, value)) = param.split_once('=') else { return false };
    let value = value.trim().trim_end_matches(',').trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel")
        && value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_next_page_alone() {
        let page = "/v2/a/tags/list?last=b&n=2";
        for text in [
            format!("<{page}>; rel=\"next\""),
            format!("<{page}>;rel=next"),
            format!("</first>; rel=\"first\", <{page}>; REL=\"last next\"; title=\"x\""),
            format!("</first>; rel=first,<{page}>; rel=next"),
        ] {
            assert_eq!(parse(&text).as_deref(), Some(page), "{text}");
        }
        for text in ["", "<x>", "<x>; rel=prev", "x; rel=next", "<x; rel=next", "<>; rel"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
