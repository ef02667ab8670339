//! What the solver knows of English, calendars and geography.

use rec_core::ToolSpec;

/// Words that say nothing about what is wanted.
pub const STOP: &[&str] = &[
    "a",
    "an",
    "the",
    "of",
    "to",
    "in",
    "on",
    "at",
    "for",
    "with",
    "by",
    "from",
    "and",
    "or",
    "that",
    "this",
    "is",
    "are",
    "be",
    "it",
    "its",
    "me",
    "my",
    "i",
    "we",
    "us",
    "our",
    "you",
    "your",
    "please",
    "could",
    "can",
    "would",
    "will",
    "like",
    "need",
    "want",
    "help",
    "if",
    "so",
    "also",
    "then",
    "after",
    "thanks",
    "thank",
    "hi",
    "hey",
    "hello",
    "there",
    "as",
    "some",
    "any",
    "them",
    "one",
    "ones",
    "do",
    "does",
    "given",
    "match",
    "criteria",
    "new",
    "existing",
    "make",
    "just",
    "hope",
    "okay",
    "advance",
    "detail",
    "full",
    "each",
    "all",
    "what",
    "which",
    "who",
    "how",
    "when",
    "where",
    "u",
    "thx",
    "up",
    "out",
    "everything",
    "task",
    "whether",
    "must",
    "such",
    "several",
    "may",
    "should",
    "or",
    "not",
    "other",
    "use",
    "using",
];

/// Words after which a value begins, and at which another ends.
pub const BOUNDARY: &[&str] = &[
    "from",
    "to",
    "in",
    "on",
    "at",
    "for",
    "with",
    "by",
    "under",
    "about",
    "until",
    "of",
    "as",
    "along",
    "via",
    "into",
    "over",
    "near",
    "without",
    "within",
    "that",
    "departing",
    "leaving",
    "checking",
    "starting",
    "ending",
    "returning",
    "weighing",
    "covering",
    "requiring",
    "using",
    "titled",
    "giving",
    "lasting",
    "limited",
    "repeating",
    "sorted",
    "paying",
    "assigned",
    "converted",
    "born",
    "due",
    "is",
    "are",
    "should",
    "make",
    "please",
    "thanks",
    "then",
    "also",
    "direct",
];

/// What a word before a value tells of the parameter it belongs to: stems of names and descriptions.
pub const ROLES: &[(&str, &[&str])] = &[
    ("from", &["origin", "start", "source", "passport", "depart"]),
    ("departing", &["depart", "origin", "start"]),
    ("leaving", &["depart", "origin", "leav"]),
    ("to", &["destin", "target", "recipi", "end", "receiv", "into"]),
    ("into", &["target", "translat"]),
    ("until", &["end", "last"]),
    ("checking", &["check"]),
    ("returning", &["return"]),
    ("starting", &["start", "first"]),
    ("ending", &["end", "last"]),
    ("due", &["due"]),
    ("born", &["birth", "born"]),
    (
        "in",
        &[
            "city",
            "country",
            "languag",
            "currenc",
            "format",
            "color",
            "colour",
            "size",
            "season",
            "genre",
            "mode",
            "environ",
            "condit",
            "unit",
            "class",
            "cabin",
            "copi",
            "repositori",
        ],
    ),
    ("at", &["time", "hotel", "museum", "compani", "price", "temperatur", "websit", "level", "depth", "web"]),
    ("on", &["date", "day", "topic", "subject", "budget"]),
    ("for", &["guest", "passeng", "night", "hour", "serv", "people", "amount"]),
    ("with", &["airlin", "compani", "contact", "email", "phone"]),
    ("by", &["author", "artist", "transport", "payment", "pay"]),
    ("under", &["name"]),
    ("about", &["topic", "keyword"]),
    ("near", &["near", "nearest"]),
    ("over", &["year", "day", "term"]),
    ("via", &["channel"]),
    ("along", &["waypoint"]),
    ("covering", &["citi", "topic", "city"]),
    ("requiring", &["skill"]),
    ("using", &["ingredi"]),
    ("titled", &["title"]),
    ("giving", &["reason"]),
    ("paying", &["pay", "payment"]),
    ("assigned", &["assigne", "assign"]),
    ("converted", &["target", "convert"]),
    ("repeating", &["repeat", "frequenc"]),
    ("sorted", &["sort", "order"]),
    ("weighing", &["weight"]),
    ("lasting", &["length", "minut"]),
    ("within", &["distanc", "radiu"]),
    ("limited", &["limit", "most"]),
];

/// Verbs that ask for the same.
pub const VERB_GROUPS: &[&[&str]] = &[
    &["search", "find", "look", "locat", "brows"],
    &["recommend", "suggest", "propos"],
    &["list", "brows", "enumerat"],
    &["get", "fetch", "show", "retriev", "detail"],
    &["track", "monitor", "follow"],
    &["check", "lookup", "verify", "verifi"],
    &["estimat", "quot"],
    &["calculat", "comput"],
    &["convert"],
    &["book", "reserv"],
    &["order", "buy", "purchas"],
    &["creat", "add", "make"],
    &["regist", "enrol", "enroll", "register"],
    &["schedul", "plan", "arrang"],
    &["send", "deliv", "deliver", "dispatch"],
    &["report", "submit"],
    &["updat", "modify", "modifi", "chang", "edit"],
    &["cancel", "call", "revok"],
    &["rate", "review", "rat"],
    &["share", "forward", "shar"],
    &["subscrib", "watch"],
    &["manag"],
    &["delet", "remov"],
];

/// Languages.
pub const LANGUAGES: &[&str] = &[
    "french",
    "spanish",
    "german",
    "japanese",
    "portuguese",
    "italian",
    "korean",
    "dutch",
    "english",
    "chinese",
    "arabic",
    "russian",
    "polish",
    "turkish",
    "swedish",
    "greek",
    "hindi",
    "danish",
    "finnish",
    "norwegian",
    "czech",
    "ukrainian",
];

/// Countries.
pub const COUNTRIES: &[&str] = &[
    "portugal",
    "norway",
    "austria",
    "ireland",
    "poland",
    "finland",
    "greece",
    "hungary",
    "spain",
    "italy",
    "germany",
    "france",
    "switzerland",
    "belgium",
    "denmark",
    "sweden",
    "estonia",
    "latvia",
    "lithuania",
    "canada",
    "mexico",
    "colombia",
    "peru",
    "chile",
    "argentina",
    "brazil",
    "japan",
    "thailand",
    "vietnam",
    "indonesia",
    "india",
    "kenya",
    "morocco",
    "egypt",
    "nigeria",
    "australia",
    "new zealand",
    "south korea",
    "south africa",
    "china",
    "united states",
    "united kingdom",
    "netherlands",
    "czechia",
    "turkey",
    "iceland",
    "croatia",
    "romania",
    "bulgaria",
    "slovakia",
    "slovenia",
];

/// Names of currencies and their codes.
pub const CURRENCIES: &[(&str, &str)] = &[
    ("euros", "EUR"),
    ("euro", "EUR"),
    ("us dollars", "USD"),
    ("dollars", "USD"),
    ("british pounds", "GBP"),
    ("pounds", "GBP"),
    ("japanese yen", "JPY"),
    ("yen", "JPY"),
    ("swiss francs", "CHF"),
    ("francs", "CHF"),
    ("canadian dollars", "CAD"),
    ("australian dollars", "AUD"),
    ("swedish kronor", "SEK"),
    ("norwegian kroner", "NOK"),
    ("polish zloty", "PLN"),
    ("indian rupees", "INR"),
    ("mexican pesos", "MXN"),
    ("chinese yuan", "CNY"),
    ("brazilian reais", "BRL"),
];

/// Months, lower case.
pub const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Days of the week, lower case.
pub const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Number words, from two: "one" is a pronoun more often than not.
pub const NUMBERS: &[(&str, i64)] = &[
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
];

/// A crude stem: endings are cut so that forms of a word fall together.
pub fn stem(word: &str) -> String {
    let mut word = word.to_lowercase();
    if word.ends_with("'s") {
        word.truncate(word.len() - 2);
    }
    for (ending, least, with) in [
        ("ies", 3, "y"),
        ("sses", 3, "ss"),
        ("ches", 3, "ch"),
        ("shes", 3, "sh"),
        ("xes", 2, "x"),
        ("zzes", 2, "z"),
        ("ss", 3, "ss"),
        ("us", 3, "u"),
        ("s", 3, ""),
    ] {
        if word.len() >= ending.len() + least && word.ends_with(ending) {
            word.truncate(word.len() - ending.len());
            word.push_str(with);
            break;
        }
    }
    for ending in ["ation", "ings", "ing", "ed", "er", "e"] {
        if word.len() >= ending.len() + 3 && word.ends_with(ending) {
            word.truncate(word.len() - ending.len());
            break;
        }
    }
    word
}

/// Whether a lower-case word says nothing about what is wanted.
pub fn is_stop(word: &str) -> bool {
    STOP.contains(&word)
}

/// Words of an identifier, whatever its style.
pub fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(last) = words.last_mut()
        {
            last.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `word` with a capital first letter.
pub fn titled(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |letter| letter.to_uppercase().collect::<String>() + letters.as_str())
}

/// The group of verbs that a stem belongs to.
fn verb_group(stem: &str) -> Option<usize> {
    VERB_GROUPS.iter().position(|group| group.contains(&stem))
}

/// The verbs of a conversation: those that are known, and the words that names of tools on offer begin with (`renewRental`).
pub struct Verbs(Vec<String>);

impl Verbs {
    /// Of the tools on offer.
    pub fn of(tools: &[ToolSpec]) -> Self {
        let mut own: Vec<String> = Vec::new();
        for tool in tools {
            let name = tool.name.rsplit('.').next().unwrap_or_default();
            let stems: Vec<String> =
                words_of(name).iter().filter(|word| !is_stop(word)).map(|word| stem(word)).collect();
            // A name with a verb that is known begins with a noun otherwise: `pets_list`.
            if stems.len() > 1
                && stems.iter().all(|stem| verb_group(stem).is_none())
                && !own.contains(&stems[0])
            {
                own.push(stems[0].clone());
            }
        }
        Self(own)
    }

    /// The group of verbs that a stem belongs to.
    pub fn group(&self, stem: &str) -> Option<usize> {
        let own = || self.0.iter().position(|known| known == stem).map(|at| VERB_GROUPS.len() + at);
        verb_group(stem).or_else(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_fall_together() {
        for (a, b) in [
            ("flights", "flight"),
            ("searching", "search"),
            ("rated", "rating"),
            ("cities", "city"),
            ("batches", "batch"),
            ("passengers", "passenger"),
            ("schedules", "schedule"),
            ("glass", "glass"),
        ] {
            assert_eq!(stem(a), stem(b), "{a} {b}");
        }
        assert_ne!(stem("price"), stem("prize"));
    }

    #[test]
    fn identifiers_come_apart() {
        for name in ["find_cheap_flights", "findCheapFlights", "Find Cheap Flights", "find.cheap_flights"] {
            assert_eq!(words_of(name), ["find", "cheap", "flights"]);
        }
    }
}
