//! The decoder as a burn module.

use std::sync::Arc;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::activation::{silu, softmax};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

use rec_core::random::Random;

use crate::cache::{Cache, LayerCache};
use crate::cpu::Home;
use crate::projection::{Pass, Projection, Slot, as_type, normal, param};
use crate::tokens::Tokens;
use crate::{CausalLmConfig, Error, Result};

/// `x / sqrt(mean(x^2) + eps) * w` over the last axis (Zhang & Sennrich, 2019), in f32.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[width]`.
    pub weight: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl RmsNorm {
    fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        Self { weight: param(vec![1.0; width], [width], device), epsilon }
    }

    /// # Shapes
    /// - `x` and output: `[n, width]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let dtype = x.dtype();
        let x = as_type(x, DType::F32);
        let scale = x.clone().square().mean_dim(1).add_scalar(self.epsilon).sqrt();
        as_type(x.div(scale), dtype).mul(self.weight.val().unsqueeze())
    }
}

/// The table of token vectors.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[vocabulary, width]`.
    pub weight: Param<Tensor<2>>,
}

/// Causal self-attention with rotary positions and grouped key/value heads.
#[derive(Module, Debug)]
pub struct Attention {
    /// To `[heads * head_width]`.
    pub q_proj: Projection,
    /// To `[key/value heads * head_width]`.
    pub k_proj: Projection,
    /// To `[key/value heads * head_width]`.
    pub v_proj: Projection,
    /// Back to the residual stream.
    pub o_proj: Projection,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    key_heads: usize,
    #[module(skip)]
    width: usize,
}

/// What all layers of a pass share.
struct Positions {
    rows: usize,
    length: usize,
    /// `[rows or 1, 1, length, head_width / 2]`.
    cosine: Tensor<4>,
    sine: Tensor<4>,
    /// `[rows or 1, 1, group * length, seen]`: true where a query may not look; none if all may.
    hidden: Option<Tensor<4, Bool>>,
}

impl Attention {
    fn rotate(&self, x: Tensor<4>, positions: &Positions) -> Tensor<4> {
        let half = self.width / 2;
        let (first, second) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let (cosine, sine) = (positions.cosine.clone(), positions.sine.clone());
        let turned = first.clone().mul(cosine.clone()).sub(second.clone().mul(sine.clone()));
        Tensor::cat(vec![turned, second.mul(cosine).add(first.mul(sine))], 3)
    }

    /// # Shapes
    /// - `x` and output: `[rows * length, hidden]`
    fn forward(
        &self,
        x: Tensor<2>,
        positions: &Positions,
        cache: Option<&mut LayerCache>,
        pass: &mut Pass<'_>,
    ) -> Tensor<2> {
        let (rows, length) = (positions.rows, positions.length);
        let split = |x: Tensor<2>, heads| x.reshape([rows, length, heads, self.width]).swap_dims(1, 2);
        let q = self.rotate(split(self.q_proj.forward(x.clone(), pass), self.heads), positions);
        let k = self.rotate(split(self.k_proj.forward(x.clone(), pass), self.key_heads), positions);
        let v = split(self.v_proj.forward(x, pass), self.key_heads);
        let (k, v) = match cache {
            Some(cache) => cache.append(k, v),
            None => (k, v),
        };
        // The queries that share a key head stand below each other: no key is copied.
        let group = self.heads / self.key_heads;
        let q = q.reshape([rows, self.key_heads, group * length, self.width]);
        let scores = q.matmul(k.swap_dims(2, 3)).mul_scalar((self.width as f64).powf(-0.5));
        let dtype = scores.dtype();
        let scores = as_type(scores, DType::F32);
        let scores = match &positions.hidden {
            Some(hidden) => {
                let shape = scores.shape();
                scores.mask_fill(hidden.clone().expand(shape), f32::NEG_INFINITY)
            }
            None => scores,
        };
        let mixed = as_type(softmax(scores, 3), dtype).matmul(v);
        let mixed = mixed.reshape([rows, self.heads, length, self.width]).swap_dims(1, 2);
        self.o_proj.forward(mixed.reshape([rows * length, self.heads * self.width]), pass)
    }
}

/// `(silu(x G) * x U) D` (Shazeer, 2020).
#[derive(Module, Debug)]
pub struct Mlp {
    /// The gate.
    pub gate_proj: Projection,
    /// What is gated.
    pub up_proj: Projection,
    /// Back to the residual stream.
    pub down_proj: Projection,
}

impl Mlp {
    fn forward(&self, x: Tensor<2>, pass: &mut Pass<'_>) -> Tensor<2> {
        let gate = silu(self.gate_proj.forward(x.clone(), pass));
        let up = self.up_proj.forward(x, pass);
        self.down_proj.forward(gate.mul(up), pass)
    }
}

/// One layer: attention and feed-forward, each on the normed stream and added to it.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Before attention.
    pub input_layernorm: RmsNorm,
    /// Attention.
    pub self_attn: Attention,
    /// Before the feed-forward layer.
    pub post_attention_layernorm: RmsNorm,
    /// The feed-forward layer.
    pub mlp: Mlp,
}

impl DecoderLayer {
    fn forward(
        &self,
        x: Tensor<2>,
        positions: &Positions,
        cache: Option<&mut LayerCache>,
        pass: &mut Pass<'_>,
    ) -> Tensor<2> {
        let normed = self.input_layernorm.forward(x.clone());
        let x = x.add(self.self_attn.forward(normed, positions, cache, pass));
        let normed = self.post_attention_layernorm.forward(x.clone());
        x.add(self.mlp.forward(normed, pass))
    }

    pub(crate) fn projections(&self) -> [(&'static str, &Projection); 7] {
        let (attention, mlp) = (&self.self_attn, &self.mlp);
        [
            ("self_attn.q_proj", &attention.q_proj),
            ("self_attn.k_proj", &attention.k_proj),
            ("self_attn.v_proj", &attention.v_proj),
            ("self_attn.o_proj", &attention.o_proj),
            ("mlp.gate_proj", &mlp.gate_proj),
            ("mlp.up_proj", &mlp.up_proj),
            ("mlp.down_proj", &mlp.down_proj),
        ]
    }

    pub(crate) fn projections_mut(&mut self) -> [(&'static str, &mut Projection); 7] {
        let (attention, mlp) = (&mut self.self_attn, &mut self.mlp);
        [
            ("self_attn.q_proj", &mut attention.q_proj),
            ("self_attn.k_proj", &mut attention.k_proj),
            ("self_attn.v_proj", &mut attention.v_proj),
            ("self_attn.o_proj", &mut attention.o_proj),
            ("mlp.gate_proj", &mut mlp.gate_proj),
            ("mlp.up_proj", &mut mlp.up_proj),
            ("mlp.down_proj", &mut mlp.down_proj),
        ]
    }
}

/// A decoder-only language model of the Llama family.
///
/// Made by [`CausalLmConfig::init`] or [`load_model`](crate::load_model). On a device with autodiff it can be trained;
/// `valid()` gives the same model without.
#[derive(Module, Debug)]
pub struct CausalLm {
    /// Token vectors.
    pub embed_tokens: Embedding,
    /// The layers.
    pub layers: Vec<DecoderLayer>,
    /// Before the output projection.
    pub norm: RmsNorm,
    /// The output projection; the transposed embedding if there is none.
    pub lm_head: Option<Projection>,
    #[module(skip)]
    config: Arc<CausalLmConfig>,
    #[module(skip)]
    frequencies: Arc<Vec<f32>>,
    #[module(skip)]
    home: Home,
}

impl CausalLmConfig {
    /// A model with seeded normal weights, norms at 1 and biases at 0.
    ///
    /// # Errors
    /// [`Error::Config`] as [`CausalLmConfig::validate`].
    pub fn init(&self, seed: u64, device: &Device) -> Result<CausalLm> {
        self.build(device, &mut rec_core::random::stream(seed, "causal-lm init", 0), self.initializer_range)
    }

    /// A model whose weights are to be filled in.
    pub(crate) fn blank(&self, device: &Device) -> Result<CausalLm> {
        self.build(device, &mut rec_core::random::stream(0, "", 0), 0.0)
    }

    fn build(&self, device: &Device, rng: &mut Random, range: f64) -> Result<CausalLm> {
        self.validate()?;
        let (hidden, width) = (self.hidden_size, self.head_width());
        let (heads, key_heads) = (self.num_attention_heads, self.num_key_value_heads);
        let norm = || RmsNorm::new(hidden, self.rms_norm_eps, device);
        let embedding = normal(self.vocab_size * hidden, range, rng);
        let embed_tokens = Embedding { weight: param(embedding, [self.vocab_size, hidden], device) };
        let layers = (0..self.num_hidden_layers)
            .map(|_| {
                let mut projection =
                    |inputs, outputs, bias| Projection::new(inputs, outputs, bias, range, rng, device);
                DecoderLayer {
                    input_layernorm: norm(),
                    self_attn: Attention {
                        q_proj: projection(hidden, heads * width, self.qkv_bias),
                        k_proj: projection(hidden, key_heads * width, self.qkv_bias),
                        v_proj: projection(hidden, key_heads * width, self.qkv_bias),
                        o_proj: projection(heads * width, hidden, false),
                        heads,
                        key_heads,
                        width,
                    },
                    post_attention_layernorm: norm(),
                    mlp: Mlp {
                        gate_proj: projection(hidden, self.intermediate_size, false),
                        up_proj: projection(hidden, self.intermediate_size, false),
                        down_proj: projection(self.intermediate_size, hidden, false),
                    },
                }
            })
            .collect();
        let lm_head = (!self.tie_word_embeddings)
            .then(|| Projection::new(hidden, self.vocab_size, false, range, rng, device));
        Ok(CausalLm {
            embed_tokens,
            layers,
            norm: norm(),
            lm_head,
            config: Arc::new(self.clone()),
            frequencies: Arc::new(self.rope_frequencies().into_iter().map(|f| f as f32).collect()),
            home: Home::default(),
        })
    }
}

impl CausalLm {
    /// The shape.
    pub fn config(&self) -> &CausalLmConfig {
        &self.config
    }

    pub(crate) fn shared_config(&self) -> Arc<CausalLmConfig> {
        self.config.clone()
    }

    pub(crate) fn frequencies(&self) -> &[f32] {
        &self.frequencies
    }

    /// Where the buffers of training steps are kept.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Where the parameters are.
    pub fn device(&self) -> Device {
        self.embed_tokens.weight.val().device()
    }

    /// The type of the parameters.
    pub fn dtype(&self) -> DType {
        self.embed_tokens.weight.val().dtype()
    }

    /// All parameters as another float type, where the device can: `DType::BF16` halves the memory.
    ///
    /// Norms, softmax and log-probabilities are computed in f32 all the same.
    ///
    /// # Errors
    /// [`Error::Config`] if the device does not know the type, or it is no float type.
    pub fn cast(self, dtype: DType) -> Result<Self> {
        struct To(DType);
        impl ModuleMapper for To {
            fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
                let wanted = parameter.val().is_require_grad();
                parameter.map(|value| {
                    // Without autodiff, so that the result is a leaf of its own.
                    let value = match value.device().is_autodiff() {
                        true => Tensor::from_inner(as_type(value.inner(), self.0)),
                        false => as_type(value, self.0),
                    };
                    if wanted { value.require_grad() } else { value }
                })
            }
        }
        if !dtype.is_float() || !self.device().supports_dtype(dtype) {
            return Err(Error::config(
                "dtype",
                format!("is {dtype:?}, which the device cannot compute with"),
            ));
        }
        Ok(self.map(&mut To(dtype)))
    }

    /// The last layer's states, normed.
    ///
    /// # Shapes
    /// - output: `[rows, length, hidden]`
    ///
    /// # Errors
    /// [`Error::Sequence`] if a row is longer than the model's positions or has a token that it does not know.
    pub fn forward(&self, tokens: &Tokens, pass: &mut Pass<'_>) -> Result<Tensor<3>> {
        tokens.check(self.config.vocab_size, self.config.max_position_embeddings)?;
        let (rows, length) = (tokens.rows(), tokens.length());
        let starts: Vec<usize> = tokens.spans().iter().map(|span| span.start).collect();
        let positions = self.positions(&starts, 0, length);
        let hidden = self.run(tokens.ids(), &positions, None, pass);
        Ok(hidden.reshape([rows, length, self.config.hidden_size]))
    }

    /// Goes on from a cache with `length` more tokens for each of its rows.
    ///
    /// # Shapes
    /// - `ids`: `rows * length`, row by row
    /// - output: `[rows, length, hidden]`
    ///
    /// # Errors
    /// [`Error::Config`] if the cache is full or `ids` does not divide into its rows; [`Error::Sequence`] for an
    /// unknown token.
    pub fn forward_cached(&self, ids: &[u32], cache: &mut Cache, pass: &mut Pass<'_>) -> Result<Tensor<3>> {
        let rows = cache.rows();
        let length = ids.len() / rows;
        if length == 0 || length * rows != ids.len() {
            return Err(Error::config(
                "tokens",
                format!("are {}, which {rows} rows do not share", ids.len()),
            ));
        }
        if cache.filled() + length > cache.capacity() {
            let what = format!(
                "is full: {} of {} positions are taken and {length} more are asked for",
                cache.filled(),
                cache.capacity()
            );
            return Err(Error::config("cache", what));
        }
        if let Some(at) = ids.iter().position(|&id| id as usize >= self.config.vocab_size) {
            let what = format!("has token {}, but there are {}", ids[at], self.config.vocab_size);
            return Err(Error::sequence(at / length, what));
        }
        let positions = self.positions(cache.starts(), cache.filled(), length);
        let hidden = self.run(ids, &positions, Some(cache), pass);
        Ok(hidden.reshape([rows, length, self.config.hidden_size]))
    }

    /// The logits of states, in f32.
    ///
    /// # Shapes
    /// - `hidden`: `[n, hidden]`
    /// - output: `[n, vocabulary]`
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let logits = match &self.lm_head {
            Some(head) => head.forward(hidden, &mut Slot::Off.into()),
            None => hidden.matmul(self.embed_tokens.weight.val().transpose()),
        };
        as_type(logits, DType::F32)
    }

    fn run(
        &self,
        ids: &[u32],
        positions: &Positions,
        mut cache: Option<&mut Cache>,
        pass: &mut Pass<'_>,
    ) -> Tensor<2> {
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let count = ids.len();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [count]), &self.device());
        let mut x = self.embed_tokens.weight.val().select(0, ids);
        for (at, layer) in self.layers.iter().enumerate() {
            let cache = cache.as_deref_mut().map(|cache| cache.layer(at));
            x = layer.forward(x, positions, cache, pass);
        }
        if let Some(cache) = cache {
            cache.advance(positions.length);
        }
        self.norm.forward(x)
    }

    /// For rows whose own tokens begin at `starts`, `length` columns from `first` on.
    fn positions(&self, starts: &[usize], first: usize, length: usize) -> Positions {
        let (device, dtype) = (self.device(), self.dtype());
        let group = self.config.num_attention_heads / self.config.num_key_value_heads;
        let same = starts.iter().all(|&start| start == 0);
        let distinct = if same { &starts[..1] } else { starts };
        let half = self.frequencies.len();
        let mut cosine = Vec::with_capacity(distinct.len() * length * half);
        let mut sine = Vec::with_capacity(cosine.capacity());
        for &start in distinct {
            for column in first..first + length {
                let position = column.saturating_sub(start) as f32;
                for &frequency in self.frequencies.iter() {
                    let (s, c) = (position * frequency).sin_cos();
                    cosine.push(c);
                    sine.push(s);
                }
            }
        }
        let table = |values| {
            let data = TensorData::new(values, [distinct.len(), 1, length, half]);
            as_type(Tensor::from_data(data, &device), dtype)
        };
        let seen = first + length;
        let hidden = (length > 1 || !same).then(|| {
            let mut hidden = Vec::with_capacity(distinct.len() * group * length * seen);
            for &start in distinct {
                for _ in 0..group {
                    for query in first..seen {
                        // Padding looks at itself, so that its softmax is a number.
                        hidden.extend((0..seen).map(|key| key > query || (key < start && key != query)));
                    }
                }
            }
            let data = TensorData::new(hidden, [distinct.len(), 1, group * length, seen]);
            Tensor::from_data(data, &device)
        });
        Positions { rows: starts.len(), length, cosine: table(cosine), sine: table(sine), hidden }
    }
}
