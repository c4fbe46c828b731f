/* A model compiled by EdgeKit.
 *
 * Model:     sha256 50c5abe3d06485a07447f3d58945757d93a5687e06af0c2f4b91b5170f758f5a
 * RAM:       64 bytes, all of it edgekit_arena
 * Constants: 672 bytes where pointers have 4
 * Work:      384 multiply-accumulates an inference
 *
 * The size of the code is the linker's to say. */
#include "edgekit_model.h"
#include "edgekit_aot_kernels.h"

#if defined(__GNUC__)
#define EDGEKIT_ALIGNED(bytes) __attribute__((aligned(bytes)))
#else
#define EDGEKIT_ALIGNED(bytes)
#endif

/* Inputs, outputs and all between, each at its planned offset. */
static uint8_t edgekit_arena[64] EDGEKIT_ALIGNED(16);

static const int8_t weights_0[18] EDGEKIT_ALIGNED(4) = {
    -7, 3, 65, 115, -119, -91, 82, 114, -64, -48, 94, -20, -58, 84, -62, -23, 37, 13,
};

static const int32_t bias_0[2] EDGEKIT_ALIGNED(4) = {
    211, -43,
};

static const int32_t multiplier_0[2] EDGEKIT_ALIGNED(4) = {
    1293543069, 1293543069,
};

static const int8_t shift_0[2] EDGEKIT_ALIGNED(4) = {
    -8, -7,
};

static const int8_t weights_2[96] EDGEKIT_ALIGNED(4) = {
    93, 65, 86, 10, 81, -43, -12, 74, -96, -50, -96, -12, 122, -93, -30, -25, 103, -76, 1, -61,
    -122, 64, -112, -56, 0, -4, -98, 123, 64, 118, -104, 57, -53, 11, 108, -57, 58, -87, -45,
    120, -20, 4, -53, -98, -19, 31, -11, 71, -35, 29, 70, 106, -19, -117, 56, 7, 95, -10, -34,
    -112, -11, 36, 69, 90, -73, 24, 78, -61, -40, 87, 21, 2, 44, 3, 123, 65, -114, -90, 11, 82,
    -110, 47, 66, 73, 95, -79, 14, 77, -36, -79, -5, -107, -71, 91, 43, 92,
};

static const int32_t bias_2[3] EDGEKIT_ALIGNED(4) = {
    -223, 1874, 2692,
};

static const int32_t multiplier_2[1] EDGEKIT_ALIGNED(4) = {
    1374389504,
};

static const int8_t shift_2[1] EDGEKIT_ALIGNED(4) = {
    -8,
};

static const int32_t exponentials_3[70] EDGEKIT_ALIGNED(4) = {
    2147483647, 1758210936, 1439501330, 1178564005, 964926574, 790014891, 646809647, 529562937,
    433569460, 354976644, 290630233, 237947968, 194815315, 159501289, 130588608, 106916886,
    87536164, 71668548, 58677244, 48040863, 39332524, 32202755, 26365385, 21586151, 17673246,
    14469627, 11846731, 9699283, 7941101, 6501624, 5323078, 4358169, 3568167, 2921368, 2391814,
    1958251, 1603281, 1312655, 1074711, 879899, 720401, 589814, 482899, 395364, 323697, 265021,
    216981, 177649, 145446, 119081, 97496, 79823, 65353, 53507, 43808, 35867, 29365, 24042,
    19684, 16116, 13195, 10803, 8845, 7241, 5929, 4854, 3974, 3254, 2664, 2181,
};

/* 0 CONV_2D: conv */
static const edgekit_conv_2d_params step_0 = {
    .input = (const int8_t *)(edgekit_arena + 48),
    .output = (int8_t *)(edgekit_arena + 0),
    .patch = (int8_t *)(edgekit_arena + 32),
    .filters = {
        .weights = weights_0,
        .bias = bias_0,
        .multiplier = multiplier_0,
        .shift = shift_0,
        .rows = 2,
        .columns = 9,
        .channel_step = 1,
        .output_zero_point = -10,
        .output_min = -10,
        .output_max = 127,
    },
    .window = {
        .batches = 1,
        .input_height = 4,
        .input_width = 4,
        .channels = 1,
        .output_height = 4,
        .output_width = 4,
        .height = 3,
        .width = 3,
        .stride_y = 1,
        .stride_x = 1,
        .dilation_y = 1,
        .dilation_x = 1,
        .padding_top = 1,
        .padding_left = 1,
    },
    .groups = 1,
    .input_zero_point = -3,
};

/* 2 FULLY_CONNECTED: dense */
static const edgekit_fully_connected_params step_1 = {
    .input = (const int8_t *)(edgekit_arena + 0),
    .output = (int8_t *)(edgekit_arena + 32),
    .weights = {
        .weights = weights_2,
        .bias = bias_2,
        .multiplier = multiplier_2,
        .shift = shift_2,
        .rows = 3,
        .columns = 32,
        .channel_step = 0,
        .output_zero_point = 5,
        .output_min = -128,
        .output_max = 127,
    },
    .batches = 1,
};

/* 3 SOFTMAX: probabilities */
static const edgekit_softmax_params step_2 = {
    .input = (const int8_t *)(edgekit_arena + 32),
    .output = edgekit_arena + 0,
    .exponentials = exponentials_3,
    .exponential_count = 70,
    .rows = 1,
    .columns = 3,
    .output_bits = 8,
};

static const edgekit_tensor inputs[1] = {
    {edgekit_arena + 48, 16u, EDGEKIT_INT8, 0.0117647061f, -3}, /* image */
};

static const edgekit_tensor outputs[1] = {
    {edgekit_arena + 0, 3u, EDGEKIT_INT8, 0.00390625f, -128}, /* probabilities */
};

int edgekit_model_init(void) {
  return 0;
}

edgekit_tensor edgekit_model_input(int index) {
  return inputs[index];
}

int edgekit_model_invoke(void) {
  edgekit_conv_2d(&step_0);
  edgekit_fully_connected(&step_1);
  edgekit_softmax(&step_2);
  return 0;
}

edgekit_tensor edgekit_model_output(int index) {
  return outputs[index];
}

uint32_t edgekit_model_arena_used_bytes(void) {
  return sizeof edgekit_arena;
}
