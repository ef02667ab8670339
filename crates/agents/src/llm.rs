//! Language models on the team: a prompt for the view, a reply parsed by the ladder, a few turns of repair; and the rule-based
//! engine as a model, so that everything between an agent and an endpoint can be run without one.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat_model::{
    Capabilities, ChatModel, ChatReply, ChatRequest, JsonText, ResponseFormat, Sampling, SharedModel,
    ToolChoice, Toolset, estimate_tokens,
};
use futures_util::future::BoxFuture;
use rec_core::{Json, Message, ToolCall};
use serde::{Deserialize, Serialize};

use crate::action::{Action, AgentRole, ManagerAction};
use crate::decider::{DecideError, Decider, Decision, Source, Usage};
use crate::parser::{ParseError, Rung, parse};
use crate::policy::PolicyDecider;
use crate::prompt::{self, ReplyForm};
use crate::task::TaskKind;
use crate::untrusted::clip;
use crate::view::{AgentView, Claim};
use crate::{grammar, limits};

/// How a model is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LlmConfig {
    /// `native`, `json` or `text`; by what the model can do if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// Temperature and the like.
    pub sampling: Sampling,
    /// Turns of repair after a reply that is no action. They cost requests, not steps.
    pub repairs: u32,
    /// Send the typed view along. Only an engine behind an endpoint reads it.
    pub send_view: bool,
}

/// [`ReplyForm`] in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A native tool call.
    Native,
    /// A JSON object.
    Json,
    /// Text.
    Text,
}

impl Default for LlmConfig {
    fn default() -> Self {
        let sampling = Sampling { temperature: Some(0.0), max_tokens: Some(800), ..Sampling::default() };
        Self { form: None, sampling, repairs: 2, send_view: false }
    }
}

/// Decides by asking a language model.
#[derive(Clone)]
pub struct LlmDecider {
    model: SharedModel,
    config: LlmConfig,
    /// Each role's actions as native tools and as a schema, without and with an encyclopedia; the same at every request.
    offered: Arc<BTreeMap<(AgentRole, bool), Offered>>,
}

impl std::fmt::Debug for LlmDecider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlmDecider")
            .field("model", &self.model.capabilities().model)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

struct Offered {
    tools: Toolset,
    schema: Json,
}

impl LlmDecider {
    /// A decider that asks `model`.
    pub fn new(model: SharedModel, config: LlmConfig) -> Self {
        let offered = |(role, encyclopedia): (AgentRole, bool)| {
            let specs = || role.offered(encyclopedia);
            let offered =
                Offered { tools: grammar::native_tools(specs()).into(), schema: grammar::schema(specs()) };
            ((role, encyclopedia), offered)
        };
        let all = AgentRole::ALL.into_iter().flat_map(|role| [(role, false), (role, true)]);
        Self { model, config, offered: Arc::new(all.map(offered).collect()) }
    }

    fn form(&self, capabilities: &Capabilities) -> ReplyForm {
        match self.config.form {
            Some(Form::Native) => ReplyForm::Native,
            Some(Form::Json) => ReplyForm::Json,
            Some(Form::Text) => ReplyForm::Text,
            None if capabilities.tools => ReplyForm::Native,
            None if capabilities.json_schema || capabilities.json_object => ReplyForm::Json,
            None => ReplyForm::Text,
        }
    }

    fn request(
        &self,
        view: &AgentView,
        form: ReplyForm,
        capabilities: &Capabilities,
        messages: Vec<Message>,
    ) -> ChatRequest {
        let offered = &self.offered[&(view.role, view.encyclopedia)];
        let mut request = ChatRequest::new(messages);
        request.sampling = self.config.sampling.clone();
        request.agent = Some(view.role.name().to_owned());
        request.sample = Some(view.task.sample.clone());
        match form {
            ReplyForm::Native => {
                request.tools = offered.tools.clone();
                request.tool_choice = ToolChoice::Required;
            }
            ReplyForm::Json if capabilities.json_schema => {
                request.format =
                    ResponseFormat::JsonSchema { name: "action".into(), schema: offered.schema.clone() };
            }
            ReplyForm::Json if capabilities.json_object => request.format = ResponseFormat::JsonObject,
            ReplyForm::Json | ReplyForm::Text => {}
        }
        if self.config.send_view {
            request.task = JsonText::of(view).ok();
        }
        request
    }

    async fn ask(&self, view: &AgentView) -> Result<Decision, DecideError> {
        let capabilities = self.model.capabilities();
        let form = self.form(&capabilities);
        let mut request = self.request(view, form, &capabilities, prompt::messages(view, form));
        let mut usage = Usage::default();
        let mut failure: Option<(ParseError, String, Source)> = None;
        for turn in 0..=self.config.repairs {
            let reply = match (self.model.complete(&request).await, failure.take()) {
                (Ok(reply), _) => reply,
                // The first reply was no action; that the repair failed does not make it worse than that.
                (Err(chat_model::Error::ContextTooLong { .. }), Some((error, thought, source))) => {
                    return Ok(decision(thought, Err(error), Rung::Text, usage, source));
                }
                (Err(error), None) => return Err(halt(&error)),
                (Err(error), Some(_)) => {
                    return Err(DecideError::After { usage, error: Box::new(halt(&error)) });
                }
            };
            usage.requests += 1;
            usage.repairs += u32::from(turn > 0);
            let counted = reply.usage.unwrap_or_else(|| chat_model::Usage {
                prompt_tokens: request.count_tokens(&estimate_tokens) as u64,
                completion_tokens: estimate_tokens(&reply.message.content) as u64,
            });
            usage.input_tokens += counted.prompt_tokens;
            usage.output_tokens += counted.completion_tokens;
            let source = match reply.source {
                chat_model::Source::Live => Source::Model,
                chat_model::Source::Cache | chat_model::Source::Cassette => Source::Cache,
            };
            let thought = thought(&reply.message);
            match parse(view.role, &reply.message.content, &reply.message.tool_calls) {
                Ok((action, rung)) => {
                    let mut decision = decision(thought, Ok(action), rung, usage, source);
                    ground(view, &mut decision);
                    return Ok(decision);
                }
                Err(error) => {
                    request.messages.push(Message::assistant(as_text(&reply.message)));
                    request.messages.push(Message::user(format!(
                        "That is not an action: {error}. Reply again, with one action."
                    )));
                    failure = Some((error, thought, source));
                }
            }
        }
        let (error, thought, source) = failure.ok_or_else(|| DecideError::Model("no reply".into()))?;
        Ok(decision(thought, Err(error), Rung::Text, usage, source))
    }
}

impl Decider for LlmDecider {
    fn decide<'a>(&'a self, view: &'a AgentView) -> BoxFuture<'a, Result<Decision, DecideError>> {
        Box::pin(self.ask(view))
    }
}

fn decision(
    thought: String,
    action: Result<Action, ParseError>,
    rung: Rung,
    usage: Usage,
    source: Source,
) -> Decision {
    Decision { thought, action, claims: Vec::new(), items: Vec::new(), rung, usage, source }
}

fn halt(error: &chat_model::Error) -> DecideError {
    match error {
        chat_model::Error::ContextTooLong { what } => DecideError::Context(what.clone()),
        chat_model::Error::BudgetExhausted { what } => DecideError::Budget(what.clone()),
        other => DecideError::Model(other.to_string()),
    }
}

/// A message as text, calls included, to be shown to the model again.
fn as_text(message: &Message) -> String {
    let mut text = clip(&message.content, 2_000);
    for call in &message.tool_calls {
        text += &format!("\n{}({})", clip(&call.name, 60), clip(&call.arguments.to_string(), 1_000));
    }
    text
}

/// What the model said of its reasons: beside a call, before the action, or apart.
fn thought(message: &Message) -> String {
    let content = message.content.trim();
    let said = if !message.tool_calls.is_empty() {
        content
    } else if let Some(at) = content.to_ascii_lowercase().rfind("action:") {
        &content[..at]
    } else {
        ""
    };
    let said = said.trim().trim_start_matches("Thought:").trim();
    let text = if said.is_empty() { message.reasoning.as_deref().unwrap_or_default() } else { said };
    clip(text, limits::OBSERVATION)
}

/// Ties the items that an answer of a dialogue names to the tools' results that name them too: what a model says of its own
/// accord gets no evidence.
fn ground(view: &AgentView, decision: &mut Decision) {
    let Ok(Action::Manager(ManagerAction::Finish { answer: Json::String(text) })) = &decision.action else {
        return;
    };
    if !matches!(view.task.kind, TaskKind::Conversation | TaskKind::Explanation) {
        return;
    }
    let mut found: Vec<(usize, Claim)> = Vec::new();
    for step in view.steps.iter().filter(|step| step.observation.ok) {
        cards(&step.observation.value, &mut String::new(), &mut |pointer, card| {
            let (Some(id), Some(title)) =
                (card.get("id").and_then(Json::as_str), card.get("title").and_then(Json::as_str))
            else {
                return;
            };
            let Some(place) = text.find(title).filter(|_| !title.is_empty()) else { return };
            if found.iter().all(|(_, claim)| claim.item.as_deref() != Some(id)) {
                let claim = Claim {
                    item: Some(id.to_owned()),
                    text: format!("names {title}"),
                    observation: step.observation.id.clone(),
                    pointer: pointer.to_owned(),
                    value: card.clone(),
                };
                found.push((place, claim));
            }
        });
    }
    found.sort_by_key(|(place, _)| *place);
    decision.claims = found.into_iter().map(|(_, claim)| claim).collect();
    if view.task.kind == TaskKind::Conversation {
        decision.items = decision.claims.iter().filter_map(|claim| claim.item.clone()).collect();
    }
}

/// Visits every item card in a value, with its pointer.
fn cards(value: &Json, pointer: &mut String, visit: &mut impl FnMut(&str, &Json)) {
    let length = pointer.len();
    match value {
        Json::Object(members) => {
            if members.contains_key("id") && members.contains_key("title") {
                visit(pointer, value);
                return;
            }
            for (name, member) in members {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                cards(member, pointer, visit);
                pointer.truncate(length);
            }
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{at}"));
                cards(item, pointer, visit);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

/// The rule-based engine as a chat model: it reads the typed view that goes with a request ([`LlmConfig::send_view`]) and
/// answers in the form that the request asks for. It is no language model, and says so in its name.
pub struct PolicyModel {
    policy: PolicyDecider,
}

impl PolicyModel {
    /// A model that decides as `policy` does.
    pub fn new(policy: PolicyDecider) -> Self {
        Self { policy }
    }
}

impl ChatModel for PolicyModel {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, chat_model::Result<ChatReply>> {
        let reply = || {
            let bad = |what: String| chat_model::Error::BadRequest { what };
            let task = request
                .task
                .as_ref()
                .ok_or_else(|| bad("the rule-based engine needs the typed view".into()))?;
            let view: AgentView = task.read().map_err(|error| bad(format!("not a view: {error}")))?;
            let decision = self.policy.decide_now(&view);
            let action = decision.action.map_err(|error| bad(error.to_string()))?;
            let mut message = if request.tools.is_empty() {
                Message::assistant(action.to_json().to_string())
            } else {
                let (index, values) = action.parts();
                let spec = &view.role.specs()[index];
                let arguments = spec.arguments.iter().map(|argument| argument.name).zip(values).collect();
                Message::calls(vec![ToolCall::new("call-1", spec.name, arguments)])
            };
            message.reasoning = Some(decision.thought);
            let mut reply = ChatReply::new(message);
            reply.model = self.capabilities().model;
            Ok(reply)
        };
        Box::pin(std::future::ready(reply()))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            model: "sextant-policy".into(),
            json_object: true,
            tools: true,
            ..Capabilities::default()
        }
    }
}

/// A decider for futures that need a tokio runtime (HTTP clients do), usable from any executor: the work is done where the future
/// is polled, with the runtime's clock and sockets. The runtime has to live as long as decisions are awaited.
#[cfg(feature = "http")]
pub struct OnRuntime {
    decider: Arc<dyn Decider>,
    runtime: tokio::runtime::Handle,
}

#[cfg(feature = "http")]
impl OnRuntime {
    /// `decider`, on `runtime`.
    pub fn new(decider: Arc<dyn Decider>, runtime: tokio::runtime::Handle) -> Self {
        Self { decider, runtime }
    }
}

#[cfg(feature = "http")]
impl Decider for OnRuntime {
    fn decide<'a>(&'a self, view: &'a AgentView) -> BoxFuture<'a, Result<Decision, DecideError>> {
        Box::pin(crate::runtime::polled_on(&self.runtime, self.decider.decide(view)))
    }
}
