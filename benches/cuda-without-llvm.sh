#!/bin/sh
# Builds `lm_throughput` with the CUDA backend on a machine that cannot download burn's LLVM:
#
#     benches/cuda-without-llvm.sh
#     target/cuda/debug/lm_throughput 0.5b --device cuda:0 --dtype bf16
#
# cubecl compiles kernels through LLVM or, with the feature `cuda-nvrtc`, through CUDA's own compiler; both are always linked. DOCS_RS=1
# keeps the build scripts from asking for LLVM, and what they would have brought is replaced by functions that stop the program.
# They are never called: the backend is chosen at compile time. Where it runs, the program needs the NVIDIA driver, libnvrtc on
# LD_LIBRARY_PATH and CUDA's headers under $CUDA_PATH/include.
set -eu
cd "$(dirname "$0")/.."
export DOCS_RS=1
export CUDARC_CUDA_VERSION="${CUDARC_CUDA_VERSION:-13000}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/cuda}"
features="--no-default-features --features flex,cuda-nvrtc${AUTOTUNE:+,autotune}"
# shellcheck disable=SC2086
cargo build -p benches --lib $features
deps="$CARGO_TARGET_DIR/debug/deps"
stubs="$(cd "$CARGO_TARGET_DIR" && pwd)/llvm-stubs"
# What the crates around LLVM leave to a C library, less what Rust and libc define.
nm -u "$deps"/libllvm_sys-*.rlib "$deps"/libpliron_llvm-*.rlib "$deps"/libcubecl_llvm-*.rlib 2>/dev/null |
	awk '$1 == "U" && $2 ~ /^(LLVM|cubecl_)/ { print $2 }' | sort -u >"$stubs.txt"
{
	echo ".text"
	while read -r name; do printf '.globl %s\n%s:\n' "$name" "$name"; done <"$stubs.txt"
	echo "ud2"
	echo '.section .note.GNU-stack,"",@progbits'
} >"$stubs.s"
cc -c "$stubs.s" -o "$stubs.o"
# shellcheck disable=SC2086
cargo rustc -p benches --bin lm_throughput $features -- -C link-arg="$stubs.o"
