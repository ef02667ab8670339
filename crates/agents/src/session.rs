//! A dialogue with a person: what was said, what it adds up to, and one engine that answers. Nothing of one session is seen
//! by another.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::dialogue::{DialogueState, Speaker, Turn};
use crate::engine::{Done, Engine, Job};
use crate::index::CutOff;
use crate::task::{Answer, TaskInput};
use crate::trace::Listener;
use crate::{limits, untrusted};

/// A dialogue.
#[derive(Clone)]
pub struct Session {
    /// Names it.
    pub id: String,
    /// What was said.
    pub turns: Vec<Turn>,
    /// What it adds up to.
    pub state: DialogueState,
    /// How many turns there were, those included that are not kept any more: it names the samples.
    pub said: usize,
}

impl Session {
    /// An empty dialogue.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), turns: Vec::new(), state: DialogueState::default(), said: 0 }
    }

    /// Takes the person's message and gives the answer with all that led to it. A halted answer is not kept as if the system
    /// had said it.
    pub async fn say(
        &mut self,
        engine: &Engine,
        message: &str,
        cancel: Option<Arc<AtomicBool>>,
        listener: Option<Listener>,
    ) -> Done {
        let text = untrusted::clip(&untrusted::clean(message), limits::MESSAGE);
        self.push(Speaker::User, text);
        let sample = format!("{}-{}", self.id, self.said);
        let task = TaskInput::of_dialogue(sample, engine.knowledge.scale, self.turns.clone());
        let job = Job { dialogue: self.state.clone(), cancel, listener, ..Job::new(task, CutOff::NONE) };
        let done = engine.run(job).await;
        self.state = done.dialogue.clone();
        if let (Answer::Text(text), true) = (&done.outcome.answer, done.outcome.valid) {
            self.push(Speaker::System, text.clone());
        }
        done
    }

    fn push(&mut self, speaker: Speaker, text: String) {
        self.turns.push(Turn { speaker, text });
        self.said += 1;
        let surplus = self.turns.len().saturating_sub(limits::TURNS);
        self.turns.drain(..surplus);
    }
}
