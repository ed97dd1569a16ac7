/* A library that wants its thread-local variable at a fixed place: whoever is
 * there already gets it when this is loaded. */
static __thread long number __attribute__((tls_model("initial-exec"))) = 7;

long module_fixed(void);

/* One more than the last call of this thread gave, from 8 on. */
long module_fixed(void)
{
    return ++number;
}
