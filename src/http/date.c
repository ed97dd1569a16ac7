/*
 * The time as a Date field says it. Making the text costs more than the rest of
 * a short answer, so that each thread keeps the last second's.
 */
#include <stdio.h>
#include <time.h>

#include "http/http.h"

/* One for each thread. */
struct date {
    time_t second;                 /* which the text says; 0: none */
    char line[HTTP_DATE_LINE + 1]; /* the whole field */
};

/* Where the library finds it without a call. */
static _Thread_local struct date date
    __attribute__((tls_model("initial-exec")));

/* What strftime would write in the C locale, whichever is set. */
static void write_date(char *line, const struct tm *tm)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char all[96]; /* the compiler does not know that all numbers are short */
    int n = snprintf(
        all, sizeof(all), "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
        days + tm->tm_wday * 3, tm->tm_mday, months + tm->tm_mon * 3,
        tm->tm_year + 1900, tm->tm_hour, tm->tm_min, tm->tm_sec);
    assert(n == HTTP_DATE_LINE);
    memcpy(line, all, (size_t)n + 1);
}

const char *http_date_line(void)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != date.second) {
        write_date(date.line, gmtime_r(&now.tv_sec, &tm));
        date.second = now.tv_sec;
    }
    return date.line;
}

grove_http_text grove_http_date(void)
{
    return (grove_http_text){http_date_line() + strlen("Date: "),
                             HTTP_DATE_SIZE};
}
