/* Sets up the board and the model, then answers the serial protocol.
 *
 * To use the model in a sketch of your own: edgekit_model.h has the functions,
 * edgekit_quantize.h turns real numbers into the model's and back.
 */
#include <Arduino.h>

#include "edgekit_model.h"
#include "edgekit_port.h"
#include "edgekit_protocol.h"

void setup() {
  edgekit_port_init();
  edgekit_protocol_begin(edgekit_model_init());
}

void loop() { edgekit_protocol_poll(); }
