//! Tokenizers in Hugging Face's form, read, trained and written.
//!
//! Nothing else in this crate needs one: models, training and decoding go by token numbers.

use std::collections::HashMap;
use std::path::Path;

use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TokenizerBuilder};

use crate::decode::Vocabulary;
use crate::{Error, Result};

/// A text tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer(tokenizers::Tokenizer);

fn fault(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer(error.to_string())
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Format`] if it cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = tokenizers::Tokenizer::from_file(path);
        read.map(Self).map_err(|error| Error::format(path, error.to_string()))
    }

    /// Writes `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.0.save(path, true).map_err(fault)
    }

    /// Byte-level BPE with at most `vocab_size` tokens, learned from `texts`. The special tokens come first, in their
    /// order; every byte has a token, so any text can be written.
    ///
    /// # Errors
    /// [`Error::Config`] if `vocab_size` has no room for bytes and special tokens; [`Error::Tokenizer`].
    pub fn train_bpe<S: AsRef<str> + Send>(
        texts: impl Iterator<Item = S> + Send,
        vocab_size: usize,
        special: &[&str],
    ) -> Result<Self> {
        let least = 256 + special.len();
        if vocab_size < least {
            return Err(Error::config(
                "vocab_size",
                format!("is {vocab_size}, but bytes and special tokens take {least}"),
            ));
        }
        let special = special.iter().map(|token| AddedToken::from(*token, true)).collect();
        let mut trainer = BpeTrainerBuilder::new()
            .show_progress(false)
            .vocab_size(vocab_size)
            .min_frequency(2)
            .special_tokens(special)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let bytes = ByteLevel::new(false, true, true);
        let mut tokenizer = TokenizerBuilder::<
            BPE,
            tokenizers::NormalizerWrapper,
            ByteLevel,
            tokenizers::PostProcessorWrapper,
            ByteLevel,
        >::new()
        .with_model(BPE::default())
        .with_pre_tokenizer(Some(bytes))
        .with_decoder(Some(bytes))
        .build()
        .map_err(fault)?;
        tokenizer.train(&mut trainer, texts).map_err(fault)?;
        // Through the file's form: the typed tokenizer becomes the general one.
        let text = tokenizer.to_string(false).map_err(fault)?;
        Ok(Self(text.parse().map_err(fault)?))
    }

    /// The number of tokens.
    pub fn vocab_size(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    /// What the tokens stand for as bytes, for [`JsonSchema`](crate::JsonSchema). Special tokens stand for nothing.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the decoder is neither byte-level (GPT-2, Llama 3, Qwen) nor one of pieces with byte
    /// fallback (Llama 2, TinyLlama).
    pub fn vocabulary(&self) -> Result<Vocabulary> {
        let decoder = serde_json::to_value(self.0.get_decoder()).map_err(fault)?;
        let byte_level = names(&decoder, "ByteLevel");
        if !byte_level && !names(&decoder, "ByteFallback") && !names(&decoder, "Metaspace") {
            return Err(fault("its decoder is neither byte-level nor one of pieces with byte fallback"));
        }
        let added = self.0.get_added_tokens_decoder();
        let letters = byte_letters();
        let mut tokens: Vec<Option<Vec<u8>>> = Vec::new();
        for (text, id) in self.0.get_vocab(true) {
            let id = id as usize;
            if tokens.len() <= id {
                tokens.resize(id + 1, None);
            }
            tokens[id] = match added.get(&(id as u32)) {
                Some(token) if token.special => None,
                Some(_) => Some(text.into_bytes()),
                None if byte_level => text.chars().map(|letter| letters.get(&letter).copied()).collect(),
                None => Some(match fallback_byte(&text) {
                    Some(byte) => vec![byte],
                    None => text.replace('\u{2581}', " ").into_bytes(),
                }),
            };
        }
        Ok(Vocabulary::new(tokens))
    }

    /// The number of a token.
    pub fn token(&self, token: &str) -> Option<u32> {
        self.0.token_to_id(token)
    }

    /// The tokens of a text, with nothing added at its ends.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.0.encode(text, false).map_err(fault)?.get_ids().to_vec())
    }

    /// The text of tokens, special ones left out.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        self.0.decode(tokens, true).map_err(fault)
    }
}

/// Whether a decoder, or a part of it, is of this type.
fn names(decoder: &serde_json::Value, kind: &str) -> bool {
    match decoder {
        serde_json::Value::Object(object) => {
            object.get("type").and_then(serde_json::Value::as_str) == Some(kind)
                || object.values().any(|part| names(part, kind))
        }
        serde_json::Value::Array(parts) => parts.iter().any(|part| names(part, kind)),
        _ => false,
    }
}

/// The byte of each letter in which byte-level BPE writes bytes: printable ones of Latin-1 as themselves, the others in
/// their order from U+0100 on.
fn byte_letters() -> HashMap<char, u8> {
    let mut next = 0x100;
    (0..=255u8)
        .map(|byte| {
            if matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff) {
                return (char::from(byte), byte);
            }
            next += 1;
            (char::from_u32(next - 1).expect("a letter of Latin Extended-A"), byte)
        })
        .collect()
}

/// The byte of a piece like `<0x0A>`.
fn fallback_byte(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 2)
}
