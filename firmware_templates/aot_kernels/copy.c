EDGEKIT_NOINLINE void edgekit_copy(const edgekit_copy_params *params) {
  memcpy(params->output, params->input, (size_t)params->count);
}
