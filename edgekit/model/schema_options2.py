"""The options tables that no longer found room in the schema's first union.

Nearly all are StableHLO's. Written as :mod:`edgekit.model.schema_options` is; the
vectors of enumerations (``precision_config``) are kept as their numbers.

Source:
    tensorflow/compiler/mlir/lite/schema/schema.fbs, union BuiltinOptions2 (version 3d).
"""

from __future__ import annotations

from edgekit.model.schema_options import Row

BUILTIN_OPTIONS_2: tuple[Row, ...] = (
    Row("StablehloConcatenateOptions", "STABLEHLO_CONCATENATE", "dimension:int64"),
    Row(
        "StablehloBroadcastInDimOptions",
        "STABLEHLO_BROADCAST_IN_DIM",
        "broadcast_dimensions:[int64]",
    ),
    Row(
        "StablehloSliceOptions",
        "STABLEHLO_SLICE",
        "start_indices:[int64] limit_indices:[int64] strides:[int64]",
    ),
    Row(
        "StablehloConvolutionOptions",
        "STABLEHLO_CONVOLUTION",
        (
            "window_strides:[int64] padding:[int64] lhs_dilation:[int64] "
            "rhs_dilation:[int64] window_reversal:[bool] input_batch_dimension:int64 "
            "input_feature_dimension:int64 input_spatial_dimensions:[int64] "
            "kernel_input_feature_dimension:int64 kernel_output_feature_dimension:int64 "
            "kernel_spatial_dimensions:[int64] output_batch_dimension:int64 "
            "output_feature_dimension:int64 output_spatial_dimensions:[int64] "
            "feature_group_count:int64 batch_group_count:int64 "
            "precision_config:[uint32]"
        ),
    ),
    Row(
        "StablehloCustomCallOptions",
        "STABLEHLO_CUSTOM_CALL",
        (
            "call_target_name:string has_side_effect:bool backend_config:string "
            "api_version:int32 called_computations:[int32] custom_attributes:[uint8]"
        ),
    ),
    Row(
        "StablehloReduceOptions", "STABLEHLO_REDUCE", "dimensions:[int64] body_subgraph_index:int32"
    ),
    Row(
        "StablehloScatterOptions",
        "STABLEHLO_SCATTER",
        (
            "indices_are_sorted:bool update_window_dims:[int64] "
            "inserted_window_dims:[int64] scatter_dims_to_operand_dims:[int64] "
            "index_vector_dim:int64 unique_indices:bool "
            "update_computation_subgraph_index:int32"
        ),
    ),
    Row(
        "StablehloCompareOptions",
        "STABLEHLO_COMPARE",
        ("comparison_direction:StablehloComparisonDirection compare_type:StablehloComparisonType"),
    ),
    Row("StablehloDynamicSliceOptions", "STABLEHLO_DYNAMIC_SLICE", "slice_sizes:[int64]"),
    Row(
        "StablehloPadOptions",
        "STABLEHLO_PAD",
        "edge_padding_low:[int64] edge_padding_high:[int64] interior_padding:[int64]",
    ),
    Row("StablehloIotaOptions", "STABLEHLO_IOTA", "iota_dimension:int64"),
    Row(
        "StablehloDotGeneralOptions",
        "STABLEHLO_DOT_GENERAL",
        (
            "lhs_batching_dimensions:[int64] rhs_batching_dimensions:[int64] "
            "lhs_contracting_dimensions:[int64] rhs_contracting_dimensions:[int64] "
            "precision_config:[uint32]"
        ),
    ),
    Row(
        "StablehloReduceWindowOptions",
        "STABLEHLO_REDUCE_WINDOW",
        (
            "window_dimensions:[int64] window_strides:[int64] base_dilations:[int64] "
            "window_dilations:[int64] padding:[int64] body_subgraph_index:int32"
        ),
    ),
    Row(
        "StablehloSortOptions",
        "STABLEHLO_SORT",
        "dimension:int64 is_stable:bool comparator_subgraph_index:int32",
    ),
    Row(
        "StablehloWhileOptions",
        "STABLEHLO_WHILE",
        "cond_subgraph_index:int32 body_subgraph_index:int32",
    ),
    Row(
        "StablehloGatherOptions",
        "STABLEHLO_GATHER",
        (
            "offset_dims:[int64] collapsed_slice_dims:[int64] start_index_map:[int64] "
            "index_vector_dim:int64 slice_sizes:[int64] indices_are_sorted:bool"
        ),
    ),
    Row("StablehloTransposeOptions", "STABLEHLO_TRANSPOSE", "permutation:[int64]"),
    Row("DilateOptions", "DILATE"),
    Row("StablehloRngBitGeneratorOptions", "STABLEHLO_RNG_BIT_GENERATOR", "algorithm:RngAlgorithm"),
    Row("ReduceWindowOptions", "REDUCE_WINDOW", "reduce_function:ReduceWindowFunction"),
    Row(
        "StableHLOCompositeOptions",
        "STABLEHLO_COMPOSITE",
        (
            "name:string decomposition_subgraph_index:int32 "
            "composite_attributes:[uint8] "
            "composite_attributes_format:CustomOptionsFormat version:int32"
        ),
    ),
    Row("StablehloShiftLeftOptions", "STABLEHLO_SHIFT_LEFT"),
    Row("StablehloCaseOptions", "STABLEHLO_CASE", "branch_subgraph_indices:[int32]"),
)
"""Union BuiltinOptions2, from code 1."""
