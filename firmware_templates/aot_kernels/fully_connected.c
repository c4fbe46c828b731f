EDGEKIT_NOINLINE void edgekit_fully_connected(const edgekit_fully_connected_params *params) {
  const edgekit_matrix *const weights = &params->weights;
  const int8_t *input = params->input;
  int8_t *output = params->output;
  for (int32_t batch = 0; batch < params->batches; ++batch) {
    edgekit_multiply_rows(weights, 0, weights->rows, input, output);
    input += weights->columns;
    output += weights->rows;
  }
}
