/* A CUDA driver with no device behind it, so that burn's kernels can be chosen and compiled where there is no GPU.
 *
 *     cc -shared -fPIC -w -Wl,-soname,libnodevice.so -o DIR/libcuda.so benches/no-device.c
 *     printf '[compilation]\ncache = true\n' > cubecl.toml
 *     LD_LIBRARY_PATH=DIR:NVRTC CUDA_PATH=TOOLKIT target/cuda/debug/lm_throughput 0.5b --device cuda:0 --dtype bf16
 *
 * Every call succeeds: memory is an address and nothing more, what is read back is zero, kernels do nothing. cubecl asks for the
 * properties of an H200, generates and compiles (with NVRTC, for real) what it would run there, and keeps it in
 * target/environment; the same program finds it there on a machine with the GPU. Results mean nothing. Printed: each kernel when it is
 * loaded, and at the end how often each was started. The file must not be named libcuda.so.1, which NVRTC itself would load.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Result;
typedef unsigned long long Pointer;

static _Atomic Pointer next_address = 0x7f0000000000ULL;
static _Atomic long next_handle = 16;

static void *handle(void) { return (void *)atomic_fetch_add(&next_handle, 16); }

static Pointer memory(size_t bytes) { return atomic_fetch_add(&next_address, (bytes + 0xffff) & ~(size_t)0xffff); }

/* The device. */
Result cuInit(unsigned flags) { return 0; }
Result cuDriverGetVersion(int *version) { *version = 13000; return 0; }
Result cuDeviceGetCount(int *count) { *count = 1; return 0; }
Result cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
Result cuDeviceGetName(char *name, int length, int device) { strncpy(name, "NVIDIA H200", length); return 0; }
Result cuDeviceGetUuid(void *id, int device) { memset(id, 1, 16); return 0; }
Result cuDeviceGetUuid_v2(void *id, int device) { memset(id, 1, 16); return 0; }
Result cuDeviceGetPCIBusId(char *id, int length, int device) { strncpy(id, "0000:01:00.0", length); return 0; }
Result cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 150754820096ULL; return 0; }
Result cuDeviceGetAttribute(int *value, int attribute, int device)
{
    switch (attribute) {
    case 1: case 2: case 3: *value = 1024; break;                  /* threads a block, block x, y */
    case 4: *value = 64; break;                                    /* block z */
    case 5: *value = 2147483647; break;                            /* grid x */
    case 6: case 7: *value = 65535; break;                         /* grid y, z */
    case 8: *value = 49152; break;                                 /* shared memory a block */
    case 10: *value = 32; break;                                   /* warp */
    case 12: *value = 65536; break;                                /* registers a block */
    case 14: *value = 512; break;                                  /* texture alignment */
    case 16: *value = 132; break;                                  /* multiprocessors */
    case 75: *value = 9; break;                                    /* compute capability */
    case 76: *value = 0; break;
    case 81: *value = 233472; break;                               /* shared memory a multiprocessor */
    case 97: *value = 232448; break;                               /* shared memory a block, opted in */
    case 106: *value = 32; break;                                  /* blocks a multiprocessor */
    default: *value = 1;
    }
    return 0;
}

/* Contexts, pools. */
Result cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)0x1000; return 0; }
Result cuDevicePrimaryCtxRelease_v2(int device) { return 0; }
Result cuCtxSetCurrent(void *context) { return 0; }
Result cuCtxGetCurrent(void **context) { *context = (void *)0x1000; return 0; }
Result cuCtxSynchronize(void) { return 0; }
Result cuCtxGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return 0; }
Result cuDeviceGetDefaultMemPool(void **pool, int device) { *pool = handle(); return 0; }
Result cuDeviceGetMemPool(void **pool, int device) { *pool = handle(); return 0; }
Result cuMemPoolSetAttribute(void *pool, int attribute, void *value) { return 0; }
Result cuMemPoolGetAttribute(void *pool, int attribute, void *value) { return 0; }
Result cuMemGetInfo_v2(size_t *free, size_t *total) { *free = 140000000000ULL; *total = 150754820096ULL; return 0; }

/* Memory. */
Result cuMemAlloc_v2(Pointer *pointer, size_t bytes) { *pointer = memory(bytes); return 0; }
Result cuMemAllocAsync(Pointer *pointer, size_t bytes, void *stream) { *pointer = memory(bytes); return 0; }
Result cuMemAllocFromPoolAsync(Pointer *pointer, size_t bytes, void *pool, void *stream) { *pointer = memory(bytes); return 0; }
Result cuMemFree_v2(Pointer pointer) { return 0; }
Result cuMemFreeAsync(Pointer pointer, void *stream) { return 0; }
Result cuMemAllocHost_v2(void **pointer, size_t bytes) { *pointer = calloc(1, bytes ? bytes : 1); return 0; }
Result cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) { *pointer = calloc(1, bytes ? bytes : 1); return 0; }
Result cuMemFreeHost(void *pointer) { free(pointer); return 0; }
Result cuMemcpyHtoD_v2(Pointer to, const void *from, size_t bytes) { return 0; }
Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *stream) { return 0; }
Result cuMemcpyDtoH_v2(void *to, Pointer from, size_t bytes) { memset(to, 0, bytes); return 0; }
Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *stream) { memset(to, 0, bytes); return 0; }
Result cuMemcpyDtoD_v2(Pointer to, Pointer from, size_t bytes) { return 0; }
Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *stream) { return 0; }
Result cuMemsetD8_v2(Pointer to, unsigned char value, size_t bytes) { return 0; }
Result cuMemsetD8Async(Pointer to, unsigned char value, size_t bytes, void *stream) { return 0; }

struct Copy {
    size_t from_x, from_y; int from_kind; const void *from_host; Pointer from_device; void *from_array; size_t from_pitch;
    size_t to_x, to_y; int to_kind; char *to_host; Pointer to_device; void *to_array; size_t to_pitch;
    size_t width, height;
};

Result cuMemcpy2DAsync_v2(const struct Copy *copy, void *stream)
{
    if (copy->to_kind == 1) /* to this machine's memory */
        for (size_t y = 0; y < copy->height; y++)
            memset(copy->to_host + (copy->to_y + y) * copy->to_pitch + copy->to_x, 0, copy->width);
    return 0;
}

/* Streams and events. */
Result cuEventCreate(void **event, unsigned flags) { *event = handle(); return 0; }
Result cuEventDestroy_v2(void *event) { return 0; }
Result cuEventRecord(void *event, void *stream) { return 0; }
Result cuEventQuery(void *event) { return 0; }
Result cuEventSynchronize(void *event) { return 0; }
Result cuEventElapsedTime(float *ms, void *from, void *to) { *ms = 100; return 0; }
Result cuEventElapsedTime_v2(float *ms, void *from, void *to) { *ms = 100; return 0; }
Result cuStreamCreate(void **stream, unsigned flags) { *stream = handle(); return 0; }
Result cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) { *stream = handle(); return 0; }
Result cuStreamDestroy_v2(void *stream) { return 0; }
Result cuStreamSynchronize(void *stream) { return 0; }
Result cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }
Result cuStreamIsCapturing(void *stream, int *status) { *status = 0; return 0; }
Result cuLaunchHostFunc(void *stream, void (*function)(void *), void *data) { function(data); return 0; }

/* Kernels: one a module, known by its place in these tables. */
enum { KERNELS = 1 << 16 };
static char names[KERNELS][160];
static _Atomic long starts[KERNELS];

static int place(void *function) { return ((uintptr_t)function / 16) % KERNELS; }

Result cuModuleLoadData(void **module, const void *image) { *module = handle(); return 0; }
Result cuModuleUnload(void *module) { return 0; }
Result cuModuleGetFunction(void **function, void *module, const char *name)
{
    *function = handle();
    strncpy(names[place(*function)], name, sizeof names[0] - 1);
    fprintf(stderr, "kernel %s\n", name);
    return 0;
}
Result cuFuncSetAttribute(void *function, int attribute, int value) { return 0; }
Result cuFuncGetAttribute(int *value, int attribute, void *function) { *value = 0; return 0; }
Result cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                      void *stream, void **arguments, void **extra)
{
    starts[place(function)]++;
    return 0;
}
Result cuTensorMapEncodeTiled(void *map) { memset(map, 0, 128); return 0; }
Result cuTensorMapEncodeIm2col(void *map) { memset(map, 0, 128); return 0; }
Result cuGetErrorName(int error, const char **text) { *text = "error"; return 0; }
Result cuGetErrorString(int error, const char **text) { *text = "error"; return 0; }

__attribute__((destructor)) static void tell(void)
{
    for (int at = 0; at < KERNELS; at++)
        if (starts[at])
            fprintf(stderr, "started %ld %s\n", (long)starts[at], names[at]);
}
