//! The shape of a model, read from and written to Hugging Face's `config.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// The shape of a Llama-style decoder.
///
/// Field names are those of Hugging Face's `config.json`.
///
/// ```
/// use causal_lm::CausalLmConfig;
///
/// let config = CausalLmConfig { vocab_size: 100, ..CausalLmConfig::default() };
/// let model = config.init(7, &burn::tensor::Device::flex())?;
/// assert_eq!(model.config().hidden_size, 128);
/// # Ok::<(), causal_lm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CausalLmConfig {
    /// The number of tokens.
    pub vocab_size: usize,
    /// The width of the residual stream.
    pub hidden_size: usize,
    /// The width of the gated feed-forward layer.
    pub intermediate_size: usize,
    /// The number of decoder layers.
    pub num_hidden_layers: usize,
    /// The number of query heads.
    pub num_attention_heads: usize,
    /// The number of key and value heads; divides the number of query heads.
    pub num_key_value_heads: usize,
    /// The width of a head; even. `hidden_size / num_attention_heads` if not given.
    pub head_dim: Option<usize>,
    /// The most positions that a sequence may have.
    pub max_position_embeddings: usize,
    /// What is added to the mean square before its root is taken.
    pub rms_norm_eps: f64,
    /// The base of the rotary frequencies.
    pub rope_theta: f64,
    /// How rotary frequencies are stretched for long contexts.
    pub rope_scaling: Option<RopeScaling>,
    /// Whether queries, keys and values have a bias (Qwen2).
    pub qkv_bias: bool,
    /// Whether the output projection is the transposed embedding.
    pub tie_word_embeddings: bool,
    /// The standard deviation of initial weights.
    pub initializer_range: f64,
    /// The token that begins a text.
    pub bos_token_id: Option<u32>,
    /// The tokens that end a text.
    pub eos_token_id: Vec<u32>,
}

/// A change of the rotary frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
pub enum RopeScaling {
    /// All frequencies divided by a factor.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3.1's: low frequencies divided, high ones kept, a linear passage between.
    Llama3 {
        /// The divisor.
        factor: f64,
        /// Wavelengths above `original / this` are divided.
        low_freq_factor: f64,
        /// Wavelengths below `original / this` are kept.
        high_freq_factor: f64,
        /// The context length before stretching.
        original_max_position_embeddings: usize,
    },
}

impl Default for CausalLmConfig {
    /// The `tiny` model for training from scratch: 0.8 M parameters beside the embedding.
    fn default() -> Self {
        Self {
            vocab_size: 2000,
            hidden_size: 128,
            intermediate_size: 384,
            num_hidden_layers: 4,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            head_dim: None,
            max_position_embeddings: 512,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: None,
            qkv_bias: false,
            tie_word_embeddings: true,
            initializer_range: 0.02,
            bos_token_id: None,
            eos_token_id: Vec::new(),
        }
    }
}

impl CausalLmConfig {
    /// The width of a head.
    pub fn head_width(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first that does not.
    pub fn validate(&self) -> Result<()> {
        for (key, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("max_position_embeddings", self.max_position_embeddings),
        ] {
            if value == 0 {
                return Err(Error::config(key, "is 0, but must be at least 1"));
            }
        }
        if u32::try_from(self.vocab_size).is_err() {
            return Err(Error::config("vocab_size", "does not fit into 32 bits"));
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            let what = format!(
                "is {}, which does not divide the {} attention heads",
                self.num_key_value_heads, self.num_attention_heads
            );
            return Err(Error::config("num_key_value_heads", what));
        }
        if self.head_dim.is_none() && !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let what = format!(
                "is {}, which {} heads do not divide; give head_dim",
                self.hidden_size, self.num_attention_heads
            );
            return Err(Error::config("hidden_size", what));
        }
        if self.head_width() == 0 || !self.head_width().is_multiple_of(2) {
            return Err(Error::config(
                "head_dim",
                format!("is {}, but must be even and positive", self.head_width()),
            ));
        }
        for (key, value) in [
            ("rms_norm_eps", self.rms_norm_eps),
            ("rope_theta", self.rope_theta),
            ("initializer_range", self.initializer_range),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::config(key, format!("is {value}, but must be a positive number")));
            }
        }
        match self.rope_scaling {
            Some(RopeScaling::Linear { factor } | RopeScaling::Llama3 { factor, .. })
                if !(factor.is_finite() && factor >= 1.0) =>
            {
                return Err(Error::config(
                    "rope_scaling.factor",
                    format!("is {factor}, but must be at least 1"),
                ));
            }
            Some(RopeScaling::Llama3 { low_freq_factor: low, high_freq_factor: high, .. })
                if !(low > 0.0 && high > low) =>
            {
                let what =
                    format!("is {high}, but must be above low_freq_factor, {low}, which must be positive");
                return Err(Error::config("rope_scaling.high_freq_factor", what));
            }
            _ => {}
        }
        for &token in self.eos_token_id.iter().chain(&self.bos_token_id) {
            if token as usize >= self.vocab_size {
                let what = format!("names token {token}, but there are {}", self.vocab_size);
                return Err(Error::config("eos_token_id", what));
            }
        }
        Ok(())
    }

    /// Reads Hugging Face's `config.json` of a Llama or Qwen2 model.
    ///
    /// # Errors
    /// [`Error::Config`] if a key is missing, has the wrong type, or asks for what this decoder cannot do.
    pub fn from_hugging_face(value: &Value) -> Result<Self> {
        let object = value.as_object().ok_or_else(|| Error::config("config.json", "is not an object"))?;
        let kind = object.get("model_type").and_then(Value::as_str).unwrap_or("");
        if !["llama", "qwen2"].contains(&kind) {
            return Err(Error::config("model_type", format!("is {kind:?}; llama and qwen2 are accepted")));
        }
        let read = Read { object };
        if let Some(act) = object.get("hidden_act").and_then(Value::as_str)
            && act != "silu"
        {
            return Err(Error::config("hidden_act", format!("is {act:?}; only silu is accepted")));
        }
        if read.flag("mlp_bias", false)? {
            return Err(Error::config("mlp_bias", "is true; feed-forward layers have no bias here"));
        }
        if kind == "llama" && read.flag("attention_bias", false)? {
            let what = "is true; Llama's output projection would have a bias too, which is not accepted";
            return Err(Error::config("attention_bias", what));
        }
        if kind == "qwen2" && read.flag("use_sliding_window", false)? {
            return Err(Error::config(
                "use_sliding_window",
                "is true; attention is always over all positions here",
            ));
        }
        let heads = read.whole("num_attention_heads")?;
        // transformers 5 puts both under one key.
        let rope =
            object.get("rope_parameters").or_else(|| object.get("rope_scaling")).filter(|v| !v.is_null());
        let theta = rope.and_then(|rope| rope.get("rope_theta")).or_else(|| object.get("rope_theta"));
        let config = Self {
            vocab_size: read.whole("vocab_size")?,
            hidden_size: read.whole("hidden_size")?,
            intermediate_size: read.whole("intermediate_size")?,
            num_hidden_layers: read.whole("num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: read.maybe_whole("num_key_value_heads")?.unwrap_or(heads),
            head_dim: read.maybe_whole("head_dim")?,
            max_position_embeddings: read.maybe_whole("max_position_embeddings")?.unwrap_or(2048),
            rms_norm_eps: read.real("rms_norm_eps", 1e-6)?,
            rope_theta: match theta {
                None => 10_000.0,
                Some(value) => {
                    value.as_f64().ok_or_else(|| Error::config("rope_theta", "is not a number"))?
                }
            },
            rope_scaling: rope.map(read_scaling).transpose()?.flatten(),
            qkv_bias: kind == "qwen2",
            // False is the default of LlamaConfig and Qwen2Config.
            tie_word_embeddings: read.flag("tie_word_embeddings", false)?,
            initializer_range: read.real("initializer_range", 0.02)?,
            bos_token_id: read.tokens("bos_token_id")?.first().copied(),
            eos_token_id: read.tokens("eos_token_id")?,
        };
        config.validate()?;
        Ok(config)
    }

    /// The same as Hugging Face's `config.json`.
    pub fn to_hugging_face(&self) -> Value {
        let (kind, architecture) =
            if self.qkv_bias { ("qwen2", "Qwen2ForCausalLM") } else { ("llama", "LlamaForCausalLM") };
        let mut value = json!({
            "architectures": [architecture],
            "model_type": kind,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_width(),
            "hidden_act": "silu",
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": self.rope_scaling,
            "attention_bias": false,
            "mlp_bias": false,
            "tie_word_embeddings": self.tie_word_embeddings,
            "initializer_range": self.initializer_range,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": match self.eos_token_id.as_slice() {
                [] => Value::Null,
                [one] => json!(one),
                many => json!(many),
            },
            "torch_dtype": "float32",
            "use_cache": true,
        });
        if self.qkv_bias
            && let Some(object) = value.as_object_mut()
        {
            object.remove("attention_bias");
            object.remove("mlp_bias");
        }
        value
    }

    /// The rotary frequencies, `head_width / 2` of them, after scaling.
    pub fn rope_frequencies(&self) -> Vec<f64> {
        let width = self.head_width();
        (0..width / 2)
            .map(|pair| {
                let frequency = self.rope_theta.powf(-((2 * pair) as f64) / width as f64);
                match self.rope_scaling {
                    None => frequency,
                    Some(RopeScaling::Linear { factor }) => frequency / factor,
                    Some(RopeScaling::Llama3 {
                        factor,
                        low_freq_factor: low,
                        high_freq_factor: high,
                        original_max_position_embeddings: original,
                    }) => {
                        let original = original as f64;
                        let wavelength = std::f64::consts::TAU / frequency;
                        if wavelength > original / low {
                            frequency / factor
                        } else if wavelength < original / high {
                            frequency
                        } else {
                            let kept = (original / wavelength - low) / (high - low);
                            (1.0 - kept) * frequency / factor + kept * frequency
                        }
                    }
                }
            })
            .collect()
    }
}

fn read_scaling(value: &Value) -> Result<Option<RopeScaling>> {
    let object = value.as_object().ok_or_else(|| Error::config("rope_scaling", "is not an object"))?;
    let kind = object.get("rope_type").or_else(|| object.get("type")).and_then(Value::as_str);
    let number = |key: &str| {
        let number = object.get(key).and_then(Value::as_f64);
        number.ok_or_else(|| Error::config(format!("rope_scaling.{key}"), "is not a number"))
    };
    match kind {
        None | Some("default") => Ok(None),
        Some("linear") => Ok(Some(RopeScaling::Linear { factor: number("factor")? })),
        Some("llama3") => Ok(Some(RopeScaling::Llama3 {
            factor: number("factor")?,
            low_freq_factor: number("low_freq_factor")?,
            high_freq_factor: number("high_freq_factor")?,
            original_max_position_embeddings: number("original_max_position_embeddings")? as usize,
        })),
        Some(other) => Err(Error::config(
            "rope_scaling.rope_type",
            format!("is {other:?}; default, linear and llama3 are accepted"),
        )),
    }
}

struct Read<'a> {
    object: &'a Map<String, Value>,
}

impl Read<'_> {
    fn present(&self, key: &str) -> Option<&Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn maybe_whole(&self, key: &str) -> Result<Option<usize>> {
        let number = |value: &Value| {
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| Error::config(key, format!("is {value}, not a whole number")))
        };
        self.present(key).map(number).transpose()
    }

    fn whole(&self, key: &str) -> Result<usize> {
        self.maybe_whole(key)?.ok_or_else(|| Error::config(key, "is missing"))
    }

    fn real(&self, key: &str, default: f64) -> Result<f64> {
        self.present(key).map_or(Ok(default), |value| {
            value.as_f64().ok_or_else(|| Error::config(key, format!("is {value}, not a number")))
        })
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool> {
        self.present(key).map_or(Ok(default), |value| {
            value.as_bool().ok_or_else(|| Error::config(key, format!("is {value}, not true or false")))
        })
    }

    fn tokens(&self, key: &str) -> Result<Vec<u32>> {
        let token = |value: &Value| {
            let token = value.as_u64().and_then(|token| u32::try_from(token).ok());
            token.ok_or_else(|| Error::config(key, format!("is {value}, not a token")))
        };
        match self.present(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(token).collect(),
            Some(value) => Ok(vec![token(value)?]),
        }
    }
}
