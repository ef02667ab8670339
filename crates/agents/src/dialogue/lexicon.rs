//! Words of requests.

/// What people call genres, and how data sets spell them.
const GENRES: &[(&[&str], &[&str])] = &[
    (&["sci fi", "scifi", "science fiction", "sf", "space"], &["Sci-Fi"]),
    (&["comedy", "comedies", "funny", "funnier", "humor", "humour", "hilarious", "laugh"], &["Comedy"]),
    (&["horror", "scary", "scarier", "horrors", "slasher", "creepy"], &["Horror"]),
    (&["romance", "romantic", "romcom", "love story", "love stories"], &["Romance"]),
    (&["kids", "children", "childrens", "family", "child"], &["Children's", "Children", "Family"]),
    (&["animation", "animated", "cartoon", "cartoons", "anime"], &["Animation"]),
    (&["musical", "musicals"], &["Musical"]),
    (&["music"], &["Music", "Musical"]),
    (&["war", "wartime"], &["War"]),
    (&["western", "westerns", "cowboy"], &["Western"]),
    (&["thriller", "thrillers", "suspense", "suspenseful"], &["Thriller"]),
    (&["noir", "film noir"], &["Film-Noir", "Noir"]),
    (&["documentary", "documentaries"], &["Documentary"]),
    (&["action"], &["Action"]),
    (&["adventure", "adventures"], &["Adventure"]),
    (&["fantasy"], &["Fantasy"]),
    (&["mystery", "mysteries", "whodunit", "detective"], &["Mystery"]),
    (&["crime", "gangster", "gangsters", "heist", "mafia"], &["Crime"]),
    (&["drama", "dramas"], &["Drama"]),
    (&["biography", "biopic", "biopics", "biographical"], &["Biography"]),
    (&["history", "historical"], &["History"]),
    (&["sport", "sports"], &["Sport"]),
    (&["short", "shorts"], &["Short"]),
];

/// The genre of `known` that `words` (one to three, parted by blanks) name.
pub fn genres_of_word<'a>(words: &str, known: &'a [String]) -> Option<&'a str> {
    let named = known.iter().find(|genre| crate::text::words(genre).join(" ") == words);
    let by_synonym = || {
        let (_, names) = GENRES.iter().find(|(synonyms, _)| synonyms.contains(&words))?;
        names.iter().find_map(|name| known.iter().find(|genre| genre.eq_ignore_ascii_case(name)))
    };
    named.or_else(by_synonym).map(String::as_str)
}

/// A number in words or digits.
pub(super) fn number(word: &str) -> Option<u32> {
    const WORDS: [&str; 11] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    WORDS.iter().position(|known| *known == word).map(|value| value as u32).or_else(|| word.parse().ok())
}

/// A place in a list.
pub(super) fn ordinal(word: &str) -> Option<usize> {
    const WORDS: [(&str, &str); 10] = [
        ("first", "1st"),
        ("second", "2nd"),
        ("third", "3rd"),
        ("fourth", "4th"),
        ("fifth", "5th"),
        ("sixth", "6th"),
        ("seventh", "7th"),
        ("eighth", "8th"),
        ("ninth", "9th"),
        ("tenth", "10th"),
    ];
    WORDS.iter().position(|(long, short)| *long == word || *short == word)
}

/// The first and last year of a decade such as `90s`, `1990s` or `nineties`.
pub(super) fn decade(word: &str) -> Option<(u16, u16)> {
    const WORDS: [(&str, u16); 8] = [
        ("twenties", 1920),
        ("thirties", 1930),
        ("forties", 1940),
        ("fifties", 1950),
        ("sixties", 1960),
        ("seventies", 1970),
        ("eighties", 1980),
        ("nineties", 1990),
    ];
    if let Some((_, first)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Some((*first, first + 9));
    }
    let digits = word.strip_suffix('s')?;
    let first = match (digits.len(), digits.parse::<u16>().ok()?) {
        (4, year) if (1880..2100).contains(&year) && year % 10 == 0 => year,
        (2, short) if short % 10 == 0 => {
            if short >= 20 {
                1900 + short
            } else {
                2000 + short
            }
        }
        _ => return None,
    };
    Some((first, first + 9))
}

/// A year in digits.
pub(super) fn year(word: &str) -> Option<u16> {
    let year = word.parse().ok()?;
    (word.len() == 4 && (1880..2100).contains(&year)).then_some(year)
}
