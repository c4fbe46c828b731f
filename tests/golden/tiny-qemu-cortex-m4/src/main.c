/* Sets up the board and the model, then answers the serial protocol for ever. */
#include "edgekit_model.h"
#include "edgekit_port.h"
#include "edgekit_protocol.h"

int main(void) {
  edgekit_port_init();
  edgekit_protocol_begin(edgekit_model_init());
  for (;;) {
    edgekit_protocol_poll();
  }
}
