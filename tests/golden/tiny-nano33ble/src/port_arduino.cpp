/* The link and the clock of a board with the Arduino framework.
 *
 * Serial is begun here and nowhere else: tflite::InitializeTarget() would begin it
 * again, at another rate.
 */
#include <Arduino.h>

#include "edgekit_config.h"
#include "edgekit_port.h"

namespace {

/* How long a port over USB may take to appear; a board without a computer goes on. */
constexpr unsigned long kPortWaitMs = 3000;

/* How long nobody may read what is sent before it is given up. */
constexpr unsigned long kWriteWaitMs = 1000;

}  // namespace

void edgekit_port_init(void) {
  Serial.begin(EDGEKIT_BAUD);
  const unsigned long start_ms = millis();
  while (!Serial && millis() - start_ms < kPortWaitMs) {
    delay(10);
  }
}

int edgekit_port_read(void) { return Serial.available() > 0 ? Serial.read() : -1; }

/* A port may take fewer bytes than it is offered. A line's end is waited for, so that
 * sending does not disturb the inference that comes next. */
void edgekit_port_write(const char *bytes, size_t count) {
  const bool is_line_end = count > 0 && bytes[count - 1] == '\n';
  unsigned long progress_ms = millis();
  while (count > 0 && millis() - progress_ms < kWriteWaitMs) {
    const size_t sent = Serial.write(reinterpret_cast<const uint8_t *>(bytes), count);
    if (sent > 0) {
      progress_ms = millis();
    }
    bytes += sent;
    count -= sent;
  }
  if (is_line_end && count == 0) {
    Serial.flush();
  }
}

uint32_t edgekit_port_time_us(void) { return static_cast<uint32_t>(micros()); }

/* The framework's start-up code does not mark the stack, so its use is not known. */
uint32_t edgekit_port_stack_used_bytes(void) { return 0; }
