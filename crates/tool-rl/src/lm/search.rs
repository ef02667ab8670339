//! A language model that proposes calls to the depth-first search.

use causal_lm::{CausalLm, Session, Slot};
use rec_core::ToolCall;
use rec_core::random::stream;

use super::rollout::{Draw, choose};
use crate::Result;
use crate::codec::ActionCodec;
use crate::env::ToolEnvironment;
use crate::episode::Limits;
use crate::search::{Found, SearchConfig, search};

/// Depth-first search with a model (DFSDT). The first call from a state is the likeliest, the others are drawn at `temperature` until
/// one comes that was not tried before, eight draws at most.
///
/// # Errors
/// As [`Session::start`].
pub fn search_with<E: ToolEnvironment, C: ActionCodec>(
    model: &CausalLm,
    env: &mut E,
    codec: &C,
    config: &SearchConfig,
    limits: &Limits,
    temperature: f64,
    seed: u64,
) -> Result<Found> {
    let prompt = codec.prompt(env.query(), env.tools());
    let mut drawn = 0;
    search(env, config, |env, path, tried| {
        let mut tokens = prompt.clone();
        for (call, reply) in path {
            let Some(action) = codec.action(call) else { return Ok(None) };
            tokens.extend(action);
            tokens.extend(codec.reply(reply));
        }
        if tokens.len() - prompt.len() + limits.action_tokens > limits.tokens {
            return Ok(None);
        }
        for attempt in 0..8 {
            let draw = match (tried.len(), attempt) {
                (0, 0) => Draw::Greedy,
                _ => Draw::Sample { temperature, seed },
            };
            drawn += 1;
            let call = write(model, env, codec, &tokens, limits, draw, drawn)?;
            // What cannot be written again cannot be read again either.
            let known = tried.iter().any(|tried| tried.canonical() == call.canonical());
            if !known && codec.action(&call).is_some() {
                return Ok(Some(call));
            }
        }
        Ok(None)
    })
}

/// One action after `tokens`.
fn write<E: ToolEnvironment, C: ActionCodec>(
    model: &CausalLm,
    env: &E,
    codec: &C,
    tokens: &[u32],
    limits: &Limits,
    draw: Draw,
    number: u64,
) -> Result<ToolCall> {
    let seed = match draw {
        Draw::Sample { seed, .. } => seed,
        Draw::Greedy => 0,
    };
    let mut rng = stream(seed, "search", number);
    let (mut session, mut logits) = Session::start(model, &[tokens], limits.action_tokens, Slot::Active)?;
    let mut action = Vec::new();
    loop {
        let allowed = codec.allowed(env.tools(), &action);
        let (token, _) = choose(&logits, allowed.as_deref(), draw, &mut rng);
        action.push(token);
        if token == codec.end() || action.len() >= limits.action_tokens {
            return Ok(codec.read_action(&action));
        }
        logits = session.step(&[token])?;
    }
}
