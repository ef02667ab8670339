//! Data-parallel training: a replica of the model on each device, gradients summed over all of them before each makes the
//! same step.
//!
//! Every replica goes through its own part of a batch on a thread of its own. Replicas begin equal and step by equal
//! gradients, so they stay equal and nothing but gradients is ever exchanged.

use burn::module::Module;
use burn::tensor::distributed::{ReduceOperation, all_reduce};
use burn::tensor::{Device, Tensor};

use crate::projection::host;
use crate::{
    Batch, CausalLm, Error, ParameterGradients, Pass, Result, StepReport, Tape, TrainConfig, Trainer,
};

/// How gradients come from one device to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Through this machine's memory, summed in the order of replicas: on any devices, the same one twice included, and to
    /// the same bits each time.
    #[default]
    Host,
    /// burn's own all-reduce, from device to device. In burn 0.22 (cubecl 0.11) CUDA alone has one, by NCCL, which wants as
    /// many GPUs as replicas; on other devices the first step panics.
    Collective,
}

/// A model in training on several devices.
#[derive(Debug)]
pub struct Replicas {
    devices: Vec<Device>,
    /// Taken while a step is made.
    replicas: Vec<(CausalLm, Trainer)>,
    transport: Transport,
}

impl Replicas {
    /// `model` on each of `devices`, with autodiff.
    ///
    /// # Errors
    /// [`Error::Config`] without devices, and as [`Trainer::new`].
    pub fn new(
        model: &CausalLm,
        devices: &[Device],
        config: TrainConfig,
        transport: Transport,
    ) -> Result<Self> {
        if devices.is_empty() {
            return Err(Error::config("devices", "are none, but there must be at least one"));
        }
        let devices: Vec<Device> = devices.iter().map(|device| device.clone().autodiff()).collect();
        let replica = |device: &Device| Ok((model.clone().fork(device), Trainer::new(config)?));
        let replicas = devices.iter().map(replica).collect::<Result<_>>()?;
        Ok(Self { devices, replicas, transport })
    }

    /// The replicas, which are equal.
    pub fn models(&self) -> impl Iterator<Item = &CausalLm> {
        self.replicas.iter().map(|(model, _)| model)
    }

    /// One step on the mean of all replicas' losses, weighted: each gets its part of the batch and that part's weight, as
    /// [`Trainer::accumulate`] takes it (the number of completion tokens, if the loss is a mean over them).
    ///
    /// # Errors
    /// [`Error::Config`] unless there is one part for each replica and weights are positive; as [`Tape::record`] and
    /// [`Trainer::step`], after which the replicas are as they were.
    pub fn step<L>(&mut self, parts: &[(Batch, f64)], loss: &L) -> Result<StepReport>
    where
        L: Fn(&Tape<'_>) -> Tensor<1> + Sync,
    {
        let count = self.replicas.len();
        if parts.len() != count || parts.iter().any(|(_, weight)| !(*weight > 0.0)) {
            let what =
                format!("are {}, but {count} replicas need one each, with a positive weight", parts.len());
            return Err(Error::config("parts", what));
        }
        let total: f64 = parts.iter().map(|(_, weight)| weight).sum();
        let (devices, collective) = (&self.devices, self.transport == Transport::Collective);
        let pairs: Vec<_> = self.replicas.iter().zip(parts).collect();
        let found = side_by_side(pairs, |((model, _), (batch, weight))| {
            let tape = Tape::record(model, batch, &mut Pass::default())?;
            let value = loss(&tape);
            let gradients = ParameterGradients::default().add(tape.backward(value), weight / total);
            Ok(if collective { reduced(&gradients, devices) } else { gradients })
        });
        let mut found = found.into_iter().collect::<Result<Vec<ParameterGradients>>>()?;
        if !collective && count > 1 {
            let sums = summed(&found);
            found =
                devices.iter().map(|device| ParameterGradients::from_values(sums.clone(), device)).collect();
        }
        let steps: Vec<_> = self.replicas.iter().cloned().zip(found).collect();
        let made = side_by_side(steps, |((model, mut trainer), gradients)| {
            trainer.accumulate(gradients, 1.0);
            let (model, report) = trainer.step(model)?;
            Ok(((model, trainer), report))
        });
        let made = made.into_iter().collect::<Result<Vec<_>>>()?;
        let report = made[0].1;
        self.replicas = made.into_iter().map(|(replica, _)| replica).collect();
        Ok(report)
    }
}

/// The sum over replicas, in their order.
fn summed(all: &[ParameterGradients]) -> Vec<Option<Vec<f32>>> {
    let mut sums: Vec<Option<Vec<f32>>> = Vec::new();
    for gradients in all {
        sums.resize(sums.len().max(gradients.parameters().len()), None);
        for (sum, gradient) in sums.iter_mut().zip(gradients.parameters()) {
            let Some(values) = gradient.clone().map(host) else { continue };
            match sum {
                Some(sum) => sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
                None => *sum = Some(values),
            }
        }
    }
    sums
}

/// The sum over replicas as each of them gets it: all parameters in one exchange.
fn reduced(gradients: &ParameterGradients, devices: &[Device]) -> ParameterGradients {
    let own: Vec<Tensor<1>> = gradients.parameters().iter().flatten().cloned().collect();
    if own.is_empty() {
        return gradients.clone();
    }
    let devices = devices.iter().map(|device| device.clone().inner()).collect();
    let sum = all_reduce(Tensor::cat(own, 0), ReduceOperation::Sum, devices).resolve();
    let mut first = 0;
    let parts = gradients.parameters().iter().map(|gradient| {
        let count = gradient.as_ref()?.dims()[0];
        first += count;
        Some(sum.clone().narrow(0, first - count, count))
    });
    ParameterGradients::of_tensors(parts.collect())
}

/// Each on a thread of its own.
fn side_by_side<T: Send, R: Send>(items: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(move || run(item))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, R>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}
