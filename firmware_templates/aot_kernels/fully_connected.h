/* Each of `batches` vectors times the matrix. */
typedef struct {
  const int8_t *input;
  int8_t *output;
  edgekit_matrix weights;
  int32_t batches;
} edgekit_fully_connected_params;

void edgekit_fully_connected(const edgekit_fully_connected_params *params);
