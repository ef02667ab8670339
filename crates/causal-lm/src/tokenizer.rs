//! Tokenizers in Hugging Face's form, read, trained and written.
//!
//! Nothing else in this crate needs one: models, training and decoding go by token numbers.

use std::path::Path;

use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TokenizerBuilder};

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
