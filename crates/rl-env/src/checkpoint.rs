//! The file a training goes on from: safetensors, with all that is small in its header.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use crate::collect::{Collector, CollectorState};
use crate::policy::{Policy, PolicyState};
use crate::replay::{Replay, ReplayColumns};
use crate::train::Trained;
use crate::{Error, Result};

const HEADER: &str = "sextant.policy";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    progress: Trained,
    counters: BTreeMap<String, u64>,
    collector: CollectorState,
    /// How many transitions each environment has written; `None` if transitions are not kept.
    written: Option<Vec<usize>>,
}

/// Policy, environments and experience at the end of an epoch.
pub(crate) struct Checkpoint {
    header: Header,
    policy: BTreeMap<String, Vec<f32>>,
    floats: BTreeMap<&'static str, Vec<f32>>,
    words: BTreeMap<&'static str, Vec<u32>>,
    small: BTreeMap<&'static str, Vec<u8>>,
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::invalid(format!("not a checkpoint: {what}; delete it to start again"))
}

impl Checkpoint {
    /// What is to be saved.
    pub fn of(
        policy: &dyn Policy,
        collector: &Collector,
        replay: Option<&Replay>,
        progress: Trained,
    ) -> Self {
        let PolicyState { tensors, counters } = policy.state();
        let columns = replay.map(Replay::columns);
        let header = Header {
            progress,
            counters,
            collector: collector.state(),
            written: columns.as_ref().map(|columns| columns.written.clone()),
        };
        let mut checkpoint = Self {
            header,
            policy: tensors,
            floats: BTreeMap::new(),
            words: BTreeMap::new(),
            small: BTreeMap::new(),
        };
        if let Some(columns) = columns {
            checkpoint.floats = columns.floats;
            checkpoint.words = columns.words;
            checkpoint.small = columns.small;
        }
        checkpoint
    }

    /// The file.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let floats = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let mut tensors: Vec<(String, Dtype, usize, Vec<u8>)> = Vec::new();
        for (name, values) in &self.policy {
            tensors.push((format!("policy.{name}"), Dtype::F32, values.len(), floats(values)));
        }
        for (name, values) in &self.floats {
            tensors.push((format!("replay.{name}"), Dtype::F32, values.len(), floats(values)));
        }
        for (name, values) in &self.words {
            let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            tensors.push((format!("replay.{name}"), Dtype::U32, values.len(), bytes));
        }
        for (name, values) in &self.small {
            tensors.push((format!("replay.{name}"), Dtype::U8, values.len(), values.clone()));
        }
        let views = tensors
            .iter()
            .map(|(name, dtype, length, data)| {
                Ok((name.as_str(), TensorView::new(*dtype, vec![*length], data)?))
            })
            .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(broken)?;
        let text = serde_json::to_string(&self.header).map_err(broken)?;
        serialize(views, Some(HashMap::from([(HEADER.to_string(), text)]))).map_err(broken)
    }

    /// Reads the file.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let text = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
        let text = text.ok_or_else(|| broken(format!("it has no {HEADER} entry")))?;
        let header: Header = serde_json::from_str(text).map_err(broken)?;
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        let mut policy = BTreeMap::new();
        let (mut floats, mut words, mut small) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (name, view) in file.iter() {
            let four = |bytes: &[u8]| -> [u8; 4] { bytes.try_into().expect("chunks have four bytes") };
            let as_floats = || {
                view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(four(bytes))).collect::<Vec<_>>()
            };
            if let (Some(name), Dtype::F32) = (name.strip_prefix("policy."), view.dtype()) {
                policy.insert(name.to_string(), as_floats());
                continue;
            }
            let known = name.strip_prefix("replay.").and_then(ReplayColumns::name);
            match (known, view.dtype()) {
                (Some(name), Dtype::F32) => drop(floats.insert(name, as_floats())),
                (Some(name), Dtype::U32) => {
                    words.insert(
                        name,
                        view.data().chunks_exact(4).map(|b| u32::from_le_bytes(four(b))).collect(),
                    );
                }
                (Some(name), Dtype::U8) => drop(small.insert(name, view.data().to_vec())),
                _ => return Err(broken(format!("it has a tensor {name} that does not belong there"))),
            }
        }
        Ok(Self { header, policy, floats, words, small })
    }

    /// Puts everything back; gives how far the training was.
    pub fn restore(
        self,
        policy: &mut dyn Policy,
        collector: &mut Collector,
        replay: &mut Replay,
    ) -> Result<Trained> {
        policy.restore(PolicyState { tensors: self.policy, counters: self.header.counters })?;
        collector.restore(self.header.collector)?;
        if let Some(written) = self.header.written {
            replay.restore(ReplayColumns {
                floats: self.floats,
                words: self.words,
                small: self.small,
                written,
            })?;
        }
        Ok(self.header.progress)
    }
}
