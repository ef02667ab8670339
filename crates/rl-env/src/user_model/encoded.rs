//! Features as a model reads them.

use burn::tensor::{Device, Int, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::{Error, Features, Result, TagSlots};

/// Users or items in the codes of one table of embeddings: first the number of the user (or item) itself, then each
/// categorical feature, then the tags.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    rows: usize,
    fields: usize,
    vocabulary: usize,
    /// `[rows, fields]`; an empty slot of tags has the code 0 and the presence 0.
    codes: Vec<i32>,
    /// `[rows, fields]`, 1 or 0; `None` where no slot is empty.
    present: Option<Vec<f32>>,
    n_dense: usize,
    /// `[rows, n_dense]`.
    dense: Vec<f32>,
}

/// Some rows of an [`Encoded`] on a device.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub n: usize,
    pub fields: usize,
    /// `[n * fields]`.
    pub codes: Tensor<1, Int>,
    /// `[n, fields, 1]`.
    pub present: Option<Tensor<3>>,
    /// `[n, n_dense]`.
    pub dense: Option<Tensor<2>>,
}

impl Encoded {
    /// The codes of `features`.
    ///
    /// # Errors
    /// If the features do not hold ([`Features::validate`]), there are none, or there are more than `i32::MAX` categories.
    pub fn new(features: &Features) -> Result<Self> {
        features.validate()?;
        let rows = features.rows;
        if rows == 0 {
            return Err(Error::invalid("features of no users or items"));
        }
        let slots = features.tags.as_ref().map_or(0, |tags| tags.slots);
        let fields = 1 + features.categorical.len() + slots;
        let mut codes = vec![0; rows * fields];
        let mut present = vec![1.0; rows * fields];
        let mut start = rows;
        let code = |start: usize, value: u32| {
            i32::try_from(start + value as usize).map_err(|_| Error::invalid("more than 2^31 categories"))
        };
        for row in 0..rows {
            codes[row * fields] = code(0, row as u32)?;
        }
        for (field, column) in features.categorical.iter().enumerate() {
            for (row, &value) in column.values.iter().enumerate() {
                codes[row * fields + 1 + field] = code(start, value)?;
            }
            start += column.vocabulary as usize;
        }
        if let Some(tags) = &features.tags {
            for (cell, &value) in tags.values.iter().enumerate() {
                let at = cell / slots * fields + fields - slots + cell % slots;
                if value == TagSlots::EMPTY {
                    present[at] = 0.0;
                } else {
                    codes[at] = code(start, value)?;
                }
            }
            start += tags.vocabulary as usize;
        }
        let n_dense = features.dense.len();
        let dense =
            (0..rows).flat_map(|row| features.dense.iter().map(move |column| column.values[row])).collect();
        let present = present.contains(&0.0).then_some(present);
        Ok(Self { rows, fields, vocabulary: start, codes, present, n_dense, dense })
    }

    /// How many users (or items) there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many embeddings a row has.
    pub fn fields(&self) -> usize {
        self.fields
    }

    /// How many embeddings there are.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// How many numeric features there are.
    pub fn n_dense(&self) -> usize {
        self.n_dense
    }

    /// Refuses rows that do not exist.
    pub(super) fn check(&self, what: &str, rows: &[u32]) -> Result<()> {
        match rows.iter().find(|&&row| row as usize >= self.rows) {
            Some(row) => Err(Error::invalid(format!("no {what} {row}, the model knows {}", self.rows))),
            None => Ok(()),
        }
    }

    /// # Panics
    /// If a row does not exist.
    pub(super) fn rows_on(&self, rows: impl ExactSizeIterator<Item = u32> + Clone, device: &Device) -> Rows {
        fn gather<T: Copy>(cells: &[T], width: usize, rows: impl Iterator<Item = u32>) -> Vec<T> {
            rows.flat_map(|row| cells[row as usize * width..(row as usize + 1) * width].iter().copied())
                .collect()
        }
        let (n, fields) = (rows.len(), self.fields);
        let codes = gather(&self.codes, fields, rows.clone());
        Rows {
            n,
            fields,
            codes: Tensor::from_data(TensorData::new(codes, [n * fields]), device),
            present: self.present.as_ref().map(|present| {
                let cells = gather(present, fields, rows.clone());
                Tensor::from_data(TensorData::new(cells, [n, fields, 1]), device)
            }),
            dense: (self.n_dense > 0).then(|| {
                let cells = gather(&self.dense, self.n_dense, rows);
                Tensor::from_data(TensorData::new(cells, [n, self.n_dense]), device)
            }),
        }
    }

    /// SHA-256 over everything, in hexadecimal: a saved model is of these features only.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for number in [self.rows, self.fields, self.vocabulary, self.n_dense] {
            hash.update((number as u64).to_le_bytes());
        }
        self.codes.iter().for_each(|code| hash.update(code.to_le_bytes()));
        self.present.iter().flatten().for_each(|cell| hash.update(cell.to_le_bytes()));
        self.dense.iter().for_each(|cell| hash.update(cell.to_le_bytes()));
        rec_core::digest::hex(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, DenseColumn};

    #[test]
    fn codes_follow_each_other_feature_by_feature() {
        let features = Features {
            rows: 2,
            categorical: vec![Column { name: "kind".into(), vocabulary: 3, values: vec![2, 0] }],
            tags: Some(TagSlots {
                name: "tags".into(),
                vocabulary: 4,
                slots: 2,
                values: vec![1, TagSlots::EMPTY, 0, 3],
            }),
            dense: vec![DenseColumn { name: "length".into(), values: vec![0.5, 0.25] }],
        };
        let encoded = Encoded::new(&features).unwrap();
        assert_eq!((encoded.fields(), encoded.vocabulary(), encoded.n_dense()), (4, 2 + 3 + 4, 1));
        assert_eq!(encoded.codes, [0, 2 + 2, 5 + 1, 0, 1, 2, 5, 5 + 3]);
        assert_eq!(encoded.present.as_deref(), Some(&[1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0][..]));
        let mut other = features.clone();
        other.dense[0].values[1] = 0.5;
        assert_ne!(encoded.fingerprint(), Encoded::new(&other).unwrap().fingerprint());
        assert_eq!(encoded.fingerprint(), Encoded::new(&features).unwrap().fingerprint());
        assert!(Encoded::new(&Features::none(0)).is_err());
    }
}
