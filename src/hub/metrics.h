/*
 * The numbers of all hubs as text.
 */
#ifndef GROVE_HUB_METRICS_H
#define GROVE_HUB_METRICS_H

#include <stddef.h>

#include "fiber/visibility.h"

/* As Prometheus reads it: *size bytes and a zero behind them, to be freed;
 * NULL: no memory. Any thread. */
GROVE_HOST_API char *hub_metrics_text(size_t *size);

#endif
