/*
 * The terminal, by escape sequences that all of them know. While it is ours it
 * shows its other page, without a cursor, and gives keys one by one.
 *
 * Signals are only noted by their handler, and acted upon where the process
 * waits for keys: so the terminal is given back by ordinary code before the
 * signal has its usual effect.
 *
 *     signal --> noted --> screen_key: give back --> raise again, as usual
 *                                          (stopped ... continued) --> take
 */
#include "look/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define TAKE "\033[?1049h\033[?25l"
#define GIVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define END_OF_LINE "\033[K\r\n"
#define END_OF_PAGE "\033[J"

static struct termios before;
static volatile sig_atomic_t noted; /* the number of a signal; 0: none */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

static void note(int signum)
{
    noted = signum;
}

static void handle(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
}

/* ---- taking and giving back ----------------------------------------------------------- */

static bool write_all(const char *text, size_t n)
{
    while (n > 0) {
        ssize_t written = write(STDOUT_FILENO, text, n);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (written > 0) {
            text += written;
            n -= (size_t)written;
        }
    }
    return true;
}

static void take(void)
{
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    write_all(TAKE, strlen(TAKE));
    handle(note);
}

static void give(void)
{
    handle(SIG_DFL);
    write_all(GIVE, strlen(GIVE));
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

void screen_open(struct screen *s, bool batch)
{
    s->terminal = !batch && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
                  tcgetattr(STDIN_FILENO, &before) == 0;
    if (s->terminal)
        take();
}

void screen_close(struct screen *s)
{
    if (s->terminal)
        give();
    s->terminal = false;
}

/* ---- showing ---------------------------------------------------------------------------- */

static void measure(struct screen *s)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
                 size.ws_row > 0 && size.ws_col > 0;
    s->lines = known ? size.ws_row : 24;
    s->columns = known ? size.ws_col : 80;
}

/* How many bytes of a line, which ends at end, have so many characters. */
static size_t cut(const char *line, const char *end, size_t columns)
{
    const char *at = line;
    while (at < end && columns > 0) {
        at++;
        while (at < end && ((unsigned char)*at & 0xc0) == 0x80)
            at++;
        columns--;
    }
    return (size_t)(at - line);
}

bool screen_show(struct screen *s, const char *text)
{
    if (!s->terminal)
        return write_all(text, strlen(text));
    measure(s);
    bool good = write_all(HOME, strlen(HOME));
    for (size_t i = 0; i < s->lines && *text && good; i++) {
        const char *end = strchr(text, '\n');
        if (!end)
            end = text + strlen(text);
        good = write_all(text, cut(text, end, s->columns));
        bool last = i + 1 == s->lines;
        if (good && !last)
            good = write_all(END_OF_LINE, strlen(END_OF_LINE));
        text = *end ? end + 1 : end;
    }
    return good && write_all(END_OF_PAGE, strlen(END_OF_PAGE));
}

/* ---- keys ---------------------------------------------------------------------------------- */

static void act(struct screen *s)
{
    int signum = noted;
    noted = 0;
    if (signum == 0)
        return;
    give();
    raise(signum); /* ends us, or stops us until SIGCONT */
    take();
}

int screen_key(struct screen *s, int64_t ns)
{
    struct timespec time = {ns / 1000000000, ns % 1000000000};
    struct pollfd input = {.fd = s->terminal ? STDIN_FILENO : -1,
                           .events = POLLIN};
    int n = ppoll(&input, 1, &time, NULL);
    unsigned char key = 0;
    if (s->terminal)
        act(s);
    if (n > 0 && read(STDIN_FILENO, &key, 1) <= 0)
        return 'q'; /* the terminal is gone */
    return key;
}
