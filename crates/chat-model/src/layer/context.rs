//! Conversations that are longer than a model takes.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use rec_core::Role;

use crate::error::{Error, Result};
use crate::model::{Capabilities, ChatModel, ChatStream, SharedModel};
use crate::reply::ChatReply;
use crate::request::{ChatRequest, estimate_tokens};

/// Counts the tokens of a text.
pub type TokenCount = Arc<dyn Fn(&str) -> usize + Send + Sync>;

/// Tokens for a reply without a limit of its own.
const REPLY: usize = 512;

/// The longest observation after shortening, in characters, first and second try.
const SHORT: [usize; 2] = [2000, 400];

/// Makes requests fit into the model's context before they are sent, by [`fit`].
pub struct FitContext {
    inner: SharedModel,
    count: TokenCount,
}

impl std::fmt::Debug for FitContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FitContext").field("inner", &self.inner.capabilities().model).finish_non_exhaustive()
    }
}

impl FitContext {
    /// Wraps `inner`; its `context_length` is the limit, without one nothing is done. Tokens are estimated.
    pub fn new(inner: SharedModel) -> Self {
        Self { inner, count: Arc::new(estimate_tokens) }
    }

    /// Counts tokens by `count`: a tokenizer of the model.
    #[must_use]
    pub fn counting(self, count: TokenCount) -> Self {
        Self { count, ..self }
    }

    fn fitted<'r>(&self, request: &'r ChatRequest) -> Result<Cow<'r, ChatRequest>> {
        match self.inner.capabilities().context_length {
            Some(limit) => fit(request, limit, &self.count),
            None => Ok(Cow::Borrowed(request)),
        }
    }
}

/// The request, or a copy that fits into `limit` tokens together with its reply.
///
/// First long answers of tools lose their middle; then the oldest answers of tools are left out, one after the other, with a
/// note in their place. What people and the model said, and the last answer, stay.
///
/// # Errors
/// [`Error::ContextTooLong`] with both numbers, if that is not enough.
pub fn fit<'r>(request: &'r ChatRequest, limit: usize, count: &TokenCount) -> Result<Cow<'r, ChatRequest>> {
    let reply = request.sampling.max_tokens.map_or(REPLY, |most| most as usize);
    let needs = |request: &ChatRequest| request.count_tokens(count.as_ref()) + reply;
    if needs(request) <= limit {
        return Ok(Cow::Borrowed(request));
    }
    let mut shorter = request.clone();
    for most in SHORT {
        for message in shorter.messages.iter_mut().filter(|message| message.role == Role::Tool) {
            if let Some(short) = without_middle(&message.content, most) {
                message.content = short;
            }
        }
        if needs(&shorter) <= limit {
            return Ok(Cow::Owned(shorter));
        }
    }
    let answers = shorter.messages.iter().enumerate().filter(|(_, message)| message.role == Role::Tool);
    let mut answers: Vec<usize> = answers.map(|(at, _)| at).collect();
    answers.pop();
    for at in answers {
        "[left out]".clone_into(&mut shorter.messages[at].content);
        if needs(&shorter) <= limit {
            return Ok(Cow::Owned(shorter));
        }
    }
    let what = format!("about {} tokens with the reply, and the model takes {limit}", needs(&shorter));
    Err(Error::ContextTooLong { what })
}

/// Head and tail of a long text, with a note between.
fn without_middle(text: &str, most: usize) -> Option<String> {
    let length = text.chars().count();
    if length <= most + 40 {
        return None;
    }
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    let (head, tail) = (most * 2 / 3, most / 3);
    let left_out = length - head - tail;
    Some(format!(
        "{}\n[{left_out} characters left out]\n{}",
        &text[..byte(head)],
        &text[byte(length - tail)..]
    ))
}

impl ChatModel for FitContext {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        Box::pin(async move {
            let request = self.fitted(request)?;
            self.inner.complete(&request).await
        })
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        match self.fitted(request) {
            Ok(Cow::Borrowed(request)) => self.inner.stream(request),
            Ok(Cow::Owned(request)) => {
                // The shortened request has to live as long as its stream.
                let whole = async move {
                    let stream = self.inner.stream(&request);
                    let events: Vec<_> = stream.collect().await;
                    futures_util::stream::iter(events)
                };
                futures_util::stream::once(whole).flatten().boxed()
            }
            Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn identity(&self) -> Option<String> {
        self.inner.identity()
    }
}

#[cfg(test)]
mod tests {
    use rec_core::Message;

    use super::*;

    #[test]
    fn answers_of_tools_give_way_and_nothing_else() {
        let count: TokenCount = Arc::new(|text: &str| text.chars().count());
        let long = format!("{}{}", "ä".repeat(3000), "z");
        let request = ChatRequest::new(vec![
            Message::system("s".repeat(50)),
            Message::user("u".repeat(50)),
            Message::tool("1", long.clone()),
            Message::tool("2", long),
        ]);
        assert!(matches!(fit(&request, 10_000, &count).unwrap(), Cow::Borrowed(_)));
        for (limit, oldest) in [(4800, 2000), (1600, 400), (1200, 10)] {
            let fitted = fit(&request, limit, &count).unwrap().into_owned();
            assert!(fitted.count_tokens(count.as_ref()) + REPLY <= limit);
            assert_eq!(fitted.messages[..2], request.messages[..2]);
            let length = fitted.messages[2].content.chars().count();
            assert!((oldest..oldest + 40).contains(&length), "{limit}: {length}");
            assert!(fitted.messages[3].content.ends_with('z'));
        }
        let message = fit(&request, 500, &count).unwrap_err().to_string();
        assert!(message.contains("the model takes 500"), "{message}");
    }
}
