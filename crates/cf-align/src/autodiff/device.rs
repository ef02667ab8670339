//! Devices by name.

use burn::tensor::Device;

use crate::{Error, Result};

/// The backends a build can have: their name, which is also the cargo feature, and whether this build has it.
const BACKENDS: [(&str, bool); 4] = [
    ("flex", cfg!(feature = "flex")),
    ("wgpu", cfg!(feature = "wgpu")),
    ("cuda", cfg!(feature = "cuda")),
    ("tch", cfg!(feature = "tch")),
];

/// The backends that this build has, by name.
pub fn available() -> Vec<&'static str> {
    BACKENDS.iter().filter(|(_, built)| *built).map(|(name, _)| *name).collect()
}

/// The device called `name`: `flex`, `wgpu`, `cuda`, `cuda:1`, `tch`, `tch:0`.
///
/// - `flex`: the CPU, pure Rust.
/// - `wgpu`: the GPU that wgpu prefers (Vulkan, Metal or DirectX; WGSL). The variable `CUBECL_WGPU_DEFAULT_DEVICE`
///   picks another.
/// - `cuda:N`: the NVIDIA GPU number `N`, 0 if left out.
/// - `tch`: the CPU through libtorch; `tch:N`: the NVIDIA GPU number `N` through libtorch.
///
/// ```
/// # #[cfg(feature = "flex")]
/// assert!(cf_align::autodiff::device("flex").is_ok());
/// let error = cf_align::autodiff::device("abacus").unwrap_err();
/// assert!(error.to_string().starts_with("device: is `abacus`; accepts flex,"));
/// ```
///
/// # Errors
/// [`Error::Config`] with the key `device` if the name is not known, if this build lacks the backend (the message
/// names the cargo feature), or if the machine has no such device.
pub fn device(name: &str) -> Result<Device> {
    let unknown = || {
        Error::config(
            "device",
            format!("is `{name}`; accepts flex, wgpu, cuda, cuda:N, tch, tch:N (N from 0)"),
        )
    };
    let (backend, index) = match name.split_once(':') {
        None => (name, None),
        Some((backend @ ("cuda" | "tch"), index)) => {
            (backend, Some(index.parse::<u16>().map_err(|_| unknown())?))
        }
        Some(_) => return Err(unknown()),
    };
    let &(backend, built) = BACKENDS.iter().find(|(known, _)| *known == backend).ok_or_else(unknown)?;
    if !built {
        let have = match available().join(", ") {
            have if have.is_empty() => "no backend".to_string(),
            have => have,
        };
        return Err(Error::config(
            "device",
            format!(
                "is `{name}`, but this build has {have}: build with the cargo feature `{backend}` of cf-align"
            ),
        ));
    }
    open(backend, index).ok_or_else(|| {
        Error::config("device", format!("is `{name}`, but the backend finds no such device on this machine"))
    })
}

/// The device of a backend that this build has; `None` if the machine has none.
fn open(backend: &str, index: Option<u16>) -> Option<Device> {
    // Which parameters are used depends on the backends that are built.
    let _ = index;
    match backend {
        #[cfg(feature = "flex")]
        "flex" => Some(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => {
            use burn::tensor::{DeviceKind, DeviceType};
            let found = !Device::enumerate(DeviceType::Wgpu).is_empty();
            found.then(|| Device::wgpu(DeviceKind::DefaultDevice))
        }
        #[cfg(feature = "cuda")]
        "cuda" => {
            use burn::tensor::DeviceType;
            let index = usize::from(index.unwrap_or(0));
            (index < Device::enumerate(DeviceType::Cuda).len()).then(|| Device::cuda(index))
        }
        #[cfg(feature = "tch")]
        "tch" => open_torch(index),
        _ => None,
    }
}

#[cfg(feature = "tch")]
#[allow(deprecated, reason = "burn 0.22 announces the end of burn-tch, but still has it")]
fn open_torch(index: Option<u16>) -> Option<Device> {
    match index {
        None => Some(Device::libtorch()),
        Some(index) => Some(Device::libtorch_cuda(usize::from(index))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_is_not_built_is_named_with_its_feature() {
        for (name, built) in BACKENDS {
            let opened = device(name);
            if !built {
                let message = opened.unwrap_err().to_string();
                assert!(message.contains(&format!("cargo feature `{name}`")), "{message}");
            }
        }
    }

    #[test]
    fn names_that_mean_nothing_are_refused() {
        for name in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "flex:0", "wgpu:0", "CUDA"] {
            let message = device(name).unwrap_err().to_string();
            assert!(message.contains("accepts flex, wgpu, cuda"), "{name}: {message}");
        }
    }
}
