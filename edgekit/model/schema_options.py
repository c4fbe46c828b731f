"""The options tables of the .tflite schema: which operator has which, and their fields.

A row is one member of the schema's union, in the union's order: its place, counted
from 1, is the code in the file. Fields are in slot order, ``name:type``, with
``=default`` where that is not 0; ``-`` is the slot of a field that is no longer used.
A type is a scalar, ``string``, an enumeration of :mod:`edgekit.model.schema`, or a
vector ``[type]`` of scalars.

Source:
    tensorflow/compiler/mlir/lite/schema/schema.fbs, union BuiltinOptions (version 3d);
    ``quant_spec`` of FullyConnectedOptions from LiteRT 2.3's schema.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One options table: the schema's name, the operators that have it, its fields."""

    table: str
    operators: str
    fields: str = ""


BUILTIN_OPTIONS: tuple[Row, ...] = (
    Row(
        "Conv2DOptions",
        "CONV_2D",
        (
            "padding:Padding stride_w:int32 stride_h:int32 "
            "fused_activation_function:ActivationFunctionType dilation_w_factor:int32=1 "
            "dilation_h_factor:int32=1 quantized_bias_type:TensorType"
        ),
    ),
    Row(
        "DepthwiseConv2DOptions",
        "DEPTHWISE_CONV_2D",
        (
            "padding:Padding stride_w:int32 stride_h:int32 depth_multiplier:int32 "
            "fused_activation_function:ActivationFunctionType dilation_w_factor:int32=1 "
            "dilation_h_factor:int32=1"
        ),
    ),
    Row(
        "ConcatEmbeddingsOptions",
        "CONCAT_EMBEDDINGS",
        ("num_channels:int32 num_columns_per_channel:[int32] embedding_dim_per_channel:[int32]"),
    ),
    Row("LSHProjectionOptions", "LSH_PROJECTION", "type:LSHProjectionType"),
    Row(
        "Pool2DOptions",
        "AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D",
        (
            "padding:Padding stride_w:int32 stride_h:int32 filter_width:int32 "
            "filter_height:int32 fused_activation_function:ActivationFunctionType"
        ),
    ),
    Row(
        "SVDFOptions",
        "SVDF",
        (
            "rank:int32 fused_activation_function:ActivationFunctionType "
            "asymmetric_quantize_inputs:bool"
        ),
    ),
    Row(
        "RNNOptions",
        "RNN",
        "fused_activation_function:ActivationFunctionType asymmetric_quantize_inputs:bool",
    ),
    Row(
        "FullyConnectedOptions",
        "FULLY_CONNECTED",
        (
            "fused_activation_function:ActivationFunctionType "
            "weights_format:FullyConnectedOptionsWeightsFormat keep_num_dims:bool "
            "asymmetric_quantize_inputs:bool quantized_bias_type:TensorType quant_spec:[uint8]"
        ),
    ),
    Row("SoftmaxOptions", "SOFTMAX", "beta:float32"),
    Row(
        "ConcatenationOptions",
        "CONCATENATION",
        "axis:int32 fused_activation_function:ActivationFunctionType",
    ),
    Row(
        "AddOptions",
        "ADD",
        "fused_activation_function:ActivationFunctionType pot_scale_int16:bool=1",
    ),
    Row("L2NormOptions", "L2_NORMALIZATION", "fused_activation_function:ActivationFunctionType"),
    Row(
        "LocalResponseNormalizationOptions",
        "LOCAL_RESPONSE_NORMALIZATION",
        "radius:int32 bias:float32 alpha:float32 beta:float32",
    ),
    Row(
        "LSTMOptions",
        "LSTM",
        (
            "fused_activation_function:ActivationFunctionType cell_clip:float32 "
            "proj_clip:float32 kernel_type:LSTMKernelType "
            "asymmetric_quantize_inputs:bool"
        ),
    ),
    Row(
        "ResizeBilinearOptions", "RESIZE_BILINEAR", "- - align_corners:bool half_pixel_centers:bool"
    ),
    Row("CallOptions", "CALL", "subgraph:uint32"),
    Row("ReshapeOptions", "RESHAPE", "new_shape:[int32]"),
    Row(
        "SkipGramOptions",
        "SKIP_GRAM",
        "ngram_size:int32 max_skip_size:int32 include_all_ngrams:bool",
    ),
    Row("SpaceToDepthOptions", "SPACE_TO_DEPTH", "block_size:int32"),
    Row("EmbeddingLookupSparseOptions", "EMBEDDING_LOOKUP_SPARSE", "combiner:CombinerType"),
    Row("MulOptions", "MUL", "fused_activation_function:ActivationFunctionType"),
    Row("PadOptions", "PAD"),
    Row("GatherOptions", "GATHER", "axis:int32 batch_dims:int32"),
    Row("BatchToSpaceNDOptions", "BATCH_TO_SPACE_ND"),
    Row("SpaceToBatchNDOptions", "SPACE_TO_BATCH_ND"),
    Row("TransposeOptions", "TRANSPOSE"),
    Row(
        "ReducerOptions",
        "MEAN SUM REDUCE_PROD REDUCE_MAX REDUCE_MIN REDUCE_ANY REDUCE_ALL",
        "keep_dims:bool",
    ),
    Row(
        "SubOptions",
        "SUB",
        "fused_activation_function:ActivationFunctionType pot_scale_int16:bool=1",
    ),
    Row("DivOptions", "DIV", "fused_activation_function:ActivationFunctionType"),
    Row("SqueezeOptions", "SQUEEZE", "squeeze_dims:[int32]"),
    Row(
        "SequenceRNNOptions",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        (
            "time_major:bool fused_activation_function:ActivationFunctionType "
            "asymmetric_quantize_inputs:bool"
        ),
    ),
    Row(
        "StridedSliceOptions",
        "STRIDED_SLICE",
        (
            "begin_mask:int32 end_mask:int32 ellipsis_mask:int32 new_axis_mask:int32 "
            "shrink_axis_mask:int32 offset:bool"
        ),
    ),
    Row("ExpOptions", "EXP"),
    Row("TopKV2Options", "TOPK_V2"),
    Row("SplitOptions", "SPLIT", "num_splits:int32"),
    Row("LogSoftmaxOptions", "LOG_SOFTMAX"),
    Row("CastOptions", "CAST", "in_data_type:TensorType out_data_type:TensorType"),
    Row("DequantizeOptions", "DEQUANTIZE"),
    Row("MaximumMinimumOptions", "MAXIMUM MINIMUM"),
    Row("ArgMaxOptions", "ARG_MAX", "output_type:TensorType"),
    Row("LessOptions", "LESS"),
    Row("NegOptions", "NEG"),
    Row("PadV2Options", "PADV2"),
    Row("GreaterOptions", "GREATER"),
    Row("GreaterEqualOptions", "GREATER_EQUAL"),
    Row("LessEqualOptions", "LESS_EQUAL"),
    Row("SelectOptions", "SELECT"),
    Row("SliceOptions", "SLICE"),
    Row(
        "TransposeConvOptions",
        "TRANSPOSE_CONV",
        (
            "padding:Padding stride_w:int32 stride_h:int32 "
            "fused_activation_function:ActivationFunctionType "
            "quantized_bias_type:TensorType"
        ),
    ),
    Row("SparseToDenseOptions", "SPARSE_TO_DENSE", "validate_indices:bool"),
    Row("TileOptions", "TILE"),
    Row("ExpandDimsOptions", "EXPAND_DIMS"),
    Row("EqualOptions", "EQUAL"),
    Row("NotEqualOptions", "NOT_EQUAL"),
    Row("ShapeOptions", "SHAPE", "out_type:TensorType"),
    Row("PowOptions", "POW"),
    Row("ArgMinOptions", "ARG_MIN", "output_type:TensorType"),
    Row(
        "FakeQuantOptions", "FAKE_QUANT", "min:float32 max:float32 num_bits:int32 narrow_range:bool"
    ),
    Row("PackOptions", "PACK", "values_count:int32 axis:int32"),
    Row("LogicalOrOptions", "LOGICAL_OR"),
    Row("OneHotOptions", "ONE_HOT", "axis:int32"),
    Row("LogicalAndOptions", "LOGICAL_AND"),
    Row("LogicalNotOptions", "LOGICAL_NOT"),
    Row("UnpackOptions", "UNPACK", "num:int32 axis:int32"),
    Row("FloorDivOptions", "FLOOR_DIV"),
    Row("SquareOptions", "SQUARE"),
    Row("ZerosLikeOptions", "ZEROS_LIKE"),
    Row("FillOptions", "FILL"),
    Row(
        "BidirectionalSequenceLSTMOptions",
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        (
            "fused_activation_function:ActivationFunctionType cell_clip:float32 "
            "proj_clip:float32 merge_outputs:bool time_major:bool=1 "
            "asymmetric_quantize_inputs:bool"
        ),
    ),
    Row(
        "BidirectionalSequenceRNNOptions",
        "BIDIRECTIONAL_SEQUENCE_RNN",
        (
            "time_major:bool fused_activation_function:ActivationFunctionType "
            "merge_outputs:bool asymmetric_quantize_inputs:bool"
        ),
    ),
    Row(
        "UnidirectionalSequenceLSTMOptions",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        (
            "fused_activation_function:ActivationFunctionType cell_clip:float32 "
            "proj_clip:float32 time_major:bool asymmetric_quantize_inputs:bool "
            "diagonal_recurrent_tensors:bool"
        ),
    ),
    Row("FloorModOptions", "FLOOR_MOD"),
    Row("RangeOptions", "RANGE"),
    Row(
        "ResizeNearestNeighborOptions",
        "RESIZE_NEAREST_NEIGHBOR",
        "align_corners:bool half_pixel_centers:bool",
    ),
    Row("LeakyReluOptions", "LEAKY_RELU", "alpha:float32"),
    Row("SquaredDifferenceOptions", "SQUARED_DIFFERENCE"),
    Row("MirrorPadOptions", "MIRROR_PAD", "mode:MirrorPadMode"),
    Row("AbsOptions", "ABS"),
    Row("SplitVOptions", "SPLIT_V", "num_splits:int32"),
    Row("UniqueOptions", "UNIQUE", "idx_out_type:TensorType=2"),
    Row("ReverseV2Options", "REVERSE_V2"),
    Row("AddNOptions", "ADD_N"),
    Row("GatherNdOptions", "GATHER_ND"),
    Row("CosOptions", "COS"),
    Row("WhereOptions", "WHERE"),
    Row("RankOptions", "RANK"),
    Row("ReverseSequenceOptions", "REVERSE_SEQUENCE", "seq_dim:int32 batch_dim:int32"),
    Row("MatrixDiagOptions", "MATRIX_DIAG"),
    Row("QuantizeOptions", "QUANTIZE"),
    Row("MatrixSetDiagOptions", "MATRIX_SET_DIAG"),
    Row("HardSwishOptions", "HARD_SWISH"),
    Row("IfOptions", "IF", "then_subgraph_index:int32 else_subgraph_index:int32"),
    Row("WhileOptions", "WHILE", "cond_subgraph_index:int32 body_subgraph_index:int32"),
    Row("DepthToSpaceOptions", "DEPTH_TO_SPACE", "block_size:int32"),
    Row("NonMaxSuppressionV4Options", "NON_MAX_SUPPRESSION_V4"),
    Row("NonMaxSuppressionV5Options", "NON_MAX_SUPPRESSION_V5"),
    Row("ScatterNdOptions", "SCATTER_ND"),
    Row("SelectV2Options", "SELECT_V2"),
    Row("DensifyOptions", "DENSIFY"),
    Row("SegmentSumOptions", "SEGMENT_SUM"),
    Row(
        "BatchMatMulOptions",
        "BATCH_MATMUL",
        "adj_x:bool adj_y:bool asymmetric_quantize_inputs:bool",
    ),
    Row("CumsumOptions", "CUMSUM", "exclusive:bool reverse:bool"),
    Row("CallOnceOptions", "CALL_ONCE", "init_subgraph_index:int32"),
    Row("BroadcastToOptions", "BROADCAST_TO"),
    Row("Rfft2dOptions", "RFFT2D"),
    Row(
        "Conv3DOptions",
        "CONV_3D CONV_3D_TRANSPOSE",
        (
            "padding:Padding stride_d:int32 stride_w:int32 stride_h:int32 "
            "fused_activation_function:ActivationFunctionType dilation_d_factor:int32=1 "
            "dilation_w_factor:int32=1 dilation_h_factor:int32=1"
        ),
    ),
    Row(
        "HashtableOptions",
        "HASHTABLE",
        "table_id:int32 key_dtype:TensorType value_dtype:TensorType",
    ),
    Row("HashtableFindOptions", "HASHTABLE_FIND"),
    Row("HashtableImportOptions", "HASHTABLE_IMPORT"),
    Row("HashtableSizeOptions", "HASHTABLE_SIZE"),
    Row("VarHandleOptions", "VAR_HANDLE", "container:string shared_name:string"),
    Row("ReadVariableOptions", "READ_VARIABLE"),
    Row("AssignVariableOptions", "ASSIGN_VARIABLE"),
    Row(
        "RandomOptions",
        "RANDOM_STANDARD_NORMAL RANDOM_UNIFORM MULTINOMIAL",
        "seed:int64 seed2:int64",
    ),
    Row("BucketizeOptions", "BUCKETIZE", "boundaries:[float32]"),
    Row("GeluOptions", "GELU", "approximate:bool"),
    Row("DynamicUpdateSliceOptions", "DYNAMIC_UPDATE_SLICE"),
    Row("UnsortedSegmentProdOptions", "UNSORTED_SEGMENT_PROD"),
    Row("UnsortedSegmentMaxOptions", "UNSORTED_SEGMENT_MAX"),
    Row("UnsortedSegmentMinOptions", "UNSORTED_SEGMENT_MIN"),
    Row("UnsortedSegmentSumOptions", "UNSORTED_SEGMENT_SUM"),
    Row("ATan2Options", "ATAN2"),
    Row("SignOptions", "SIGN"),
    Row("BitcastOptions", "BITCAST"),
    Row("BitwiseXorOptions", "BITWISE_XOR"),
    Row("RightShiftOptions", "RIGHT_SHIFT"),
)
"""Union BuiltinOptions, from code 1."""
