//! An encyclopedia beside the catalogue, if one is connected: articles that the Searcher finds, and passages of them that hold a
//! term. What it says is text of strangers: it is shown between fences, and only what was found in the same assignment can be read.

#[cfg(feature = "wiki")]
mod wikipedia;

use std::collections::BTreeMap;

#[cfg(feature = "wiki")]
pub use wikipedia::{Wikipedia, WikipediaConfig};

use crate::untrusted::{clean, clip};

/// Characters of an article that are kept.
const ARTICLE: usize = 20_000;
/// Words of an article's beginning that a search shows.
const SUMMARY_WORDS: usize = 20;
/// Articles that a session keeps.
const ARTICLES: usize = 32;

/// An article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    /// Its title.
    pub title: String,
    /// Its beginning.
    pub beginning: String,
    /// Its paragraphs, once it was read.
    pub paragraphs: Option<Vec<String>>,
}

impl Article {
    /// An article of which only the beginning is known.
    pub fn new(title: &str, beginning: &str) -> Self {
        Self {
            title: clip(&clean(title), 200),
            beginning: clip(&clean(beginning), ARTICLE),
            paragraphs: None,
        }
    }

    /// The first words of the beginning.
    pub fn summary(&self) -> String {
        let words: Vec<&str> = self.beginning.split_whitespace().collect();
        let shown = words[..words.len().min(SUMMARY_WORDS)].join(" ");
        if words.len() > SUMMARY_WORDS { format!("{shown} …") } else { shown }
    }

    /// The paragraphs of `text`.
    pub fn cut(text: &str) -> Vec<String> {
        let text = clip(text, ARTICLE);
        text.lines().map(|line| clean(line).trim().to_owned()).filter(|line| !line.is_empty()).collect()
    }
}

/// What one assignment found: an answer of the encyclopedia is put here, and tools read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Library {
    articles: Vec<Article>,
    /// The titles that the last search gave, or why it gave none; nothing if no encyclopedia is connected.
    latest: Option<Result<Vec<String>, String>>,
    /// How many passages were shown of an article and a term.
    shown: BTreeMap<(String, String), usize>,
}

/// A passage that holds a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The article's title.
    pub title: String,
    /// The passage.
    pub text: String,
    /// Its number among those that hold the term, from 1.
    pub number: usize,
    /// How many hold it.
    pub of: usize,
}

impl Library {
    /// Takes in what a search found, or why it found nothing.
    pub fn found(&mut self, articles: Result<Vec<Article>, String>) {
        self.latest = Some(articles.map(|articles| {
            let titles = articles.iter().map(|article| article.title.clone()).collect();
            for article in articles {
                if self.article(&article.title).is_none() && self.articles.len() < ARTICLES {
                    self.articles.push(article);
                }
            }
            titles
        }));
    }

    /// Takes in the text of an article that was found, or why it could not be read.
    pub fn read(&mut self, title: &str, text: Result<&str, String>) {
        match text {
            Ok(text) => {
                if let Some(at) = self.place(title) {
                    self.articles[at].paragraphs = Some(Article::cut(text));
                }
                self.latest = Some(Ok(vec![title.to_owned()]));
            }
            Err(what) => self.latest = Some(Err(what)),
        }
    }

    /// The article of a title that was found; case does not count.
    pub fn article(&self, title: &str) -> Option<&Article> {
        self.place(title).map(|at| &self.articles[at])
    }

    fn place(&self, title: &str) -> Option<usize> {
        let title = title.trim().to_lowercase();
        self.articles.iter().position(|article| article.title.to_lowercase() == title)
    }

    /// What the last search found.
    ///
    /// # Errors
    /// Why it found nothing, for the agent.
    pub fn latest(&self) -> Result<Vec<&Article>, String> {
        match &self.latest {
            None => Err("No encyclopedia is connected.".into()),
            Some(Err(what)) => Err(format!("The encyclopedia gave no answer: {what}.")),
            Some(Ok(titles)) => Ok(titles.iter().filter_map(|title| self.article(title)).collect()),
        }
    }

    /// The next passage of the article `title` that holds `term`: asked again for the same, it goes on to the one after.
    ///
    /// # Errors
    /// For the agent: the article was not found before, could not be read, or holds no further passage.
    pub fn passage(&mut self, title: &str, term: &str) -> Result<Passage, String> {
        let Some(at) = self.place(title) else {
            if self.latest.is_none() {
                return Err("No encyclopedia is connected.".into());
            }
            let known: Vec<&str> = self.articles.iter().map(|article| article.title.as_str()).collect();
            let known = if known.is_empty() { "none yet".to_owned() } else { known.join("; ") };
            return Err(format!("Only articles that were found can be read: {known}."));
        };
        let article = &self.articles[at];
        let Some(paragraphs) = &article.paragraphs else {
            return Err(match &self.latest {
                Some(Err(what)) => format!("The encyclopedia gave no answer: {what}."),
                _ => "The article could not be read.".into(),
            });
        };
        let wanted = term.trim().to_lowercase();
        let holds = |text: &&String| !wanted.is_empty() && text.to_lowercase().contains(&wanted);
        let with_term: Vec<&String> = paragraphs.iter().filter(holds).collect();
        let shown = self.shown.entry((article.title.to_lowercase(), wanted.clone())).or_default();
        let of = with_term.len();
        match with_term.get(*shown) {
            Some(text) => {
                *shown += 1;
                Ok(Passage { title: article.title.clone(), text: (*text).clone(), number: *shown, of })
            }
            None if of == 0 => Err(format!("{} does not speak of it.", article.title)),
            None => Err(format!("There are no more than {of} passages.")),
        }
    }
}
