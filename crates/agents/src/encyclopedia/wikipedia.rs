//! Wikipedia, or any other wiki of MediaWiki, over its Action API.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use rec_core::Json;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Article, Library};
use crate::error::{Error, Result};
use crate::runtime::polled_on;
use crate::untrusted::{clean, clip};

/// Bytes of an answer.
const LONGEST: usize = 2 << 20;
/// Answers that are kept in memory.
const KEPT: usize = 1_024;
/// Requests at once: more is not polite.
const AT_ONCE: usize = 2;
/// The longest time that a busy server is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the wiki is and how it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WikipediaConfig {
    /// The address of its Action API.
    pub base_url: String,
    /// Articles of a search.
    pub articles: usize,
    /// Seconds to connect, and seconds for a whole answer.
    pub connect_seconds: f64,
    /// See [`WikipediaConfig::connect_seconds`].
    pub total_seconds: f64,
    /// How this program calls itself; the operators of Wikipedia ask for a way to reach whoever runs it.
    pub user_agent: String,
    /// Where answers are kept, so that a run that is repeated or replayed reads the same; in memory alone if nowhere.
    pub folder: Option<PathBuf>,
}

impl Default for WikipediaConfig {
    fn default() -> Self {
        Self {
            base_url: "https://en.wikipedia.org/w/api.php".into(),
            articles: 3,
            connect_seconds: 5.0,
            total_seconds: 15.0,
            user_agent: concat!("sextant-agents/", env!("CARGO_PKG_VERSION")).into(),
            folder: None,
        }
    }
}

/// A wiki. Asked for the same again, it answers from what it keeps.
pub struct Wikipedia {
    config: WikipediaConfig,
    address: reqwest::Url,
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
    kept: Mutex<HashMap<String, String>>,
    gate: tokio::sync::Semaphore,
}

/// Why there is no answer, for the agent to read.
type Asked<T> = std::result::Result<T, String>;

impl Wikipedia {
    /// A wiki that is asked on `runtime`, which has to live as long as it. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::Config`] for an address or times that cannot be used, or a folder that cannot be made.
    pub fn new(config: WikipediaConfig, runtime: tokio::runtime::Handle) -> Result<Self> {
        let wrong = |what: String| Error::config("wikipedia", what);
        let address = reqwest::Url::parse(&config.base_url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(address.scheme(), "http" | "https") {
            return Err(wrong(format!("{} is not http or https", address.scheme())));
        }
        let seconds = |value: f64| {
            Duration::try_from_secs_f64(value)
                .ok()
                .filter(|time| !time.is_zero())
                .ok_or_else(|| wrong(format!("{value} is no time to wait")))
        };
        let (connect, _) = (seconds(config.connect_seconds)?, seconds(config.total_seconds)?);
        let client = chat_model::http::client(address.scheme() == "https", connect)
            .map_err(|error| wrong(error.to_string()))?;
        if let Some(folder) = &config.folder {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        }
        let gate = tokio::sync::Semaphore::new(AT_ONCE);
        Ok(Self { config, address, client, runtime, kept: Mutex::default(), gate })
    }

    /// Puts into `library` what the tool `name` is about to ask of it. Other tools need nothing.
    pub(crate) async fn prepare(&self, name: &str, arguments: &Json, library: &mut Library) {
        let text = |name: &str| arguments.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        match name {
            "encyclopedia" => {
                let found = polled_on(&self.runtime, self.search(&text("query"))).await;
                library.found(found);
            }
            "passage" => {
                let title = match library.article(&text("title")) {
                    Some(article) if article.paragraphs.is_none() => article.title.clone(),
                    _ => return,
                };
                let read = polled_on(&self.runtime, self.article(&title)).await;
                library.read(&title, read.as_deref().map_err(Clone::clone));
            }
            _ => {}
        }
    }

    /// The articles that fit `query` best, with their beginnings.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn search(&self, query: &str) -> Asked<Vec<Article>> {
        let query = clip(query.trim(), 200);
        if query.is_empty() {
            return Err("an empty search".into());
        }
        let number = self.config.articles.clamp(1, 10).to_string();
        let answer = self
            .ask(&[
                ("generator", "search"),
                ("gsrsearch", &query),
                ("gsrlimit", &number),
                ("prop", "extracts"),
                ("exintro", "1"),
                ("explaintext", "1"),
                ("exlimit", &number),
            ])
            .await?;
        let mut found: Vec<(i64, Article)> = pages(&answer)
            .map(|(page, title, text)| {
                let place = page.get("index").and_then(Json::as_i64).unwrap_or(i64::MAX);
                (place, Article::new(title, text))
            })
            .collect();
        found.sort_by_key(|(place, _)| *place);
        Ok(found.into_iter().map(|(_, article)| article).collect())
    }

    /// The text of an article.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn article(&self, title: &str) -> Asked<String> {
        let answer = self
            .ask(&[("titles", title), ("redirects", "1"), ("prop", "extracts"), ("explaintext", "1")])
            .await?;
        let text = pages(&answer).next().map(|(_, _, text)| text.to_owned());
        text.ok_or_else(|| "there is no such article".into())
    }

    async fn ask(&self, parameters: &[(&str, &str)]) -> Asked<Json> {
        let mut address = self.address.clone();
        address
            .query_pairs_mut()
            .extend_pairs([("action", "query"), ("format", "json"), ("formatversion", "2")])
            .extend_pairs(parameters);
        let key = address.to_string();
        if let Some(answer) = self.recall(&key) {
            return Ok(answer);
        }
        let _turn = self.gate.acquire().await.map_err(|_| "it is closed".to_owned())?;
        // Somebody may have asked the same meanwhile.
        if let Some(answer) = self.recall(&key) {
            return Ok(answer);
        }
        let whole = Duration::from_secs_f64(self.config.total_seconds);
        let text = tokio::time::timeout(whole, self.fetch(address)).await;
        let text = text.unwrap_or_else(|_| Err("it took too long".into()))?;
        // What cannot be read is not kept.
        let answer = read(&text)?;
        self.keep(key, text);
        Ok(answer)
    }

    async fn fetch(&self, address: reqwest::Url) -> Asked<String> {
        let mut again = true;
        loop {
            let request = self.client.get(address.clone());
            let request = request.header(reqwest::header::USER_AGENT, self.config.user_agent.as_str());
            let mut answer =
                request.send().await.map_err(|error| failure(&error, "it could not be reached"))?;
            let status = answer.status().as_u16();
            if matches!(status, 429 | 503) && std::mem::take(&mut again) {
                let asked = answer.headers().get(reqwest::header::RETRY_AFTER);
                let asked = asked.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                let wait = Duration::try_from_secs_f64(asked.unwrap_or(1.0)).unwrap_or(PATIENCE);
                tokio::time::sleep(wait.min(PATIENCE)).await;
                continue;
            }
            if status != 200 {
                return Err(format!("status {status}"));
            }
            let mut bytes = Vec::new();
            while let Some(chunk) =
                answer.chunk().await.map_err(|error| failure(&error, "the answer broke off"))?
            {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > LONGEST {
                    return Err("an answer of more than 2 MiB".into());
                }
            }
            return String::from_utf8(bytes).map_err(|_| "an answer that is no text".into());
        }
    }

    fn file(&self, key: &str) -> Option<PathBuf> {
        let digest = rec_core::digest::hex(&Sha256::digest(key));
        Some(self.config.folder.as_ref()?.join(format!("{digest}.json")))
    }

    /// A kept answer. Only what can be read was kept: a file that cannot be is damaged, and its question is asked anew.
    fn recall(&self, key: &str) -> Option<Json> {
        let kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(key).cloned();
        read(&kept.or_else(|| std::fs::read_to_string(self.file(key)?).ok())?).ok()
    }

    /// An answer that cannot be written is asked for again, which is no harm.
    fn keep(&self, key: String, text: String) {
        if let Some(file) = self.file(&key) {
            let partial = file.with_extension(format!("{}.partial", std::process::id()));
            if std::fs::write(&partial, &text).and_then(|()| std::fs::rename(&partial, &file)).is_err() {
                let _ = std::fs::remove_file(&partial);
            }
        }
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kept.len() < KEPT {
            kept.insert(key, text);
        }
    }
}

/// What went wrong, without the address.
fn failure(error: &reqwest::Error, otherwise: &str) -> String {
    if error.is_timeout() { "it took too long".into() } else { otherwise.into() }
}

fn read(text: &str) -> Asked<Json> {
    let answer: Json = text.parse().map_err(|_| "an answer that is no JSON".to_owned())?;
    if answer.as_object().is_none() {
        return Err("an answer that is no object".into());
    }
    match answer.get("error") {
        Some(error) => {
            let what = error.get("info").or_else(|| error.get("code")).and_then(Json::as_str);
            Err(clip(&clean(what.unwrap_or("an error")), 200))
        }
        None => Ok(answer),
    }
}

/// The pages of an answer that are there, with title and text.
fn pages(answer: &Json) -> impl Iterator<Item = (&Json, &str, &str)> {
    let pages = answer.pointer("/query/pages").and_then(Json::as_array).unwrap_or_default();
    pages.iter().filter_map(|page| {
        let title = page.get("title")?.as_str()?;
        Some((page, title, page.get("extract")?.as_str()?))
    })
}
