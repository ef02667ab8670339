//! Byte-level BPE trained here: any text comes back, from memory and from the file; and its tokens as bytes.
#![cfg(feature = "text")]

use causal_lm::decode::Constraint;
use causal_lm::{JsonSchema, Tokenizer};
use proptest::prelude::*;
use serde_json::json;

fn trained() -> &'static Tokenizer {
    static TRAINED: std::sync::OnceLock<Tokenizer> = std::sync::OnceLock::new();
    TRAINED.get_or_init(train)
}

fn train() -> Tokenizer {
    let texts =
        ["low lower lowest newer newest wide wider", "the newest is the lowest", "{\"name\": \"low\"}"];
    let texts = texts.iter().cycle().take(30).copied();
    Tokenizer::train_bpe(texts, 320, &["<pad>", "<end>"]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn texts_come_back(text in "\\PC{0,40}|[ \\n\\t]{0,5}|(low|newest|é|日){0,9}") {
        let tokenizer = trained();
        let tokens = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(tokenizer.decode(&tokens).unwrap(), text.as_str());
    }
}

#[test]
fn training_learns_words_and_the_file_keeps_them() {
    let tokenizer = trained();
    assert!(tokenizer.vocab_size() > 262 && tokenizer.vocab_size() <= 320);
    assert_eq!((tokenizer.token("<pad>"), tokenizer.token("<end>")), (Some(0), Some(1)));
    assert!(tokenizer.encode(" newest").unwrap().len() <= 2);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("tokenizer.json");
    tokenizer.save(&file).unwrap();
    let again = Tokenizer::load(&file).unwrap();
    for text in ["the widest", "\u{1f600} and\n\n more", ""] {
        assert_eq!(again.encode(text).unwrap(), tokenizer.encode(text).unwrap());
    }
}

#[test]
fn tokens_as_bytes_follow_a_schema_and_decode_to_it() {
    let tokenizer = trained();
    let end = tokenizer.token("<end>").unwrap();
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let json = JsonSchema::new(&schema, tokenizer.vocabulary().unwrap(), &[end]).unwrap();
    let text = "{\"name\": \"löw\u{1f600}er \\\" \"}";
    let tokens = tokenizer.encode(text).unwrap();
    let mut state = json.start();
    for &token in &tokens {
        assert!(json.allowed(&state).unwrap().contains(&token), "{token} of {text}");
        json.advance(&mut state, token);
    }
    assert_eq!(json.allowed(&state), Some(vec![end]));
    assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
}
