/* A library with thread-local variables that is loaded while the program runs:
 * their place in each block is made when they are first used. */
static __thread char page[3000] = {1};
static __thread long number = 42;

long module_count(void);

/* One more than the last call of this thread gave, from 43 on; -1: the rest is
 * not as this thread has left it. */
long module_count(void)
{
    unsigned char expected = (unsigned char)(number == 42 ? 1 : number);
    if ((unsigned char)page[0] != expected || page[2999] != (number != 42))
        return -1;
    number++;
    page[0] = (char)number;
    page[2999] = 1;
    return number;
}
