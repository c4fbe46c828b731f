/* The serial protocol: MLPerf Tiny's commands, and EdgeKit's own in the same grammar. */
#ifndef EDGEKIT_PROTOCOL_H
#define EDGEKIT_PROTOCOL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Announce the device. `model_error` is what edgekit_model_init() returned: where it is
 * not 0, every inference is answered with an error instead of wrong numbers. */
void edgekit_protocol_begin(int model_error);

/* Take in what the link has received and carry out each complete command. */
void edgekit_protocol_poll(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_PROTOCOL_H */
