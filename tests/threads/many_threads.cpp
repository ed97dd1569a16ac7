/* 10,000 std::thread that all wait at once, and what C++ makes of threads:
 * futures, condition variables, shared mutexes, call_once, thread_local objects,
 * exceptions. Says how many tasks the kernel knows of while all wait. */
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace
{

std::mutex mutex;
std::condition_variable condition;
std::shared_mutex shared;
std::once_flag once;
int waiting, begun;
bool opened;
std::atomic<int> destroyed, caught;

struct Local {
    int count = 0;
    ~Local() { destroyed += count; }
};

thread_local Local local;

int count_tasks()
{
    DIR *tasks = opendir("/proc/self/task");
    int n = -2;
    while (readdir(tasks))
        n++;
    closedir(tasks);
    return n;
}

void work(int i)
{
    std::call_once(once, [] { begun++; });
    local.count++;
    try {
        if (i % 2)
            throw std::runtime_error(std::to_string(i));
        std::this_thread::yield();
    } catch (const std::runtime_error &e) {
        std::this_thread::yield();
        caught += e.what() == std::to_string(i);
    }
    {
        std::shared_lock<std::shared_mutex> reader(shared);
        std::this_thread::yield();
    }
    std::unique_lock<std::mutex> lock(mutex);
    waiting++;
    condition.notify_all();
    condition.wait(lock, [] { return opened; });
}

} // namespace

int main(int argc, char **argv)
{
    const int n = argc > 1 ? std::atoi(argv[1]) : 10000;
    std::vector<std::thread> threads;
    threads.reserve(n);
    for (int i = 0; i < n; i++)
        threads.emplace_back(work, i);
    int tasks;
    {
        std::unique_lock<std::mutex> lock(mutex);
        condition.wait(lock, [n] { return waiting == n; });
        tasks = count_tasks();
        opened = true;
    }
    condition.notify_all();
    for (auto &thread : threads)
        thread.join();
    std::vector<std::future<int>> futures;
    for (int i = 0; i < 100; i++)
        futures.push_back(
            std::async(std::launch::async, [i] { return i * i; }));
    int sum = 0;
    for (auto &future : futures)
        sum += future.get();
    auto failing = std::async(std::launch::async,
                              []() -> int { throw std::logic_error("no"); });
    try {
        failing.get();
    } catch (const std::logic_error &) {
        sum++;
    }
    std::printf("waiting %d begun %d destroyed %d caught %d sum %d\n", waiting,
                begun, destroyed.load(), caught.load(), sum);
    std::printf("tasks %d\n", tasks);
}
