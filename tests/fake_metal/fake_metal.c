/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A real TensorFlow PluggableDevice that stands in for Apple's tensorflow-metal
 * on machines without a Metal GPU. TensorFlow loads it, lists its device, places
 * operations on it and gets results from it, as it does with Apple's.
 *
 * Its one device, type "GPU" on platform "METAL", is the host itself: device
 * memory is malloc'd, every operation is done before the call returns, so that
 * streams and events have nothing to remember.
 *
 * Compile with -DVARIANT=<one of the enumerators below>; build.py does.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tensorflow/c/experimental/stream_executor/stream_executor.h"
#include "tensorflow/c/kernels_experimental.h"

enum variant {
  VARIANT_OK,
  VARIANT_MISSING_SYMBOL, /* cannot be loaded: needs a symbol that TensorFlow does not have */
  VARIANT_ABI,            /* refuses this TensorFlow when it is asked to register */
  VARIANT_CRASH,          /* SIGSEGV when it is asked to register */
  VARIANT_HANG_INIT,      /* never returns from registering */
  VARIANT_ZERO_DEVICES,   /* registers, but has no device */
  VARIANT_NO_CREATE,      /* its device is listed, but cannot be created */
  VARIANT_NO_KERNELS,     /* its device works, but has no operations */
  VARIANT_WRONG,          /* one element of each matrix product is 1 % off */
  VARIANT_WRONG_FIRST,    /* the first matrix product alone is 1 % off */
  VARIANT_WRONG_LARGE,    /* one element is off by one where matrices are longer than 255 */
  VARIANT_WRONG_SECOND,   /* the second matrix product alone is 1 % off */
  VARIANT_WRONG_TRACED,   /* one element of each matrix product in a tensorflow.function is 1 % off */
  VARIANT_WRONG_CONV,     /* one element of each convolution is off by a tenth */
  VARIANT_WRONG_FILTERS,  /* a convolution with more than 65,536 filters is wrong */
  VARIANT_NAN,            /* one element of each matrix product is not a number */
  VARIANT_SLOW,           /* right, but a matrix product takes 200 ms more */
  VARIANT_HANG_KERNEL,    /* a matrix product never ends */
  VARIANT_LEAVES_CHILD,   /* right, but leaves a process behind that has all its descriptors and never ends */
  VARIANT_STOPS,          /* stops itself (SIGSTOP) when it is asked to register */
  VARIANT_LEAKS,          /* right, but never frees the memory of its device */
  VARIANT_GARBAGE,        /* right, but writes what is no text to every descriptor that it finds */
  VARIANT_PARAVIRTUAL,    /* right, and calls itself what a virtual Mac's GPU is called */
  VARIANT_SOFTWARE,       /* right, and calls itself what Metal's software renderer is called */
  VARIANT_AT_SCREEN,      /* has a device only where the variable SIMULATED_MAC_SESSION is set */
  VARIANT_EXITS,          /* ends the program with status 0 when it is asked to register */
};

#define EXPORT __attribute__((visibility("default")))
#define SLOWNESS_US 200000
#define MEMORY_BYTES ((int64_t)1 << 30)

static void hang(void) {
  for (;;) pause();
}

static void ok(TF_Status* status) { TF_SetStatus(status, TF_OK, ""); }

/* --- memory -------------------------------------------------------------- */

static void* host_memory_allocate(const SP_Device* device, uint64_t size) {
  void* memory = NULL;
  /* TensorFlow expects tensors aligned to 64 bytes. */
  return posix_memalign(&memory, 64, size ? size : 1) ? NULL : memory;
}

static void host_memory_deallocate(const SP_Device* device, void* memory) { free(memory); }

static void allocate(const SP_Device* device, uint64_t size, int64_t space, SP_DeviceMemoryBase* memory) {
  memory->struct_size = SP_DEVICE_MEMORY_BASE_STRUCT_SIZE;
  memory->opaque = host_memory_allocate(device, size);
  memory->size = memory->opaque ? size : 0;
}

static void deallocate(const SP_Device* device, SP_DeviceMemoryBase* memory) {
  if (VARIANT != VARIANT_LEAKS) free(memory->opaque);
  memory->opaque = NULL;
  memory->size = 0;
}

static TF_Bool get_allocator_stats(const SP_Device* device, SP_AllocatorStats* stats) { return false; }

static TF_Bool device_memory_usage(const SP_Device* device, int64_t* free_bytes, int64_t* total_bytes) {
  *free_bytes = *total_bytes = MEMORY_BYTES;
  return true;
}

/* --- copying and filling: what the host does is done at once --------------- */

static void sync_memcpy_dtoh(const SP_Device* device, void* to, const SP_DeviceMemoryBase* from, uint64_t size,
                             TF_Status* status) {
  memcpy(to, from->opaque, size);
  ok(status);
}

static void sync_memcpy_htod(const SP_Device* device, SP_DeviceMemoryBase* to, const void* from, uint64_t size,
                             TF_Status* status) {
  memcpy(to->opaque, from, size);
  ok(status);
}

static void sync_memcpy_dtod(const SP_Device* device, SP_DeviceMemoryBase* to, const SP_DeviceMemoryBase* from,
                             uint64_t size, TF_Status* status) {
  memmove(to->opaque, from->opaque, size);
  ok(status);
}

static void memcpy_dtoh(const SP_Device* device, SP_Stream stream, void* to, const SP_DeviceMemoryBase* from,
                        uint64_t size, TF_Status* status) {
  sync_memcpy_dtoh(device, to, from, size, status);
}

static void memcpy_htod(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* to, const void* from,
                        uint64_t size, TF_Status* status) {
  sync_memcpy_htod(device, to, from, size, status);
}

static void memcpy_dtod(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* to,
                        const SP_DeviceMemoryBase* from, uint64_t size, TF_Status* status) {
  sync_memcpy_dtod(device, to, from, size, status);
}

static void fill(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* memory, uint8_t pattern,
                 uint64_t size, TF_Status* status) {
  memset(memory->opaque, pattern, size);
  ok(status);
}

static void zero(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* memory, uint64_t size,
                 TF_Status* status) {
  fill(device, stream, memory, 0, size, status);
}

static void fill32(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* memory, uint32_t pattern,
                   uint64_t size, TF_Status* status) {
  uint32_t* words = memory->opaque;
  for (uint64_t i = 0; i < size / sizeof *words; i++) words[i] = pattern;
  ok(status);
}

/* --- streams, events and timers: tokens ----------------------------------- */

static int token;

static void create_stream(const SP_Device* device, SP_Stream* stream, TF_Status* status) {
  *stream = (SP_Stream)&token;
  ok(status);
}
static void destroy_stream(const SP_Device* device, SP_Stream stream) {}
static void create_stream_dependency(const SP_Device* device, SP_Stream dependent, SP_Stream other,
                                     TF_Status* status) {
  ok(status);
}
static void get_stream_status(const SP_Device* device, SP_Stream stream, TF_Status* status) { ok(status); }

static void create_event(const SP_Device* device, SP_Event* event, TF_Status* status) {
  *event = (SP_Event)&token;
  ok(status);
}
static void destroy_event(const SP_Device* device, SP_Event event) {}
static SE_EventStatus get_event_status(const SP_Device* device, SP_Event event) { return SE_EVENT_COMPLETE; }
static void pass_event(const SP_Device* device, SP_Stream stream, SP_Event event, TF_Status* status) { ok(status); }
static void block_host_for_event(const SP_Device* device, SP_Event event, TF_Status* status) { ok(status); }
static void synchronize_all_activity(const SP_Device* device, TF_Status* status) { ok(status); }

static void create_timer(const SP_Device* device, SP_Timer* timer, TF_Status* status) {
  *timer = (SP_Timer)&token;
  ok(status);
}
static void destroy_timer(const SP_Device* device, SP_Timer timer) {}
static void pass_timer(const SP_Device* device, SP_Stream stream, SP_Timer timer, TF_Status* status) { ok(status); }
static uint64_t nanoseconds(SP_Timer timer) { return 0; }

static TF_Bool host_callback(const SP_Device* device, SP_Stream stream, SE_StatusCallbackFn callback, void* arg) {
  TF_Status* status = TF_NewStatus();
  callback(arg, status);
  bool called = TF_GetCode(status) == TF_OK;
  TF_DeleteStatus(status);
  return called;
}

/* --- the platform and its device ------------------------------------------ */

static void get_device_count(const SP_Platform* platform, int* count, TF_Status* status) {
  bool has_session = VARIANT != VARIANT_AT_SCREEN || getenv("SIMULATED_MAC_SESSION");
  *count = VARIANT != VARIANT_ZERO_DEVICES && has_session;
  ok(status);
}

static void create_device(const SP_Platform* platform, SE_CreateDeviceParams* params, TF_Status* status) {
  if (VARIANT == VARIANT_NO_CREATE) {
    TF_SetStatus(status, TF_INTERNAL, "fake_metal: the device cannot be created");
    return;
  }
  /* Apple's plug-in names its GPU in these words. */
  fprintf(stderr, "Metal device set to: %s\n",
          VARIANT == VARIANT_PARAVIRTUAL ? "Apple Paravirtual device"
          : VARIANT == VARIANT_SOFTWARE  ? "Apple Software Renderer"
                                         : "fake_metal (host memory, no GPU)");
  *params->device = (SP_Device){
      .struct_size = SP_DEVICE_STRUCT_SIZE,
      .ordinal = params->ordinal,
      .hardware_name = "METAL",
      .device_vendor = "fake_metal",
      .pci_bus_id = "<undefined>",
  };
  ok(status);
}
static void destroy_device(const SP_Platform* platform, SP_Device* device) {}

static void create_device_fns(const SP_Platform* platform, SE_CreateDeviceFnsParams* params, TF_Status* status) {
  params->device_fns->struct_size = SP_DEVICE_FNS_STRUCT_SIZE;
  ok(status);
}
static void destroy_device_fns(const SP_Platform* platform, SP_DeviceFns* fns) {}

static void create_stream_executor(const SP_Platform* platform, SE_CreateStreamExecutorParams* params,
                                   TF_Status* status) {
  *params->stream_executor = (SP_StreamExecutor){
      .struct_size = SP_STREAMEXECUTOR_STRUCT_SIZE,
      .allocate = allocate,
      .deallocate = deallocate,
      .host_memory_allocate = host_memory_allocate,
      .host_memory_deallocate = host_memory_deallocate,
      .get_allocator_stats = get_allocator_stats,
      .device_memory_usage = device_memory_usage,
      .create_stream = create_stream,
      .destroy_stream = destroy_stream,
      .create_stream_dependency = create_stream_dependency,
      .get_stream_status = get_stream_status,
      .create_event = create_event,
      .destroy_event = destroy_event,
      .get_event_status = get_event_status,
      .record_event = pass_event,
      .wait_for_event = pass_event,
      .create_timer = create_timer,
      .destroy_timer = destroy_timer,
      .start_timer = pass_timer,
      .stop_timer = pass_timer,
      .memcpy_dtoh = memcpy_dtoh,
      .memcpy_htod = memcpy_htod,
      .memcpy_dtod = memcpy_dtod,
      .sync_memcpy_dtoh = sync_memcpy_dtoh,
      .sync_memcpy_htod = sync_memcpy_htod,
      .sync_memcpy_dtod = sync_memcpy_dtod,
      .block_host_for_event = block_host_for_event,
      .synchronize_all_activity = synchronize_all_activity,
      .mem_zero = zero,
      .memset = fill,
      .memset32 = fill32,
      .host_callback = host_callback,
  };
  ok(status);
}
static void destroy_stream_executor(const SP_Platform* platform, SP_StreamExecutor* executor) {}

static void create_timer_fns(const SP_Platform* platform, SP_TimerFns* fns, TF_Status* status) {
  fns->struct_size = SP_TIMER_FNS_STRUCT_SIZE;
  fns->nanoseconds = nanoseconds;
  ok(status);
}
static void destroy_timer_fns(const SP_Platform* platform, SP_TimerFns* fns) {}
static void destroy_platform(SP_Platform* platform) {}
static void destroy_platform_fns(SP_PlatformFns* fns) {}

static void write_garbage(void) {
  static const char garbage[] = "\xff\xfe\0{\"stage\": 42}\n{\"end\": \"gpu\"}\n[\r\x1b[2J";
  for (int descriptor = 1; descriptor < 32; descriptor++)
    if (write(descriptor, garbage, sizeof garbage) < 0) continue;
}

/* Never defined: a reference to it makes the library impossible to load. */
extern void TF_SymbolThatNoTensorFlowHas(void);

EXPORT void SE_InitPlugin(SE_PlatformRegistrationParams* params, TF_Status* status) {
  if (VARIANT == VARIANT_MISSING_SYMBOL) TF_SymbolThatNoTensorFlowHas();
  if (VARIANT == VARIANT_CRASH) *(volatile int*)NULL = 0;
  if (VARIANT == VARIANT_HANG_INIT) hang();
  if (VARIANT == VARIANT_LEAVES_CHILD && fork() == 0) hang();
  if (VARIANT == VARIANT_STOPS) raise(SIGSTOP);
  if (VARIANT == VARIANT_GARBAGE) write_garbage();
  if (VARIANT == VARIANT_EXITS) _exit(0);
  if (VARIANT == VARIANT_ABI) {
    TF_SetStatus(status, TF_FAILED_PRECONDITION, "fake_metal: incompatible StreamExecutor C API");
    return;
  }
  params->platform->struct_size = SP_PLATFORM_STRUCT_SIZE;
  params->platform->name = "METAL";
  params->platform->type = "GPU";
  *params->platform_fns = (SP_PlatformFns){
      .struct_size = SP_PLATFORM_FNS_STRUCT_SIZE,
      .get_device_count = get_device_count,
      .create_device = create_device,
      .destroy_device = destroy_device,
      .create_device_fns = create_device_fns,
      .destroy_device_fns = destroy_device_fns,
      .create_stream_executor = create_stream_executor,
      .destroy_stream_executor = destroy_stream_executor,
      .create_timer_fns = create_timer_fns,
      .destroy_timer_fns = destroy_timer_fns,
  };
  params->destroy_platform = destroy_platform;
  params->destroy_platform_fns = destroy_platform_fns;
  ok(status);
}

/* --- kernels, float32 only -------------------------------------------------- */

/* What one call of a kernel owns; begin() and end() frame every kernel. */
typedef struct {
  TF_OpKernelContext* context;
  TF_Status* status;
  TF_Tensor *left, *right, *result;
} Call;

static Call begin(TF_OpKernelContext* context) {
  Call call = {.context = context, .status = TF_NewStatus()};
  TF_GetInput(context, 0, &call.left, call.status);
  if (TF_GetCode(call.status) == TF_OK) TF_GetInput(context, 1, &call.right, call.status);
  return call;
}

static bool good(const Call* call) { return TF_GetCode(call->status) == TF_OK; }

static void refuse(Call* call, const char* reason) { TF_SetStatus(call->status, TF_INVALID_ARGUMENT, reason); }

static float* allocate_result(Call* call, const int64_t* dims, int rank) {
  size_t size = sizeof(float);
  for (int i = 0; i < rank; i++) size *= (size_t)dims[i];
  call->result = TF_AllocateOutput(call->context, 0, TF_FLOAT, dims, rank, size, call->status);
  return good(call) ? TF_TensorData(call->result) : NULL;
}

static void end(Call* call) {
  if (!good(call)) TF_OpKernelContext_Failure(call->context, call->status);
  if (call->left) TF_DeleteTensor(call->left);
  if (call->right) TF_DeleteTensor(call->right);
  if (call->result) TF_DeleteTensor(call->result);
  TF_DeleteStatus(call->status);
}

typedef struct {
  TF_Bool left, right;
  bool traced; /* part of a tensorflow.function */
} Transpose;

static void* create_matmul(TF_OpKernelConstruction* construction) {
  TF_Status* status = TF_NewStatus();
  Transpose* transpose = calloc(1, sizeof *transpose);
  TF_OpKernelConstruction_GetAttrBool(construction, "transpose_a", &transpose->left, status);
  TF_OpKernelConstruction_GetAttrBool(construction, "transpose_b", &transpose->right, status);
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
  TF_DeleteStatus(status);
  /* TensorFlow keeps the kernel of an eager operation, and makes another for each function. */
  static atomic_int made[2][2];
  transpose->traced = made[!!transpose->left][!!transpose->right]++;
  return transpose;
}

static void multiply_matrices(Call* call, const Transpose* transpose) {
  const TF_Tensor *left = call->left, *right = call->right;
  if (TF_NumDims(left) != 2 || TF_NumDims(right) != 2 || TF_Dim(left, !transpose->left) != TF_Dim(right, transpose->right))
    return refuse(call, "fake_metal MatMul: the shapes do not fit");
  int64_t rows = TF_Dim(left, transpose->left), inner = TF_Dim(left, !transpose->left);
  int64_t columns = TF_Dim(right, !transpose->right);
  float* out = allocate_result(call, (int64_t[]){rows, columns}, 2);
  if (!out) return;
  memset(out, 0, (size_t)(rows * columns) * sizeof *out);

  const float *a = TF_TensorData(left), *b = TF_TensorData(right);
  int64_t a_row = transpose->left ? 1 : inner, a_inner = transpose->left ? rows : 1;
  int64_t b_inner = transpose->right ? 1 : columns, b_column = transpose->right ? inner : 1;
  for (int64_t row = 0; row < rows; row++)
    for (int64_t i = 0; i < inner; i++)
      for (int64_t column = 0; column < columns; column++)
        out[row * columns + column] += a[row * a_row + i * a_inner] * b[i * b_inner + column * b_column];

  float* last = rows && columns ? &out[rows * columns - 1] : NULL;
  if (VARIANT == VARIANT_WRONG && last) *last *= 1.01f;
  static atomic_int calls;
  int earlier = calls++;
  if (VARIANT == VARIANT_WRONG_FIRST && last && earlier == 0) *last *= 1.01f;
  if (VARIANT == VARIANT_WRONG_SECOND && last && earlier == 1) *last *= 1.01f;
  if (VARIANT == VARIANT_WRONG_TRACED && last && transpose->traced) *last += 1;
  if (VARIANT == VARIANT_WRONG_LARGE && last && inner > 255) *last += 1;
  if (VARIANT == VARIANT_NAN && last) *last = 0.0f / 0.0f;
  if (VARIANT == VARIANT_SLOW) usleep(SLOWNESS_US);
  if (VARIANT == VARIANT_HANG_KERNEL) hang();
}

static void matmul(void* transpose, TF_OpKernelContext* context) {
  Call call = begin(context);
  if (good(&call)) multiply_matrices(&call, transpose);
  end(&call);
}

/* --- convolution: NHWC, as TensorFlow has it unless it is told otherwise ----- */

typedef struct {
  int32_t strides[4], dilations[4];
  bool same; /* padded, so that with strides of 1 the result is as large as the image */
} Convolution;

static void* create_conv2d(TF_OpKernelConstruction* construction) {
  TF_Status* status = TF_NewStatus();
  Convolution* convolution = calloc(1, sizeof *convolution);
  char padding[16] = "";
  TF_OpKernelConstruction_GetAttrInt32List(construction, "strides", convolution->strides, 4, status);
  if (TF_GetCode(status) == TF_OK)
    TF_OpKernelConstruction_GetAttrInt32List(construction, "dilations", convolution->dilations, 4, status);
  if (TF_GetCode(status) == TF_OK)
    TF_OpKernelConstruction_GetAttrString(construction, "padding", padding, sizeof padding, status);
  convolution->same = !strncmp(padding, "SAME", 4);
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
  TF_DeleteStatus(status);
  return convolution;
}

/* One direction of an image: how long the result is, and how far the kernel begins before the image. */
typedef struct {
  int64_t in, kernel, out, before;
  int32_t stride, dilation;
} Axis;

static Axis axis_of(const Convolution* convolution, const TF_Tensor* images, const TF_Tensor* kernel, int axis) {
  Axis of = {.in = TF_Dim(images, axis), .kernel = TF_Dim(kernel, axis - 1), .stride = convolution->strides[axis],
             .dilation = convolution->dilations[axis]};
  int64_t reach = (of.kernel - 1) * of.dilation + 1;
  of.out = convolution->same ? (of.in + of.stride - 1) / of.stride : (of.in - reach + of.stride) / of.stride;
  int64_t padding = (of.out - 1) * of.stride + reach - of.in;
  of.before = convolution->same && padding > 0 ? padding / 2 : 0;
  return of;
}

static void add_pixel(float* out, const float* pixel, const float* weights, int64_t channels, int64_t filters) {
  for (int64_t channel = 0; channel < channels; channel++)
    for (int64_t filter = 0; filter < filters; filter++)
      out[filter] += pixel[channel] * weights[channel * filters + filter];
}

static void convolve_images(Call* call, const Convolution* convolution) {
  const TF_Tensor *images = call->left, *kernel = call->right;
  if (TF_NumDims(images) != 4 || TF_NumDims(kernel) != 4 || TF_Dim(images, 3) != TF_Dim(kernel, 2))
    return refuse(call, "fake_metal Conv2D: the shapes do not fit");
  Axis down = axis_of(convolution, images, kernel, 1), across = axis_of(convolution, images, kernel, 2);
  int64_t count = TF_Dim(images, 0), channels = TF_Dim(images, 3), filters = TF_Dim(kernel, 3);
  float* out = allocate_result(call, (int64_t[]){count, down.out, across.out, filters}, 4);
  if (!out) return;
  int64_t size = count * down.out * across.out * filters;
  memset(out, 0, (size_t)size * sizeof *out);

  const float *pixels = TF_TensorData(images), *weights = TF_TensorData(kernel);
  for (int64_t place = 0; place < count * down.out * across.out; place++) {
    int64_t image = place / (down.out * across.out);
    int64_t top = place / across.out % down.out * down.stride - down.before;
    int64_t left = place % across.out * across.stride - across.before;
    for (int64_t tap = 0; tap < down.kernel * across.kernel; tap++) {
      int64_t y = top + tap / across.kernel * down.dilation, x = left + tap % across.kernel * across.dilation;
      if (y < 0 || y >= down.in || x < 0 || x >= across.in) continue;
      add_pixel(&out[place * filters], &pixels[((image * down.in + y) * across.in + x) * channels],
                &weights[tap * channels * filters], channels, filters);
    }
  }
  if (VARIANT == VARIANT_WRONG_CONV && size) out[size - 1] += 0.1f * (out[size - 1] + 10);
  if (VARIANT == VARIANT_WRONG_FILTERS && filters > 65536) out[size - 1] = 0;
}

static void conv2d(void* convolution, TF_OpKernelContext* context) {
  Call call = begin(context);
  if (good(&call)) convolve_images(&call, convolution);
  end(&call);
}

/* --- element by element ------------------------------------------------------ */

static float plus(float a, float b) { return a + b; }
static float minus(float a, float b) { return a - b; }
static float times(float a, float b) { return a * b; }
static float squared_difference(float a, float b) { return (a - b) * (a - b); }

enum { MAX_RANK = 8 };

/* Element by element, with NumPy's broadcasting: a dimension of 1 has stride 0. */
static void combine(Call* call, float (*operation)(float, float)) {
  int left_rank = TF_NumDims(call->left), right_rank = TF_NumDims(call->right);
  int rank = left_rank > right_rank ? left_rank : right_rank;
  if (rank > MAX_RANK) return refuse(call, "fake_metal: too many dimensions");

  int64_t dims[MAX_RANK], left_stride[MAX_RANK], right_stride[MAX_RANK];
  int64_t left_size = 1, right_size = 1, size = 1;
  for (int i = rank - 1; i >= 0; i--) {
    int left_axis = i - (rank - left_rank), right_axis = i - (rank - right_rank);
    int64_t left = left_axis < 0 ? 1 : TF_Dim(call->left, left_axis);
    int64_t right = right_axis < 0 ? 1 : TF_Dim(call->right, right_axis);
    if (left != right && left != 1 && right != 1) return refuse(call, "fake_metal: the shapes do not broadcast");
    dims[i] = left == 1 ? right : left;
    left_stride[i] = left == 1 ? 0 : left_size;
    right_stride[i] = right == 1 ? 0 : right_size;
    left_size *= left;
    right_size *= right;
    size *= dims[i];
  }
  float* out = allocate_result(call, dims, rank);
  if (!out) return;

  const float *a = TF_TensorData(call->left), *b = TF_TensorData(call->right);
  for (int64_t element = 0; element < size; element++) {
    int64_t rest = element, a_at = 0, b_at = 0;
    for (int i = rank - 1; i >= 0; i--) {
      a_at += rest % dims[i] * left_stride[i];
      b_at += rest % dims[i] * right_stride[i];
      rest /= dims[i];
    }
    out[element] = operation(a[a_at], b[b_at]);
  }
}

static void elementwise(TF_OpKernelContext* context, float (*operation)(float, float)) {
  Call call = begin(context);
  if (good(&call)) combine(&call, operation);
  end(&call);
}
static void add(void* state, TF_OpKernelContext* context) { elementwise(context, plus); }
static void subtract(void* state, TF_OpKernelContext* context) { elementwise(context, minus); }
static void multiply(void* state, TF_OpKernelContext* context) { elementwise(context, times); }
static void differ(void* state, TF_OpKernelContext* context) { elementwise(context, squared_difference); }

/* Updating variables, so that training works. TensorFlow 2.19 and later neither
 * export this function nor need it: their own kernels serve any device. */
#pragma weak TF_AssignUpdateVariable

static void copy_tensor(TF_OpKernelContext* context, TF_Tensor* from, TF_Tensor* to) {
  memcpy(TF_TensorData(to), TF_TensorData(from), TF_TensorByteSize(from));
}

enum { UPDATE_ADD, UPDATE_SUBTRACT }; /* TensorFlow passes the number through */

static void update_tensor(TF_OpKernelContext* context, TF_Tensor* variable, TF_Tensor* value, int update) {
  float *to = TF_TensorData(variable), *by = TF_TensorData(value);
  for (int64_t i = 0; i < TF_TensorElementCount(variable); i++) to[i] += update == UPDATE_ADD ? by[i] : -by[i];
}

static void assign_update(TF_OpKernelContext* context, int update) {
  TF_Status* status = TF_NewStatus();
  TF_AssignUpdateVariable(context, 0, 1, update, 0, copy_tensor, update_tensor, status);
  if (TF_GetCode(status) != TF_OK) TF_OpKernelContext_Failure(context, status);
  TF_DeleteStatus(status);
}
static void assign_add(void* state, TF_OpKernelContext* context) { assign_update(context, UPDATE_ADD); }
static void assign_subtract(void* state, TF_OpKernelContext* context) { assign_update(context, UPDATE_SUBTRACT); }

typedef void* (*Create)(TF_OpKernelConstruction*);
typedef void (*Compute)(void*, TF_OpKernelContext*);

static void register_kernel(const char* operation, const char* type, Create create, Compute compute) {
  TF_Status* status = TF_NewStatus();
  TF_KernelBuilder* builder = TF_NewKernelBuilder(operation, "GPU", create, compute, create ? free : NULL);
  TF_KernelBuilder_TypeConstraint(builder, type, TF_FLOAT, status);
  TF_KernelBuilder_Priority(builder, 1); /* above the CUDA kernels in Linux's `tensorflow` wheel */
  if (TF_GetCode(status) == TF_OK) TF_RegisterKernelBuilder(operation, builder, status);
  TF_DeleteStatus(status);
}

EXPORT void TF_InitKernel(void) {
  if (VARIANT == VARIANT_NO_KERNELS) return;
  register_kernel("MatMul", "T", create_matmul, matmul);
  register_kernel("Conv2D", "T", create_conv2d, conv2d);
  register_kernel("AddV2", "T", NULL, add);
  register_kernel("Sub", "T", NULL, subtract);
  register_kernel("Mul", "T", NULL, multiply);
  register_kernel("SquaredDifference", "T", NULL, differ); /* what TensorFlow makes of a square after a Sub */
  if (!TF_AssignUpdateVariable) return;
  register_kernel("AssignAddVariableOp", "dtype", NULL, assign_add);
  register_kernel("AssignSubVariableOp", "dtype", NULL, assign_subtract);
}
