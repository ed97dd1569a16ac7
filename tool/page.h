/*
 * The page that shows a trace in a browser.
 */
#ifndef GROVE_TOOL_PAGE_H
#define GROVE_TOOL_PAGE_H

/* Write it to a file, of the trace in another. 0; 1: it could not be done, and
 * why was told. */
int page_write(const char *page, const char *trace);

#endif
