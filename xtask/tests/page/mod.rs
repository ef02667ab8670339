//! What every page of a report must be like.

/// Elements are closed in order, attributes quoted, and nothing is loaded from anywhere.
pub fn page_is_sound(page: &str) {
    const VOID: [&str; 4] = ["meta", "br", "link", "img"];
    let mut open: Vec<&str> = Vec::new();
    let mut ids = std::collections::HashSet::new();
    let body = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let (start, end) = (body.find("<style>").unwrap(), body.find("</style>").unwrap());
    let markup = format!("{}{}", &body[..start], &body[end + "</style>".len()..]);
    let mut rest = markup.as_str();
    while let Some(at) = rest.find('<') {
        let close = rest[at..].find('>').expect("every tag ends") + at;
        let tag = &rest[at + 1..close];
        assert!(!rest[..at].contains('>'), "a loose > before <{tag}>");
        rest = &rest[close + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes of <{tag}>");
        if let Some(id) = tag.split(" id=\"").nth(1) {
            assert!(ids.insert(id.split('"').next().unwrap().to_owned()), "id twice: {tag}");
        }
        if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    for foreign in ["http:", "https:", "src=", "@import", "url(", "<script", "<link", "<img", "NaN", "inf\""]
    {
        assert!(!page.contains(foreign), "the page has {foreign}");
    }
    for needed in [
        "<svg",
        "role=\"img\"",
        "<caption><span>",
        "<desc",
        "prefers-color-scheme",
        "viewport",
        "lang=\"en\"",
    ] {
        assert!(page.contains(needed), "the page lacks {needed}");
    }
    for place in page.split("aria-labelledby=\"").skip(1) {
        for id in place.split('"').next().unwrap().split(' ') {
            assert!(ids.contains(id), "no element has the id {id}");
        }
    }
}
