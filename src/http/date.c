/*
 * The time as a Date field says it. Making the text costs more than the rest of
 * a short answer, so that each thread keeps the last second's.
 */
#include <stdio.h>
#include <time.h>

#include "http/http.h"

/* One for each thread. */
struct date {
    time_t second; /* which the text says; 0: none */
    char text[HTTP_DATE_SIZE + 1];
};

static _Thread_local struct date date;

/* What strftime would write in the C locale, whichever is set. */
static void write_date(char *text, const struct tm *tm)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char all[96]; /* the compiler does not know that all numbers are short */
    int n =
        snprintf(all, sizeof(all), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + tm->tm_wday * 3, tm->tm_mday, months + tm->tm_mon * 3,
                 tm->tm_year + 1900, tm->tm_hour, tm->tm_min, tm->tm_sec);
    assert(n == HTTP_DATE_SIZE);
    memcpy(text, all, (size_t)n + 1);
}

grove_http_text grove_http_date(void)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != date.second) {
        write_date(date.text, gmtime_r(&now.tv_sec, &tm));
        date.second = now.tv_sec;
    }
    return (grove_http_text){date.text, HTTP_DATE_SIZE};
}
