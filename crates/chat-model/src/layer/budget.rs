//! Not more than may be spent.

use std::collections::HashMap;
use std::sync::Mutex;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::model::{Capabilities, ChatModel, ChatStream, SharedModel};
use crate::reply::{ChatEvent, ChatReply, Source, Usage};
use crate::request::{ChatRequest, estimate_tokens};

/// What may be spent; nothing is a cap that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Caps {
    /// Requests.
    pub calls: Option<u64>,
    /// Tokens of requests and replies together.
    pub tokens: Option<u64>,
    /// Money, in the unit of the prices.
    pub money: Option<f64>,
}

/// What tokens cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// A thousand tokens of requests.
    pub prompt_per_1k: f64,
    /// A thousand tokens of replies.
    pub completion_per_1k: f64,
}

impl Price {
    /// What `usage` costs.
    pub fn of(&self, usage: Usage) -> f64 {
        (usage.prompt_tokens as f64 * self.prompt_per_1k
            + usage.completion_tokens as f64 * self.completion_per_1k)
            / 1e3
    }
}

/// Caps and prices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// For everything that goes through the layer.
    pub run: Caps,
    /// For each sample that requests name.
    pub sample: Caps,
    /// For each session that requests name.
    pub session: Caps,
    /// What tokens cost.
    pub price: Price,
    /// The longest reply to reckon with where neither request nor model has a limit.
    pub assumed_reply_tokens: u32,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        let (run, sample, session) = (Caps::default(), Caps::default(), Caps::default());
        Self { run, sample, session, price: Price::default(), assumed_reply_tokens: 4096 }
    }
}

/// What was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Requests.
    pub calls: u64,
    /// Tokens of requests and replies together.
    pub tokens: u64,
    /// Money.
    pub money: f64,
}

impl Spent {
    fn add(&mut self, other: Self, sign: i64) {
        self.calls = self.calls.saturating_add_signed(sign * other.calls as i64);
        self.tokens = self.tokens.saturating_add_signed(sign * other.tokens as i64);
        self.money += sign as f64 * other.money;
    }

    fn plus(mut self, other: Self) -> Self {
        self.add(other, 1);
        self
    }

    /// The cap that this passes, in words.
    fn over(&self, caps: &Caps) -> Option<String> {
        if let Some(cap) = caps.calls.filter(|&cap| self.calls > cap) {
            return Some(format!("{} of {cap} calls", self.calls));
        }
        if let Some(cap) = caps.tokens.filter(|&cap| self.tokens > cap) {
            return Some(format!("{} of {cap} tokens", self.tokens));
        }
        // Sums of floats: a billionth over is not over.
        let cap = caps.money.filter(|&cap| self.money > cap * (1.0 + 1e-9))?;
        Some(format!("{:.6} of {cap} in money", self.money))
    }
}

/// Refuses requests that might pass a cap.
///
/// Before a request the worst that it can cost is reserved, so that requests at once cannot pass a cap together; its usage
/// replaces the reservation. A request that would fit if others cost less than reserved waits for them. What failed on the
/// way is paid with its prompt, for nobody knows.
pub struct Budget {
    inner: SharedModel,
    config: BudgetConfig,
    accounts: Mutex<HashMap<Account, Balance>>,
    settled: Notify,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Account {
    Run,
    Sample(String),
    Session(String),
}

#[derive(Clone, Copy, Debug, Default)]
struct Balance {
    spent: Spent,
    reserved: Spent,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget")
            .field("inner", &self.inner.capabilities().model)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Budget {
    /// Wraps `inner`.
    ///
    /// # Errors
    /// [`Error::Config`] for a cap or a price that is not a number or negative: it would be passed unseen.
    pub fn new(inner: SharedModel, config: BudgetConfig) -> Result<Self> {
        let BudgetConfig { run, sample, session, price, .. } = &config;
        for (key, value) in [
            ("run.money", run.money),
            ("sample.money", sample.money),
            ("session.money", session.money),
            ("price.prompt_per_1k", Some(price.prompt_per_1k)),
            ("price.completion_per_1k", Some(price.completion_per_1k)),
        ] {
            if let Some(value) = value.filter(|value| !(*value >= 0.0 && value.is_finite())) {
                return Err(Error::config(
                    key,
                    format!("{value} is no amount; accepts finite numbers from 0"),
                ));
            }
        }
        Ok(Self { inner, config, accounts: Mutex::new(HashMap::new()), settled: Notify::new() })
    }

    /// What was spent in all.
    pub fn spent(&self) -> Spent {
        self.balance(&Account::Run)
    }

    /// What was spent for a sample.
    pub fn spent_on_sample(&self, sample: &str) -> Spent {
        self.balance(&Account::Sample(sample.to_owned()))
    }

    /// What was spent in a session.
    pub fn spent_in_session(&self, session: &str) -> Spent {
        self.balance(&Account::Session(session.to_owned()))
    }

    fn balance(&self, account: &Account) -> Spent {
        let accounts = self.accounts.lock().expect("no panic under the lock");
        accounts.get(account).map_or_else(Spent::default, |balance| balance.spent)
    }

    fn caps(&self, account: &Account) -> &Caps {
        match account {
            Account::Run => &self.config.run,
            Account::Sample(_) => &self.config.sample,
            Account::Session(_) => &self.config.session,
        }
    }

    fn cost(&self, usage: Usage) -> Spent {
        Spent { calls: 1, tokens: usage.total(), money: self.config.price.of(usage) }
    }

    async fn reserve(&self, request: &ChatRequest) -> Result<Reservation<'_>> {
        let prompt = request.count_tokens(&estimate_tokens) as u64;
        let longest = request.sampling.max_tokens.map(u64::from);
        let longest = longest.or_else(|| self.inner.capabilities().max_output.map(|most| most as u64));
        let completion = longest.unwrap_or(u64::from(self.config.assumed_reply_tokens));
        let worst = self.cost(Usage { prompt_tokens: prompt, completion_tokens: completion });
        let mut owners = vec![Account::Run];
        owners.extend(request.sample.clone().map(Account::Sample));
        owners.extend(request.session.clone().map(Account::Session));
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // From here on no settlement is missed.
            settled.as_mut().enable();
            let wait = {
                let mut accounts = self.accounts.lock().expect("no panic under the lock");
                let mut wait = false;
                for owner in &owners {
                    let balance = accounts.get(owner).copied().unwrap_or_default();
                    let caps = self.caps(owner);
                    if let Some(over) = balance.spent.plus(worst).over(caps) {
                        let whose = match owner {
                            Account::Run => "the run".to_owned(),
                            Account::Sample(name) => format!("sample {name}"),
                            Account::Session(name) => format!("session {name}"),
                        };
                        return Err(Error::BudgetExhausted { what: format!("{whose} would come to {over}") });
                    }
                    wait |= balance.spent.plus(balance.reserved).plus(worst).over(caps).is_some();
                }
                if !wait {
                    for owner in &owners {
                        accounts.entry(owner.clone()).or_default().reserved.add(worst, 1);
                    }
                }
                wait
            };
            if !wait {
                let prompt = Usage { prompt_tokens: prompt, completion_tokens: 0 };
                return Ok(Reservation { budget: self, owners, worst, cost: self.cost(prompt) });
            }
            settled.await;
        }
    }
}

/// What is set aside for a request. Dropped, it becomes what the request cost.
struct Reservation<'b> {
    budget: &'b Budget,
    owners: Vec<Account>,
    worst: Spent,
    cost: Spent,
}

impl Reservation<'_> {
    fn settle(&mut self, usage: Option<Usage>, source: Source) {
        self.cost = match (source, usage) {
            // What a cassette or a cache below gave was paid before.
            (Source::Cache | Source::Cassette, _) => Spent::default(),
            (Source::Live, Some(usage)) => self.budget.cost(usage),
            (Source::Live, None) => self.worst,
        };
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut accounts = self.budget.accounts.lock().expect("no panic under the lock");
        for owner in self.owners.drain(..) {
            let balance = accounts.entry(owner).or_default();
            balance.reserved.add(self.worst, -1);
            balance.spent.add(self.cost, 1);
        }
        drop(accounts);
        self.budget.settled.notify_waiters();
    }
}

impl ChatModel for Budget {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        Box::pin(async move {
            let mut reservation = self.reserve(request).await?;
            let reply = self.inner.complete(request).await?;
            reservation.settle(reply.usage, reply.source);
            Ok(reply)
        })
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        struct State<'a> {
            stream: ChatStream<'a>,
            reservation: Reservation<'a>,
            usage: Option<Usage>,
            source: Source,
        }
        let opened = async move {
            let reservation = match self.reserve(request).await {
                Ok(reservation) => reservation,
                Err(error) => return futures_util::stream::iter([Err(error)]).boxed(),
            };
            let stream = self.inner.stream(request);
            let state = State { stream, reservation, usage: None, source: Source::Live };
            let next = |mut state: State<'a>| async move {
                let event = state.stream.next().await?;
                match &event {
                    Ok(ChatEvent::Usage(usage)) => state.usage = Some(*usage),
                    Ok(ChatEvent::Start { source, .. }) => state.source = *source,
                    _ => {}
                }
                // A stream that is given up after its first piece is paid in full.
                if event.is_ok() {
                    state.reservation.settle(state.usage, state.source);
                }
                Some((event, state))
            };
            futures_util::stream::unfold(state, next).boxed()
        };
        futures_util::stream::once(opened).flatten().boxed()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn identity(&self) -> Option<String> {
        self.inner.identity()
    }
}
