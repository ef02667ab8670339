//! Keys and values of the tokens so far, in buffers of a fixed size.

use burn::tensor::{Int, Tensor, TensorData};

use crate::CausalLm;

/// The keys and values of one layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerCache {
    /// `[rows, key heads, capacity, head width]`.
    keys: Tensor<4>,
    values: Tensor<4>,
    filled: usize,
}

impl LayerCache {
    /// Writes what is new; gives all that is there.
    pub fn append(&mut self, keys: Tensor<4>, values: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [rows, heads, length, width] = keys.dims();
        let at = [0..rows, 0..heads, self.filled..self.filled + length, 0..width];
        self.filled += length;
        let write = |buffer: &mut Tensor<4>, new: Tensor<4>| {
            // The buffer is moved out so that it can be written in place.
            let empty = Tensor::empty([1, 1, 1, 1], &buffer.device());
            *buffer = std::mem::replace(buffer, empty).slice_assign(at.clone(), new);
            buffer.clone().narrow(2, 0, self.filled)
        };
        (write(&mut self.keys, keys), write(&mut self.values, values))
    }
}

/// The keys and values of all tokens so far.
///
/// Its rows end together: they are padded on the left.
#[derive(Clone, Debug)]
pub struct Cache {
    layers: Vec<LayerCache>,
    starts: Vec<usize>,
    capacity: usize,
    filled: usize,
}

impl Cache {
    /// Room for `capacity` columns of rows whose own tokens begin at `starts`.
    pub fn new(model: &CausalLm, starts: Vec<usize>, capacity: usize) -> Self {
        let config = model.config();
        let shape = [starts.len(), config.num_key_value_heads, capacity, config.head_width()];
        let buffer = || crate::projection::as_type(Tensor::zeros(shape, &model.device()), model.dtype());
        let layers = (0..config.num_hidden_layers)
            .map(|_| LayerCache { keys: buffer(), values: buffer(), filled: 0 })
            .collect();
        Self { layers, starts, capacity, filled: 0 }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// The number of columns there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The number of columns written.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Where each row's own tokens begin.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The rows named by `rows`, in this order; a row may be named more than once or not at all.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn reorder(&mut self, rows: &[usize]) {
        if rows.len() == self.starts.len() && rows.iter().enumerate().all(|(at, &row)| at == row) {
            return;
        }
        self.starts = rows.iter().map(|&row| self.starts[row]).collect();
        let numbers: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        for layer in &mut self.layers {
            let device = layer.keys.device();
            let numbers = TensorData::new(numbers.clone(), [numbers.len()]);
            let numbers = Tensor::<1, Int>::from_data(numbers, &device);
            layer.keys = layer.keys.clone().select(0, numbers.clone());
            layer.values = layer.values.clone().select(0, numbers);
        }
    }

    pub(crate) fn layer(&mut self, layer: usize) -> &mut LayerCache {
        &mut self.layers[layer]
    }

    pub(crate) fn advance(&mut self, length: usize) {
        self.filled += length;
    }

    /// Forgets all columns from `filled` on.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn truncate(&mut self, filled: usize) {
        assert!(filled <= self.filled, "{filled} columns of {}", self.filled);
        self.filled = filled;
        self.layers.iter_mut().for_each(|layer| layer.filled = filled);
    }
}
